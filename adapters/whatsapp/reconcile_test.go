package whatsapp_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// unanswered is a message that was given to the platform, which never answered.
func (r *rig) unanswered(t *testing.T) commands.Callback {
	t.Helper()
	owner, device := r.register(t)
	customers, err := r.vault.Customers(r.ctx, owner, []events.Person{{WaID: "393331234567"}})
	require.NoError(t, err)
	meta := commands.Meta{Actor: "api:test", Source: "api"}
	c := commands.Callback{Conversation: conversation.IDOf(sampleNumber, customers[0]), Message: id.New[id.Message]()}
	_, err = r.commands.SendMessage(r.ctx, meta, conversation.Send{
		Account: owner, PhoneNumberID: sampleNumber, CustomerID: customers[0], MessageID: c.Message, DeviceID: device,
		Kind: "template", Category: events.Utility, Template: &events.Template{Name: "october_offer", Language: "it"},
	})
	require.NoError(t, err)
	now := func(conversation.Party, time.Time) (time.Time, events.DispatchCause) { return time.Time{}, "" }
	started, err := r.commands.StartDispatch(r.ctx, meta, c.Conversation, c.Message, now)
	require.NoError(t, err)
	_, err = r.commands.LoseDispatch(r.ctx, meta, c.Conversation, c.Message, started.Attempt, events.CauseTimeout)
	require.NoError(t, err)
	return c
}

func statusWith(callback, word string) string {
	return `{"id":"wamid.lost","status":"` + word + `","timestamp":"1795262400","recipient_id":"393331234567","biz_opaque_callback_data":"` + callback + `"}`
}

// TestAStatusTellsWhatAnAnswerDidNot: the platform took a message and its answer never came. The first status names the message
// by what we gave with it; from then on its id is bound.
func TestAStatusTellsWhatAnAnswerDidNot(t *testing.T) {
	t.Parallel()
	r := start(t)
	c := r.unanswered(t)
	r.mustPost(t, batch("statuses", statusWith(c.String(), "delivered"), statusWith(c.String(), "sent")))
	r.mustPost(t, batch("statuses", statusWith("", "read")))
	b := r.read(t)
	require.Empty(t, b.quarantined)
	var bound []events.MessageAccepted
	for _, record := range b.records {
		if record.Type == events.NameOf[events.MessageAccepted]() {
			_, event, err := decode(record)
			require.NoError(t, err)
			bound = append(bound, event.(events.MessageAccepted))
		}
	}
	require.Len(t, bound, 1)
	require.True(t, bound[0].Reconciled)
	require.Equal(t, r.vault.WamidHash("wamid.lost"), bound[0].WamidHash)
	opened, err := r.vault.Open(r.ctx, bound[0].Wamid, id.Of[id.Fact](c.Message), "wamid")
	require.NoError(t, err)
	require.Equal(t, "wamid.lost", string(opened))
	for step, facts := range b.steps {
		require.Equal(t, c.Message, step.message)
		require.Len(t, facts, 1)
	}
	require.Len(t, b.steps, 3)
}

func TestAStatusOfNobodysMessageIsKept(t *testing.T) {
	t.Parallel()
	r := start(t)
	c := r.unanswered(t)
	for _, odd := range []string{
		"", "m1", "db1:", c.String() + "x", commands.Callback{Conversation: c.Conversation, Message: id.New[id.Message]()}.String(),
		commands.Callback{Conversation: id.New[id.Conversation](), Message: c.Message}.String(),
	} {
		before := len(r.read(t).quarantined)
		r.mustPost(t, batch("statuses", `{"id":"wamid.x`+id.New[id.Message]().String()+statusWith(odd, "sent")[len(`{"id":"wamid.lost`):]))
		require.Len(t, r.read(t).quarantined, before+1, odd)
	}
}
