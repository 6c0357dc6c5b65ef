package commands

import (
	"context"
	"time"

	"daybook/domain/quarantine"
	"daybook/events"
	"daybook/events/id"
)

// Quarantine keeps an update whole, once: a repeat returns the position of what was recorded.
func (h *Handler) Quarantine(ctx context.Context, meta Meta, update events.UpdateQuarantined) (events.Position, error) {
	r := newRequest(meta, id.Account{}, "Quarantine", nil)
	return h.quarantined.execute(ctx, quarantine.Stream(update.QuarantineID), r,
		func(s quarantine.State, _ time.Time) ([]events.Event, error) { return s.Keep(update) })
}

// MarkRedriven closes a quarantined update that found its place in a stream. A repeat changes nothing.
func (h *Handler) MarkRedriven(ctx context.Context, meta Meta, item id.Quarantine, stream string) (events.Position, error) {
	r := newRequest(meta, id.Account{}, "MarkRedriven", nil)
	return h.quarantined.execute(ctx, quarantine.Stream(item), r, func(s quarantine.State, now time.Time) ([]events.Event, error) {
		return s.MarkRedriven(item, stream, now)
	})
}
