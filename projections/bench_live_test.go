package projections_test

import (
	"context"
	"slices"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/postgres/pgtest"
	"daybook/events"
	"daybook/projections"
)

// liveRate is how many events a second arrive while live traffic is measured.
const liveRate = 500

// BenchmarkProjectionsLive appends at a steady rate, an event at a time, and measures from before the append until the
// event is in a projection's rows, of each event in each of the shipped projections; on a durable server, and a store on
// disk. It compares with the least that it could take: one durable append and one commit of one row, each alone on the
// machine.
//
// Then it does the same while all projections are rebuilt, and tells what either does to the other; there, an event counts
// when it is in the rows of the last projection.
func BenchmarkProjectionsLive(b *testing.B) {
	n := benchEvents(b)
	server := pgtest.Restartable(b)
	for b.Loop() {
		bm := newBenchmark(b, server, busyDay(n), shipped)
		bm.project(b)
		least := quantile(bm.appends(b, 500), 0.5) + quantile(bm.commits(b, 500), 0.5)
		free, _ := bm.rebuild(b)

		engine := bm.engine(b)
		stop := bm.run(b, engine)
		bm.reach(b, engine)
		alone, aloneLast := bm.traffic(b, engine, func() { <-time.After(10 * time.Second) })
		begin := time.Now()
		var busy time.Duration
		_, beside := bm.traffic(b, engine, func() {
			bm.begin(b, engine)
			bm.ready(b)
			busy = time.Since(begin)
		})
		stop()
		bm.abort(b, engine)
		bm.close(b)

		b.ReportMetric(least.Seconds()*1e3, "least-ms")
		b.ReportMetric(quantile(aloneLast, 0.5).Seconds()/least.Seconds(), "last-p50-vs-append-and-commit")
		b.ReportMetric(quantile(aloneLast, 0.99).Seconds()*1e3, "last-p99-ms")
		b.ReportMetric(quantile(beside, 0.5).Seconds()*1e3, "live-in-rebuild-p50-ms")
		b.ReportMetric(quantile(alone, 0.5).Seconds()/least.Seconds(), "live-p50-vs-append-and-commit<=4")
		b.ReportMetric(quantile(beside, 0.99).Seconds()*1e3, "live-in-rebuild-p99-ms<=250")
		b.ReportMetric(free.Seconds()/busy.Seconds(), "rebuild-in-traffic-vs-free>=0.3")
	}
}

// quantile sorts, and returns the value that a part of all does not exceed.
func quantile(all []time.Duration, part float64) time.Duration {
	slices.Sort(all)
	return all[int(part*float64(len(all)-1))]
}

// appends takes the time of appends, one after the other.
func (bm *benchmark) appends(b *testing.B, n int) (took []time.Duration) {
	b.Helper()
	day := busyDay(n)
	for i := range n {
		begin := time.Now()
		_, err := appendNth(b.Context(), bm.store, day, i)
		require.NoError(b, err)
		took = append(took, time.Since(begin))
	}
	return took
}

func appendNth(ctx context.Context, store *embedded.Store, h history, i int) (events.Position, error) {
	stream, proposed, err := h.nth(i)
	if err != nil {
		return 0, err
	}
	appended, err := store.Append(ctx, stream, events.Any, proposed)
	return appended.Position, err
}

// commits takes the time of commits of one row, one after the other.
func (bm *benchmark) commits(b *testing.B, n int) (took []time.Duration) {
	b.Helper()
	exec := func(sql string, arguments ...any) {
		_, err := bm.pool.Exec(b.Context(), sql, arguments...)
		require.NoError(b, err)
	}
	exec("CREATE TABLE one_row (n bigint PRIMARY KEY, at timestamptz)")
	defer exec("DROP TABLE one_row")
	for i := range n {
		begin := time.Now()
		exec("INSERT INTO one_row VALUES ($1, now())", i)
		took = append(took, time.Since(begin))
	}
	return took
}

// sight is when each projection showed what.
type sight struct {
	mu    sync.Mutex
	shown map[string][]shown // by physical schema, in order
}

type shown struct {
	position events.Position
	at       time.Time
}

func (s *sight) observe(c projections.Committed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown[c.Schema] = append(s.shown[c.Schema], shown{c.Position, time.Now()})
}

// at is when a position was in the rows of a build.
func (s *sight) at(position events.Position, schema string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.shown[schema]
	return list[sort.Search(len(list), func(i int) bool { return list[i].position >= position })].at
}

// traffic appends at a steady rate, however long an append takes, while something is done. It returns how long each event
// took until it was in the rows of each projection, and until it was in those of the last one.
func (bm *benchmark) traffic(b *testing.B, engine *projections.Engine, during func()) (each, last []time.Duration) {
	b.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		during()
	}()
	var (
		mu    sync.Mutex
		sent  = map[events.Position]time.Time{}
		going sync.WaitGroup
		day   = busyDay(1 << 20)
		tick  = time.NewTicker(time.Second / liveRate)
	)
	defer tick.Stop()
	for i, on := 0, true; on; i++ {
		select {
		case <-tick.C:
		case <-done:
			on = false
			continue
		}
		going.Go(func() {
			begin := time.Now()
			position, err := appendNth(b.Context(), bm.store, day, i)
			if err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			sent[position] = begin
		})
	}
	going.Wait()
	bm.reach(b, engine)
	for position, begin := range sent {
		for _, schema := range bm.schemas {
			each = append(each, bm.sight.at(position, schema).Sub(begin))
		}
		last = append(last, slices.Max(each[len(each)-len(bm.schemas):]))
	}
	return each, last
}
