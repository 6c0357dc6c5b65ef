package policies

import (
	"context"
	"errors"
	"time"
)

// Ticker is a policy that also acts when time has come, and not only on events.
type Ticker interface {
	Policy

	// Tick does what is due for a shard. It is called again and again while the shard is held here, and never beside React
	// of the same shard. What React is told of leases and of the truth holds here as well. After an error the shard rests.
	Tick(ctx context.Context, shard int) error
}

// beats returns a channel that tells when to look at the clock; it stays silent for a policy that does not.
func (w *worker) beats() (beats <-chan time.Time, end func()) {
	if _, ticks := w.policy.(Ticker); !ticks {
		return nil, func() {}
	}
	ticker := time.NewTicker(w.cfg.Beat)
	return ticker.C, ticker.Stop
}

// tick lets the shards do what is due, one after the other, and returns those that did.
func (w *worker) tick(ctx context.Context, team []*shard) []*shard {
	policy, ticks := w.policy.(Ticker)
	if !ticks {
		return team
	}
	well := make([]*shard, 0, len(team))
	for _, s := range team {
		if err := tickSafely(ctx, policy, s.number); err != nil {
			w.fail(ctx, s, &clockError{err})
			continue
		}
		w.overcome(s)
		well = append(well, s)
	}
	return well
}

func tickSafely(ctx context.Context, policy Ticker, shard int) (err error) {
	defer caught(&err)
	return policy.Tick(ctx, shard)
}

// overcome notes that a shard acts by the clock again. What else it failed with, only a reaction shows to be over.
func (w *worker) overcome(s *shard) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, late := errors.AsType[*clockError](s.failed); late {
		s.failed = nil
		s.pauses.reset()
	}
}

// clockError is why a shard could not act by the clock.
type clockError struct{ err error }

func (e *clockError) Error() string { return "acting by the clock: " + e.err.Error() }

func (e *clockError) Unwrap() error { return e.err }
