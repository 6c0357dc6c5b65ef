package policies_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/events"
	"daybook/events/id"
)

// BenchmarkRunner is what the runner costs for each event, from a log in memory: beyond reading when the policy does not
// handle it, with decoding and dealing out when it does.
func BenchmarkRunner(b *testing.B) {
	const n = 200_000
	for _, handled := range []string{"DeviceLinked", "ProfileUpdated"} {
		log := newBook()
		var last events.Position
		for i := range n {
			e := events.Event(events.DeviceLinked{Name: "phone"})
			if handled != "DeviceLinked" {
				e = events.ProfileUpdated{}
			}
			proposed, err := events.Encode(id.New[id.Event](), e, events.Envelope{RecordedAt: recordedAt, Actor: "bench"})
			require.NoError(b, err)
			last = log.add(fmt.Sprintf("devices-%d", i%10), proposed)
		}
		b.Run(handled, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				runThrough(b, policies.Config{Log: log}, last, &listener{8, func(context.Context, int, []*policies.Input) error { return nil }})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
		})
	}
}

// BenchmarkConcurrency is the speed of 16 shards that append, by how many of them react at once: in the large batches of
// a policy that catches up and in the small ones at the head, on the disk here and on a store 2 ms away.
func BenchmarkConcurrency(b *testing.B) {
	for _, c := range []struct {
		batch int
		away  time.Duration
	}{{8192, 0}, {64, 0}, {8192, 2 * time.Millisecond}, {64, 2 * time.Millisecond}} {
		n := c.batch * 12
		for _, concurrency := range []int{1, 4, 8, 16} {
			b.Run(fmt.Sprintf("batch=%d/away=%s/shards=%d", c.batch, c.away, concurrency), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					store, err := embedded.Open(b.TempDir())
					require.NoError(b, err)
					last := fill(b, store, n)
					b.StartTimer()
					runThrough(b, policies.Config{Log: store, Concurrency: concurrency, Events: c.batch}, last,
						newTally(distant{store, c.away}, 16))
					b.StopTimer()
					require.NoError(b, store.Close())
					b.StartTimer()
				}
				b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// distant is a store that answers appends later.
type distant struct {
	*embedded.Store

	away time.Duration
}

func (d distant) Append(
	ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
) (events.Appended, error) {
	if d.away > 0 {
		<-time.After(d.away)
	}
	return d.Store.Append(ctx, stream, expected, proposed)
}

// fill links n devices, of 16 shards in turn.
func fill(b *testing.B, store *embedded.Store, n int) (last events.Position) {
	b.Helper()
	var appends sync.WaitGroup
	for range n / 16 {
		for shard := range 16 {
			p, err := events.Encode(id.New[id.Event](), events.DeviceLinked{Name: "phone"}, events.Envelope{Actor: "bench"})
			require.NoError(b, err)
			appends.Go(func() {
				_, err := store.Append(b.Context(), fmt.Sprintf("devices-%d", shard), events.Any, []events.Proposed{p})
				if err != nil {
					b.Error(err)
				}
			})
		}
	}
	appends.Wait()
	last, err := store.Head(b.Context())
	require.NoError(b, err)
	return last
}

func runThrough(b *testing.B, cfg policies.Config, last events.Position, p policies.Policy) {
	b.Helper()
	cfg.Leases, cfg.Now = policiestest.NewLeases(time.Now), time.Now
	runner, err := policies.NewRunner(cfg, p)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	_, err = runner.WaitFor(ctx, p.Name(), last)
	require.NoError(b, err)
	cancel()
	require.NoError(b, <-ended)
}
