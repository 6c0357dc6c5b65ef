package commands

import (
	"context"
	"time"

	"daybook/domain/account"
	"daybook/domain/devices"
	"daybook/events"
	"daybook/events/id"
)

// LinkDevice adds a device to the account's registry, within the limits of the plan that holds now. The device's id
// follows from the command's id, so a repeat gives the same one.
func (h *Handler) LinkDevice(ctx context.Context, meta Meta, owner id.Account, c devices.Link) (id.Device, events.Position, error) {
	r := newRequest(meta, owner, "LinkDevice", c)
	added := id.Derive[id.Device]("device", r.Command.String())
	var plan account.Plan
	err := h.usable(ctx, owner, func(s account.State) error {
		plan = s.PlanAt(h.accounts.now())
		return nil
	})
	if err != nil {
		return id.Device{}, events.Start, err
	}
	at, err := h.registries.execute(ctx, devices.Stream(owner), r, func(s devices.State, _ time.Time) ([]events.Event, error) {
		return s.Link(owner, added, c, plan)
	})
	if err != nil {
		return id.Device{}, events.Start, err
	}
	return added, at, nil
}

// RenameDevice gives a linked device another name. Messages keep the name they were sent under.
func (h *Handler) RenameDevice(ctx context.Context, meta Meta, owner id.Account, device id.Device, name string) (events.Position, error) {
	if err := h.usable(ctx, owner, nil); err != nil {
		return events.Start, err
	}
	r := newRequest(meta, owner, "RenameDevice", []string{device.String(), name})
	return h.registries.execute(ctx, devices.Stream(owner), r, func(s devices.State, _ time.Time) ([]events.Event, error) {
		return s.Rename(device, name)
	})
}

// UnlinkDevice removes a device from the registry. Its name becomes free, its id does not.
func (h *Handler) UnlinkDevice(ctx context.Context, meta Meta, owner id.Account, device id.Device, reason events.UnlinkReason) (events.Position, error) {
	if err := h.usable(ctx, owner, nil); err != nil {
		return events.Start, err
	}
	r := newRequest(meta, owner, "UnlinkDevice", []string{device.String(), string(reason)})
	return h.registries.execute(ctx, devices.Stream(owner), r, func(s devices.State, _ time.Time) ([]events.Event, error) {
		return s.Unlink(device, reason)
	})
}

// usable refuses an account that is unknown or has not accepted the current terms; any other it shows, if show is given.
func (h *Handler) usable(ctx context.Context, owner id.Account, show func(account.State) error) error {
	current, err := h.currentTerms(ctx)
	if err != nil {
		return err
	}
	return h.accounts.look(ctx, account.Stream(owner), func(s account.State, _ uint64) error {
		s = s.Under(current)
		if err := s.Usable(); err != nil || show == nil {
			return err
		}
		return show(s)
	})
}
