package web_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/vault"
	"daybook/adapters/web"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/domain/campaign"
	"daybook/events"
	"daybook/events/id"
)

// canaries are words that stand nowhere but on the business's side.
type canaries map[string][]byte

func (c canaries) add(what, word string) { c[what] = []byte(word) }

// listen fails when one of the canaries is anywhere in an answer.
func (c canaries) listen(t *testing.T, asked string, a answer) {
	t.Helper()
	var all bytes.Buffer
	require.NoError(t, a.Header.Write(&all))
	all.Write(a.body)
	for what, word := range c {
		require.False(t, bytes.Contains(bytes.ToLower(all.Bytes()), bytes.ToLower(word)), "%s tells %s: %s", asked, what, all.String())
	}
}

// staffed is a business whose device, user, key, templates and campaign have names that nothing else has. It has written to
// the customer in every way there is, and all of that has reached the customer.
func (s *system) staffed() (shop, canaries, id.Message) {
	s.t.Helper()
	account, device := s.promoter()
	_, err := s.RenameDevice(s.t.Context(), account, device, "canary device")
	require.NoError(s.t, err)
	s.hello(account)
	agent := s.hire(account, "canary user", "owner", "agent")
	written, err := agent.SendMessage(s.t.Context(), account, text(device, "Buongiorno"))
	require.NoError(s.t, err)
	parcel := offer(device, "utility")
	parcel.Template.Name = "canary_template"
	template, err := agent.SendMessage(s.t.Context(), account, parcel)
	require.NoError(s.t, err)
	drafted := decoded[api.CampaignDrafted](s.t, s.done(account, http.MethodPost, "/campaigns", strings.NewReplacer(
		"Autumn sale", "canary campaign", `"autumn"`, `"canary_sale"`).Replace(saleBody)))
	path := "/campaigns/" + drafted.ID.String()
	s.done(account, http.MethodPut, path+"/audience", `{"recipients":["+39 333 123 4567"]}`)
	s.done(account, http.MethodPut, path+"/schedule",
		`{"starts_at":"`+time.Now().Add(24*time.Hour).Format("2006-01-02")+`T12:00","device_id":"`+device.String()+`"}`)
	s.done(account, http.MethodPut, path+"/budget", `{"limit":"1.00","currency":"EUR"}`)
	s.done(account, http.MethodPost, path+"/approval", "")
	s.begin(drafted.ID)
	customers, err := s.vault.Customers(s.t.Context(), account, []events.Person{{WaID: customerNumber}})
	require.NoError(s.t, err)
	copied := campaign.MessageID(drafted.ID, customers[0])
	for wamid, message := range map[string]id.Message{"wamid.11111111": written.ID, "wamid.22222222": template.ID} {
		_, err = s.AcceptMessage(s.t.Context(), account, message, wamid)
		require.NoError(s.t, err)
	}
	s.told(account, copied, "wamid.33333333", events.StatusDelivered, time.Now().Add(73*time.Hour))
	all := canaries{}
	for what, word := range map[string]string{
		"a name": "canary", "the device": device.String(), "the user": agent.id.String(), "the key": agent.key.String(),
		"the secret of the key": agent.secret(), "the campaign": drafted.ID.String(), "the device's raw id": string(device.UUID[:]),
		"a cost": "micros", "a charge": "charge", "an actor": "actor", "a place in the books": "position",
	} {
		all.add(what, word)
	}
	return shop{s, account, device}, all, written.ID
}

// leaky fails with the business's own words, as something inside might.
type leaky struct{ *vault.Vault }

func (leaky) Open(context.Context, events.Sealed, id.Fact, string) ([]byte, error) {
	return nil, errors.New("canary device cannot be opened")
}

// TestS08_NoByteForACustomerNamesTheDevice asks by every route that a customer has, well and badly, and searches all that
// comes back.
func TestS08_NoByteForACustomerNamesTheDevice(t *testing.T) {
	t.Parallel()
	s := start(t)
	shop, birds, message := s.staffed()
	info, err := s.MessageInfo(t.Context(), message, client.WaitFor(s.head()))
	require.NoError(t, err)
	require.Equal(t, "canary device", info.Device.NameAtSend, "the owner is told: the bird is alive")

	v := s.visitor(shop.account)
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(strings.TrimPrefix(v.path, "/api/v1"+byLink), ".")[0])
	require.NoError(t, err)
	birds.listen(t, "the link", answer{&http.Response{}, claims})
	exported := v.ask(http.MethodGet, "/export", "")
	require.Len(t, decoded[api.CustomerExport](t, exported).Messages, 4)
	birds.listen(t, "export", exported)

	bodies := []string{
		"", "{", `{}`, `{"wanted":true}`, `{"level":"fewer"}`, `{"level":"many","categories":["service"]}`, `{"reason":"unwanted"}`,
		`{"reason":"unwanted","message_id":"` + message.String() + `"}`, `{"reason":"unwanted","message_id":"` + nobody + `"}`,
	}
	asked := 0
	for _, r := range s.routes() {
		if !strings.HasPrefix(r.path, byLink) {
			continue
		}
		for _, segment := range []string{"marketing", "nothing"} {
			path := parameter.ReplaceAllString(strings.TrimPrefix(r.path, byLink+"{token}"), segment)
			for _, b := range bodies {
				asked++
				birds.listen(t, r.operation, v.ask(r.method, path, b))
			}
			birds.listen(t, r.operation+" by a wrong link", s.raw(r.method, "/api/v1"+byLink+"wrong"+path, ""))
			birds.listen(t, r.operation+" by another method", v.ask(http.MethodPatch, path, ""))
		}
		s.restart(func(*web.Config) {}) // visits are counted anew
	}
	require.Equal(t, 7*2*len(bodies), asked)

	s.restart(func(c *web.Config) { c.Vault = leaky{s.vault} })
	failed := v.ask(http.MethodGet, "/export", "")
	require.Equal(t, http.StatusInternalServerError, failed.StatusCode)
	birds.listen(t, "a failure", failed)
}
