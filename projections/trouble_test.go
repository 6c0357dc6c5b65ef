package projections_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// told is what a status says of why a build does not go on.
type told struct {
	State projections.State
	Error string
	Since time.Time
	Event *projections.Standing
}

// told waits until an engine says of the sample that it is in a state, and returns all that it says.
func (h *house) told(engine *projections.Engine, want projections.State) told {
	h.t.Helper()
	s := h.status(engine, "sample", want)
	require.NotNil(h.t, s.Since)
	return told{s.State, s.Error, *s.Since, s.Event}
}

// TestEveryProcessTellsTheSame asks three: the one that projects, one that stands by, and one that only looks.
func TestEveryProcessTellsTheSame(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var passed atomic.Int64 // minutes
	h.now = func() time.Time {
		return projectiontest.Epoch.Add(time.Hour + time.Duration(passed.Load())*time.Minute)
	}
	var healed atomic.Bool
	poisoned := func() *projections.Projection {
		p := sample()
		projections.On(p, func(events.PremiumSubscribed, projections.At) error {
			if healed.Load() {
				return nil
			}
			return errors.New("out of luck")
		})
		return p
	}
	first, stop := h.run(h.pool, poisoned)
	h.wait(first, "sample", h.append(3))
	second, _ := h.run(h.pool, poisoned)
	h.status(second, "sample", projections.StateStandby)
	onlooker := h.engine(h.pool, poisoned)
	h.append(2)
	last := h.record("account-1", events.PremiumSubscribed{})

	want := told{
		projections.StatePaused, h.told(first, projections.StatePaused).Error, h.now(),
		&projections.Standing{Place: projections.Place{Stream: "account-1"}, Type: "PremiumSubscribed"},
	}
	require.Contains(t, want.Error, "projection sample_v1: PremiumSubscribed at account-1@0: out of luck")
	for _, engine := range []*projections.Engine{first, second, onlooker} {
		require.Equal(t, want, h.told(engine, projections.StatePaused))
		bounded, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		late, ok := errors.AsType[*projections.WaitError](engine.WaitFor(bounded, "sample", last))
		cancel()
		require.True(t, ok)
		require.EqualError(t, late.Trouble, want.Error, "whoever waits hears it, too")
	}
	passed.Store(7)
	stop()
	require.Eventually(t, func() bool {
		all, err := second.Status(t.Context())
		return err == nil && all[0].Here && all[0].State == projections.StatePaused
	}, 30*time.Second, 5*time.Millisecond)
	for _, engine := range []*projections.Engine{second, onlooker} {
		require.Equal(t, want, h.told(engine, projections.StatePaused), "since it began, whoever it was with")
	}

	healed.Store(true)
	h.wait(second, "sample", last)
	require.Nil(t, h.status(second, "sample", projections.StateRunning).Since)
	require.Len(t, h.rows("SELECT FROM checkpoints WHERE projection = 'sample' AND state IS NULL AND cause IS NULL AND stuck_type IS NULL"), 1)

	for range 2 { // the second time is not the first one
		passed.Add(7)
		h.exec("ALTER TABLE sample_v1.devices RENAME TO elsewhere")
		last = h.append(1)
		away := h.told(onlooker, projections.StateRetrying)
		require.Contains(t, away.Error, "table devices is gone")
		require.Nil(t, away.Event, "it is not the event's fault")
		require.Equal(t, h.now(), away.Since)
		h.exec("ALTER TABLE sample_v1.elsewhere RENAME TO devices")
		h.wait(second, "sample", last)
		h.status(second, "sample", projections.StateRunning)
	}
}

// TestWhatResumingCuresIsNotToldAnyMore needs no event for that.
func TestWhatResumingCuresIsNotToldAnyMore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()))
	h.exec("UPDATE checkpoints SET state = 'retrying', cause = 'the store is away', since = now() WHERE projection = 'sample'")
	h.run(h.pool, sample)
	require.Eventually(t, func() bool {
		return len(h.rows("SELECT FROM checkpoints WHERE projection = 'sample' AND state IS NULL AND holder IS NOT NULL")) == 1
	}, 30*time.Second, 5*time.Millisecond)
}
