package commands

import (
	"context"
	"time"

	"daybook/domain/content"
	"daybook/domain/devices"
	"daybook/events"
	"daybook/events/id"
)

// PublishContent makes content the current version of a package in a language.
func (h *Handler) PublishContent(ctx context.Context, meta Meta, owner id.Account, c content.Publish) (events.Position, error) {
	if err := h.usable(ctx, owner, nil); err != nil {
		return events.Start, err
	}
	r := newRequest(meta, owner, "PublishContent", c)
	return h.content.execute(ctx, content.Stream(owner), r, func(s content.State, _ time.Time) ([]events.Event, error) {
		return s.Publish(owner, c)
	})
}

// ScheduleContent has a device download content, for the first time at an instant.
func (h *Handler) ScheduleContent(ctx context.Context, meta Meta, owner id.Account, device id.Device, at time.Time) (events.Position, error) {
	r := newRequest(meta, owner, "ScheduleContent", nil)
	return h.content.execute(ctx, content.Stream(owner), r, func(s content.State, _ time.Time) ([]events.Event, error) {
		return s.Schedule(owner, device, at)
	})
}

// ContentTurn is one download of a device.
type ContentTurn struct {
	Account  id.Account
	Device   id.Device
	Turn     int
	Packages []events.PackageVersion // what there is to download
}

// ContentDue returns the download that a timer has fired for; none when it has ended, or the device is not linked any more.
func (h *Handler) ContentDue(ctx context.Context, owner id.Account, device id.Device, fired id.Timer) (due ContentTurn, open bool, err error) {
	linked := false
	err = h.registries.look(ctx, devices.Stream(owner), func(s devices.State, _ uint64) error {
		_, refusal := s.Sender(device)
		linked = refusal == nil
		return nil
	})
	if err != nil || !linked {
		return ContentTurn{}, false, err
	}
	err = h.content.look(ctx, content.Stream(owner), func(s content.State, _ uint64) error {
		due = ContentTurn{Account: owner, Device: device, Packages: s.Current()}
		due.Turn, open = s.Turn(owner, device, fired)
		return nil
	})
	return due, open, err
}

// EndContentTurn records how a download ended: well, or failed with a code.
func (h *Handler) EndContentTurn(ctx context.Context, meta Meta, t ContentTurn, failure string) (events.Position, error) {
	r := newRequest(meta, t.Account, "EndContentTurn", nil)
	return h.content.execute(ctx, content.Stream(t.Account), r, func(s content.State, now time.Time) ([]events.Event, error) {
		if failure != "" {
			return s.Failed(t.Account, t.Device, t.Turn, failure, now)
		}
		return s.Refreshed(t.Account, t.Device, t.Turn, t.Packages, now)
	})
}
