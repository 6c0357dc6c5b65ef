package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
)

// TestS07_TheNameAtSendTimeSurvivesARename plays one message's life through the API.
func TestS07_TheNameAtSendTimeSurvivesARename(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	chat := s.hello(account)

	sent, err := s.SendMessage(t.Context(), account, text(device, "Buongiorno"))
	require.NoError(t, err)
	require.Equal(t, chat, sent.Conversation)
	_, err = s.RenameDevice(t.Context(), account, device, "iPhone banco")
	require.NoError(t, err)
	_, err = s.AcceptMessage(t.Context(), account, sent.ID, "wamid.HBgLMzkzMzMxMjM0NTY3")
	require.NoError(t, err)
	delivered := time.Now().Truncate(time.Second)
	s.told(account, sent.ID, "wamid.HBgLMzkzMzMxMjM0NTY3", events.StatusSent, delivered.Add(-time.Second))
	s.told(account, sent.ID, "wamid.HBgLMzkzMzMxMjM0NTY3", events.StatusDelivered, delivered)
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)

	info, err := s.MessageInfo(t.Context(), sent.ID, client.WaitFor(head))
	require.NoError(t, err)
	require.Equal(t, "iPhone Mario", info.Device.NameAtSend)
	require.Equal(t, "iPhone banco", info.Device.NameNow)
	require.Equal(t, device, info.Device.ID)
	require.Equal(t, "delivered", info.Status)
	require.Equal(t, delivered.UTC(), *info.DeliveredAt)
	require.Nil(t, info.ReadAt)
	require.Len(t, info.Recipients, 1)
	require.Equal(t, "messages", info.Positions[0].Projection)
	require.GreaterOrEqual(t, info.Positions[0].Position, head)

	trail, err := s.AuditEntries(t.Context(), client.AuditFilter{Conversation: chat}, client.WaitFor(head))
	require.NoError(t, err)
	require.Equal(t, []string{
		"ConversationStarted", "MessageReceived", "MessageQueued", "MessageAccepted", "MessageSent", "MessageDelivered",
	}, typesOf(trail.Entries))
	require.Nil(t, trail.Next)
	require.Equal(t, "api:admin", string(*trail.Entries[2].Actor))
}

func TestAnAccountsMessagesAreItsOwn(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	sent, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	bianchi := rossi
	bianchi.Numbers = otherNumbers
	other, err := s.RegisterAccount(t.Context(), bianchi)
	require.NoError(t, err)
	_, err = s.AcceptTerms(t.Context(), other.ID, terms2)
	require.NoError(t, err)
	_, err = s.AcceptMessage(t.Context(), other.ID, sent.ID, "wamid.12345678")
	require.True(t, client.IsProblem(err, "MessageUnknown"), err)
	_, err = s.SendMessage(t.Context(), other.ID, text(device, "ciao"))
	require.True(t, client.IsProblem(err, "DeviceNotLinked"), err)
}

// TestAPlatformIDBelongsToOneMessage, in whatever conversation or account the other one is.
func TestAPlatformIDBelongsToOneMessage(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	first, err := s.SendMessage(t.Context(), account, text(device, "one"))
	require.NoError(t, err)
	template := api.SendMessage{
		DeviceID: device, To: "+390655500999", Type: "template", Category: "utility", Template: &api.Template{Name: "order", Language: "it"},
	}
	second, err := s.SendMessage(t.Context(), account, template)
	require.NoError(t, err)
	require.NotEqual(t, first.Conversation, second.Conversation)
	for range 2 { // a repeat is welcome
		_, err = s.AcceptMessage(t.Context(), account, first.ID, "wamid.12345678")
		require.NoError(t, err)
	}
	_, err = s.AcceptMessage(t.Context(), account, second.ID, "wamid.12345678")
	require.True(t, client.IsProblem(err, "WamidTaken"), err)
}

func typesOf(entries []api.AuditEntry) []string {
	types := make([]string, 0, len(entries))
	for _, e := range entries {
		types = append(types, e.Type)
	}
	return types
}

func TestAnAccountsWholeLife(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	_, err := s.UpdateProfile(t.Context(), account, api.Profile{Website: "https://ferramenta-rossi.example", Description: "Viti e chiavi"})
	require.NoError(t, err)
	first := s.device(account, "iPhone Mario")
	_, err = s.LinkDevice(t.Context(), account, api.LinkDevice{Kind: "smartphone", Platform: "android", Name: "Pixel"})
	require.True(t, client.IsProblem(err, "SmartphoneLimitReached"), err)
	_, err = s.SubscribePremium(t.Context(), account)
	require.NoError(t, err)
	s.device(account, "Pixel")
	_, err = s.CancelPremium(t.Context(), account)
	require.NoError(t, err)
	_, err = s.UnlinkDevice(t.Context(), account, first)
	require.NoError(t, err)
	last, err := s.AcceptTerms(t.Context(), account, api.AcceptTerms{TermsVersion: "2", PrivacyVersion: "2"})
	require.NoError(t, err)

	trail, err := s.AuditEntries(t.Context(), client.AuditFilter{Account: account}, client.WaitForToken(last.Token))
	require.NoError(t, err)
	require.Equal(t, []string{
		"NumberClaimed", "WABAClaimed", "AccountRegistered", "TermsAccepted", "ProfileUpdated", "DeviceLinked", "PremiumSubscribed", "DeviceLinked",
		"PremiumCancelled", "DeviceUnlinked", "TermsAccepted",
	}, typesOf(trail.Entries))
}

// TestS27_AndS42_NothingPersonalIsStoredInClear looks at every byte that was appended, and at every line that was logged.
func TestS27_AndS42_NothingPersonalIsStoredInClear(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	const secret, wamid = "canarino giallo", "wamid.HBgLMzkzMzMxMjM0NTY3CANARY"
	sent, err := s.SendMessage(t.Context(), account, text(device, secret), client.Key("k"))
	require.NoError(t, err)
	_, err = s.AcceptMessage(t.Context(), account, sent.ID, wamid)
	require.NoError(t, err)
	template := api.SendMessage{
		DeviceID: device, To: "IT.canary93331234567", Type: "template", Category: "utility",
		Template: &api.Template{Name: "order_ready", Language: "it", Parameters: []string{secret}},
	}
	_, err = s.SendMessage(t.Context(), account, template)
	require.NoError(t, err)

	var stored strings.Builder
	for record, err := range s.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		stored.Write(record.Data)
		stored.Write(record.Metadata)
	}
	require.Contains(t, stored.String(), "sealed:1:")
	for _, canary := range []string{customerNumber, "3331234567", secret, wamid, "canary93331234567"} {
		require.NotContains(t, stored.String(), canary)
		require.NotContains(t, s.log.String(), canary)
	}
}

// TestSealedValuesOpen proves that what is stored is what was sent, under the paths that the catalogue names.
func TestSealedValuesOpen(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	sent, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	for record, err := range s.store.ReadAll(t.Context(), sent.Position-1) {
		require.NoError(t, err)
		if record.Type != "MessageQueued" {
			continue
		}
		var queued events.MessageQueued
		require.NoError(t, json.Unmarshal(record.Data, &queued))
		require.Equal(t, events.Dialling{Prefix: "39"}, queued.Dialling)
		require.Equal(t, "iPhone Mario", queued.DeviceName)
		require.Equal(t, customerNumber, s.open(queued.To, queued.MessageID, "to"))
		require.JSONEq(t, `{"body":"ciao"}`, s.open(queued.Content, queued.MessageID, "content"))
		return
	}
	t.Fatal("no MessageQueued was stored")
}

func TestTextIsAPlainStringOrAnObject(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	for _, text := range []string{`"ciao"`, `{"body":"ciao"}`} {
		a := s.call(http.MethodPost, "/api/v1/accounts/"+account.String()+"/messages",
			`{"device_id":"`+device.String()+`","to":"393331234567","type":"text","text":`+text+`}`)
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	}
}
