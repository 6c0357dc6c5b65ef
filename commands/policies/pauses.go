package policies

import (
	"context"
	"math/rand/v2"
	"time"
)

// pauses grow by doubling, each with up to half of it taken off at random, so that what failed together does not come
// back together.
type pauses struct{ min, max, last time.Duration }

func (p *pauses) reset() { p.last = 0 }

func (p *pauses) next() time.Duration {
	p.last = min(max(2*p.last, p.min), p.max)
	return p.last - rand.N(p.last/2+1) //nolint:gosec // spreads load, guards nothing
}

// wait pauses; it ends early with ctx.
func (p *pauses) wait(ctx context.Context) {
	timer := time.NewTimer(p.next())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
