package projectiontest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/events/testdata/golden"
	"daybook/projections"
)

// Conformance is the kit that every projection passes. The history should touch every handler; the kit then makes sure
// that its rows do not depend on how the events arrive:
//
//   - delivered twice: a repeated batch changes nothing
//   - crash: a transaction whose connection dies before the end leaves nothing, and the next attempt everything
//   - rebuild: any cutting into batches gives the same rows, and so does a build made beside the live one
//   - takeover: engines that come and go, with the lease of one another, give the same rows
//   - full disk: a database without room leaves nothing of a batch, and no event is blamed for it
//   - poison: an event that cannot be read lets its partition wait, or the projection pause at it; nothing else is amiss
//   - old versions: every golden file of an event that it handles can be read, and one of an older version leaves the rows
//     that the same fact leaves in the current one; see OldVersions
//   - parks: what waits in a projection that parks, and what was skipped there, is no drift; it says so when the partition
//     cannot be told of what cannot be read, so that nothing waits and this is not shown
//   - strangers: unknown types, unknown envelopes and the store's own events do not stop it, and unless it handles all
//     events they leave no trace
//
// After each delivery, the sums of Sum tables are what their identities give.
func Conformance(t *testing.T, define projections.Definition, given func(*Scenario)) {
	t.Helper()
	s := For(t, define)
	p := s.projection
	given(s)
	want := s.play(t, script{size: func() int { return 1 << 20 }})
	require.NotEmpty(t, want, "the history leaves no rows, so it shows nothing")

	t.Run("DeliveredTwice", func(t *testing.T) {
		require.Equal(t, want, s.play(t, script{size: func() int { return 3 }, twice: true}))
	})
	t.Run("Crash", func(t *testing.T) {
		require.Equal(t, want, s.play(t, script{size: func() int { return 3 }, crash: true}))
	})
	t.Run("RebuildEqualsLive", func(t *testing.T) {
		runs := 0
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs > 12 { // each is a whole rebuild
				return
			}
			sizes := rapid.SliceOfN(rapid.IntRange(1, 40), 1, 20).Draw(rt, "sizes")
			next := 0
			require.Equal(rt, want, s.play(t, script{size: func() int { next++; return sizes[next%len(sizes)] }}))
		})
	})
	t.Run("BesideTheLiveOne", func(t *testing.T) { require.Equal(t, want, s.rebuild(t)) })
	t.Run("Takeover", func(t *testing.T) { require.Equal(t, want, s.takeTurns(t)) })
	t.Run("FullDisk", func(t *testing.T) { require.Equal(t, want, s.fullDisk(t)) })
	t.Run("Poison", func(t *testing.T) { poison(t, define, given, want) })
	t.Run("OldVersions", func(t *testing.T) { require.NoError(t, OldVersions(t, define, golden.Files)) })
	if p.Parks() != "" {
		t.Run("Parks", func(t *testing.T) { parks(t, define, given, want) })
	}
	t.Run("Strangers", func(t *testing.T) {
		s.GivenRaw("stranger-1", strangers(p)...)
		got := s.play(t, script{size: func() int { return 2 }})
		if !slices.Contains(p.Handles(), "*") {
			require.Equal(t, want, got)
		}
	})
}

// strangers are events that the projection does not know.
func strangers(p *projections.Projection) []events.Proposed {
	out := []events.Proposed{
		{Type: "NeverHeardOf", Data: []byte(`{"a":1}`), Metadata: []byte(`{"version":1}`)},
		{Type: "NeverHeardOf", Data: []byte{0xff, 0x00}, Metadata: []byte("not JSON"), Binary: true},
		{Type: "NeverHeardOf"},
		{Type: "$metadata", Data: []byte(`{}`)},
	}
	for _, name := range events.Names() {
		if !slices.Contains(p.Handles(), name) {
			out = append(out, events.Proposed{Type: name, Data: []byte("not JSON"), Metadata: []byte(`{"version":99}`)})
			break
		}
	}
	for i := range out {
		out[i].ID = id.Derive[id.Event]("stranger", strconv.Itoa(i))
	}
	return out
}

// script is how a history is delivered.
type script struct {
	size  func() int // events of the next batch
	twice bool       // each batch is delivered again after it was taken
	crash bool       // transactions lose their connection before the end; see crashing
}

// play projects the whole history into empty tables and dumps them.
func (s *Scenario) play(t *testing.T, how script) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s.empty(ctx, t)
	head := s.Position()
	pool, prepared := s.pool, func() {}
	if how.crash {
		var b *breaker
		pool, b = crashing(ctx, t, s.url)
		defer pool.Close()
		defer func() { require.Positive(t, b.batches.Load(), "no batch was cut off") }()
		prepared = func() { b.armed.Store(true) }
	}
	engine, stop := s.begin(pool, &scripted{script: how, t: t, store: s.store, topic: s.Schema()}, prepared)
	defer stop()
	require.NoError(t, engine.WaitFor(ctx, s.projection.Name(), head))
	stop()
	require.NoError(t, s.projection.CheckSums(ctx, s.pool))
	dump, err := Dump(ctx, s.pool, s.Schema())
	require.NoError(t, err)
	return dump
}

// empty sets the projection back to the beginning.
func (s *Scenario) empty(ctx context.Context, t *testing.T) {
	t.Helper()
	tables, err := rowsOf(ctx, s.pool, "pg_catalog", fmt.Sprintf(
		"SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = '%s'", s.Schema()))
	require.NoError(t, err)
	if len(tables) > 0 {
		_, err = s.pool.Exec(ctx, "TRUNCATE "+strings.Join(tables, ", "))
		require.NoError(t, err)
	}
	_, err = s.pool.Exec(ctx, "UPDATE checkpoints SET position = 0, events = 0")
	require.NoError(t, err)
}
