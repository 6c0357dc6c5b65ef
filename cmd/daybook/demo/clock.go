// Package demo is an invented business and a month of its messaging, played through the public HTTP endpoints only.
//
// The month is always the same one, 16 September to 15 October 2026: on 1 October the platform changed both its rates
// and what it charges for, so that the two halves of the month cost differently.
package demo

import (
	"sync/atomic"
	"time"
)

// Clock is a clock that a month can be played on in seconds: it stands where it was set, and runs once it is let go.
// It never goes back.
type Clock struct {
	standing atomic.Pointer[time.Time]
	ahead    atomic.Int64 // of the real time, in nanoseconds, once it runs
}

// Now is the time of the clock.
func (c *Clock) Now() time.Time {
	if at := c.standing.Load(); at != nil {
		return *at
	}
	return time.Now().Add(time.Duration(c.ahead.Load()))
}

// advance moves a standing clock forward, if the time is not past already.
func (c *Clock) advance(to time.Time) {
	if at := c.standing.Load(); at == nil || to.After(*at) {
		c.standing.Store(&to)
	}
}

// run lets the clock go: to the real time, or on from where it stands if that is later.
func (c *Clock) run() {
	if at := c.standing.Load(); at != nil {
		c.ahead.Store(max(0, time.Until(*at).Nanoseconds()))
	}
	c.standing.Store(nil)
}
