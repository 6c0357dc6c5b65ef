package commands_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

const coldEvents = 5_000

// BenchmarkDomainColdCommand measures a command on a conversation that this process has not read yet, and whose book is as
// long as books become: reading, folding, deciding, recording. Beside it stands the bare read of the same stream.
func BenchmarkDomainColdCommand(b *testing.B) {
	const rounds = 5
	store, err := embedded.Open(b.TempDir())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	for b.Loop() {
		var bare, cold []time.Duration
		for range rounds {
			f := firm{account: id.New[id.Account](), device: id.New[id.Device](), customer: id.New[id.Customer]()}
			f.conversation = conversation.IDOf(number, f.customer)
			f.talk(b, store, coldEvents)
			stream := conversation.Stream(f.conversation)
			begun := time.Now()
			read := 0
			for _, err := range store.ReadStream(b.Context(), stream, 0) {
				require.NoError(b, err)
				read++
			}
			bare = append(bare, time.Since(begun))
			require.Equal(b, coldEvents, read)
			h := commands.New(store, at(noon))
			begun = time.Now()
			outcome, err := h.RecordUpdates(b.Context(), api, f.delivery(inbound(-1, noon)))
			cold = append(cold, time.Since(begun))
			require.NoError(b, err)
			require.Equal(b, stream, outcome.Stream)
		}
		b.ReportMetric(median(bare).Seconds()*1000, "bare-read-ms")
		b.ReportMetric(median(cold).Seconds()*1000, "cold-command-ms<=100")
	}
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// talk fills a conversation with as many events as are said, of messages of all kinds on their whole way.
func (f firm) talk(b *testing.B, store commands.EventStore, length int) {
	b.Helper()
	sealed := events.Sealed("sealed:1:00000000-0000-4000-8000-000000000050:" + strings.Repeat("A", 43) + ":" + strings.Repeat("c", 600))
	until := noon.Add(time.Hour)
	past := []events.Event{events.ConversationStarted{
		ConversationID: f.conversation, AccountID: f.account, PhoneNumberID: number, CustomerID: f.customer, Entry: events.EntryInbound,
	}}
	for n := 0; len(past) < length; n++ {
		sending := events.Sending{
			PhoneNumberID: number, DeviceID: f.device, Category: events.Utility, QueuedAt: noon, WindowUntil: &until, Market: "Italy",
			Dialling: events.Dialling{Prefix: "39"},
		}
		fact := func(s events.Status) events.StatusFact {
			return events.StatusFact{
				ConversationID: f.conversation, MessageID: message(n), RecipientID: f.customer,
				FactID: conversation.StatusFactID(wamid(n), s, f.customer), At: noon, Sending: sending, Raw: sealed,
				Pricing: &events.Pricing{Billable: new(true), Model: "PMP", Type: "regular", Category: "utility"},
			}
		}
		past = append(past, events.MessageReceived{
			ConversationID: f.conversation, MessageID: conversation.InboundID(wamid(1_000_000 + n)), CustomerID: f.customer,
			WamidHash: wamid(1_000_000 + n), Kind: "text", SentAt: noon, WindowUntil: until, Dialling: events.Dialling{Prefix: "39"},
			Wamid: sealed, From: sealed, Contact: sealed, Content: sealed,
		}, events.MessageQueued{
			ConversationID: f.conversation, MessageID: message(n), CustomerID: f.customer, DeviceID: f.device, DeviceName: "iPhone Mario",
			RegistryRevision: 1, Kind: "template", Category: events.Utility, Template: &events.Template{Name: "order_shipped", Language: "it"},
			QueuedAt: noon, WindowUntil: &until, Market: "Italy", Dialling: events.Dialling{Prefix: "39"}, To: sealed, Content: sealed,
		}, events.DispatchStarted{ConversationID: f.conversation, MessageID: message(n), Attempt: 1, StartedAt: noon},
			events.MessageAccepted{
				ConversationID: f.conversation, MessageID: message(n), CustomerID: f.customer, PhoneNumberID: number,
				WamidHash: wamid(n), AcceptedAt: noon, Wamid: sealed,
			}, events.MessageSent{StatusFact: fact(events.StatusSent)}, events.MessageDelivered{StatusFact: fact(events.StatusDelivered)},
			events.MessageRead{StatusFact: fact(events.StatusRead)})
	}
	envelope := events.Envelope{
		Account: f.account, OccurredAt: noon, RecordedAt: noon, Actor: "platform:whatsapp", Source: "webhook",
		Correlation: id.New[id.Trace](), Causation: id.New[id.Event]().String(), Command: id.New[id.Command](), Digest: strings.Repeat("d", 64),
	}
	stream := conversation.Stream(f.conversation)
	for from := 0; from < length; from += 250 {
		var proposed []events.Proposed
		for _, event := range past[from:min(from+250, length)] {
			p, err := events.Encode(id.New[id.Event](), event, envelope)
			require.NoError(b, err)
			proposed = append(proposed, p)
		}
		_, err := store.Append(context.WithoutCancel(b.Context()), stream, events.Any, proposed)
		require.NoError(b, err)
	}
}
