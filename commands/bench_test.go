package commands_test

import (
	"context"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// nowhere is a store that takes everything and remembers only how long each stream is: what is left is the loop.
type nowhere struct {
	revisions map[string]uint64
	past      map[string][]events.Record // what is read of a stream that nothing was appended to
}

func (n nowhere) Append(_ context.Context, stream string, _ events.Expected, proposed []events.Proposed) (events.Appended, error) {
	n.revisions[stream] += uint64(len(proposed))
	return events.Appended{Revision: n.revisions[stream] - 1, Position: 1}, nil
}

func (n nowhere) ReadStream(_ context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		for i := int(from); i < len(n.past[stream]); i++ {
			if !yield(n.past[stream][i], nil) {
				return
			}
		}
	}
}

// BenchmarkRecordUpdates measures the loop itself, for one inbound message a delivery: meta data, cache, fold,
// decision and encoding, in a hundred conversations.
func BenchmarkRecordUpdates(b *testing.B) {
	h := commands.New(nowhere{revisions: map[string]uint64{}}, at(noon))
	f := firm{account: id.New[id.Account]()}
	deliveries := make([]commands.Delivery, 100)
	for i := range deliveries {
		customer := id.Derive[id.Customer]("test", strconv.Itoa(i))
		deliveries[i] = f.delivery()
		deliveries[i].Customer, deliveries[i].Conversation = customer, conversation.IDOf(number, customer)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		d := deliveries[n%len(deliveries)]
		d.Updates = []conversation.Update{inbound(n, noon)}
		n++
		if _, err := h.RecordUpdates(b.Context(), api, d); err != nil {
			require.NoError(b, err)
		}
	}
}

// BenchmarkRecordStatuses measures the same for one delivered status with a price, of one of fifty thousand messages.
func BenchmarkRecordStatuses(b *testing.B) {
	const conversations, messages = 100, 500
	f := firm{account: id.New[id.Account](), device: id.New[id.Device]()}
	past := map[string][]events.Record{}
	deliveries := make([]commands.Delivery, conversations)
	for i := range deliveries {
		f.customer = id.Derive[id.Customer]("test", strconv.Itoa(i))
		f.conversation = conversation.IDOf(number, f.customer)
		deliveries[i] = f.delivery()
		past[conversation.Stream(f.conversation)] = f.queued(b, messages)
	}
	var h *commands.Handler
	begin := func() {
		store := nowhere{revisions: map[string]uint64{}, past: past}
		h = commands.New(store, at(noon))
		for stream, records := range past {
			store.revisions[stream] = uint64(len(records))
		}
		for _, d := range deliveries {
			d.Updates = []conversation.Update{inbound(-1, noon)}
			_, err := h.RecordUpdates(b.Context(), api, d)
			require.NoError(b, err)
		}
	}
	pricing := &events.Pricing{Billable: new(true), Model: "PMP", Type: "regular", Category: "utility"}
	begin()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n == conversations*messages {
			b.StopTimer()
			begin()
			n = 0
			b.StartTimer()
		}
		d := deliveries[n%conversations]
		f.customer = d.Customer
		u := f.status(n/conversations, events.StatusDelivered, noon)
		u.Pricing = pricing
		d.Updates = []conversation.Update{u}
		n++
		if _, err := h.RecordUpdates(b.Context(), api, d); err != nil {
			require.NoError(b, err)
		}
	}
}

// queued is a conversation in which so many messages were written.
func (f firm) queued(b *testing.B, messages int) []events.Record {
	b.Helper()
	until := noon.Add(time.Hour)
	past := []events.Event{events.ConversationStarted{
		ConversationID: f.conversation, AccountID: f.account, PhoneNumberID: number, CustomerID: f.customer, Entry: events.EntryBusiness,
	}}
	for n := range messages {
		past = append(past, events.MessageQueued{
			ConversationID: f.conversation, MessageID: message(n), CustomerID: f.customer, DeviceID: f.device, DeviceName: "iPhone Mario",
			Kind: "template", Category: events.Utility, QueuedAt: noon, WindowUntil: &until, Dialling: events.Dialling{Prefix: "39"},
		})
	}
	records := make([]events.Record, len(past))
	for i, event := range past {
		p, err := events.Encode(id.New[id.Event](), event, events.Envelope{Account: f.account, OccurredAt: noon, RecordedAt: noon})
		require.NoError(b, err)
		records[i] = events.Record{Revision: uint64(i), Type: p.Type, Data: p.Data, Metadata: p.Metadata}
	}
	return records
}
