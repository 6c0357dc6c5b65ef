package policies_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// letters writes what a letter holds on its outside. A person who was erased gets none.
type letters struct{ erased map[id.Customer]bool }

func (l letters) Answer(_ context.Context, _ id.Account, to events.MessageReceived, _ id.Message, text string) (policies.Letter, bool, error) {
	return policies.Letter{To: "sealed", Content: events.Sealed(text)}, !l.erased[to.CustomerID], nil
}

// desk is a shop that answers by itself.
type desk struct {
	*shop

	letters letters
	noon    time.Time
}

func openDesk(t *testing.T) *desk {
	t.Helper()
	return deskIn(t, storetest.Lend(t))
}

func deskIn(t *testing.T, store storetest.LentStore) *desk {
	t.Helper()
	d := &desk{newShop(t, store, "USD", "Europe/Rome"), letters{map[id.Customer]bool{}}, time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)}
	d.must(d.handler.ChangeFeature(t.Context(), asAdmin, d.account, events.FeatureCommands, true))
	return d
}

func (d *desk) must(_ events.Position, err error) {
	d.Helper()
	require.NoError(d, err)
}

func texts(pairs ...string) (list []events.LocalizedReply) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, events.LocalizedReply{Language: pairs[i], Text: pairs[i+1]})
	}
	return list
}

func (d *desk) automatic(trigger events.AutoTrigger, list []events.LocalizedReply) {
	d.Helper()
	d.must(d.handler.ConfigureAutoReply(d.Context(), asAdmin, d.account, trigger, list))
}

func (d *desk) command(name string, list []events.LocalizedReply) {
	d.Helper()
	d.must(d.handler.ConfigureCommand(d.Context(), asAdmin, d.account, account.Command{Name: name, Replies: list}))
}

// asks has a customer write.
func (d *desk) asks(digits string, at time.Time, more func(*conversation.Inbound)) id.Message {
	d.Helper()
	d.clock = at
	hash := events.WamidHash("w1:" + digits + at.String())
	inbound := conversation.Inbound{
		MessageID: conversation.InboundID(hash), WamidHash: hash, Kind: "text", SentAt: at, Dialling: events.DialPhone(digits),
	}
	if more != nil {
		more(&inbound)
	}
	d.tell(customer(digits), inbound)
	return inbound.MessageID
}

func (d *desk) policy(store policiestest.Store) policies.Policy {
	now := func() time.Time { return d.clock }
	return policies.NewReplies(store, commands.New(store, now), d.letters, now)
}

func (d *desk) react() {
	d.Helper()
	policiestest.Run(d, d.store, d.policy(d.store))
}

// answered lists what was written by itself, as trigger and text, in order.
func (d *desk) answered(store policiestest.Store) (list []string) {
	d.Helper()
	for _, event := range allEvents(d.Context(), store) {
		if e, ok := event.(events.MessageQueued); ok && e.Automatic != "" {
			require.True(d, e.DeviceID.IsZero())
			require.Equal(d, events.Service, e.Category)
			require.Nil(d, e.AnswersSince, "nobody has answered")
			require.NotNil(d, e.WindowUntil)
			list = append(list, e.Automatic+": "+string(e.Content))
		}
	}
	return list
}

const (
	german  = "4915112345678"
	nowhere = "999123456789"
)

func TestS40_ConfiguredCommandsAndAutomaticRepliesAnswer(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.automatic(events.TriggerWelcome, texts("it", "Benvenuto"))
	d.automatic(events.TriggerFirstMessage, texts("it", "Ciao", "de", "Hallo", "pt", "Olá", "pt_BR", "Oi"))
	d.automatic(events.TriggerAway, texts("it", "Torniamo presto"))
	d.command("menu", texts("it", "Margherita"))

	d.asks(italian, d.noon, func(m *conversation.Inbound) { m.Kind = conversation.KindWelcome })
	d.asks(italian, d.noon.Add(time.Minute), nil)
	d.asks(italian, d.noon.Add(2*time.Minute), func(m *conversation.Inbound) { m.Intent, m.Command = events.IntentCommand, "menu" })
	d.asks(italian, d.noon.Add(3*time.Minute), func(m *conversation.Inbound) { m.Intent, m.Command = events.IntentCommand, "gone" })
	d.asks(italian, d.noon.Add(4*time.Minute), func(m *conversation.Inbound) { m.Kind = "reaction" })
	d.asks(italian, d.noon.Add(5*time.Minute), func(m *conversation.Inbound) { m.Intent = events.IntentReport })
	d.asks(italian, d.noon.Add(6*time.Minute), nil) // it has been greeted, and waits already
	d.react()
	require.Equal(t, []string{"welcome: Benvenuto", "first_message: Ciao", "/menu: Margherita"}, d.answered(d.store))

	d.sends(italian, events.Service, d.noon.Add(7*time.Minute))
	d.asks(italian, d.noon.Add(8*time.Minute), nil)
	d.asks(italian, d.noon.Add(9*time.Minute), nil)
	d.asks(german, d.noon.Add(10*time.Minute), nil)
	d.asks(brazilian, d.noon.Add(11*time.Minute), nil)
	d.asks(nowhere, d.noon.Add(12*time.Minute), nil)
	d.react()
	require.Equal(t, []string{"away: Torniamo presto", "first_message: Hallo", "first_message: Oi", "first_message: Ciao"}, d.answered(d.store)[3:])
}

// What a person could not write then, nobody writes: outside the window, to who blocked the business or was erased, for an
// account that is suspended or may not use commands.
func TestS40_NothingAnswersWhereAPersonCouldNot(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*desk){
		"the window has closed":   func(d *desk) { d.clock = d.noon.Add(day + 1) },
		"the customer was erased": func(d *desk) { d.letters.erased[customer(italian)] = true },
		"the customer blocks the number": func(d *desk) {
			d.must(d.handler.SetBlock(d.Context(), asAdmin, conversation.SetBlock{
				Account: d.account, PhoneNumberID: d.number, CustomerID: customer(italian), FactID: id.New[id.Fact](),
				Blocked: true, Source: events.SourcePage,
			}))
		},
		"the account is suspended": func(d *desk) { d.must(d.handler.SuspendAccount(d.Context(), asAdmin, d.account)) },
		"a newer message is no excuse": func(d *desk) {
			d.asks(italian, d.noon.Add(day+time.Hour), func(m *conversation.Inbound) { m.Kind = "reaction" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openDesk(t)
			d.automatic(events.TriggerFirstMessage, texts("it", "Ciao"))
			d.asks(italian, d.noon, nil)
			change(d)
			d.react()
			require.Empty(t, d.answered(d.store))
		})
	}
}

// A reply that is configured, or a feature that is opened, after a message came does not answer it.
func TestS40_AMessageIsAnsweredByWhatWasConfiguredThen(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.asks(italian, d.noon, nil)
	d.automatic(events.TriggerFirstMessage, texts("it", "Ciao"))
	d.automatic(events.TriggerAway, texts("it", "Torniamo presto"))
	d.asks(german, d.noon, nil)
	d.must(d.handler.ChangeFeature(t.Context(), asAdmin, d.account, events.FeatureCommands, false))
	d.asks(brazilian, d.noon, nil)
	d.react()
	require.Equal(t, []string{"first_message: Ciao"}, d.answered(d.store))
}

// An automatic reply is no answer: the customer still waits, and whoever answers took all that time.
func TestAnAutomaticReplyIsNoAnswer(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.automatic(events.TriggerAway, texts("it", "Torniamo presto"))
	d.asks(italian, d.noon, nil)
	d.react()
	require.Len(t, d.answered(d.store), 1)
	answer := d.sends(italian, events.Service, d.noon.Add(time.Hour))
	for _, event := range allEvents(t.Context(), d.store) {
		if e, ok := event.(events.MessageQueued); ok && e.MessageID == answer.id {
			require.Equal(t, d.noon, *e.AnswersSince)
		}
	}
}

func TestAnAutomaticReplyNeverGreetsWhoWasWrittenToBefore(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.automatic(events.TriggerFirstMessage, texts("it", "Ciao"))
	d.sends(italian, events.Utility, d.noon)
	d.asks(italian, d.noon.Add(time.Minute), nil)
	d.react()
	require.Empty(t, d.answered(d.store))
}

func TestAmnesia_replies(t *testing.T) {
	t.Parallel()
	d := openDesk(t)
	d.automatic(events.TriggerFirstMessage, texts("it", "Ciao"))
	d.automatic(events.TriggerAway, texts("it", "Torniamo presto"))
	d.asks(italian, d.noon, nil)
	d.asks(italian, d.noon.Add(time.Minute), nil)
	d.sends(italian, events.Service, d.noon.Add(2*time.Minute))
	d.asks(italian, d.noon.Add(3*time.Minute), nil)
	policiestest.Crashes(t,
		func(t *testing.T) policiestest.Store { t.Helper(); return copyHistory(t, d.store) },
		d.policy,
		func(t *testing.T, store policiestest.Store) {
			t.Helper()
			require.Equal(t, []string{"first_message: Ciao", "away: Torniamo presto"}, d.answered(store))
		})

	// An hour later, a colleague has answered everything and the replies are other ones: what is replayed is still answered.
	d.react()
	d.sends(italian, events.Service, d.noon.Add(time.Hour))
	d.automatic(events.TriggerAway, texts("it", "Domani"))
	d.command("menu", texts("it", "Margherita"))
	policiestest.Amnesia(t, d.store, func() policies.Policy { return d.policy(d.store) })
	require.Len(t, d.answered(d.store), 2)
}
