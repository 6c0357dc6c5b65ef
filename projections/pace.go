package projections

import (
	"context"
	"slices"
	"time"

	"daybook/events"
)

// busy notes since when there is work, until the returned function is called.
func (w *worker) busy() (done func()) {
	set := func(since time.Time) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.since = since
	}
	set(time.Now())
	return func() { set(time.Time{}) }
}

// late tells whether a build that is read has been at a batch for long.
func (w *worker) late() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.phase == PhaseLive && w.state == StateRunning && !w.since.IsZero() && time.Since(w.since) > tooLate
}

// tooLong is how long a batch may take before people are told of it.
const tooLong = 10 * time.Second

// A replay gives way to live builds that are late, and goes on after a while even so: it may be what mends them.
const (
	tooLate    = 100 * time.Millisecond
	longEnough = 250 * time.Millisecond
)

// giveWay waits while live builds are late.
func (e *Engine) giveWay(ctx context.Context) {
	e.waitWhile(ctx, longEnough, func() bool { return slices.ContainsFunc(e.workers(), (*worker).late) })
}

// The follower of the head, for whom nobody waits, lets events gather where there are few: it counts them as it finds time.
// Where there are many it is not at the head, and others soon ask how many are to come.
const (
	handful   = 10
	unhurried = 50 * time.Millisecond
)

func gather(ctx context.Context) {
	select {
	case <-time.After(unhurried):
	case <-ctx.Done():
	}
}

// Replays that began together stay together: the log is then read and decoded once for all of them. One that is a few
// batches ahead waits for the others, unless one does not get on.
const (
	ahead     = 2  // batches that one may be ahead of another
	together  = 16 // batches within which they are together
	standing  = 2 * time.Second
	lookAgain = 10 * time.Millisecond
)

// keepAbreast waits while other replays are behind.
func (w *worker) keepAbreast(ctx context.Context) {
	w.mu.Lock()
	trail := slices.Clone(w.trail)
	w.mu.Unlock()
	if len(trail) <= ahead {
		return
	}
	from, to := trail[0], trail[len(trail)-1-ahead]
	w.engine.waitWhile(ctx, standing, func() bool {
		return slices.ContainsFunc(w.engine.workers(), func(o *worker) bool { return o.replaysWithin(from, to) })
	})
}

// replaysWithin tells whether the worker replays, and has come to a position in a stretch of the log, but not to its end.
func (w *worker) replaysWithin(from, to events.Position) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase != PhaseReplaying || w.state != StateRunning || len(w.trail) == 0 {
		return false
	}
	at := w.trail[len(w.trail)-1]
	return from <= at && at < to
}

// passed notes where the last batches ended; a batch that does not go on where the one before ended begins anew.
func (w *worker) passed(b *Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.trail); n == 0 || w.trail[n-1] != b.After {
		w.trail = append(w.trail[:0], b.After)
	}
	if len(w.trail) > together {
		w.trail = slices.Delete(w.trail, 0, 1)
	}
	w.trail = append(w.trail, b.Last)
}

// waitWhile waits while something is so, for no longer than a time.
func (e *Engine) waitWhile(ctx context.Context, atMost time.Duration, so func() bool) {
	enough := time.NewTimer(atMost)
	defer enough.Stop()
	for so() {
		select {
		case <-time.After(lookAgain):
		case <-enough.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
