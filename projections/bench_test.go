package projections_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"daybook/adapters/postgres/pgtest"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/audit"
	"daybook/projections/messages"
)

// BenchmarkMainProjecting projects a history into both read models, side by side as the engine does, on a durable
// server, and compares with
//   - the ceiling: the same transactions of the same statements, by pgx alone, on rows worked out beforehand;
//   - one transaction per event, its rows worked out beforehand, too, on a fortieth of the events;
//   - itself on a quarter of the events, for the peak of the heap.
func BenchmarkMainProjecting(b *testing.B) {
	n := benchEvents(b)
	server := pgtest.Restartable(b)
	both := []projections.Definition{audit.Define, messages.Define}
	for b.Loop() {
		small := newBenchmark(b, server, busyDay(n/4), both)
		smallPeak := 0.0
		for range 4 { // as many samples as of the large one: the highest of more samples is higher
			_, peak := small.project(b)
			smallPeak = max(smallPeak, peak)
		}
		small.close(b)

		large := newBenchmark(b, server, busyDay(n), both)
		projecting, peak := large.project(b)
		rows := large.batches(b, batchEvents)
		ceiling := large.replay(b, rows)
		again, _ := large.project(b) // the better of two, of both: the machine is never quite alone
		projecting, ceiling = min(projecting, again), min(ceiling, large.replay(b, rows))
		large.close(b)

		single := newBenchmark(b, server, busyDay(n/40), both)
		perEvent := single.replay(b, single.batches(b, 1)) * 40
		single.close(b)

		b.ReportMetric(float64(n)/projecting.Seconds(), "events/s")
		b.ReportMetric(peak/(1<<20), "peak-MiB")
		b.ReportMetric(ceiling.Seconds()/projecting.Seconds(), "projecting-vs-ceiling>=0.6")
		b.ReportMetric(perEvent.Seconds()/projecting.Seconds(), "projecting-vs-tx-per-event>=10")
		b.ReportMetric(peak/smallPeak, "peak-memory-200k-vs-50k<=1.2")
	}
}

// busyDay records a busy day: a sixth of the events are messages in, the others the five steps of messages out, which reach
// the log as far apart as the platform tells them. Sizes are those of sealed messages.
func busyDay(n int) history {
	sealed := func(size int) events.Sealed { return events.Sealed("sealed:1:" + strings.Repeat("x", size)) }
	at := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	account := id.New[id.Account]()
	ids := make([]id.Message, n/6+1)
	for i := range ids {
		ids[i] = id.New[id.Message]()
	}
	delay := [...]int{0, 0, 2, 10, 100, 1000} // in messages: in, queued, accepted, sent, delivered, read
	event := func(i int) (string, events.Event) {
		step, m := i%6, i/6-delay[i%6]
		if m < 0 {
			step, m = 0, i/6
		}
		customer := id.Derive[id.Customer](strconv.Itoa(m % 5000))
		conversation := id.Derive[id.Conversation](customer.String())
		fact := events.StatusFact{
			ConversationID: conversation, MessageID: ids[m], RecipientID: customer, FactID: id.New[id.Fact](),
			At: at.Add(time.Duration(i) * time.Second), Raw: sealed(300),
		}
		stream := "conversation-" + conversation.String()
		switch step {
		case 1:
			return stream, events.MessageQueued{
				ConversationID: conversation, MessageID: ids[m], CustomerID: customer, DeviceID: id.Device(account),
				DeviceName: "iPhone Mario", Kind: "text", Category: events.Service, QueuedAt: at, To: sealed(100), Content: sealed(300),
			}
		case 2:
			return stream, events.MessageAccepted{
				ConversationID: conversation, MessageID: ids[m], WamidHash: events.WamidHash(fmt.Sprintf("w1:%064d", i)), Wamid: sealed(150),
			}
		case 3:
			return stream, events.MessageSent{StatusFact: fact}
		case 4:
			return stream, events.MessageDelivered{StatusFact: fact}
		case 5:
			return stream, events.MessageRead{StatusFact: fact}
		}
		return stream, events.MessageReceived{
			ConversationID: conversation, MessageID: id.New[id.Message](), CustomerID: customer, Kind: "text", SentAt: at,
			WamidHash: events.WamidHash(fmt.Sprintf("w1:%064d", i)), Wamid: sealed(150), From: sealed(100), Content: sealed(400),
		}
	}
	return history{n, func(i int) (string, []events.Proposed, error) {
		stream, e := event(i)
		p, err := events.Encode(id.New[id.Event](), e, events.Envelope{
			Account: account, OccurredAt: at, RecordedAt: at, Actor: "platform:whatsapp", Source: "webhook",
			Correlation: id.New[id.Trace](), Command: id.New[id.Command](),
		})
		return stream, []events.Proposed{p}, err
	}}
}
