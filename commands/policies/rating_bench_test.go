package policies_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/billing"
	"daybook/domain/conversation"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
)

const (
	benchBusinesses = 20
	benchTalk       = 50 // deliveries of one conversation, in one append
	benchRuns       = 3  // the better one counts, on both sides
)

// BenchmarkRating rates a log of 200,000 deliveries (DAYBOOK_BENCH_EVENTS makes it another number) of 20 businesses from
// nothing, on disk, and compares that with the least that it could take: appending the very same events, in the same
// appends at the same revisions, one after the other, to an empty store on the same disk. An append holds some 350 events
// then, which is the hard case: the larger the appends, the more it counts on both sides what an event costs the
// processor, and rating has to read and decode what it rates.
func BenchmarkRating(b *testing.B) {
	deliveries := 200_000
	if text := os.Getenv("DAYBOOK_BENCH_EVENTS"); text != "" {
		var err error
		deliveries, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	for b.Loop() {
		var rating, appending time.Duration
		var written int
		for run := range benchRuns {
			store := benchLog(b, deliveries)
			rated := rateAll(b, store)
			appends := appendsOf(b, store, deliveries)
			require.NoError(b, store.Close())
			appended := appendAll(b, appends)
			if run == 0 || rated < rating {
				rating = rated
			}
			if run == 0 || appended < appending {
				appending = appended
			}
			written = 0
			for _, a := range appends {
				written += len(a.proposed)
			}
		}
		b.ReportMetric(appending.Seconds()/rating.Seconds(), "rating-vs-append>=0.5")
		b.ReportMetric(float64(written)/rating.Seconds(), "rated-events/s")
		b.ReportMetric(float64(written)/appending.Seconds(), "appended-events/s")
	}
}

func rateAll(b *testing.B, store *embedded.Store) time.Duration {
	b.Helper()
	runner, err := policies.NewRunner(policies.Config{Log: store, Leases: policiestest.NewLeases(time.Now), Now: time.Now},
		policies.NewRating(store, time.Now))
	require.NoError(b, err)
	head, err := store.Head(b.Context())
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	runtime.GC()
	start := time.Now()
	go func() { ended <- runner.Run(ctx) }()
	_, err = runner.WaitFor(ctx, "rating", head)
	took := time.Since(start)
	stop()
	require.NoError(b, err)
	require.NoError(b, <-ended)
	return took
}

// oneAppend is an append that rating has made.
type oneAppend struct {
	stream   string
	expected events.Expected
	proposed []events.Proposed
}

// appendsOf returns what was rated in a store, and requires that it is everything.
func appendsOf(b *testing.B, store *embedded.Store, deliveries int) []oneAppend {
	b.Helper()
	var all []oneAppend
	var made oneAppend
	charged := 0
	for record, err := range store.ReadAll(b.Context(), events.Start) {
		require.NoError(b, err)
		if _, ok := billing.Portfolio(record.Stream); !ok {
			continue
		}
		if len(made.proposed) == 0 {
			made = oneAppend{stream: record.Stream, expected: events.Expected(record.Revision) - 1}
		}
		made.proposed = append(made.proposed, events.Proposed{
			ID: record.ID, Type: record.Type, Data: record.Data, Metadata: record.Metadata,
		})
		switch record.Type {
		case "BatchRated":
			all = append(all, made)
			made = oneAppend{}
		case "MessageCharged":
			charged++
		}
	}
	require.Equal(b, deliveries, charged)
	return all
}

func appendAll(b *testing.B, all []oneAppend) time.Duration {
	b.Helper()
	store, err := embedded.Open(b.TempDir())
	require.NoError(b, err)
	runtime.GC()
	start := time.Now()
	for _, a := range all {
		_, err = store.Append(b.Context(), a.stream, a.expected, a.proposed)
		require.NoError(b, err)
	}
	took := time.Since(start)
	require.NoError(b, store.Close())
	return took
}

// benchLog is a log of deliveries on disk: stamped as conversations stamp them, business after business, over two
// months and all markets of the card.
func benchLog(b *testing.B, deliveries int) *embedded.Store {
	b.Helper()
	dir := b.TempDir()
	store, err := embedded.Open(dir)
	require.NoError(b, err)
	var shops []*shop
	for range benchBusinesses {
		shops = append(shops, newShop(b, store, "USD", "Europe/Rome"))
	}
	shops[0].publish(pricing.ReferenceCards)
	for from := 0; from < deliveries; from += benchTalk {
		s := shops[from/benchTalk%len(shops)]
		who := customer(strconv.Itoa(from))
		stream := conversation.Stream(s.conversation(who))
		var proposed []events.Proposed
		for n := from; n < min(from+benchTalk, deliveries); n++ {
			proposed = append(proposed, s.stamped(n, who, deliveries))
		}
		_, err = store.Append(b.Context(), stream, events.NoStream, proposed)
		require.NoError(b, err)
	}
	require.NoError(b, store.Close())
	settle(b, dir)
	store, err = embedded.Open(dir)
	require.NoError(b, err)
	return store
}

// settle does what is left to do of writing a log, compaction above all: it belongs to neither side.
func settle(b *testing.B, dir string) {
	b.Helper()
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
	require.NoError(b, err)
	require.NoError(b, db.Compact(b.Context(), []byte{0}, []byte{0xff}, true))
	require.NoError(b, db.Close())
}

type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// stamped is the fact of delivery n of many, as a conversation records it.
func (s *shop) stamped(n int, who id.Customer, of int) events.Proposed {
	s.Helper()
	numbers := []string{italian, mexican, pakistani, "12125550123", "18095550123", "77001234567", "4915112345678", "33612345678", "9991234567"}
	at := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 60 * day / time.Duration(of))
	category := []events.Category{events.Marketing, events.Utility, events.Authentication, events.Service}[n%4]
	word := &events.Pricing{Model: "PMP", Type: "regular", Category: string(category)}
	if category == events.Service {
		word.Type = "free_customer_service"
	}
	sent := message{id.New[id.Message](), who}
	fact := events.StatusFact{
		ConversationID: s.conversation(who), MessageID: sent.id, RecipientID: who,
		FactID: conversation.StatusFactID(events.WamidHash(sent.id.String()), events.StatusDelivered, who), At: at, Pricing: word,
		Sending: events.Sending{
			PhoneNumberID: s.number, DeviceID: s.device, Category: category, QueuedAt: at.Add(-2 * time.Second),
			Market: "Italy", Dialling: events.DialPhone(numbers[n%len(numbers)]),
		},
		Delivery: &events.Delivery{At: at, Pricing: word},
		Raw:      events.Sealed(fmt.Sprintf("sealed-%0300d", n)),
	}
	proposed, err := events.Encode(id.New[id.Event](), events.MessageDelivered{StatusFact: fact}, events.Envelope{
		Account: s.account, OccurredAt: at, RecordedAt: at, Actor: "platform:whatsapp", Source: "webhook",
		Correlation: id.New[id.Trace](), Causation: id.New[id.Command]().String(), Command: id.New[id.Command](),
	})
	require.NoError(s, err)
	return proposed
}
