package commands

import (
	"context"
	"time"

	"daybook/domain/devices"
	"daybook/domain/staff"
	"daybook/events"
	"daybook/events/id"
)

// SendStaffMessage records a message from one linked device of an account to another, and stamps what both are called at
// this moment. A repeat is recognised within the month.
func (h *Handler) SendStaffMessage(ctx context.Context, meta Meta, c staff.Send) (events.Position, error) {
	if err := h.usable(ctx, c.Account, nil); err != nil {
		return events.Start, err
	}
	// A device that is not linked refuses the message only once the loop knows that it was not sent before.
	names, refusal := h.between(ctx, c.Account, c.DeviceID, c.ToDeviceID)
	r := newRequest(meta, c.Account, "SendStaffMessage", c)
	return h.staff.execute(ctx, staff.Stream(c.Account, h.now()), r, func(s staff.State, now time.Time) ([]events.Event, error) {
		if refusal != nil {
			return nil, refusal
		}
		return s.Send(c, names, now)
	})
}

func (h *Handler) between(ctx context.Context, owner id.Account, from, to id.Device) (names staff.Between, err error) {
	err = h.registries.look(ctx, devices.Stream(owner), func(s devices.State, revision uint64) (err error) {
		names.RegistryRevision = revision
		if names.From, err = s.Sender(from); err != nil {
			return err
		}
		names.To, err = s.Sender(to)
		return err
	})
	return names, err
}
