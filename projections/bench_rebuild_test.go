package projections_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/projections"
	"daybook/projections/analytics"
	"daybook/projections/audit"
	"daybook/projections/ledger"
	"daybook/projections/messages"
	"daybook/projections/routing"
)

// shipped are all projections of the application.
var shipped = []projections.Definition{audit.Define, messages.Define, routing.Define, ledger.Define, analytics.Define}

// BenchmarkProjectionsRebuild rebuilds all shipped projections side by side, beside live ones, from the first event until
// they are ready to go live, on a durable server, and compares with
//   - the ceiling: the same transactions of the same statements and the same indexes after them, by pgx alone, on rows
//     worked out beforehand;
//   - itself on a tenth of the events, as the ceiling does with itself;
//   - itself on a tenth of the events, for the peak of the heap.
func BenchmarkProjectionsRebuild(b *testing.B) {
	n := 5 * benchEvents(b)
	server := pgtest.Restartable(b)
	for b.Loop() {
		small := measureRebuild(b, server, n/10, 4) // as many samples of the heap as of the large one
		large := measureRebuild(b, server, n, 2)

		quotient := func(of func(rebuilt) time.Duration) float64 { return 10 * of(small).Seconds() / of(large).Seconds() }
		own := quotient(func(r rebuilt) time.Duration { return r.took })
		ceilings := quotient(func(r rebuilt) time.Duration { return r.ceiling })
		b.ReportMetric(float64(n)/large.took.Seconds(), "events/s")
		b.ReportMetric(large.peak/(1<<20), "peak-MiB")
		b.ReportMetric(small.ceiling.Seconds()/small.took.Seconds(), "small-rebuild-vs-ceiling")
		b.ReportMetric(ceilings, "ceiling-quotient")
		b.ReportMetric(large.ceiling.Seconds()/large.took.Seconds(), "rebuild-vs-ceiling>=0.7")
		b.ReportMetric(own/ceilings, "rebuild-quotient-vs-ceiling>=0.9")
		b.ReportMetric(large.peak/small.peak, "rebuild-memory-1M-vs-100k<=1.2")
	}
}

// rebuilt is what a rebuild and its ceiling took, each the best of several.
type rebuilt struct {
	took, ceiling time.Duration
	peak          float64 // bytes of heap, at most
}

func measureRebuild(b *testing.B, server *pgtest.Server, n, times int) (best rebuilt) {
	b.Helper()
	bm := newBenchmark(b, server, busyDay(n), shipped)
	defer bm.close(b)
	bm.project(b)
	for i := range times {
		took, peak := bm.rebuild(b)
		ceiling := bm.rebuildCeiling(b)
		if i == 0 {
			best = rebuilt{took, ceiling, peak}
		}
		best = rebuilt{min(best.took, took), min(best.ceiling, ceiling), max(best.peak, peak)}
	}
	return best
}

// rebuild builds everything again.
func (bm *benchmark) rebuild(b *testing.B) (took time.Duration, peak float64) {
	b.Helper()
	engine := bm.engine(b)
	stop := bm.run(b, engine)
	bm.reach(b, engine)
	highWater := watchHeap()
	begin := time.Now()
	bm.begin(b, engine)
	bm.ready(b)
	took, peak = time.Since(begin), highWater()
	stop()
	bm.abort(b, engine)
	return took, peak
}

// begin begins to build everything again.
func (bm *benchmark) begin(b *testing.B, engine *projections.Engine) (schemas []string) {
	b.Helper()
	for _, name := range bm.names {
		schema, err := engine.Rebuild(b.Context(), name)
		require.NoError(b, err)
		schemas = append(schemas, schema)
	}
	return schemas
}

func (bm *benchmark) abort(b *testing.B, engine *projections.Engine) {
	b.Helper()
	for _, name := range bm.names {
		_, err := engine.Abort(b.Context(), name)
		require.NoError(b, err)
	}
}

// ready waits until no build is replayed any more.
func (bm *benchmark) ready(b *testing.B) {
	b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for replaying := true; replaying; <-tick.C {
		err := bm.pool.QueryRow(b.Context(), "SELECT EXISTS (SELECT FROM projections WHERE phase = 'replaying')").Scan(&replaying)
		require.NoError(b, err)
	}
}

// rebuildCeiling does what rebuild does, by pgx alone.
func (bm *benchmark) rebuildCeiling(b *testing.B) time.Duration {
	b.Helper()
	engine := bm.engine(b)
	schemas := bm.begin(b, engine)
	defer bm.abort(b, engine)
	took := bm.ceiling(b, schemas, batchEvents)
	begin := time.Now()
	beside(b, schemas, func(schema string) error {
		return pgx.BeginFunc(b.Context(), bm.pool, func(tx pgx.Tx) error {
			var held []string
			err := tx.QueryRow(b.Context(), "SELECT held_back FROM projections WHERE schema_name = $1", schema).Scan(&held)
			for _, index := range held {
				if err == nil {
					_, err = tx.Exec(b.Context(), index)
				}
			}
			return err
		})
	})
	return took + time.Since(begin)
}
