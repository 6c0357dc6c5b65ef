package projections_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
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
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/audit"
	"daybook/projections/messages"
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

// BenchmarkMainProjecting projects a history into both read models, side by side as the engine does, on a durable
// server, and compares with
//   - the ceiling: the same transactions of the same statements, by pgx alone, on rows worked out beforehand;
//   - one transaction per event, its rows worked out beforehand, too, on a fortieth of the events;
//   - itself on a quarter of the events, for the peak of the heap.
func BenchmarkMainProjecting(b *testing.B) {
	n := benchEvents(b)
	server := pgtest.Restartable(b)
	for b.Loop() {
		small := newBenchmark(b, server, n/4)
		smallPeak := 0.0
		for range 4 { // as many samples as of the large one: the highest of more samples is higher
			_, peak := small.project(b)
			smallPeak = max(smallPeak, peak)
		}
		small.close(b)

		large := newBenchmark(b, server, n)
		projecting, peak := large.project(b)
		rows := large.batches(b, batchEvents)
		ceiling := large.replay(b, rows)
		again, _ := large.project(b) // the better of two, of both: the machine is never quite alone
		projecting, ceiling = min(projecting, again), min(ceiling, large.replay(b, rows))
		large.close(b)

		single := newBenchmark(b, server, n/40)
		perEvent := single.replay(b, single.batches(b, 1)) * 40
		single.close(b)

		b.ReportMetric(float64(n)/projecting.Seconds(), "events/s")
		b.ReportMetric(peak/(1<<20), "peak-MiB")
		b.ReportMetric(ceiling.Seconds()/projecting.Seconds(), "projecting-vs-ceiling>=0.6")
		b.ReportMetric(perEvent.Seconds()/projecting.Seconds(), "projecting-vs-tx-per-event>=10")
		b.ReportMetric(peak/smallPeak, "peak-memory-200k-vs-50k<=1.2")
	}
}

// batchEvents is the subscriber's default.
const batchEvents = 1000

type benchmark struct {
	store *embedded.Store
	pool  *pgxpool.Pool
}

// newBenchmark fills a store on disk, for a database in which nothing is projected yet.
func newBenchmark(b *testing.B, server *pgtest.Server, n int) *benchmark {
	b.Helper()
	dir := b.TempDir()
	store, err := embedded.Open(dir)
	require.NoError(b, err)
	fill(b, store, n)
	require.NoError(b, store.Close()) // and with it what it remembers of its writers
	store, err = embedded.Open(dir)
	require.NoError(b, err)
	pool, err := postgres.Open(b.Context(), server.URL())
	require.NoError(b, err)
	bm := &benchmark{store, pool}
	bm.engine(b) // makes the tables
	return bm
}

func (bm *benchmark) close(b *testing.B) {
	b.Helper()
	_, err := bm.pool.Exec(b.Context(), "DROP SCHEMA audit_v1, messages_v2 CASCADE; DELETE FROM projections; DELETE FROM checkpoints")
	require.NoError(b, err)
	bm.pool.Close()
	require.NoError(b, bm.store.Close())
}

func (bm *benchmark) engine(b *testing.B) *projections.Engine {
	b.Helper()
	engine, err := projections.NewEngine(projections.Config{
		Pool: bm.pool, Log: bm.store, Now: time.Now,
		Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: bm.store, Events: batchEvents}),
	}, audit.Define(), messages.Define())
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
	for _, name := range []string{"audit", "messages"} {
		require.NoError(b, engine.WaitFor(b.Context(), name, head))
	}
	took = time.Since(begin)
	peak = highWater()
	cancel()
	require.NoError(b, <-ended)
	return took, peak
}

// empty sets both projections back to the beginning.
func (bm *benchmark) empty(b *testing.B) {
	b.Helper()
	_, err := bm.pool.Exec(b.Context(), `TRUNCATE audit_v1.entries, messages_v2.messages, messages_v2.recipients, messages_v2.devices;
		UPDATE checkpoints SET position = 0, events = 0`)
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
	schema string
	batch  *projections.Batch
	rows   projections.Prepared
}

// batches works out what each projection writes.
func (bm *benchmark) batches(b *testing.B, size int) map[string][]prepared {
	b.Helper()
	engine := bm.engine(b)
	out := map[string][]prepared{}
	add := func(after events.Position, records []events.Record) {
		batch := &projections.Batch{After: after, Last: records[len(records)-1].Position, Events: projections.Decode(records)}
		for _, schema := range []string{"audit_v1", "messages_v2"} {
			rows, err := engine.Work(schema, batch)
			require.NoError(b, err)
			out[schema] = append(out[schema], prepared{schema, &projections.Batch{After: after, Last: batch.Last}, rows})
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
		name, _, _ := strings.Cut(t.schema, "_")
		tag, err := tx.Exec(ctx, `UPDATE checkpoints SET position = $1, events = events + $2, updated_at = now()
			WHERE projection = $3 AND version = 1 AND position = $4 AND epoch = 0`,
			int64(t.batch.Last), batchEvents, name, int64(t.batch.After))
		if err != nil || tag.RowsAffected() != 1 {
			return fmt.Errorf("checkpoint: %s %w", tag, err)
		}
		return t.rows.Run(ctx, tx)
	})
}

// fill records a busy day: a sixth of the events are messages in, the others the five steps of messages out, which reach
// the log as far apart as the platform tells them. Sizes are those of sealed messages.
func fill(b *testing.B, store *embedded.Store, n int) {
	b.Helper()
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
	var writers sync.WaitGroup
	work := make(chan int)
	for range 32 { // group commit: more writers, fewer syncs
		writers.Go(func() {
			for i := range work {
				stream, e := event(i)
				p, err := events.Encode(id.New[id.Event](), e, events.Envelope{
					Account: account, OccurredAt: at, RecordedAt: at, Actor: "platform:whatsapp", Source: "webhook",
					Correlation: id.New[id.Trace](), Command: id.New[id.Command](),
				})
				if err == nil {
					_, err = store.Append(b.Context(), stream, events.Any, []events.Proposed{p})
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	writers.Wait()
}
