package projections_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/watermill"
	"daybook/events"
	"daybook/projections"
)

// benchEvents is the work of one run. DAYBOOK_BENCH_EVENTS makes it smaller while developing.
func benchEvents(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("DAYBOOK_BENCH_EVENTS"))
	if err != nil {
		return 200_000
	}
	return n
}

// batchEvents is the subscriber's default.
const batchEvents = 1000

// history is what a benchmark projects: so many appends, each of which may be made at any time.
type history struct {
	appends int
	nth     func(i int) (stream string, proposed []events.Proposed, err error)
}

// benchmark is a store full of history, and a database in which nothing is projected yet.
type benchmark struct {
	store   *embedded.Store
	pool    *pgxpool.Pool
	define  []projections.Definition
	names   []string
	schemas []string // of the first builds
	sight   *sight
}

// newBenchmark fills a store on disk.
func newBenchmark(b *testing.B, server *pgtest.Server, past history, define []projections.Definition) *benchmark {
	b.Helper()
	dir := b.TempDir()
	store, err := embedded.Open(dir)
	require.NoError(b, err)
	past.record(b, store)
	require.NoError(b, store.Close()) // and with it what it remembers of its writers
	store, err = embedded.Open(dir)
	require.NoError(b, err)
	pool, err := postgres.Open(b.Context(), server.URL())
	require.NoError(b, err)
	bm := &benchmark{store: store, pool: pool, define: define, sight: &sight{shown: map[string][]shown{}}}
	for _, define := range define {
		p := define()
		bm.names, bm.schemas = append(bm.names, p.Name()), append(bm.schemas, p.Schema())
	}
	bm.engine(b) // makes the tables
	return bm
}

func (bm *benchmark) close(b *testing.B) {
	b.Helper()
	for _, schema := range bm.schemas {
		_, err := bm.pool.Exec(b.Context(), "DROP SCHEMA "+schema+" CASCADE")
		require.NoError(b, err)
	}
	_, err := bm.pool.Exec(b.Context(), "DELETE FROM projections; DELETE FROM checkpoints; DELETE FROM build_numbers")
	require.NoError(b, err)
	bm.pool.Close()
	require.NoError(b, bm.store.Close())
}

func (bm *benchmark) engine(b *testing.B) *projections.Engine {
	b.Helper()
	engine, err := projections.NewEngine(projections.Config{
		Pool: bm.pool, Log: bm.store, Now: time.Now, Beat: 50 * time.Millisecond, Observe: bm.sight.observe,
		Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: bm.store, Events: batchEvents}),
	}, bm.define...)
	require.NoError(b, err)
	require.NoError(b, engine.Prepare(b.Context()))
	return engine
}

// project runs the real engine from nothing to the head.
func (bm *benchmark) project(b *testing.B) (took time.Duration, peak float64) {
	b.Helper()
	bm.empty(b)
	engine := bm.engine(b)
	highWater := watchHeap()
	begin := time.Now()
	stop := bm.run(b, engine)
	bm.reach(b, engine)
	took, peak = time.Since(begin), highWater()
	stop()
	return took, peak
}

// run runs an engine until it is stopped.
func (bm *benchmark) run(b *testing.B, engine *projections.Engine) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(b, <-ended)
	}
}

// reach waits until all live builds are where the log ends now.
func (bm *benchmark) reach(b *testing.B, engine *projections.Engine) {
	b.Helper()
	head, err := bm.store.Head(b.Context())
	require.NoError(b, err)
	for _, name := range bm.names {
		require.NoError(b, engine.WaitFor(b.Context(), name, head))
	}
}

// empty sets all projections back to the beginning.
func (bm *benchmark) empty(b *testing.B) {
	b.Helper()
	for _, schema := range bm.schemas {
		var tables string
		err := bm.pool.QueryRow(b.Context(), "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = $1",
			schema).Scan(&tables)
		require.NoError(b, err)
		_, err = bm.pool.Exec(b.Context(), "TRUNCATE "+tables)
		require.NoError(b, err)
	}
	_, err := bm.pool.Exec(b.Context(), "UPDATE checkpoints SET position = 0, events = 0")
	require.NoError(b, err)
}

// watchHeap collects garbage and samples the heap until the answer is wanted.
func watchHeap() func() float64 {
	runtime.GC()
	stop, answer := make(chan struct{}), make(chan float64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		highest := uint64(0)
		for {
			select {
			case <-ticker.C:
				metrics.Read(sample)
				highest = max(highest, sample[0].Value.Uint64())
			case <-stop:
				answer <- float64(highest)
				return
			}
		}
	}()
	return func() float64 { close(stop); return <-answer }
}

// prepared is one transaction of one build.
type prepared struct {
	schema string
	batch  *projections.Batch
	events int
	rows   projections.Prepared
}

// fromNothing is the ceiling of project.
func (bm *benchmark) fromNothing(b *testing.B, size int) time.Duration {
	b.Helper()
	bm.empty(b)
	return bm.ceiling(b, bm.schemas, size)
}

// preparedEvents bounds what is worked out beforehand at a time: the heap must not burden what is measured.
const preparedEvents = 50_000

// ceiling writes what the projections would write, in the same transactions of the same statements, by pgx alone, on rows
// worked out beforehand; working them out does not count. The projections are side by side, each with its checkpoint.
func (bm *benchmark) ceiling(b *testing.B, schemas []string, size int) (took time.Duration) {
	b.Helper()
	engine := bm.engine(b)
	var chunk []*projections.Batch
	flush := func() {
		sides := make([][]prepared, len(schemas))
		for i, schema := range schemas {
			for _, batch := range chunk {
				rows, err := engine.Work(schema, batch)
				require.NoError(b, err)
				sides[i] = append(sides[i], prepared{schema, &projections.Batch{After: batch.After, Last: batch.Last}, len(batch.Events), rows})
			}
		}
		chunk = nil
		took += bm.replay(b, sides)
	}
	after, n := events.Start, 0
	var records []events.Record
	cut := func() {
		last := records[len(records)-1].Position
		chunk = append(chunk, &projections.Batch{After: after, Last: last, Events: projections.Decode(records)})
		after, records = last, nil
	}
	for r, err := range bm.store.ReadAll(b.Context(), events.Start) {
		require.NoError(b, err)
		if records = append(records, r); len(records) == size {
			cut()
		}
		if n++; n%preparedEvents == 0 {
			flush()
		}
	}
	if len(records) > 0 {
		cut()
	}
	flush()
	return took
}

// replay commits prepared transactions.
func (bm *benchmark) replay(b *testing.B, sides [][]prepared) time.Duration {
	b.Helper()
	runtime.GC()
	begin := time.Now()
	beside(b, sides, func(side []prepared) error {
		for _, t := range side {
			if err := commit(b.Context(), bm.pool, t); err != nil {
				return err
			}
		}
		return nil
	})
	return time.Since(begin)
}

// beside does something on all sides at once.
func beside[S any](b *testing.B, sides []S, do func(S) error) {
	b.Helper()
	failures := make(chan error, len(sides))
	for _, side := range sides {
		go func() { failures <- do(side) }()
	}
	for range sides {
		require.NoError(b, <-failures)
	}
}

func commit(ctx context.Context, pool *pgxpool.Pool, t prepared) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE checkpoints c SET position = $1, events = events + $2, updated_at = now()
			FROM projections p WHERE p.name = c.projection AND p.version = c.version AND p.build = c.build
			AND p.schema_name = $3 AND c.position = $4
			RETURNING set_config('plan_cache_mode', 'force_generic_plan', true),
				CASE WHEN p.phase <> 'live' THEN set_config('synchronous_commit', 'off', true) END`, int64(t.batch.Last), t.events, t.schema, int64(t.batch.After))
		if err != nil || tag.RowsAffected() != 1 {
			return fmt.Errorf("checkpoint: %s %w", tag, err)
		}
		return t.rows.Run(ctx, tx)
	})
}

// record appends a history.
func (h history) record(b *testing.B, store *embedded.Store) {
	b.Helper()
	var writers sync.WaitGroup
	work := make(chan int)
	for range 32 { // group commit: more writers, fewer syncs
		writers.Go(func() {
			for i := range work {
				stream, proposed, err := h.nth(i)
				if err == nil {
					_, err = store.Append(b.Context(), stream, events.Any, proposed)
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range h.appends {
		work <- i
	}
	close(work)
	writers.Wait()
}
