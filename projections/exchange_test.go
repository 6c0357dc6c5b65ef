package projections_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
)

// holding keeps a build from going on until release is called.
func (h *house) holding(schema string) (release func()) {
	h.t.Helper()
	tx, err := h.pool.Begin(h.t.Context())
	require.NoError(h.t, err)
	tag, err := tx.Exec(h.t.Context(), `SELECT FROM checkpoints WHERE (projection, version, build) IN (
		SELECT name, version, build FROM projections WHERE schema_name = $1) FOR UPDATE`, schema)
	require.NoError(h.t, err)
	require.EqualValues(h.t, 1, tag.RowsAffected())
	return func() { require.NoError(h.t, tx.Rollback(context.WithoutCancel(h.t.Context()))) }
}

// position is where a build is.
func (h *house) position(schema string) (at events.Position) {
	h.t.Helper()
	require.NoError(h.t, h.pool.QueryRow(h.t.Context(), `SELECT position FROM checkpoints
		JOIN projections ON projection = name AND checkpoints.version = projections.version AND checkpoints.build = projections.build
		WHERE schema_name = $1`, schema).Scan(&at))
	return at
}

// TestReadersNeverSeeAnOlderState exchanges builds to and fro while events arrive. Every exchange succeeds, and whoever reads
// in whatever process finds what was written before, and all that anybody has read.
func TestReadersNeverSeeAnOlderState(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	first, _ := h.run(h.pool, sample)
	h.wait(first, "sample", h.append(30))
	second, _ := h.run(h.pool, sample)
	reader := h.engine(h.pool, sample) // runs nothing
	h.rebuilt(first)

	exchanged := make(chan error, 1)
	go func() {
		err := first.GoLive(t.Context(), "sample")
		for range 12 {
			if err == nil {
				err = second.GoBack(t.Context(), "sample")
			}
			if err == nil {
				err = first.GoBack(t.Context(), "sample")
			}
		}
		exchanged <- err
	}()
	var seen events.Position
	for over := false; !over; {
		select {
		case err := <-exchanged:
			require.NoError(t, err)
			over = true
		default:
		}
		written := h.append(1)
		for _, engine := range []*projections.Engine{first, second, reader} {
			read, err := engine.Read(t.Context(), "sample", written)
			require.NoError(t, err)
			require.GreaterOrEqual(t, read.Position, max(seen, written))
			require.Len(t, h.rows(fmt.Sprintf("SELECT FROM %s.trail WHERE position = %d", read.Schema, written)), 1)
			seen = read.Position
		}
	}
}

// TestTheLiveBuildStandsStillForAMoment while the other one is to come up to it, and goes on if that does not.
func TestTheLiveBuildStandsStillForAMoment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(5))
	schema := h.rebuilt(engine)
	release := h.holding(schema)
	h.wait(engine, "sample", h.append(4))

	bounded, stop := context.WithCancel(t.Context())
	defer stop()
	refused := make(chan error, 1)
	go func() { refused <- engine.GoLive(bounded, "sample") }()
	require.Eventually(t, func() bool {
		free, err := h.pool.Exec(t.Context(), "SELECT FROM checkpoints WHERE projection = 'sample' AND build = 1 FOR UPDATE SKIP LOCKED")
		return err == nil && free.RowsAffected() == 0
	}, 30*time.Second, 5*time.Millisecond, "it does not stand still")
	h.wait(engine, "sample", h.append(1)) // and goes on again
	stop()
	require.ErrorContains(t, <-refused, "build "+schema+" is behind the live one by ")
	require.Equal(t, "sample_v1", h.live(engine))
	release()
	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	require.Equal(t, schema, h.live(engine))
}

// TestAnOldBinaryLeavesNewerVersionsAlone, those that it would replace as well as those that it would throw away.
func TestAnOldBinaryLeavesNewerVersionsAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	second := func() *projections.Projection { return sampleVersion(2, indexedSchema) }
	old, stop := h.run(h.pool, indexed)
	h.wait(old, "sample", h.append(5))
	refused := func(err error, phase string) {
		t.Helper()
		require.ErrorContains(t, err, "build sample_v2 is "+phase+", of version 2, and this process knows none above version 1")
	}
	require.NoError(t, h.engine(h.pool, indexed, second).Prepare(t.Context()))
	_, err := old.Rebuild(t.Context(), "sample")
	refused(err, "replaying")
	_, err = old.Abort(t.Context(), "sample")
	refused(err, "replaying")

	after, _ := h.run(h.pool, second)
	h.phase("sample_v2", projections.PhaseLive)
	_, err = old.Rebuild(t.Context(), "sample")
	refused(err, "live")
	refused(old.GoBack(t.Context(), "sample"), "live")

	stop()
	h.exec("UPDATE projections SET changed_at = changed_at - interval '2 hours' WHERE phase = 'retired'")
	h.phase("sample_v1", "")
	told := h.hears()
	returned, leave := h.run(h.pool, indexed) // as if its binary were deployed again
	h.phase("sample_v1_b2", projections.PhaseReady)
	refused(returned.GoLive(t.Context(), "sample"), "live")
	require.Equal(t, "sample_v2", h.live(after))
	require.NoError(t, after.GoLive(t.Context(), "sample"), "one that knows the newer version may")
	require.Equal(t, "sample_v1_b2", h.live(returned))
	leave()
	require.NotContains(t, told.String(), "knows none above version 1", "it does not try by itself")
}

// TestARetiredBuildThatWasPutBackIsNotRemoved: its time was up when it was looked for, and is not when it is removed.
func TestARetiredBuildThatWasPutBackIsNotRemoved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(5))
	h.rebuilt(engine)
	require.NoError(t, engine.GoLive(t.Context(), "sample"))

	turn, err := h.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = turn.Exec(t.Context(), "SELECT pg_advisory_xact_lock(hashtextextended('daybook projections of ' || current_schema(), 0))")
	require.NoError(t, err)
	h.exec("UPDATE projections SET changed_at = changed_at - interval '2 hours' WHERE phase = 'retired'")
	waiting := func() bool {
		return len(h.rows("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")) > 0
	}
	require.Eventually(t, waiting, 30*time.Second, 5*time.Millisecond)
	h.exec("UPDATE projections SET changed_at = now() WHERE phase = 'retired'") // as putting it back and forth would
	require.NoError(t, turn.Commit(t.Context()))
	require.NoError(t, engine.GoBack(t.Context(), "sample"))
	require.Equal(t, "sample_v1", h.live(engine))
}
