package projections_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	h.phase(schema, projections.PhaseReady)
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
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	h.phase(schema, projections.PhaseReady)
	h.wait(engine, "sample", h.append(10))
	require.Eventually(t, func() bool { // one of them projects it
		mine, err := engine.Diff(t.Context(), "sample")
		_, otherErr := other.Diff(t.Context(), "sample")
		return (err == nil) != (otherErr == nil) && (err != nil || mine.Comparison.Equal())
	}, 30*time.Second, 5*time.Millisecond)
}
