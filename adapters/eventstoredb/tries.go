package eventstoredb

import (
	"context"
	"math/rand/v2"
	"time"
)

// tries paces the attempts of one call.
type tries struct {
	options *options
	forever bool

	failing bool
	giveUp  time.Time
	pause   time.Duration
}

// again waits before the next attempt. It is false when there shall be none: the context is done or patience is over.
func (t *tries) again(ctx context.Context) bool {
	if !t.failing {
		t.failing, t.pause, t.giveUp = true, t.options.shortest, time.Now().Add(t.options.patience)
	}
	if !t.forever && time.Now().After(t.giveUp) {
		return false
	}
	pause := t.pause - time.Duration(rand.Int64N(int64(t.pause/2)+1)) //nolint:gosec // jitter is no secret
	t.pause = min(2*t.pause, t.options.longest)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// progress says that the last attempt got somewhere: the next failure is a first one again.
func (t *tries) progress() { t.failing = false }
