package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/watermill"
	"daybook/cmd/daybook/demo"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// TestKilledProjectorLosesAndDoublesNothing plays the demo's month in one process and projects it in another, into a
// database of its own, which is killed at random moments and started anew while all read models are rebuilt and put live
// over and over. In the end every row, index, checkpoint and parked event is what the first process's engine has, which
// nobody disturbed.
func TestKilledProjectorLosesAndDoublesNothing(t *testing.T) {
	kills, perDay := 5, 3
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		kills, perDay = 100, 60
	}
	random := seeded(t)
	s := newStruggle(t)
	s.recordUnreadable(t, kills)
	projector := s.project(t)
	operating, retire := s.operate(random.Uint64())
	moments, ended := s.month(t, perDay, kills, random)
	rebuilding := 0
	for n := range kills {
		<-moments
		s.recordUnreadable(t, n)
		within := 500 * time.Millisecond
		if n%2 == 0 {
			within = 40 * time.Millisecond
			require.Eventually(t, func() bool { return s.replaying(t) > 0 }, time.Minute, time.Millisecond)
		}
		rebuilding += projector.kill(t, time.Duration(random.Int64N(int64(within))), s.replaying)
		projector = s.project(t)
	}
	require.NoError(t, <-ended)
	retire()
	require.NoError(t, operating.Wait())
	t.Logf("%d of %d kills hit a rebuild; live are builds %v", rebuilding, kills, s.live(t, s.pool))
	require.Positive(t, rebuilding)
	for _, schema := range s.live(t, s.pool) {
		require.NotContains(t, s.live(t, s.a.database), schema, "every read model was rebuilt")
	}
	s.settle(t)
	want := s.standing(t, s.a.database)
	require.NotEmpty(t, want["parked events"])
	require.Equal(t, want, s.standing(t, s.pool))
}

// seeded draws what a test does. DAYBOOK_TEST_SEED draws it again, though not the moments between which it happens.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("DAYBOOK_TEST_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("DAYBOOK_TEST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// struggle is a Daybook that is left alone, and the database of a process that is not.
type struggle struct {
	a     *app
	clock *demo.Clock
	base  string // of the Daybook
	store string // how to connect to its store

	url  string
	pool *pgxpool.Pool
	desk *projections.Engine // gives orders in that database, and projects nothing
}

func newStruggle(t *testing.T) *struggle {
	t.Helper()
	s := &struggle{clock: &demo.Clock{}, url: pgtest.Database(t)}
	config := demoConfig(t)
	config.StoreListen = config.Listen // nor is this a port that anybody else has
	var err error
	s.a, err = open(t.Context(), config, s.clock.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	s.base = run(t, s.a)
	s.store = cmp.Or(config.EventStore, connectionTo(s.a.storeAddress))
	s.pool, err = postgres.Open(t.Context(), s.url)
	require.NoError(t, err)
	t.Cleanup(s.pool.Close)
	s.desk, err = newProjector(s.a.store, s.pool, nil)
	require.NoError(t, err)
	require.NoError(t, s.desk.Prepare(t.Context()))
	return s
}

// newProjector makes an engine of all projections whose leases do not outlive it for long, with batches so small that
// rebuilds take a while, and which soon removes what is not live any more.
func newProjector(store eventStore, pool *pgxpool.Pool, observe func(projections.Committed)) (*projections.Engine, error) {
	return projections.NewEngine(projections.Config{
		Pool: pool, Log: store, Now: time.Now, Observe: observe,
		Subscriber: watermill.NewBatchSubscriber(watermill.Config{
			Log: store, Events: 10, MinPause: time.Millisecond, MaxPause: 50 * time.Millisecond,
		}),
		TTL: time.Second, Beat: 20 * time.Millisecond, Keep: 2 * time.Second,
	}, definitions()...)
}

// month plays the demo's month. One moment is drawn from each of as many stretches of it, and it does not go on there until
// somebody receives it.
func (s *struggle) month(t *testing.T, perDay, stretches int, random *rand.Rand) (moments chan int, ended chan error) {
	t.Helper()
	at := make([]float64, stretches)
	for n := range at {
		at[n] = (float64(n) + random.Float64()) / float64(stretches)
	}
	moments, ended = make(chan int), make(chan error, 1)
	stage := s.a.stage(s.base, s.clock, io.Discard, io.Discard)
	stage.PerDay = perDay
	next := 0
	stage.Progress = func(done, total int) {
		for ; next < stretches && float64(done) >= at[next]*float64(total); next++ {
			select {
			case moments <- next:
			case <-t.Context().Done():
			}
		}
	}
	go func() { ended <- demo.Load(t.Context(), stage) }()
	return moments, ended
}

// recordUnreadable records in some conversations an event that the messages cannot take, and one that has to wait behind it.
// No other projection looks into those that cannot be read.
func (s *struggle) recordUnreadable(t *testing.T, n int) {
	t.Helper()
	for conversation := range 3 {
		name := fmt.Sprint(n, " in ", conversation)
		waits, err := events.Encode(id.Derive[id.Event]("waits", name),
			events.DeviceRenamed{DeviceID: id.Derive[id.Device](name), Name: "waits"}, events.Envelope{RecordedAt: s.clock.Now()})
		require.NoError(t, err)
		stream := "conversation-" + id.Derive[id.Conversation]("unreadable", strconv.Itoa(conversation)).String()
		_, err = s.a.store.Append(t.Context(), stream, events.Any, []events.Proposed{
			{ID: id.Derive[id.Event]("unreadable", name), Type: events.NameOf[events.DeviceUnlinked](), Data: []byte("no JSON"), Metadata: []byte("{}"), Binary: true},
			waits,
		})
		require.NoError(t, err)
	}
}

// operate rebuilds read models and puts them live, whoever projects them meanwhile, until it is retired: all of them at
// first, then some at a time.
func (s *struggle) operate(seed uint64) (operating *errgroup.Group, retire func()) {
	random, names := rand.New(rand.NewPCG(seed, 0)), []string(nil)
	for _, define := range definitions() {
		names = append(names, define().Name())
	}
	operating, ctx := errgroup.WithContext(context.Background())
	retired, cancel := context.WithCancel(ctx)
	operating.Go(func() error {
		for some := len(names); retired.Err() == nil; some = 1 + random.IntN(len(names)) {
			random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			round, ctx := errgroup.WithContext(ctx)
			for _, name := range names[:some] {
				round.Go(func() error { return s.rebuild(ctx, name) })
			}
			if err := round.Wait(); err != nil {
				return err
			}
		}
		return nil
	})
	return operating, cancel
}

// rebuild begins a rebuild and asks to go live until that is done, which is refused while there is nothing to put live.
func (s *struggle) rebuild(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if _, err := s.desk.Rebuild(ctx, name); err != nil {
		return err
	}
	for {
		err := s.desk.GoLive(ctx, name)
		if _, notYet := errors.AsType[*projections.OrderError](err); !notYet {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// replaying counts the builds that are being made.
func (s *struggle) replaying(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, s.pool.QueryRow(t.Context(), "SELECT count(*) FROM projections WHERE phase = 'replaying'").Scan(&n))
	return n
}

// settle waits until policies have nothing to add, and both databases hold it all.
func (s *struggle) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		head, err := s.a.store.Head(ctx)
		require.NoError(t, err)
		for _, define := range definitions() {
			require.NoError(t, s.a.engine.WaitFor(ctx, define().Name(), head))
			require.NoError(t, s.desk.WaitFor(ctx, define().Name(), head))
		}
		_, err = s.a.policies.WaitFor(ctx, policies.RatingName, head)
		require.NoError(t, err)
		if now, err := s.a.store.Head(ctx); err == nil && now == head && s.counted(t, s.pool, head) && s.counted(t, s.a.database, head) {
			return
		}
		require.NoError(t, ctx.Err())
	}
}

// counted tells whether the followers of the head are there, too.
func (s *struggle) counted(t *testing.T, pool *pgxpool.Pool, head events.Position) (done bool) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT bool_and(position = $1) FROM checkpoints WHERE projection = 'head'", int64(head)).Scan(&done))
	return done
}

// live lists the physical schemas that are read.
func (s *struggle) live(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return column(t, pool, "SELECT schema_name FROM projections WHERE phase = 'live' AND name <> 'head' ORDER BY 1")
}

// standing is everything that a database holds of its live builds, whatever they are called: but for when and how often
// something was tried, and by whom.
func (s *struggle) standing(t *testing.T, pool *pgxpool.Pool) map[string][]string {
	t.Helper()
	const live = " JOIN projections p ON p.name = b.projection AND p.version = b.version AND p.build = b.build WHERE p.phase = 'live' ORDER BY 1"
	out := map[string][]string{
		"checkpoints": column(t, pool, `SELECT row(b.projection, b.version, b.store_id, b.position, b.events,
			b.anchor_stream, b.anchor_revision, b.anchor_event, b.anchor_position)::text FROM checkpoints b`+live),
		"parked keys":   column(t, pool, "SELECT row(b.projection, b.key, replace(b.cause, p.schema_name, p.name))::text FROM parked_keys b"+live),
		"parked events": column(t, pool, "SELECT row(b.projection, b.key, b.n, b.stream, b.revision, b.type, b.skipped_at)::text FROM parked_events b"+live),
		"indexes": column(t, pool, `SELECT p.name || ': ' || replace(i.indexdef, p.schema_name, p.name) FROM pg_indexes i
			JOIN projections p ON p.schema_name = i.schemaname WHERE p.phase = 'live' ORDER BY 1`),
	}
	for _, schema := range s.live(t, pool) {
		rows, err := projectiontest.Dump(t.Context(), pool, schema)
		require.NoError(t, err)
		name := column(t, pool, "SELECT name FROM projections WHERE schema_name = '"+schema+"'")[0]
		if name != "templates" && name != "campaigns" { // of which the month says nothing
			require.NotEmpty(t, rows, schema)
		}
		out["rows of "+name] = rows
	}
	return out
}

// column runs a query of one column of text.
func column(t *testing.T, pool *pgxpool.Pool, query string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), query)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return list
}
