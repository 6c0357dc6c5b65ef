// Package projectiontest tests projections as they run: real events, the real engine, real Postgres.
//
//	func TestTheDeviceStaysWithTheMessage(t *testing.T) {
//		projectiontest.For(t, messages.Define).
//			Given("conversation-1", events.MessageQueued{MessageID: m, DeviceName: "iPhone Mario", …}).
//			Then("SELECT device_name, kind FROM messages", "iPhone Mario | text")
//	}
//
// Conformance runs the kit that every projection passes.
package projectiontest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/storetest"
	"daybook/adapters/watermill"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// Epoch is when the first given event is recorded; each further one is a second later.
var Epoch = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// Scenario is a store and a database of one test's own.
type Scenario struct {
	t          testing.TB
	define     projections.Definition
	projection *projections.Projection // for its names
	store      storetest.LentStore
	url        string
	pool       *pgxpool.Pool
	envelope   events.Envelope
	given      int

	start  sync.Once
	engine *projections.Engine
}

// For begins a scenario. Nothing is projected before Then, Rows or Settle.
func For(t testing.TB, define projections.Definition) *Scenario {
	t.Helper()
	store := storetest.Lend(t, embedded.Clock(func() time.Time { return Epoch }))
	url := pgtest.Database(t)
	pool, err := postgres.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return &Scenario{
		t: t, define: define, projection: define(), store: store, url: url, pool: pool,
		envelope: events.Envelope{Account: Account, Actor: "test:given", Source: "test"},
	}
}

// Account is whose books the given events belong to, unless Under says otherwise.
var Account = id.Derive[id.Account]("projectiontest")

// Under sets the envelope of the events given from here on. Times that are zero are filled in.
func (s *Scenario) Under(envelope events.Envelope) *Scenario {
	s.envelope = envelope
	return s
}

// Given appends events to a stream.
func (s *Scenario) Given(stream string, given ...events.Event) *Scenario {
	s.t.Helper()
	proposed := make([]events.Proposed, len(given))
	for i, e := range given {
		envelope := s.envelope
		now := Epoch.Add(time.Duration(s.given) * time.Second)
		if envelope.OccurredAt.IsZero() {
			envelope.OccurredAt = now
		}
		if envelope.RecordedAt.IsZero() {
			envelope.RecordedAt = now
		}
		var err error
		proposed[i], err = events.Encode(id.Derive[id.Event]("projectiontest", strconv.Itoa(s.given)), e, envelope)
		require.NoError(s.t, err)
		s.given++
	}
	return s.GivenRaw(stream, proposed...)
}

// GivenRaw appends events as they are: unknown types, foreign envelopes, old versions.
func (s *Scenario) GivenRaw(stream string, proposed ...events.Proposed) *Scenario {
	s.t.Helper()
	_, err := s.store.Append(s.t.Context(), stream, events.Any, proposed)
	require.NoError(s.t, err)
	return s
}

// Then projects all given events and compares the rows of a query, in its order. Tables need no schema. A row is its
// columns as Postgres prints them, joined by " | ", and NULL is "∅".
func (s *Scenario) Then(query string, rows ...string) *Scenario {
	s.t.Helper()
	if rows == nil {
		rows = []string{}
	}
	require.Equal(s.t, rows, s.Rows(query))
	return s
}

// Rows projects all given events and returns the rows of a query as Then compares them.
func (s *Scenario) Rows(query string) []string {
	s.t.Helper()
	s.Settle()
	rows, err := rowsOf(s.t.Context(), s.pool, s.projection.Schema(), query)
	require.NoError(s.t, err)
	return rows
}

// Refused projects the given events until the projection stands still at one that it cannot take, and returns why.
func (s *Scenario) Refused() (reason string) {
	s.t.Helper()
	s.run()
	require.Eventually(s.t, func() bool {
		all, err := s.engine.Status(s.t.Context())
		if err != nil || len(all) == 0 {
			return false
		}
		reason = all[0].Error
		return all[0].State == projections.StatePaused
	}, 20*time.Second, 5*time.Millisecond)
	return reason
}

// Parked projects all given events and returns the partitions that wait.
func (s *Scenario) Parked() []projections.Parked {
	s.t.Helper()
	s.Settle()
	list, err := s.engine.Parked(s.t.Context(), s.projection.Name())
	require.NoError(s.t, err)
	return list
}

// run starts the engine, once.
func (s *Scenario) run() {
	s.t.Helper()
	s.start.Do(func() {
		var stop func()
		s.engine, stop = s.begin(s.pool, watermill.NewBatchSubscriber(watermill.Config{Log: s.store}), func() {})
		s.t.Cleanup(stop)
	})
}

// Settle projects all given events, through the engine as it runs in production.
func (s *Scenario) Settle() {
	s.t.Helper()
	s.run()
	head, err := s.store.Head(s.t.Context())
	require.NoError(s.t, err)
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(s.t, s.engine.WaitFor(ctx, s.projection.Name(), head))
}

// begin runs an engine until stop is called, which waits for it.
func (s *Scenario) begin(pool *pgxpool.Pool, subscriber message.Subscriber, prepared func()) (*projections.Engine, func()) {
	s.t.Helper()
	engine, err := projections.NewEngine(projections.Config{
		Pool: pool, Subscriber: subscriber, Log: s.store, Now: func() time.Time { return Epoch }, Beat: 10 * time.Millisecond,
	}, s.define)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	require.NoError(s.t, engine.Prepare(ctx))
	prepared()
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	return engine, sync.OnceFunc(func() {
		cancel()
		require.NoError(s.t, <-ended)
	})
}

// Pool leads to the scenario's database, for the queries of a read model.
func (s *Scenario) Pool() *pgxpool.Pool { return s.pool }

// Schema is where the tables are.
func (s *Scenario) Schema() string { return s.projection.Schema() }

// Position is the place in the log of the last given event.
func (s *Scenario) Position() events.Position {
	s.t.Helper()
	head, err := s.store.Head(s.t.Context())
	require.NoError(s.t, err)
	return head
}

// rowsOf renders rows. The transaction is for search_path.
func rowsOf(ctx context.Context, pool *pgxpool.Pool, schema, query string) ([]string, error) {
	out := []string{}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL search_path TO "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, query, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			columns := make([]string, 0, len(rows.RawValues()))
			for _, value := range rows.RawValues() {
				if value == nil {
					value = []byte("∅")
				}
				columns = append(columns, string(value))
			}
			out = append(out, strings.Join(columns, " | "))
		}
		return rows.Err()
	})
	return out, err
}

// Dump returns every row of every table of a physical schema, sorted: two dumps are equal when the tables are.
func Dump(ctx context.Context, pool *pgxpool.Pool, schema string) ([]string, error) {
	tables, err := rowsOf(ctx, pool, schema, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, table := range tables {
		rows, err := rowsOf(ctx, pool, schema, "SELECT t::text FROM "+pgx.Identifier{table}.Sanitize()+" t")
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			out = append(out, table+": "+row)
		}
	}
	slices.Sort(out)
	return out, nil
}
