package projections

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
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
				require.InDelta(t, c.waited, time.Since(began), float64(tooLate/10)) // it looks so often
			})
		})
	}
}
