package whatsapp_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/whatsapp"
	"daybook/events"
	"daybook/events/id"
)

// TestQuarantineTellsWhatItWaitsFor: what routes a kept update stands in clear.
func TestQuarantineTellsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]events.UpdateQuarantined{
		"msg_text.json":                {Reason: events.UnknownNumber, Field: "messages", Kind: "message", PhoneNumberID: sampleNumber},
		"status_sent_fep.json":         {Reason: events.UnknownMessage, Field: "messages", Kind: "status", PhoneNumberID: sampleNumber},
		"value_errors_130429.json":     {Reason: events.UnknownNumber, Field: "messages", Kind: "value", PhoneNumberID: sampleNumber},
		"smb_message_echoes_text.json": {Reason: events.UnknownNumber, Field: "smb_message_echoes", Kind: "value", PhoneNumberID: sampleNumber},
		"account_update_deleted.json":  {Reason: events.UnknownAccount, Field: "account_update", Kind: "value"},
		"user_preferences_stop.json":   {Reason: events.UnknownNumber, Field: "user_preferences", Kind: "value", PhoneNumberID: sampleNumber},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			body := samples(t)[name]
			r.mustPost(t, body)
			quarantined := r.read(t).quarantined
			require.Len(t, quarantined, 1)
			for _, got := range quarantined {
				if want.Reason == events.UnknownMessage {
					want.WamidHash = r.vault.WamidHash(updatesOf(t, body)[0].member("id"))
				}
				require.NotEmpty(t, got.Detail)
				want.QuarantineID, want.Detail, want.WABAID, want.ReceivedAt, want.Body =
					got.QuarantineID, got.Detail, sampleWABA, noon(), got.Body
				require.Equal(t, want, got)
			}
		})
	}
}

// TestPeopleInQuarantineAreIndexed: the vault learns who is named in a kept update, by the key that it is sealed under.
func TestPeopleInQuarantineAreIndexed(t *testing.T) {
	t.Parallel()
	r := start(t)
	bodies := samples(t)
	for range 2 {
		r.mustPost(t, bodies["msg_contacts.json"]) // the sender and the one on the card
		r.mustPost(t, bodies["account_alerts.json"])
	}
	var people, keys int
	require.NoError(t, r.vault.Pool.QueryRow(t.Context(),
		"select count(*), count(distinct q.key_id) from quarantined q join data_keys k using (key_id) where k.class = 'quarantine'").Scan(&people, &keys))
	require.Equal(t, 2, people)
	require.Equal(t, 1, keys)
}

// TestLargeUpdateIsKept: an update that no event could hold as it is, such as a chunk of history.
func TestLargeUpdateIsKept(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.register(t)
	text := strings.Repeat("Buongiorno, il pacco parte oggi. ", 50_000)
	large := `{"from":"39390000","id":"w","timestamp":"1759312800","type":"text","text":{"body":"` + text + `"}}`
	r.mustPost(t, batch("messages", large, `{"from":"39390000","id":"v","timestamp":"1759312800","type":"text"}`))
	b := r.read(t)
	require.Len(t, b.received, 1)
	require.Len(t, b.quarantined, 1)
	for quarantined := range b.quarantined {
		var noPlace *whatsapp.NoPlaceError
		require.ErrorAs(t, r.handler.Ingester.Redrive(t.Context(), r.store, quarantined, policy()), &noPlace)
	}

	noise := make([]byte, 2<<20)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"[source.IntN(32)]
	}
	answer := r.post(batch("messages", `{"x":"`+string(noise)+`"}`))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code, "what cannot be stored is not acknowledged")
}

// TestStatusOfAGroupMember: a group's message has a status per participant.
func TestStatusOfAGroupMember(t *testing.T) {
	t.Parallel()
	r := start(t)
	owner, device := r.register(t)
	r.bind(t, owner, device, map[string]string{"wamid.G": "16505550123"})
	status := func(member string) string {
		return `{"id":"wamid.G","status":"delivered","timestamp":"1759312800","recipient_id":"Y2FwaV9ncm91cA==","recipient_type":"group",` + member + `}`
	}
	r.mustPost(t, batch("statuses", status(`"recipient_participant_id":"393900000001"`), status(`"participant_recipient_id":"393900000002"`),
		status(`"participant_recipient_id":"393900000001"`)))
	recipients := map[id.Customer]bool{}
	for key, facts := range r.read(t).steps {
		require.Len(t, facts, 1)
		recipients[key.recipient] = true
	}
	members, err := r.vault.Customers(t.Context(), owner, []events.Person{{WaID: "393900000001"}, {WaID: "393900000002"}})
	require.NoError(t, err)
	require.Equal(t, map[id.Customer]bool{members[0]: true, members[1]: true}, recipients)
}

// TestCustomerWithoutANumber: a business-scoped user id is enough, and the number joins it later.
func TestCustomerWithoutANumber(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.register(t)
	r.mustPost(t, batch("messages", `{"from_user_id":"IT.77","id":"a","timestamp":"1759312800","type":"text"}`))
	r.mustPost(t, batch("messages", `{"from":"393900000001","from_user_id":"IT.77","id":"b","timestamp":"1759312801","type":"text"}`))
	b := r.read(t)
	first, second := b.received[r.vault.WamidHash("a")][0], b.received[r.vault.WamidHash("b")][0]
	require.Equal(t, first.CustomerID, second.CustomerID)
	require.Equal(t, first.ConversationID, second.ConversationID)
	require.Equal(t, events.Dialling{Country: "IT"}, first.Dialling)
	require.Equal(t, events.Dialling{Prefix: "39"}, second.Dialling)
}

// TestMessageIsSealedWhole: every sealed field opens to what the platform sent.
func TestMessageIsSealedWhole(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.register(t)
	r.mustPost(t, samples(t)["msg_text_ctwa_referral.json"])
	records := r.read(t).records
	envelope, event, err := decode(records[len(records)-1])
	require.NoError(t, err)
	e := event.(events.MessageReceived)
	require.Equal(t, events.Actor("platform:whatsapp"), envelope.Actor)
	require.Equal(t, "webhook", envelope.Source)
	require.Equal(t, "ad", e.Referral)
	require.Equal(t, "text", e.Kind)
	for path, c := range map[string]struct {
		sealed events.Sealed
		want   string
	}{
		"wamid": {e.Wamid, "wamid.HBgNNTUxMTkwMDAwMDAwMRUCABIYFDNBMEIxQzJEM0U0RjUwNjEwMDAzAA=="},
		"from":  {e.From, "5511900000001"},
	} {
		opened, err := r.vault.Open(t.Context(), c.sealed, id.Of[id.Fact](e.MessageID), path)
		require.NoError(t, err)
		require.Equal(t, c.want, string(opened))
	}
	contact, err := r.vault.Open(t.Context(), e.Contact, id.Of[id.Fact](e.MessageID), "contact")
	require.NoError(t, err)
	require.JSONEq(t, `{"profile":{"name":"Bruno Lima"},"wa_id":"5511900000001"}`, string(contact))
	content, err := r.vault.Open(t.Context(), e.Content, id.Of[id.Fact](e.MessageID), "content")
	require.NoError(t, err)
	require.Contains(t, string(content), "Aff-fixture-click-id")
}

// elsewhere is a routing read model that is wrong: it knows every platform id, in a conversation that does not.
type elsewhere struct{ route whatsapp.Route }

func (e elsewhere) Lookup(_ context.Context, hashes []events.WamidHash) (map[events.WamidHash]whatsapp.Route, error) {
	found := map[events.WamidHash]whatsapp.Route{}
	for _, hash := range hashes {
		found[hash] = e.route
	}
	return found, nil
}

// TestStatusThatItsConversationDoesNotKnow: the conversation has the last word on what has a place in it; what it
// refuses is kept, every copy of it once, and the rest of the delivery is recorded.
func TestStatusThatItsConversationDoesNotKnow(t *testing.T) {
	t.Parallel()
	r := start(t)
	owner, _ := r.register(t)
	r.mustPost(t, batch("messages", `{"from":"393900000001","id":"a","timestamp":"1759312800","type":"text"}`))
	received := r.read(t).received[r.vault.WamidHash("a")][0]
	r.handler.Ingester.Routes = elsewhere{whatsapp.Route{
		Account: owner, Conversation: received.ConversationID, Message: id.New[id.Message](), Recipient: received.CustomerID, PhoneNumberID: sampleNumber,
	}}
	status := func(at string) string { return `{"id":"s","status":"sent","timestamp":"` + at + `"}` }
	r.mustPost(t, batch("statuses", status("1759312800"), status("1759312801"), status("1759312800")))
	b := r.read(t)
	require.Empty(t, b.steps)
	require.Len(t, b.quarantined, 2)
	for _, e := range b.quarantined {
		require.Equal(t, events.UnknownMessage, e.Reason)
		require.Equal(t, r.vault.WamidHash("s"), e.WamidHash)
	}
}
