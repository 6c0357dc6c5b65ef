package projections

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
)

// A replay waits for a live build that is late, until that is done or it has waited long enough.
func TestAReplayGivesWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		phase  Phase
		state  State
		since  time.Duration // the batch came before
		takes  time.Duration // from now on
		waited time.Duration
	}{
		"not late yet":      {PhaseLive, StateRunning, tooLate / 2, time.Hour, 0},
		"late, soon done":   {PhaseLive, StateRunning, 2 * tooLate, tooLate, tooLate},
		"late for long":     {PhaseLive, StateRunning, 2 * tooLate, time.Hour, longEnough},
		"it fails anyway":   {PhaseLive, StateRetrying, 2 * tooLate, time.Hour, 0},
		"nobody reads that": {PhaseRetired, StateRunning, 2 * tooLate, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &worker{phase: c.phase, state: c.state}
				e := &Engine{crew: []*worker{w}}
				done := w.busy()
				<-time.After(c.since)
				timer := time.AfterFunc(c.takes, done)
				defer timer.Stop()
				began := time.Now()
				e.giveWay(t.Context())
				require.InDelta(t, c.waited, time.Since(began), float64(lookAgain))
			})
		})
	}
}

// TestABatchThatDoesNotEndIsTold, on an invented clock.
func TestABatchThatDoesNotEndIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &worker{state: StateRunning}
		defer w.busy()()
		_, wrong := w.wrong()
		require.Nil(t, wrong)
		began := time.Now()
		<-time.After(tooLong + time.Second)
		state, wrong := w.wrong()
		require.Equal(t, StateRunning, state)
		require.Equal(t, began.UTC(), wrong.since)
		require.Contains(t, wrong.cause, "does not return")
	})
}

// TestReplaysStayTogether lets one replay run ahead of another, on an invented clock.
func TestReplaysStayTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{}
		fast, slow := newWorker(e, New("fast", 1, ""), PhaseReplaying), newWorker(e, New("slow", 1, ""), PhaseReplaying)
		fast.state, slow.state = StateRunning, StateRunning
		e.crew = []*worker{fast, slow}
		waits := func() time.Duration {
			began := time.Now()
			fast.keepAbreast(t.Context())
			return time.Since(began)
		}
		step := func(w *worker, from, to events.Position) { w.passed(&Batch{After: from, Last: to}) }
		step(slow, 0, 10)
		for at := range events.Position(3) {
			step(fast, 10*at, 10*at+10)
			require.Zero(t, waits(), "two batches ahead are near enough")
		}
		step(fast, 30, 40)
		require.Equal(t, standing, waits(), "one that stands still is not waited for longer than that")
		time.AfterFunc(time.Second, func() { step(slow, 10, 20) })
		require.InDelta(t, time.Second, waits(), float64(lookAgain))

		step(fast, 40, 50)
		slow.state = StateRetrying
		require.Zero(t, waits(), "nor is one that fails")
		slow.state, slow.phase = StateRunning, PhaseLive
		require.Zero(t, waits(), "nor one that is no replay")
		slow.phase = PhaseReplaying
		for at := events.Position(50); at < 500; at += 10 {
			step(fast, at, at+10)
		}
		require.Zero(t, waits(), "nor one that is far behind")
		step(slow, 480, 490)
		require.Zero(t, waits(), "one that is abreast")
	})
}

// What nobody waits for works a tenth of the time, whatever a piece of it takes.
func TestLeisureIsNineTenths(t *testing.T) {
	t.Parallel()
	for _, piece := range []time.Duration{time.Millisecond, time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			began, l := time.Now(), newLeisure(&Engine{})
			for range 5 {
				<-time.After(piece)
				require.NoError(t, l.rest(t.Context()))
			}
			require.Equal(t, 50*piece, time.Since(began))
		})
	}
}
