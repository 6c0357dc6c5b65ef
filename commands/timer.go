package commands

import (
	"context"
	"time"

	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

// SetTimer has something happen at an instant: a TimerFired is recorded then, and policies react to it. A timer that was
// set before, also one that has ended since, stays as it is.
func (h *Handler) SetTimer(ctx context.Context, meta Meta, c timer.Set) (events.Position, error) {
	r := newRequest(meta, c.Account, "SetTimer", nil)
	return h.timers.execute(ctx, timer.Stream(c.ID()), r, func(s timer.State, _ time.Time) ([]events.Event, error) { return s.Set(c) })
}

// FireTimer records that a timer was found due, in the books of the account that it was set in. However many find it due
// at once, it is recorded once.
func (h *Handler) FireTimer(ctx context.Context, meta Meta, owner id.Account, due id.Timer) (events.Position, error) {
	r := newRequest(meta, owner, "FireTimer", nil)
	return h.timers.execute(ctx, timer.Stream(due), r, func(s timer.State, now time.Time) ([]events.Event, error) {
		return s.Fire(due, now)
	})
}

// CancelTimer keeps a timer from firing. It has no effect on one that was not set, or has ended.
func (h *Handler) CancelTimer(ctx context.Context, meta Meta, owner id.Account, cancelled id.Timer) (events.Position, error) {
	r := newRequest(meta, owner, "CancelTimer", nil)
	return h.timers.execute(ctx, timer.Stream(cancelled), r, func(s timer.State, _ time.Time) ([]events.Event, error) {
		return s.Cancel()
	})
}
