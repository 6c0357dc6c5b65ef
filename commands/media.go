package commands

import (
	"context"
	"time"

	"daybook/domain/media"
	"daybook/events"
	"daybook/events/id"
)

// MediaWanted tells whether the file of a message is to be fetched now.
func (h *Handler) MediaWanted(ctx context.Context, message id.Message) (wanted bool, err error) {
	err = h.files.look(ctx, media.Stream(message), func(s media.State, _ uint64) error {
		wanted = s.Wanted(h.now())
		return nil
	})
	return wanted, err
}

// KeepMedia records that the file of a message was fetched and is kept.
func (h *Handler) KeepMedia(ctx context.Context, meta Meta, k media.Kept) (events.Position, error) {
	return h.files.execute(ctx, media.Stream(k.Message), newRequest(meta, k.Account, "KeepMedia", nil),
		func(s media.State, now time.Time) ([]events.Event, error) { return s.Keep(k, now), nil })
}

// MissMedia records that the file of a message could not be fetched.
func (h *Handler) MissMedia(ctx context.Context, meta Meta, m media.Missed) (events.Position, error) {
	return h.files.execute(ctx, media.Stream(m.Message), newRequest(meta, m.Account, "MissMedia", nil),
		func(s media.State, now time.Time) ([]events.Event, error) { return s.Miss(m, now), nil })
}
