package projections_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

const indexedSchema = sampleSchema + "; CREATE INDEX trail_type ON trail (type); CREATE INDEX trail_late ON trail (position) WHERE revision > 3"

func indexed() *projections.Projection { return sampleVersion(1, indexedSchema) }

// phase waits until a build is in a phase; the empty one means gone.
func (h *house) phase(schema string, want projections.Phase) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		var phase projections.Phase
		err := h.pool.QueryRow(h.t.Context(), "SELECT coalesce((SELECT phase FROM projections WHERE schema_name = $1), '')", schema).Scan(&phase)
		return err == nil && phase == want
	}, 30*time.Second, 5*time.Millisecond, "%s does not become %s", schema, want)
}

// rebuilt rebuilds the sample up to where it was when that began. A build is ready a few events before.
func (h *house) rebuilt(engine *projections.Engine) (schema string) {
	h.t.Helper()
	schema, err := engine.Rebuild(h.t.Context(), "sample")
	require.NoError(h.t, err)
	var goal events.Position
	require.NoError(h.t, h.pool.QueryRow(h.t.Context(), "SELECT max(position) FROM checkpoints").Scan(&goal))
	h.phase(schema, projections.PhaseReady)
	require.Eventually(h.t, func() bool { return h.position(schema) >= goal }, 30*time.Second, 5*time.Millisecond)
	return schema
}

// slowIndex is the sample with an index that is made when stopAtIndex says so.
func slowIndex() *projections.Projection {
	return sampleVersion(1, sampleSchema+`;
		CREATE FUNCTION slow(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
			BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN x; END $$;
		CREATE INDEX trail_slow ON trail (slow(type))`)
}

// stopAtIndex rebuilds slowIndex up to where its index is being made.
func (h *house) stopAtIndex(engine *projections.Engine) (schema string, goOn func()) {
	h.t.Helper()
	tx, err := h.pool.Begin(h.t.Context())
	require.NoError(h.t, err)
	_, err = tx.Exec(h.t.Context(), "SELECT pg_advisory_xact_lock(4711)")
	require.NoError(h.t, err)
	schema, err = engine.Rebuild(h.t.Context(), "sample")
	require.NoError(h.t, err)
	require.Eventually(h.t, func() bool {
		return len(h.rows("SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX trail_slow%' AND wait_event = 'advisory'")) == 1
	}, 30*time.Second, 5*time.Millisecond)
	return schema, func() { require.NoError(h.t, tx.Rollback(h.t.Context())) }
}

func (h *house) live(engine *projections.Engine) string {
	h.t.Helper()
	schema, err := engine.Live(h.t.Context(), "sample")
	require.NoError(h.t, err)
	return schema
}

// indexes lists the definitions of a schema's indexes, as if the schema had no name.
func (h *house) indexes(schema string) []string {
	h.t.Helper()
	rows, err := h.pool.Query(h.t.Context(), "SELECT replace(indexdef, schemaname, '') FROM pg_indexes WHERE schemaname = $1 ORDER BY 1", schema)
	require.NoError(h.t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		require.NoError(h.t, rows.Scan(&line))
		out = append(out, line)
	}
	return out
}

func (h *house) dump(schema string) []string {
	h.t.Helper()
	rows, err := projectiontest.Dump(h.t.Context(), h.pool, schema)
	require.NoError(h.t, err)
	return rows
}

func TestARebuildGoesLiveAndTheOldBuildStaysForAWhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, indexed)
	h.wait(engine, "sample", h.append(50))

	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, "sample_v1_b2", schema)
	h.append(20)
	h.phase(schema, projections.PhaseReady)
	require.Equal(t, "sample_v1", h.live(engine), "it waits to be told")
	require.Equal(t, h.indexes("sample_v1"), h.indexes(schema))
	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	require.Equal(t, schema, h.live(engine))

	last := h.append(30)
	h.wait(engine, "sample", last)
	h.consistent(schema, indexed)
	require.Eventually(t, func() bool {
		return len(h.rows("SELECT FROM sample_v1.trail")) == len(h.rows("SELECT FROM sample_v1_b2.trail"))
	}, 30*time.Second, 5*time.Millisecond,
		"the build before is kept up")
	require.NoError(t, engine.GoBack(t.Context(), "sample"))
	require.Equal(t, "sample_v1", h.live(engine))

	h.exec("UPDATE projections SET changed_at = changed_at - interval '2 hours' WHERE phase = 'retired'")
	h.phase(schema, "")
	require.Empty(t, h.rows("SELECT FROM pg_namespace WHERE nspname = '"+schema+"'"))
	h.wait(engine, "sample", h.append(3))
	require.ErrorContains(t, engine.GoBack(t.Context(), "sample"), "nothing that was live before is left")
}

func TestARebuildIsOrderly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, indexed)
	h.wait(engine, "sample", h.append(5))
	_, err := engine.Rebuild(t.Context(), "nobody")
	require.ErrorContains(t, err, "projection nobody: there is no such projection")
	require.ErrorContains(t, engine.GoLive(t.Context(), "sample"), "no rebuild is under way")
	_, err = engine.Abort(t.Context(), "sample")
	require.ErrorContains(t, err, "no rebuild is under way")

	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	_, err = engine.Rebuild(t.Context(), "sample")
	require.ErrorContains(t, err, "build sample_v1_b2 is under way: let it go live, or abort it first")
	h.phase(schema, projections.PhaseReady)
	aborted, err := engine.Abort(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, schema, aborted)
	for n := range 3 { // no name comes again
		schema, err = engine.Rebuild(t.Context(), "sample")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("sample_v1_b", n+3), schema)
		_, err = engine.Abort(t.Context(), "sample")
		require.NoError(t, err)
	}
	h.phase(schema, "")
	require.Equal(t, "sample_v1", h.live(engine))
	h.wait(engine, "sample", h.append(5))
	require.Eventually(t, func() bool {
		all, err := engine.Status(t.Context())
		return err == nil && len(all) == 1 && all[0].State == projections.StateRunning
	}, 30*time.Second, 5*time.Millisecond, "nobody is left to project it")
}

func TestABuildThatIsBehindDoesNotGoLive(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, stop := h.run(h.pool, indexed)
	h.wait(engine, "sample", h.append(5))
	h.rebuilt(engine)
	stop()
	h.exec("UPDATE checkpoints SET position = 0 WHERE projection = 'sample' AND build = 2")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.ErrorContains(t, engine.GoLive(ctx, "sample"), "is behind the live one")
	require.Equal(t, "sample_v1", h.live(engine))
}

// TestANewVersionTakesThePlaceOfOneThatCannotBeRead starts a binary that knows version 2 only: its readers have nothing to
// read until that is built, while those of the old binary go on.
func TestANewVersionTakesThePlaceOfOneThatCannotBeRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	second := func() *projections.Projection { return sampleVersion(2, indexedSchema) }
	before, _ := h.run(h.pool, indexed)
	h.wait(before, "sample", h.append(20))
	after, _ := h.run(h.pool, second)
	h.phase("sample_v2", projections.PhaseLive)
	require.Equal(t, "sample_v2", h.live(after))
	require.Equal(t, "sample_v1", h.live(before))
	last := h.append(20)
	h.wait(after, "sample", last)
	h.wait(before, "sample", last)
	require.Equal(t, h.dump("sample_v2"), h.dump("sample_v1"))

	confirmed := newHouse(t)
	confirmed.beat, confirmed.confirm = 10*time.Millisecond, true
	require.NoError(t, confirmed.engine(confirmed.pool, indexed).Prepare(t.Context()))
	careful, _ := confirmed.run(confirmed.pool, second)
	confirmed.phase("sample_v2", projections.PhaseReady)
	_, err := careful.Live(t.Context(), "sample")
	require.ErrorContains(t, err, "is being built and cannot be read yet")
}

// TestARebuildSurvivesItsWorkers ends engine after engine during a rebuild, at whatever statement it sends.
func TestARebuildSurvivesItsWorkers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 5 * time.Millisecond
	engine, stop := h.run(h.pool, indexed)
	h.wait(engine, "sample", h.append(200))
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	stop()
	for n := int64(5); n < 60; n += 3 {
		ctx, cancel := context.WithCancel(t.Context())
		var sent atomic.Int64
		pool := h.wired(t, func(bytes []byte) bool {
			if sent.Add(1) == n || strings.Contains(string(bytes), "CREATE INDEX trail_type") && n%2 == 0 {
				cancel()
				return n%2 == 0 // and its connection is cut
			}
			return false
		})
		again := h.engine(pool, indexed)
		giveUp := context.AfterFunc(t.Context(), cancel)
		timer := time.AfterFunc(20*time.Second, cancel)
		next := h.append(1)
		go func() {
			if again.WaitFor(ctx, "sample", next) == nil && n%5 == 0 {
				cancel()
			}
		}()
		require.NoError(t, again.Run(ctx))
		timer.Stop()
		giveUp()
		pool.Close()
	}
	last, _ := h.run(h.pool, indexed)
	h.phase(schema, projections.PhaseReady)
	require.NoError(t, last.GoLive(t.Context(), "sample"))
	h.wait(last, "sample", h.append(2))
	h.consistent(schema, indexed)
	require.Equal(t, h.indexes("sample_v1"), h.indexes(schema))
}

// TestWhatWasGivenUpIsNotSaidToBeBuilt where the live build is of a version that this process does not know.
func TestWhatWasGivenUpIsNotSaidToBeBuilt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat, h.confirm = 10*time.Millisecond, true
	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()))
	second := always(sampleVersion(2, indexedSchema))
	unready := func(engine *projections.Engine) error {
		_, err := engine.Live(t.Context(), "sample")
		var unready *projections.UnreadyError
		require.ErrorAs(t, err, &unready)
		return err
	}
	require.ErrorContains(t, unready(h.engine(h.pool, second)), "is being built", "it will be, once somebody prepares")
	engine, _ := h.run(h.pool, second)
	h.phase("sample_v2", projections.PhaseReady)
	require.ErrorContains(t, unready(engine), "is being built")
	_, err := engine.Abort(t.Context(), "sample")
	require.NoError(t, err)
	require.EqualError(t, unready(engine),
		"read model sample has no build that can be read here, and none is being made: daybook projection rebuild sample")
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	require.ErrorContains(t, unready(engine), "is being built")
	h.phase(schema, projections.PhaseReady)
	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	require.Equal(t, schema, h.live(engine))
}

// TestNoOtherBuildGoesLiveThanTheOneThatWasCompared: somebody else may have begun another one.
func TestNoOtherBuildGoesLiveThanTheOneThatWasCompared(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(3))
	ready := func() string {
		schema := h.rebuilt(engine)
		return schema
	}
	compared := ready()
	_, err := engine.Abort(t.Context(), "sample")
	require.NoError(t, err)
	another := ready()
	require.EqualError(t, engine.GoLive(t.Context(), "sample", projections.OnlyBuild(compared)),
		"projection sample: build "+compared+" is not under way any more, but "+another+" is: compare that one")
	require.Equal(t, "sample_v1", h.live(engine))
	require.NoError(t, engine.GoLive(t.Context(), "sample", projections.OnlyBuild(another)))
	require.Equal(t, another, h.live(engine))
}
