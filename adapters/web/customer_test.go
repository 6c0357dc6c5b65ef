package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/vault"
	"daybook/adapters/web"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/commands"
	"daybook/events"
	"daybook/events/id"
)

// byLink is how the paths of the customers' calls begin in the document.
const byLink = "/customer/"

// visitor is a customer with a link.
type visitor struct {
	*system

	path string
}

func (s *system) visitor(account id.Account) visitor {
	s.t.Helper()
	link, err := s.IssueCustomerLink(s.t.Context(), account, api.IssueLink{Customer: "+39 333 123 4567"})
	require.NoError(s.t, err)
	require.Equal(s.t, byLink+link.Token, strings.TrimPrefix(link.Path, "/api/v1"))
	return visitor{s, link.Path}
}

// ask makes a request by the link, with nothing else.
func (v visitor) ask(method, path, body string) answer {
	v.t.Helper()
	return v.raw(method, v.path+path, body)
}

// page makes a request that is answered with what was chosen.
func (v visitor) choose(method, path, body string) api.CustomerPage {
	v.t.Helper()
	a := v.ask(method, path, body)
	require.Equal(v.t, http.StatusOK, a.StatusCode, "%s", a.body)
	return decoded[api.CustomerPage](v.t, a)
}

func (v visitor) export() []api.CustomerMessage {
	v.t.Helper()
	a := v.ask(http.MethodGet, "/export", "")
	require.Equal(v.t, http.StatusOK, a.StatusCode, "%s", a.body)
	return decoded[api.CustomerExport](v.t, a).Messages
}

// offer is a template of a category to the customer.
func offer(device id.Device, category string) api.SendMessage {
	return api.SendMessage{
		DeviceID: device, To: customerNumber, Type: "template", Category: category,
		Template: &api.Template{Name: "autumn_" + category, Language: "it", Parameters: []string{"Maria"}},
	}
}

// shop is a business with a device.
type shop struct {
	*system

	account id.Account
	device  id.Device
}

func (s shop) offer(category string) api.SendMessage { return offer(s.device, category) }

// refuses checks by which rule a message is refused.
func (s shop) refuses(message api.SendMessage, code string) {
	s.t.Helper()
	_, err := s.SendMessage(s.t.Context(), s.account, message)
	require.True(s.t, client.IsProblem(err, code), "%s: %v", code, err)
}

func (s shop) sends(message api.SendMessage) api.MessageQueued {
	s.t.Helper()
	sent, err := s.SendMessage(s.t.Context(), s.account, message)
	require.NoError(s.t, err)
	return sent
}

// TestOnlyALinkOpensTheCustomersSide: whatever is wrong with a link, the answer is the same, on every route.
func TestOnlyALinkOpensTheCustomersSide(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	v := s.visitor(account)
	elsewhere := start(t)
	stranger := strings.TrimPrefix(elsewhere.visitor(elsewhere.account()).path, "/api/v1"+byLink)
	good := strings.TrimPrefix(v.path, "/api/v1"+byLink)
	claims, signature, _ := strings.Cut(good, ".")
	other := map[byte]string{'A': "B"}[good[0]]
	if other == "" {
		other = "A"
	}
	bad := map[string]string{
		"none": "x", "nothing": "%20", "unsigned": claims, "empty signature": claims + ".", "another account": other + good[1:],
		"of another installation": stranger, "longer": good + "0", "signature only": "." + signature, "the operator's": token,
	}
	asked := 0
	for _, r := range s.routes() {
		if !strings.HasPrefix(r.path, byLink) {
			continue
		}
		asked++
		want := ""
		for name, text := range bad {
			path := "/api/v1" + parameter.ReplaceAllString(strings.Replace(r.path, "{token}", text, 1), "marketing")
			for _, a := range []answer{s.raw(r.method, path, ""), s.call(r.method, path, "")} {
				require.Equal(t, http.StatusNotFound, a.StatusCode, "%s by a link that is %s", r.operation, name)
				require.Equal(t, "LinkUnknown", a.problem(t).Code)
				if want == "" {
					want = anonymous(t, a, "")
				}
				require.Equal(t, want, anonymous(t, a, ""))
			}
		}
	}
	require.Equal(t, 7, asked)
	require.Equal(t, http.StatusOK, v.ask(http.MethodGet, "", "").StatusCode)
	require.Equal(t, http.StatusNotFound, v.ask(http.MethodGet, "/nothing", "").StatusCode)
	require.Equal(t, http.StatusUnauthorized, v.raw(http.MethodGet, "/api/v1/accounts/"+account.String(), "").StatusCode, "a link opens nothing else")
	require.NotContains(t, s.log.String(), good)

	s.restartAt(time.Now().AddDate(0, 0, 31))
	expired := v.ask(http.MethodGet, "", "")
	require.Equal(t, http.StatusNotFound, expired.StatusCode)
	require.Equal(t, "LinkUnknown", expired.problem(t).Code)
}

func TestALinkNamesNobody(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.NotContains(t, s.visitor(s.account()).path, customerNumber)
}

// TestALinkIsRecordedBeforeItIsGiven: who made it, for whom, and until when. What is not recorded is not given.
func TestALinkIsRecordedBeforeItIsGiven(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	agent := s.hire(account, "Giulia", "owner", "agent")
	link, err := agent.IssueCustomerLink(t.Context(), account, api.IssueLink{Customer: customerNumber, Days: 7})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().AddDate(0, 0, 7), link.ExpiresAt, time.Hour)
	chat := s.hello(account)
	records := 0
	for record, err := range s.store.ReadStream(t.Context(), events.AccessStream(account, time.Now()), 0) {
		require.NoError(t, err)
		event, envelope, err := events.DecodeRecord(record)
		require.NoError(t, err)
		require.Equal(t, events.CustomerLinkIssued{ConversationID: chat, Until: link.ExpiresAt}, event)
		require.Equal(t, "user:"+agent.id.String()+"/key:"+agent.key.String(), string(envelope.Actor))
		records++
	}
	require.Equal(t, 1, records)
	s.restart(func(c *web.Config) { c.Commands = commands.New(readOnlyStore{s.store}, time.Now) })
	_, err = agent.IssueCustomerLink(t.Context(), account, api.IssueLink{Customer: customerNumber})
	require.True(t, client.IsProblem(err, "StoreUnreachable"), err)
}

// TestALinkIsOfOneCustomer: what one chooses holds for nobody else.
func TestALinkIsOfOneCustomer(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	maria := s.visitor(account)
	link, err := s.IssueCustomerLink(t.Context(), account, api.IssueLink{Customer: "+39 333 765 4321"})
	require.NoError(t, err)
	paolo := visitor{s, link.Path}
	require.True(t, maria.choose(http.MethodPut, "/block", "").Blocked)
	require.False(t, paolo.choose(http.MethodGet, "", "").Blocked)
	s.hello(account)
	require.Len(t, maria.export(), 1)
	require.Empty(t, paolo.export())
}

func TestAVisitorWhoAsksTooOftenWaits(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := start(t, func(c *web.Config) { c.Now = func() time.Time { return now } })
	v := s.visitor(s.account())
	for range 60 {
		require.Equal(t, http.StatusNotFound, v.ask(http.MethodGet, "/nothing", "").StatusCode)
	}
	late := v.ask(http.MethodGet, "", "")
	require.Equal(t, http.StatusTooManyRequests, late.StatusCode)
	require.Equal(t, "TooManyRequests", late.problem(t).Code)
	require.Equal(t, "1", late.Header.Get("Retry-After"))
	s.restart(func(c *web.Config) { c.Now = time.Now })
	require.Equal(t, http.StatusOK, v.ask(http.MethodGet, "", "").StatusCode)
}

func TestThePageShowsTheBusinessAndWhatWasChosen(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	_, err := s.UpdateProfile(t.Context(), account, api.Profile{Website: "https://ferramenta-rossi.example", Description: "Viti"})
	require.NoError(t, err)
	v := s.visitor(account)
	page := v.choose(http.MethodGet, "", "")
	require.Equal(t, api.CustomerBusiness{
		Name: rossi.Name, Number: "390655550100", Website: "https://ferramenta-rossi.example", Description: "Viti",
	}, page.Business)
	require.Equal(t, "all", page.Level)
	require.Empty(t, page.Choices)
	page = v.choose(http.MethodPut, "/categories/marketing", `{"wanted":true}`)
	require.Equal(t, "marketing", page.Choices[0].Category)
	require.True(t, page.Choices[0].Wanted)
	require.Equal(t, page, v.choose(http.MethodGet, "", ""))
	for path, c := range map[string]struct{ method, body, code string }{
		"/categories/service": {http.MethodPut, `{"wanted":true}`, "CategoryUnknown"},
		"/volume":             {http.MethodPut, `{"level":"many"}`, "VolumeUnknown"},
		"/reports":            {http.MethodPost, `{"reason":"dull"}`, "ReasonUnknown"},
	} {
		a := v.ask(c.method, path, c.body)
		require.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, path)
		require.Equal(t, c.code, a.problem(t).Code)
	}
}

// forgetful has destroyed all keys.
type forgetful struct{ *vault.Vault }

func (forgetful) Open(context.Context, events.Sealed, id.Fact, string) ([]byte, error) {
	return nil, &vault.ErasedError{}
}

// TestACustomersExportIsWhole: what came, what the platform took, and what became of it; opened, and erased once that is so.
func TestACustomersExportIsWhole(t *testing.T) {
	t.Parallel()
	s := start(t)
	shop, v := s.customer()
	v.choose(http.MethodPut, "/categories/marketing", `{"wanted":true}`)
	reply, advert := shop.sends(text(shop.device, "Buongiorno")), shop.sends(shop.offer("marketing"))
	shop.sends(text(shop.device, "not gone yet"))
	for wamid, message := range map[string]id.Message{"wamid.11111111": reply.ID, "wamid.22222222": advert.ID} {
		_, err := s.AcceptMessage(t.Context(), shop.account, message, wamid)
		require.NoError(t, err)
	}
	read := time.Now().Truncate(time.Second).UTC()
	s.told(shop.account, reply.ID, "wamid.11111111", events.StatusDelivered, read.Add(-time.Second))
	s.told(shop.account, reply.ID, "wamid.11111111", events.StatusRead, read)

	list := v.export()
	require.Len(t, list, 3, "what has not left the business is nobody else's")
	require.False(t, list[0].Business)
	require.Equal(t, reply.ID, list[1].ID)
	require.True(t, list[1].Business)
	require.False(t, list[1].Marketing)
	require.JSONEq(t, `{"body":"Buongiorno"}`, string(list[1].Content))
	require.Equal(t, read.Add(-time.Second), *list[1].DeliveredAt)
	require.Equal(t, read, *list[1].ReadAt)
	require.True(t, list[2].Marketing, "a recipient is told what kind of message it is")
	require.JSONEq(t, `{"parameters":["Maria"]}`, string(list[2].Content))

	s.restart(func(c *web.Config) { c.Vault = forgetful{s.vault} })
	for _, m := range v.export()[1:] {
		require.True(t, m.Erased)
		require.Equal(t, "null", string(m.Content))
	}
}
