package projections_test

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// sick lets device 3 wait, for one event and those behind it, and returns the partition.
func (h *house) sick(engine *projections.Engine, behind ...string) projections.Parked {
	h.t.Helper()
	h.append(10)
	last := h.rename(3, "sick")
	for _, name := range behind {
		last = h.rename(3, name)
	}
	h.wait(engine, "sample", last)
	return h.parked(engine, 1)[0]
}

// skip leaves out the event that a partition waits for.
func (h *house) skip(engine *projections.Engine, waits projections.Parked) {
	h.t.Helper()
	require.NoError(h.t, engine.Skip(h.t.Context(), waits.Schema, waits.Key, waits.First, "told twice"))
}

// named counts the steps of a build to a name.
func (h *house) named(schema, name string) int {
	h.t.Helper()
	return len(h.rows("SELECT FROM " + schema + ".steps WHERE name = '" + name + "'"))
}

func TestARetryWhoseAnswerIsLostLosesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	told := h.hears()
	var healed, retrying, lost atomic.Bool
	engine, stop := h.run(h.wired(t, func(sent []byte) bool {
		if bytes.Contains(sent, []byte("DELETE FROM parked_keys")) {
			retrying.Store(true)
		}
		return retrying.Load() && bytes.Contains(sent, []byte("commit\x00")) && lost.CompareAndSwap(false, true)
	}), ward(&healed))
	h.sick(engine)
	healed.Store(true)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", ""))
	h.parked(engine, 0)
	require.True(t, lost.Load())
	h.wait(engine, "sample", h.rename(3, "second"))
	require.Equal(t, 1, h.named("sample_v1", "second"))
	require.Empty(t, h.rows("SELECT FROM parked_events"))
	stop()
	require.NotContains(t, told.String(), "rolled back", "what waits was known before the next event came")
	h.consistent("sample_v1", ward(&healed))
}

func TestAnEventSkippedDuringARetryIsNotProjected(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	var during atomic.Pointer[func()]
	engine, _ := h.run(h.wired(t, func(sent []byte) bool {
		if bytes.Contains(sent, []byte("DELETE FROM parked_events")) {
			if skip := during.Swap(nil); skip != nil {
				(*skip)()
			}
		}
		return false
	}), ward(&healed))
	waits := h.sick(engine, "better")
	skip := func() { h.skip(h.engine(h.pool, ward(&healed)), waits) }
	during.Store(&skip)
	healed.Store(true)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", ""))
	h.parked(engine, 0)
	require.Nil(t, during.Load())
	require.Zero(t, h.named("sample_v1", "sick"))
	require.Equal(t, 1, h.named("sample_v1", "better"))
}

func TestNoEventWaitsWithoutItsPartition(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	waits := h.sick(engine, "better")
	for _, orphaning := range []string{
		"DELETE FROM parked_keys",
		`INSERT INTO parked_events (projection, version, build, key, n, stream, revision, type)
			SELECT projection, version, build, 'another', n, stream, revision + 100, type FROM parked_events`,
	} {
		_, err := h.pool.Exec(t.Context(), orphaning)
		require.ErrorContains(t, err, "parked_events_waiting")
	}
	h.skip(engine, waits)
	h.parked(engine, 0)
	require.Len(t, h.rows("SELECT FROM parked_events"), 1, "what was skipped stays when its partition goes")
}

func TestASkipWhileNobodyProjectsLetsThePartitionGo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	engine, stop := h.run(h.pool, ward(&healed))
	waits := h.sick(engine)
	stop()
	h.skip(engine, waits)
	again, stop := h.run(h.pool, ward(&healed))
	h.parked(again, 0)
	h.wait(again, "sample", h.rename(3, "sick"))
	waits = h.parked(again, 1)[0]
	require.Equal(t, 1, waits.Events)
	stop()

	h.skip(again, waits)
	last := h.rename(3, "sick") // it comes before anybody tries what is left of the partition
	told := h.hears()
	h.beat = time.Second
	again, stop = h.run(h.pool, ward(&healed))
	h.wait(again, "sample", last)
	require.Equal(t, 1, h.parked(again, 1)[0].Events)
	stop()
	require.NotContains(t, told.String(), "rolled back")
}

func TestASkipHoldsForTheBuildsOfItsVersion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	engine, stop := h.run(h.pool, ward(&healed))
	waits := h.sick(engine, "better")
	h.skip(engine, waits)
	h.parked(engine, 0)
	for _, options := range []projections.VerifyOptions{{}, everything(1)} {
		v := h.verify(engine, options)
		require.True(t, v.Clean(), "%s", v)
	}

	for range 2 { // the second one follows the first
		schema := h.rebuilt(engine)
		require.NoError(t, engine.GoLive(t.Context(), "sample"))
		require.Equal(t, schema, h.live(engine))
		require.Equal(t, h.dump("sample_v1"), h.dump(schema))
	}
	skipped, err := engine.Skipped(t.Context(), "sample")
	require.NoError(t, err)
	require.Len(t, skipped, 3)
	require.Equal(t, waits.First, skipped[2].Event)
	require.Equal(t, "told twice", skipped[2].Reason)

	stop()
	next, _ := h.run(h.pool, ward(&healed), wardVersion(2, &healed))
	h.phase("sample_v2", projections.PhaseReady)
	require.Equal(t, "sample_v2", h.parked(next, 1)[0].Schema, "handlers of another version may be able to take it")
	require.NoError(t, next.GoLive(t.Context(), "sample", projections.WithParked()))
	h.rebuilt(next)
	h.parked(next, 2)
}

// TestASkipOfTheLiveBuildHolds, and not what a newer one has, which was live in between.
func TestASkipOfTheLiveBuildHolds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	waits := h.sick(engine)
	newer := h.rebuilt(engine)
	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	require.NoError(t, engine.GoBack(t.Context(), "sample"))
	h.skip(engine, waits)
	require.Equal(t, newer, h.parked(engine, 1)[0].Schema)
	h.rebuilt(engine)
	require.Equal(t, newer, h.parked(engine, 1)[0].Schema)
}

// TestAnotherEventInASkippedOnesPlaceIsProjected restores an older copy of the store, which then grows anew.
func TestAnotherEventInASkippedOnesPlaceIsProjected(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	h.skip(engine, h.sick(engine))
	h.parked(engine, 0)
	healed.Store(true)
	rebuilt := func() int {
		schema := h.rebuilt(engine)
		return h.named(schema, "sick")
	}
	h.exec("UPDATE parked_events SET event = NULL")
	require.Zero(t, rebuilt(), "which event it was had not been noted once")
	_, err := engine.Abort(t.Context(), "sample")
	require.NoError(t, err)
	h.exec("UPDATE parked_events SET event = $1", id.New[id.Event]().Bytes())
	require.Equal(t, 1, rebuilt())
}

func TestABuildInWhichMoreWaitsGoesLiveOnlyWhenTold(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	healed.Store(true)
	engine, _ := h.run(h.pool, ward(&healed))
	h.append(10)
	h.wait(engine, "sample", h.rename(5, "sick"))
	healed.Store(false)
	h.wait(engine, "sample", h.rename(3, "sick")) // it waits in both builds, and says nothing of the new one
	schema := h.rebuilt(engine)
	h.parked(engine, 3)

	d, err := engine.Diff(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, []string{device(5).String()}, d.Parked)
	require.Contains(t, d.String(), `partitions that wait in sample_v1_b2 only: "`+device(5).String()+`"`)
	err = engine.GoLive(t.Context(), "sample")
	require.ErrorContains(t, err, `: partitions wait in build sample_v1_b2 that do not wait in the live one: "`+device(5).String()+`"`)
	require.ErrorAs(t, err, new(*projections.OrderError))
	require.Equal(t, "sample_v1", h.live(engine))
	require.NoError(t, engine.GoLive(t.Context(), "sample", projections.WithParked()))
	require.Equal(t, schema, h.live(engine))
	require.NoError(t, engine.GoBack(t.Context(), "sample"))
}

// TestWhatWaitsIsVerified lets a scratch build meet the event, too.
func TestWhatWaitsIsVerified(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	h.sick(engine, "better")
	v := h.verify(engine, projections.VerifyOptions{})
	require.True(t, v.Clean(), "%s", v)
	h.wait(engine, "sample", h.append(1))
	h.exec("DELETE FROM sample_v1.devices WHERE name = 'device 5'")
	require.EqualValues(t, 1, h.verify(engine, projections.VerifyOptions{}).Drift)

	head, err := h.store.Head(t.Context())
	require.NoError(t, err)
	was, err := engine.AsOf(t.Context(), "sample", head, nil)
	require.NoError(t, err)
	require.Len(t, h.rows("SELECT FROM "+was.Schema+".devices"), 11)
	h.parked(engine, 1) // a scratch build is not retried, so it is not listed
}

// TestBatchesComeBetweenRetries: the first partition that is tried again waits until an event is appended, and that one is
// projected before the last of many.
func TestBatchesComeBetweenRetries(t *testing.T) {
	t.Parallel()
	const n = 300
	h := newHouse(t)
	h.beat, h.limit = 10*time.Millisecond, 1000
	var healed atomic.Bool
	var tried atomic.Int64
	first, appended := make(chan struct{}), make(chan struct{})
	var before atomic.Int64 // how many were tried when the new event came
	define := func() *projections.Projection {
		p := projections.New("sample", 1, wardSchema)
		steps := projections.Append[wardStep](p, "steps")
		projections.On(p, func(e events.DeviceRenamed, at projections.At) error {
			if !healed.Load() {
				return errSick
			}
			if tried.Add(1) == 1 {
				close(first)
				<-appended
			}
			return steps.Add(wardStep{at.Stream, at.Revision, e.DeviceID, e.Name})
		})
		projections.On(p, func(e events.DeviceLinked, at projections.At) error {
			before.CompareAndSwap(0, tried.Load())
			return steps.Add(wardStep{at.Stream, at.Revision, e.DeviceID, e.Name})
		})
		parkByDevice(p)
		return p
	}
	h.given = n
	for i := range n {
		h.rename(i+1, "sick")
	}
	engine, _ := h.run(h.pool, define)
	h.parked(engine, n)
	healed.Store(true)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", ""))
	<-first
	last := h.append(1)
	close(appended)
	h.wait(engine, "sample", last)
	require.Eventually(t, func() bool { return tried.Load() == n }, 30*time.Second, 5*time.Millisecond)
	require.Positive(t, before.Load())
	require.Less(t, before.Load(), int64(n))
}
