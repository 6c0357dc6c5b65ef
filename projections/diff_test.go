package projections_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
	"daybook/projections/tables"
)

// TestADiffIsExactWhileEventsArrive compares builds that never stand still at the same place by themselves.
func TestADiffIsExactWhileEventsArrive(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, indexed)
	h.wait(engine, "sample", h.append(100))
	_, err := engine.Diff(t.Context(), "sample")
	require.ErrorContains(t, err, "no rebuild is under way")
	schema := h.rebuilt(engine)
	h.wait(engine, "sample", h.append(1))

	arriving, enough := context.WithCancel(t.Context())
	arrived := make(chan struct{})
	go func() {
		defer close(arrived)
		for arriving.Err() == nil {
			_ = engine.WaitFor(arriving, "sample", h.append(3)) // no backlog: builds have to keep up with one another in the end
		}
	}()
	for range 10 {
		d, err := engine.Diff(t.Context(), "sample")
		require.NoError(t, err)
		require.True(t, d.Comparison.Equal(), "%s", d.Comparison)
		require.NotZero(t, d.Position)
	}
	enough()
	<-arrived
	h.wait(engine, "sample", h.append(1))

	h.exec("UPDATE sample_v1.devices SET name = 'another' WHERE device_id = $1", device(3).Bytes())
	h.exec("DELETE FROM " + schema + ".trail WHERE stream = 'devices-4' AND revision = 1")
	d, err := engine.Diff(t.Context(), "sample")
	require.NoError(t, err)
	require.False(t, d.Comparison.Equal())
	rows := map[string]tables.RowCounts{}
	for _, table := range d.Comparison.Tables {
		rows[table.Table] = table.Rows
	}
	require.EqualValues(t, 1, rows["devices"].Changed)
	require.EqualValues(t, 1, rows["trail"].OnlyA)
	require.Zero(t, rows["trail"].OnlyB+rows["trail"].Changed)

	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	h.wait(engine, "sample", h.append(5)) // the build goes on after it was held
}

func TestADiffIsForTheProcessThatProjects(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, indexed)
	h.wait(engine, "sample", h.append(10))
	other, _ := h.run(h.pool, indexed)
	h.rebuilt(engine)
	h.wait(engine, "sample", h.append(10))
	require.Eventually(t, func() bool { // one of them projects it
		mine, err := engine.Diff(t.Context(), "sample")
		_, otherErr := other.Diff(t.Context(), "sample")
		return (err == nil) != (otherErr == nil) && (err != nil || mine.Comparison.Equal())
	}, 30*time.Second, 5*time.Millisecond)
}

// TestADiffIsRefusedWhileTheLiveBuildStandsStill where the other one has gone on: it may stand there for ever.
func TestADiffIsRefusedWhileTheLiveBuildStandsStill(t *testing.T) {
	t.Parallel()
	poisoned := func() *projections.Projection {
		p := sample()
		projections.On(p, func(events.PremiumSubscribed, projections.At) error { return errors.New("out of luck") })
		return p
	}
	healed := always(sampleVersion(2, sampleSchema))
	for why, c := range map[string]struct {
		live  projections.Definition // which another process projects before
		knows []projections.Definition
	}{
		"PremiumSubscribed at account-1@0: out of luck": {poisoned, []projections.Definition{poisoned, healed}},
		"no process projects it":                        {sample, []projections.Definition{healed}},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.beat, h.confirm = 10*time.Millisecond, true
			before, stop := h.run(h.pool, c.live)
			h.wait(before, "sample", h.append(3))
			stop()
			h.record("account-1", events.PremiumSubscribed{})
			last := h.append(3)
			engine, _ := h.run(h.pool, c.knows...)
			h.phase("sample_v2", projections.PhaseReady)
			require.Eventually(t, func() bool { return h.position("sample_v2") == last }, 30*time.Second, 5*time.Millisecond)
			if len(c.knows) > 1 {
				h.status(engine, "sample", projections.StatePaused)
			}
			_, err := engine.Diff(t.Context(), "sample")
			var refused *projections.OrderError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, "or let it go live without a comparison")
			require.ErrorContains(t, err, why)
			require.NoError(t, engine.GoLive(t.Context(), "sample"))
			require.Equal(t, "sample_v2", h.live(engine))
		})
	}
}
