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
	store  *embedded.Store
	pool   *pgxpool.Pool
	define []projections.Definition
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
	bm := &benchmark{store, pool, define}
	bm.engine(b) // makes the tables
	return bm
}

func (bm *benchmark) close(b *testing.B) {
	b.Helper()
	for _, define := range bm.define {
		_, err := bm.pool.Exec(b.Context(), "DROP SCHEMA "+define().Schema()+" CASCADE")
		require.NoError(b, err)
	}
	_, err := bm.pool.Exec(b.Context(), "DELETE FROM projections; DELETE FROM checkpoints")
	require.NoError(b, err)
	bm.pool.Close()
	require.NoError(b, bm.store.Close())
}

func (bm *benchmark) engine(b *testing.B) *projections.Engine {
	b.Helper()
	engine, err := projections.NewEngine(projections.Config{
		Pool: bm.pool, Log: bm.store, Now: time.Now,
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
	head, err := bm.store.Head(b.Context())
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	highWater := watchHeap()
	begin := time.Now()
	go func() { ended <- engine.Run(ctx) }()
	for _, define := range bm.define {
		require.NoError(b, engine.WaitFor(b.Context(), define().Name(), head))
	}
	took = time.Since(begin)
	peak = highWater()
	cancel()
	require.NoError(b, <-ended)
	return took, peak
}

// empty sets all projections back to the beginning.
func (bm *benchmark) empty(b *testing.B) {
	b.Helper()
	for _, define := range bm.define {
		var tables string
		err := bm.pool.QueryRow(b.Context(), "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = $1",
			define().Schema()).Scan(&tables)
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

// prepared is one transaction of one projection.
type prepared struct {
	name    string
	version int
	batch   *projections.Batch
	rows    projections.Prepared
}

// batches works out what each projection writes.
func (bm *benchmark) batches(b *testing.B, size int) map[string][]prepared {
	b.Helper()
	engine := bm.engine(b)
	out := map[string][]prepared{}
	add := func(after events.Position, records []events.Record) {
		batch := &projections.Batch{After: after, Last: records[len(records)-1].Position, Events: projections.Decode(records)}
		for _, define := range bm.define {
			p := define()
			rows, err := engine.Work(p.Schema(), batch)
			require.NoError(b, err)
			out[p.Schema()] = append(out[p.Schema()], prepared{p.Name(), p.Version(), &projections.Batch{After: after, Last: batch.Last}, rows})
		}
	}
	after := events.Start
	var records []events.Record
	for r, err := range bm.store.ReadAll(b.Context(), events.Start) {
		require.NoError(b, err)
		if records = append(records, r); len(records) == size {
			add(after, records)
			after, records = r.Position, nil
		}
	}
	if len(records) > 0 {
		add(after, records)
	}
	return out
}

// replay commits prepared transactions into empty tables, the projections side by side, each with its checkpoint.
func (bm *benchmark) replay(b *testing.B, transactions map[string][]prepared) time.Duration {
	b.Helper()
	bm.empty(b)
	runtime.GC()
	begin := time.Now()
	var sides sync.WaitGroup
	failures := make(chan error, len(transactions))
	for _, side := range transactions {
		sides.Go(func() {
			for _, t := range side {
				if err := commit(b.Context(), bm.pool, t); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	sides.Wait()
	took := time.Since(begin)
	close(failures)
	require.NoError(b, <-failures)
	return took
}

func commit(ctx context.Context, pool *pgxpool.Pool, t prepared) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE checkpoints SET position = $1, events = events + $2, updated_at = now()
			WHERE projection = $3 AND version = $4 AND position = $5 AND epoch = 0`,
			int64(t.batch.Last), batchEvents, t.name, t.version, int64(t.batch.After))
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
