package projections_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/storetest"
	"daybook/adapters/watermill"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// house is a store and a database that engines come and go in.
type house struct {
	t       *testing.T
	store   storetest.LentStore
	url     string
	pool    *pgxpool.Pool
	given   int
	log     *slog.Logger
	ttl     time.Duration // of leases
	beat    time.Duration
	confirm bool
	observe func(projections.Committed)
	tracer  trace.TracerProvider
	audit   time.Duration
	limit   int              // of the events of a batch; 0: 10
	now     func() time.Time // nil: always the same moment
	source  projections.Log  // what engines read, if it is not the store itself
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return houseAt(t, pgtest.Database(t))
}

func houseAt(t *testing.T, url string) *house {
	t.Helper()
	store := storetest.Lend(t)
	pool, err := postgres.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return &house{t: t, store: store, url: url, pool: pool}
}

// append records device events, one per append, and returns the position of the last one.
func (h *house) append(n int) events.Position {
	h.t.Helper()
	var last events.Position
	for range n {
		h.given++
		e := events.DeviceLinked{DeviceID: device(h.given), Name: fmt.Sprint("device ", h.given)}
		last = h.record(fmt.Sprintf("devices-%d", h.given%7), e)
	}
	return last
}

func (h *house) record(stream string, e events.Event) events.Position {
	h.t.Helper()
	proposed, err := events.Encode(id.New[id.Event](), e, events.Envelope{RecordedAt: projectiontest.Epoch})
	require.NoError(h.t, err)
	appended, err := h.store.Append(h.t.Context(), stream, events.Any, []events.Proposed{proposed})
	require.NoError(h.t, err)
	return appended.Position
}

func (h *house) engine(pool *pgxpool.Pool, definitions ...projections.Definition) *projections.Engine {
	h.t.Helper()
	now, source := h.now, h.source
	if now == nil {
		now = func() time.Time { return projectiontest.Epoch.Add(time.Hour) }
	}
	if source == nil {
		source = h.store
	}
	engine, err := projections.NewEngine(projections.Config{
		Pool: pool, Log: source, Logger: h.log, TTL: h.ttl, Beat: h.beat, Confirm: h.confirm, Audit: h.audit, Now: now,
		Observe: h.observe, Tracer: h.tracer,
		Subscriber: watermill.NewBatchSubscriber(watermill.Config{
			Log: h.store, Events: cmp.Or(h.limit, 10), MinPause: time.Millisecond, MaxPause: 20 * time.Millisecond,
		}),
	}, definitions...)
	require.NoError(h.t, err)
	return engine
}

// run makes an engine and starts it.
func (h *house) run(pool *pgxpool.Pool, definitions ...projections.Definition) (engine *projections.Engine, stop func()) {
	h.t.Helper()
	engine = h.engine(pool, definitions...)
	return engine, h.start(engine)
}

// start runs an engine; stop waits for its end and may be called again.
func (h *house) start(engine *projections.Engine) (stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(h.t, <-ended)
	})
	h.t.Cleanup(stop)
	return stop
}

func (h *house) wait(engine *projections.Engine, name string, p events.Position) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(h.t, engine.WaitFor(ctx, name, p))
}

// status waits until a projection is in a state, and returns it.
func (h *house) status(engine *projections.Engine, name string, want projections.State) (found projections.Status) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		all, err := engine.Status(h.t.Context())
		i := slices.IndexFunc(all, func(s projections.Status) bool {
			return s.Name == name && s.State == want && (s.Error == "") == (want == projections.StateRunning || want == projections.StateStandby)
		})
		if err != nil || i < 0 {
			return false
		}
		found = all[i]
		return true
	}, 30*time.Second, 5*time.Millisecond)
	return found
}

// consistent compares with a rebuild from zero by one undisturbed engine.
func (h *house) consistent(schema string, define func() *projections.Projection) {
	h.t.Helper()
	got, err := projectiontest.Dump(h.t.Context(), h.pool, schema)
	require.NoError(h.t, err)
	other := &house{t: h.t, store: h.store, url: pgtest.Database(h.t)}
	pool, err := postgres.Open(h.t.Context(), other.url)
	require.NoError(h.t, err)
	defer pool.Close()
	other.pool = pool
	head, err := h.store.Head(h.t.Context())
	require.NoError(h.t, err)
	engine, stop := other.run(pool, define)
	defer stop()
	other.wait(engine, define().Name(), head)
	want, err := projectiontest.Dump(h.t.Context(), pool, define().Schema())
	require.NoError(h.t, err)
	require.NotEmpty(h.t, want)
	require.Equal(h.t, want, got)
	require.Equal(h.t, other.counted(), h.counted())
}

// counted is how many events the checkpoint of the sample's newest build has counted.
func (h *house) counted() (n int64) {
	h.t.Helper()
	require.NoError(h.t, h.pool.QueryRow(h.t.Context(), "SELECT events FROM checkpoints WHERE projection = 'sample' ORDER BY build DESC LIMIT 1").Scan(&n))
	return n
}

func TestTwoEnginesApplyEachEventOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first, stopFirst := h.run(h.pool, sample)
	second, _ := h.run(h.pool, sample)
	h.append(200)
	h.wait(second, "sample", h.append(1))
	stopFirst()
	last := h.append(100)
	h.wait(second, "sample", last)
	h.wait(first, "sample", last) // an engine that does not run sees what others do
	require.EqualValues(t, 302, h.counted())
	h.consistent("sample_v1", sample)
}

func TestALostReplyToACommitIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, commits := range map[string]func(sent string) bool{
		"With rows": func(sent string) bool { return steps(sent, "sample") },
		"Without":   func(sent string) bool { return steps(sent, "head") },
		"Many":      func(sent string) bool { return strings.Contains(sent, "COMMIT\x00") }, // which COPY writes
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lostReplies(t, commits)
		})
	}
}

// lostReplies loses those to what commits.
func lostReplies(t *testing.T, commits func(sent string) bool) {
	t.Helper()
	h := newHouse(t)
	h.limit = 100
	told := h.hears()
	var prepared atomic.Bool
	var lost atomic.Int64
	engine := h.engine(h.wired(t, func(sent []byte) bool {
		return prepared.Load() && commits(string(sent)) && lost.Add(1) <= 5
	}), sample)
	require.NoError(t, engine.Prepare(t.Context()))
	prepared.Store(true)
	h.append(100)
	stop := h.start(engine)
	for range 6 {
		last := h.append(3)
		h.wait(engine, "sample", last)
		h.wait(engine, "head", last)
	}
	stop()
	require.Empty(t, told.String(), "what was committed is not reported as a failure")
	require.Positive(t, lost.Load())
	h.consistent("sample_v1", sample)
}

func TestACheckpointOfAnotherStoreIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	state := func() *projections.Projection {
		p := projections.New("state", 1, sampleSchema)
		sampleState(p)
		return p
	}
	require.NoError(t, h.engine(h.pool, sample, state).Prepare(t.Context()))
	other := id.New[id.Store]()
	h.exec("UPDATE checkpoints SET store_id = $1 WHERE projection = 'sample'", other.Bytes())
	engine, _ := h.run(h.pool, sample, state)
	last := h.append(5)
	h.wait(engine, "state", last)
	refused := h.status(engine, "sample", projections.StateStopped)
	require.Contains(t, refused.Error, other.String())
	require.Contains(t, refused.Error, h.store.ID().String())
	require.Zero(t, refused.Position)

	h.exec("UPDATE checkpoints SET store_id = $1 WHERE projection = 'sample'", h.store.ID().Bytes())
	h.wait(engine, "sample", last)
	h.status(engine, "sample", projections.StateRunning)
}

func TestAnOlderStoreIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	last := h.append(5)
	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()))
	h.exec("UPDATE checkpoints SET position = $1", int64(last)+1000)
	engine, _ := h.run(h.pool, sample)
	refused := h.status(engine, "sample", projections.StateStopped)
	require.Contains(t, refused.Error, "older copy")
	require.Contains(t, refused.Error, "Restore the newer one, or rebuild the projection")
	require.Contains(t, refused.Error, fmt.Sprint(last))
	require.Empty(t, h.rows("SELECT FROM sample_v1.trail"))

	h.exec("UPDATE checkpoints SET position = 0")
	h.wait(engine, "sample", last)
}

func TestAChangedDefinitionNeedsAnotherVersion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first, stop := h.run(h.pool, sample)
	h.wait(first, "sample", h.append(1))
	stop()
	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()))
	changed := sampleSchema + "; CREATE INDEX ON trail (type)"

	more := sample()
	projections.On(more, func(events.PremiumSubscribed, projections.At) error { return nil })
	for _, p := range []*projections.Projection{sampleVersion(1, changed), more} {
		err := h.engine(h.pool, always(p)).Run(t.Context())
		require.ErrorAs(t, err, new(*projections.MisuseError))
		require.ErrorContains(t, err, "projection sample_v1")
		require.ErrorContains(t, err, "Give it version 2")
	}

	engine, _ := h.run(h.pool, always(sampleVersion(2, changed)))
	require.Eventually(t, func() bool { return len(h.rows("SELECT FROM projections WHERE name = 'sample'")) == 2 },
		30*time.Second, 5*time.Millisecond)
	_, err := engine.Live(t.Context(), "sample")
	_, unready := errors.AsType[*projections.UnreadyError](err)
	require.True(t, unready, "the first version stays live until another is put there, and is nothing for readers of that: %v", err)
	live, err := h.engine(h.pool, sample, always(sampleVersion(2, changed))).Live(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, "sample_v1", live)
}

// TestStoppingAnywhereLosesAndDoublesNothing ends the engine at each of the first statements it sends, in turn.
func TestStoppingAnywhereLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	told := h.hears()
	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()))
	last := h.append(60)
	for n := range int64(40) {
		ctx, cancel := context.WithCancel(t.Context())
		var sent atomic.Int64
		pool := h.wired(t, func([]byte) bool {
			if sent.Add(1) == n {
				cancel()
			}
			return false
		})
		engine := h.engine(pool, sample)
		stop := context.AfterFunc(t.Context(), cancel)
		go func() { // far enough: the next one
			if engine.WaitFor(ctx, "sample", last) == nil {
				cancel()
			}
		}()
		require.NoError(t, engine.Run(ctx))
		stop()
		pool.Close()
		if n%4 == 3 {
			last = h.append(11)
		}
	}
	require.NotContains(t, told.String(), "rolled back", "that it is stopped is no failure")
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", last)
	h.consistent("sample_v1", sample)
}

func TestTheStoresOwnEventsMoveTheCheckpointUncounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine, _ := h.run(h.pool, sample)
	h.append(2)
	for _, stream := range []string{"devices-1", "$settings"} {
		_, err := h.store.Append(t.Context(), stream, events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "$metadata"}})
		require.NoError(t, err)
	}
	_, err := h.store.Append(t.Context(), "$settings", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "Settings"}})
	require.NoError(t, err)
	head, err := h.store.Head(t.Context())
	require.NoError(t, err)
	h.wait(engine, "sample", head)
	require.EqualValues(t, 3, h.counted())
	require.Len(t, h.rows("SELECT FROM sample_v1.trail"), 3)
}

// TestNothingIsLeftRunning is not parallel: it counts goroutines. The store is embedded, because a client of a server
// keeps the connections that an engine made it open.
func TestNothingIsLeftRunning(t *testing.T) { //nolint:paralleltest // see above
	h := newHouse(t)
	h.store = storetest.LendEmbedded(t)
	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()))
	before := runtime.NumGoroutine()
	for range 3 {
		engine, stop := h.run(h.pool, sample)
		h.wait(engine, "sample", h.append(30))
		stop()
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, 5*time.Millisecond,
		"goroutines: %v", stacks{})
}

type stacks struct{}

func (stacks) String() string {
	buffer := make([]byte, 1<<20)
	return string(buffer[:runtime.Stack(buffer, true)])
}

func (h *house) exec(sql string, arguments ...any) {
	h.t.Helper()
	_, err := h.pool.Exec(h.t.Context(), sql, arguments...)
	require.NoError(h.t, err)
}

// rows runs a query without columns of interest and returns one element per row.
func (h *house) rows(sql string) []struct{} {
	h.t.Helper()
	rows, err := h.pool.Query(h.t.Context(), sql)
	require.NoError(h.t, err)
	defer rows.Close()
	var out []struct{}
	for rows.Next() {
		out = append(out, struct{}{})
	}
	require.NoError(h.t, rows.Err())
	return out
}
