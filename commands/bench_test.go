package commands_test

import (
	"context"
	"iter"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// nowhere is a store that takes everything and remembers only how long each stream is: what is left is the loop.
type nowhere struct{ revisions map[string]uint64 }

func (n nowhere) Append(_ context.Context, stream string, _ events.Expected, proposed []events.Proposed) (events.Appended, error) {
	n.revisions[stream] += uint64(len(proposed))
	return events.Appended{Revision: n.revisions[stream] - 1, Position: 1}, nil
}

func (n nowhere) ReadStream(context.Context, string, uint64) iter.Seq2[events.Record, error] {
	return func(func(events.Record, error) bool) {}
}

// BenchmarkRecordUpdates measures the loop itself, for one inbound message a delivery: meta data, cache, fold,
// decision and encoding, in a hundred conversations.
func BenchmarkRecordUpdates(b *testing.B) {
	h := commands.New(nowhere{map[string]uint64{}}, at(noon))
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
