// Package demo is an invented business and a week of its messaging, played through the public HTTP endpoints only.
package demo

import (
	"sync/atomic"
	"time"
)

// Clock is a clock that a week can be played on in seconds: it stands where it was set, and runs once it is let go.
// It never goes back.
type Clock struct{ standing atomic.Pointer[time.Time] }

// Now is the time of the clock, or the real time once it runs.
func (c *Clock) Now() time.Time {
	if at := c.standing.Load(); at != nil {
		return *at
	}
	return time.Now()
}

// advance moves a standing clock forward, if the time is not past already, and returns where it stands.
func (c *Clock) advance(to time.Time) time.Time {
	if at := c.standing.Load(); at != nil && to.Before(*at) {
		return *at
	}
	c.standing.Store(&to)
	return to
}

// run lets the clock go.
func (c *Clock) run() { c.standing.Store(nil) }
