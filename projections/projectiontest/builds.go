package projectiontest

import (
	"context"
	"slices"
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

// poison puts an event before the history that has a handler and cannot be read.
func poison(t *testing.T, define projections.Definition, given func(*Scenario), want []string) {
	t.Helper()
	s := For(t, define)
	handled := slices.DeleteFunc(s.projection.Handles(), func(name string) bool { return name == "*" })
	if len(handled) == 0 {
		return // it decodes nothing, so nothing can poison it
	}
	s.GivenRaw("poison-1", events.Proposed{
		ID: id.Derive[id.Event]("poison"), Type: handled[0], Data: []byte("not JSON"), Metadata: []byte(`{"version":1}`),
	})
	given(s)
	s.run()
	require.Eventually(t, func() bool {
		parked, err := s.engine.Parked(t.Context(), s.projection.Name())
		all, statusErr := s.engine.Status(t.Context())
		return err == nil && statusErr == nil && len(all) > 0 && (len(parked) > 0 || all[0].State == projections.StateRetrying)
	}, patience, 5*time.Millisecond)
	parked, err := s.engine.Parked(t.Context(), s.projection.Name())
	require.NoError(t, err)
	if len(parked) == 0 {
		require.Contains(t, s.Refused(), handled[0]+" at poison-1@0: ")
		return
	}
	require.NotEmpty(t, s.projection.Parks())
	require.Equal(t, projections.Place{Stream: "poison-1"}, parked[0].First)
	s.Settle()
	dump, err := Dump(t.Context(), s.pool, s.Schema())
	require.NoError(t, err)
	require.Equal(t, want, dump)
}
