package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
)

var (
	otherNumbers = []api.Number{{PhoneNumberID: "77", DisplayPhoneNumber: "3977"}}
	otherProfile = api.Profile{Description: "Viti"}
	terms2       = api.AcceptTerms{TermsVersion: "2", PrivacyVersion: "2"}
)

// TestARepeatedCommandGetsTheSameAnswer sends every command twice under one key, also after others came between.
func TestARepeatedCommandGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	queued, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	mine := "/api/v1/accounts/" + account.String()
	calls := []struct{ method, path, body string }{
		{"POST", "/api/v1/accounts", `{"name":"Bianchi","kind":"app","country":"IT","currency":"EUR","timezone":"Europe/Rome","waba_id":"1",` +
			`"numbers":[{"phone_number_id":"77","display_phone_number":"3977"}]}`},
		{"POST", mine + "/terms", `{"terms_version":"2","privacy_version":"2"}`},
		{"PUT", mine + "/profile", `{"description":"Viti"}`},
		{"POST", mine + "/premium", ""},
		{"POST", mine + "/devices", `{"kind":"tablet","platform":"ipados","name":"iPad"}`},
		{"PATCH", mine + "/devices/" + device.String(), `{"name":"iPhone banco"}`},
		{"POST", mine + "/messages", changed(t, text(device, "ciao di nuovo"), "category", "service")},
		{"POST", mine + "/messages/" + queued.ID.String() + "/accepted", `{"wamid":"wamid.12345678"}`},
		{"DELETE", mine + "/devices/" + device.String(), ""},
		{"DELETE", mine + "/premium", ""},
	}
	first := make([]answer, len(calls))
	for i, c := range calls {
		first[i] = s.call(c.method, c.path, c.body, "Idempotency-Key", "key-"+string(rune('a'+i)))
		require.Less(t, first[i].StatusCode, 300, "%s %s: %s", c.method, c.path, first[i].body)
	}
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	for i, c := range calls {
		again := s.call(c.method, c.path, c.body, "Idempotency-Key", "key-"+string(rune('a'+i)))
		require.Equal(t, first[i].StatusCode, again.StatusCode)
		require.Equal(t, string(first[i].body), string(again.body), "%s %s", c.method, c.path)
	}
	after, err := s.store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, after, "repeats record nothing")
}

// TestAKeyIsGoodForOneRequest changes, under one key, everything that makes a message another one: also what is sealed,
// which no digest in the store covers, and the customer, whose stream is another one.
func TestAKeyIsGoodForOneRequest(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	sent, err := s.SendMessage(t.Context(), account, text(device, "ciao"), client.Key("k"))
	require.NoError(t, err)
	again, err := s.SendMessage(t.Context(), account, text(device, "ciao"), client.Key("k"))
	require.NoError(t, err)
	require.Equal(t, sent, again)

	otherText := text(device, "addio")
	otherCustomer := text(device, "ciao")
	otherCustomer.To = "+39 333 765 4321"
	for _, other := range []any{otherText, otherCustomer} {
		p := s.call(http.MethodPost, "/api/v1/accounts/"+account.String()+"/messages", changed(t, other, "category", "service"), "Idempotency-Key", "k").problem(t)
		require.Equal(t, http.StatusUnprocessableEntity, p.Status)
		require.Equal(t, "IdempotencyKeyReused", p.Code)
		require.Equal(t, "header.Idempotency-Key", p.Errors[0].Location)
	}
	_, err = s.UpdateProfile(t.Context(), account, otherProfile, client.Key("k"))
	require.True(t, client.IsProblem(err, "IdempotencyKeyReused"), "a key is good for one route too: %v", err)

	bad := s.call(http.MethodPost, "/api/v1/accounts", "{}", "Idempotency-Key", "with blank")
	require.Equal(t, "header.Idempotency-Key", bad.problem(t).Errors[0].Location)
	bad = s.call(http.MethodPost, "/api/v1/accounts", "{}", "Idempotency-Key", strings.Repeat("x", 256))
	require.Equal(t, "header.Idempotency-Key", bad.problem(t).Errors[0].Location)
}

// TestAKeyIsRememberedByTheStream starts another server on the same store: what a process remembers is gone, what the
// stream knows is not.
func TestAKeyIsRememberedByTheStream(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	sent, err := s.SendMessage(t.Context(), account, text(device, "ciao"), client.Key("k"))
	require.NoError(t, err)
	s.restart()
	again, err := s.SendMessage(t.Context(), account, text(device, "ciao"), client.Key("k"))
	require.NoError(t, err)
	require.Equal(t, sent, again)
	s.restart()
	_, err = s.SendMessage(t.Context(), account, text(device, "addio"), client.Key("k"))
	require.True(t, client.IsProblem(err, "IdempotencyKeyReused"), err)
	count := 0
	for record, err := range s.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		if record.Type == "MessageQueued" {
			count++
		}
	}
	require.Equal(t, 1, count)
}

// TestAForgottenKeyNeverMakesTwoMessagesOne: another customer's stream knows nothing of the key, so once the process has
// forgotten it the message is sent; but it is a message of its own.
func TestAForgottenKeyNeverMakesTwoMessagesOne(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	body := api.SendMessage{
		DeviceID: s.device(account, "iPhone Mario"), To: "+39 333 123 4567", Type: "template", Category: "utility",
		Template: &api.Template{Name: "order_ready", Language: "it"},
	}
	one, err := s.SendMessage(t.Context(), account, body, client.Key("k"))
	require.NoError(t, err)
	s.restart()
	body.To = "+39 333 765 4321"
	two, err := s.SendMessage(t.Context(), account, body, client.Key("k"))
	require.NoError(t, err)
	require.NotEqual(t, one.ID, two.ID)
}

func TestAKeyCountsWithinItsAccount(t *testing.T) {
	t.Parallel()
	s := start(t)
	one := s.account()
	bianchi := rossi
	bianchi.Numbers = otherNumbers
	two, err := s.RegisterAccount(t.Context(), bianchi)
	require.NoError(t, err)
	_, err = s.AcceptTerms(t.Context(), one, terms2, client.Key("k"))
	require.NoError(t, err)
	_, err = s.AcceptTerms(t.Context(), two.ID, terms2, client.Key("k"))
	require.NoError(t, err)
}

func TestWithoutAKeyEveryRequestIsAnother(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	one, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	two, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	require.NotEqual(t, one.ID, two.ID)
}
