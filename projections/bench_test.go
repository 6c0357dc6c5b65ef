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
		ceiling := large.fromNothing(b, batchEvents)
		again, _ := large.project(b) // the better of two, of both: the machine is never quite alone
		projecting, ceiling = min(projecting, again), min(ceiling, large.fromNothing(b, batchEvents))
		large.close(b)

		single := newBenchmark(b, server, busyDay(n/40), both)
		perEvent := single.fromNothing(b, 1) * 40
		single.close(b)

		b.ReportMetric(float64(n)/projecting.Seconds(), "events/s")
		b.ReportMetric(peak/(1<<20), "peak-MiB")
		b.ReportMetric(ceiling.Seconds()/projecting.Seconds(), "projecting-vs-ceiling>=0.6")
		b.ReportMetric(perEvent.Seconds()/projecting.Seconds(), "projecting-vs-tx-per-event>=10")
		b.ReportMetric(peak/smallPeak, "peak-memory-200k-vs-50k<=1.2")
	}
}

// busyDay records a busy day: a seventh of the events are messages in, the others the six steps of messages out, which
// reach the log as far apart as the platform tells them. Sizes are those of sealed messages.
func busyDay(n int) history {
	d := newDay(n)
	return history{n, func(i int) (string, []events.Proposed, error) {
		stream, e := d.event(i)
		p, err := events.Encode(id.New[id.Event](), e, events.Envelope{
			Account: d.account, OccurredAt: d.begin, RecordedAt: d.begin, Actor: "platform:whatsapp", Source: "webhook",
			Correlation: id.New[id.Trace](), Command: id.New[id.Command](),
		})
		return stream, []events.Proposed{p}, err
	}}
}

// day is what its events have in common.
type day struct {
	begin   time.Time
	account id.Account
	ids     []id.Message
}

func newDay(n int) *day {
	d := &day{time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC), id.New[id.Account](), make([]id.Message, n/daySteps+1)}
	for i := range d.ids {
		d.ids[i] = id.New[id.Message]()
	}
	return d
}

// daySteps of a message out, and of one in.
const daySteps = 7

// event is the i-th of the day, whoever asks and when.
func (d *day) event(i int) (stream string, e events.Event) {
	delay := [daySteps]int{0, 0, 2, 10, 100, 120, 1000} // in messages: in, queued, accepted, sent, delivered, charged, read
	step, m := i%daySteps, i/daySteps-delay[i%daySteps]
	if m < 0 {
		step, m = 0, i/daySteps
	}
	at := d.begin.Add(time.Duration(m) * daySteps * time.Second)
	customer := id.Derive[id.Customer](strconv.Itoa(m % 5000))
	conversation := id.Derive[id.Conversation](customer.String())
	stream = "conversation-" + conversation.String()
	sending := events.Sending{
		PhoneNumberID: "900555000111222", DeviceID: id.Device(d.account), Category: events.Service, QueuedAt: at,
		WindowUntil: new(at.Add(time.Hour)), Market: "Italy", Dialling: events.Dialling{Prefix: "39"},
	}
	fact := events.StatusFact{
		ConversationID: conversation, MessageID: d.ids[m], RecipientID: customer, FactID: id.New[id.Fact](),
		At: at.Add(time.Duration(step) * time.Second), Sending: sending, Raw: sealed(300),
	}
	switch step {
	case 1:
		return stream, events.MessageQueued{
			ConversationID: conversation, MessageID: d.ids[m], CustomerID: customer, DeviceID: sending.DeviceID,
			DeviceName: "iPhone Mario", Kind: "text", Category: sending.Category, QueuedAt: at, WindowUntil: sending.WindowUntil,
			AnswersSince: new(at.Add(-time.Minute)), Market: sending.Market, Dialling: sending.Dialling, To: sealed(100), Content: sealed(300),
		}
	case 2:
		return stream, events.MessageAccepted{
			ConversationID: conversation, MessageID: d.ids[m], CustomerID: customer, PhoneNumberID: sending.PhoneNumberID,
			WamidHash: events.WamidHash(fmt.Sprintf("w1:%064d", i)), AcceptedAt: at, Wamid: sealed(150),
		}
	case 3:
		fact.ShowsSent = true
		return stream, events.MessageSent{StatusFact: fact}
	case 4:
		fact.Delivery = &events.Delivery{At: fact.At}
		return stream, events.MessageDelivered{StatusFact: fact}
	case 5:
		return "billing-" + d.account.String() + "-2026-11", chargeOf(i, fact)
	case 6:
		return stream, events.MessageRead{StatusFact: fact}
	}
	return stream, events.MessageReceived{
		ConversationID: conversation, MessageID: id.New[id.Message](), CustomerID: customer, Kind: "text", SentAt: at,
		WamidHash: events.WamidHash(fmt.Sprintf("w1:%064d", i)), Wamid: sealed(150), From: sealed(100), Content: sealed(400),
	}
}

func sealed(size int) events.Sealed { return events.Sealed("sealed:1:" + strings.Repeat("x", size)) }
