package commands

import (
	"context"
	"time"

	"daybook/domain/quarantine"
	"daybook/events"
	"daybook/events/id"
)

// Quarantine keeps an update whole, once: a repeat returns the position of what was recorded. It stands in the books of
// the account that holds the number, or in the installation's own.
func (h *Handler) Quarantine(ctx context.Context, meta Meta, update events.UpdateQuarantined) (events.Position, error) {
	owner, err := h.ownerOf(ctx, update.PhoneNumberID)
	if err != nil {
		return events.Start, err
	}
	r := newRequest(meta, owner, "Quarantine", nil)
	return h.quarantined.execute(ctx, quarantine.Stream(update.QuarantineID), r,
		func(s quarantine.State, _ time.Time) ([]events.Event, error) { return s.Keep(update) })
}

// MarkRedriven closes a quarantined update that found its place in a stream. A repeat changes nothing.
func (h *Handler) MarkRedriven(ctx context.Context, meta Meta, item id.Quarantine, stream string) (events.Position, error) {
	var phoneNumberID string
	err := h.quarantined.look(ctx, quarantine.Stream(item), func(s quarantine.State, _ uint64) error {
		phoneNumberID = s.PhoneNumberID()
		return nil
	})
	if err != nil {
		return events.Start, err
	}
	owner, err := h.ownerOf(ctx, phoneNumberID)
	if err != nil {
		return events.Start, err
	}
	r := newRequest(meta, owner, "MarkRedriven", nil)
	return h.quarantined.execute(ctx, quarantine.Stream(item), r, func(s quarantine.State, now time.Time) ([]events.Event, error) {
		return s.MarkRedriven(item, stream, now)
	})
}

// ownerOf is NumberOwner for an update that may not name a number; zero when nobody holds it.
func (h *Handler) ownerOf(ctx context.Context, phoneNumberID string) (id.Account, error) {
	if phoneNumberID == "" {
		return id.Account{}, nil
	}
	owner, _, err := h.NumberOwner(ctx, phoneNumberID)
	return owner, err
}
