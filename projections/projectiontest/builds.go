package projectiontest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/watermill"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// patience bounds every wait of the kit.
const patience = time.Minute

// rebuild makes a build beside the live one, in a database of its own, puts it live, and dumps it.
func (s *Scenario) rebuild(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pool, err := postgres.Open(ctx, pgtest.Database(t))
	require.NoError(t, err)
	defer pool.Close()
	engine, stop := s.begin(pool, watermill.NewBatchSubscriber(watermill.Config{Log: s.store, Events: 7}), func() {})
	defer stop()
	name := s.projection.Name()
	require.NoError(t, engine.WaitFor(ctx, name, s.Position()))
	schema, err := engine.Rebuild(ctx, name)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		all, err := engine.Status(ctx)
		return err == nil && slices.ContainsFunc(all, func(s projections.Status) bool {
			return s.Schema == schema && s.Phase == projections.PhaseReady
		})
	}, patience, 5*time.Millisecond)
	require.NoError(t, engine.GoLive(ctx, name))
	require.NoError(t, engine.WaitFor(ctx, name, s.Position()))
	dump, err := Dump(ctx, pool, schema)
	require.NoError(t, err)
	return dump
}

// takeTurns lets engines project a batch or a few each, and dumps what comes of it.
func (s *Scenario) takeTurns(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.empty(ctx, t)
	for at := events.Start; at < s.Position(); {
		engine, stop := s.begin(s.pool, watermill.NewBatchSubscriber(watermill.Config{Log: s.store, Events: 3}), func() {})
		require.NoError(t, engine.WaitFor(ctx, s.projection.Name(), at+1))
		stop()
		err := s.pool.QueryRow(ctx, "SELECT position FROM checkpoints WHERE projection = $1 AND version = $2 AND build = 1",
			s.projection.Name(), s.projection.Version()).Scan(&at)
		require.NoError(t, err)
	}
	dump, err := Dump(ctx, s.pool, s.Schema())
	require.NoError(t, err)
	return dump
}

// fullDisk projects into a database that has no room for a row, until it has, and dumps what comes of it. A trigger answers
// with the code of a full disk: a real one cannot be had by anybody.
func (s *Scenario) fullDisk(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.empty(ctx, t)
	_, err := s.pool.Exec(ctx, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END$$`)
	require.NoError(t, err)
	tables, err := rowsOf(ctx, s.pool, s.Schema(), `SELECT format('%I.%I', current_schema(), relname) FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`)
	require.NoError(t, err)
	for _, table := range tables {
		_, err = s.pool.Exec(ctx, "CREATE TRIGGER full_disk BEFORE INSERT ON "+table+" FOR EACH ROW EXECUTE FUNCTION daybook.full_disk()")
		require.NoError(t, err)
	}
	engine, stop := s.begin(s.pool, watermill.NewBatchSubscriber(watermill.Config{Log: s.store, Events: 7, MaxPause: 20 * time.Millisecond}), func() {})
	defer stop()
	require.Eventually(t, func() bool {
		all, err := engine.Status(ctx)
		return err == nil && len(all) > 0 && all[0].State == projections.StateRetrying && strings.Contains(all[0].Error, "is full: free space there")
	}, patience, 5*time.Millisecond)
	dump, err := Dump(ctx, s.pool, s.Schema())
	require.NoError(t, err)
	require.Empty(t, dump)
	parked, err := engine.Parked(ctx, s.projection.Name())
	require.NoError(t, err)
	require.Empty(t, parked)
	_, err = s.pool.Exec(ctx, "DROP FUNCTION full_disk() CASCADE")
	require.NoError(t, err)
	require.NoError(t, engine.WaitFor(ctx, s.projection.Name(), s.Position()))
	dump, err = Dump(ctx, s.pool, s.Schema())
	require.NoError(t, err)
	return dump
}

// poison puts an event before the history that has a handler and cannot be read.
func poison(t *testing.T, define projections.Definition, given func(*Scenario), want []string) {
	t.Helper()
	s := For(t, define)
	handled := s.poisoned("poison-1")
	if handled == "" {
		return // it decodes nothing, so nothing can poison it
	}
	given(s)
	parked := s.parkedOrPaused(t)
	if len(parked) == 0 {
		require.Contains(t, s.Refused(), handled+" at poison-1@0: ")
		return
	}
	require.NotEmpty(t, s.projection.Parks())
	require.Equal(t, projections.Place{Stream: "poison-1"}, parked[0].First)
	s.Settle()
	dump, err := Dump(t.Context(), s.pool, s.Schema())
	require.NoError(t, err)
	require.Equal(t, want, dump)
}

// parks puts an event that cannot be read behind the longest stream of the history. While it waits, and once it is skipped,
// the rest can be verified.
func parks(t *testing.T, define projections.Definition, given func(*Scenario), want []string) {
	t.Helper()
	s := For(t, define)
	given(s)
	s.poisoned(s.longest(t))
	waits := s.parkedOrPaused(t)
	if len(waits) == 0 {
		t.Logf("shown is only that it pauses at what cannot be read: the stream does not tell which of the %s that belongs to", s.projection.Parks())
		return
	}
	s.verified(t)
	require.NoError(t, s.engine.Skip(t.Context(), s.Schema(), waits[0].Key, waits[0].First, "poison"))
	require.Eventually(t, func() bool {
		parked, err := s.engine.Parked(t.Context(), s.projection.Name())
		return err == nil && len(parked) == 0
	}, patience, 5*time.Millisecond)
	s.verified(t)
	dump, err := Dump(t.Context(), s.pool, s.Schema())
	require.NoError(t, err)
	require.Equal(t, want, dump)
}

// poisoned appends an event that has a handler and cannot be read, and returns its type; empty when none has a handler.
func (s *Scenario) poisoned(stream string) string {
	s.t.Helper()
	handled := slices.DeleteFunc(s.projection.Handles(), func(name string) bool { return name == "*" })
	if len(handled) == 0 {
		return ""
	}
	s.GivenRaw(stream, events.Proposed{
		ID: id.Derive[id.Event]("poison"), Type: handled[0], Data: []byte("not JSON"), Metadata: []byte(`{"version":1}`),
	})
	return handled[0]
}

// longest is the stream that has the most events, or the first of those.
func (s *Scenario) longest(t *testing.T) (stream string) {
	t.Helper()
	counts := map[string]int{}
	for r, err := range s.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		if r.System() {
			continue
		}
		if counts[r.Stream]++; counts[r.Stream] > counts[stream] {
			stream = r.Stream
		}
	}
	return stream
}

// parkedOrPaused runs the projection until an event lets it pause or a partition wait, and returns what waits.
func (s *Scenario) parkedOrPaused(t *testing.T) (parked []projections.Parked) {
	t.Helper()
	s.run()
	require.Eventually(t, func() bool {
		var err error
		parked, err = s.engine.Parked(t.Context(), s.projection.Name())
		all, statusErr := s.engine.Status(t.Context())
		return err == nil && statusErr == nil && len(all) > 0 && (len(parked) > 0 || all[0].State == projections.StatePaused)
	}, patience, 5*time.Millisecond)
	return parked
}

// verified compares what is read with the whole log.
func (s *Scenario) verified(t *testing.T) {
	t.Helper()
	verdict, err := s.engine.Verify(t.Context(), s.projection.Name(), projections.VerifyOptions{})
	require.NoError(t, err)
	require.True(t, verdict.Clean(), "%s", verdict)
}
