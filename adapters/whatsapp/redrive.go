package whatsapp

import (
	"context"
	"errors"
	"fmt"

	"daybook/commands"
	"daybook/domain/quarantine"
	"daybook/events"
	"daybook/events/id"
)

// ErrNotQuarantined says that there is no quarantined update with this id.
var ErrNotQuarantined = errors.New("no such quarantined update")

// NoPlaceError says that a quarantined update still has no place. It stays as it is.
type NoPlaceError struct {
	Quarantine id.Quarantine
	Reason     events.QuarantineReason
	Detail     string
}

func (e *NoPlaceError) Error() string {
	return fmt.Sprintf("quarantined update %s still has no place: %s: %s", e.Quarantine, e.Reason, e.Detail)
}

// Redrive takes a quarantined update the way that every delivery takes, and closes it when it landed. Its facts are
// recorded as by who drives it, in the trace of the delivery that the update came in. It is safe to repeat, at any time and by several at once: what is recorded is recognised, and a closed update is left alone.
// The error is ErrNotQuarantined, a *NoPlaceError, or that of a part that may recover (or of the vault, when the body
// was erased).
func (in *Ingester) Redrive(ctx context.Context, streams Streams, quarantined id.Quarantine, by commands.Meta) error {
	kept, meta, err := readQuarantined(ctx, streams, quarantined)
	if err != nil || kept == nil {
		return err
	}
	meta.Actor, meta.Source = by.Actor, by.Source
	body, err := in.Vault.Open(ctx, kept.Body, id.Of[id.Fact](quarantined), "body")
	if err != nil {
		return fmt.Errorf("opening quarantined update %s: %w", quarantined, err)
	}
	if body, err = unpack(body); err != nil {
		return fmt.Errorf("unpacking quarantined update %s: %w", quarantined, err)
	}
	items, err := parse(body)
	if err != nil {
		return fmt.Errorf("reading quarantined update %s: %w", quarantined, err)
	}
	w := in.work(items, kept.ReceivedAt, meta)
	if err := w.place(ctx); err != nil {
		return fmt.Errorf("driving update %s again: %w", quarantined, err)
	}
	if len(w.parked) > 0 {
		return &NoPlaceError{quarantined, w.parked[0].reason, w.parked[0].detail}
	}
	if _, err := in.Recorder.MarkRedriven(ctx, meta, quarantined, w.landing()); err != nil {
		return fmt.Errorf("closing quarantined update %s: %w", quarantined, err)
	}
	return nil
}

// landing is the stream where a delivery of one update landed: the first, when it was told of several accounts.
func (w *work) landing() string {
	if len(w.matters) > 0 {
		return w.matters[0].stream
	}
	return w.landed
}

// readQuarantined reads an open update, and the trace that its facts belong to. An update that is closed is nil.
func readQuarantined(ctx context.Context, streams Streams, quarantined id.Quarantine) (*events.UpdateQuarantined, commands.Meta, error) {
	var kept *events.UpdateQuarantined
	var meta commands.Meta
	stream := quarantine.Stream(quarantined)
	for record, err := range streams.ReadStream(ctx, stream, 0) {
		if err != nil {
			return nil, meta, fmt.Errorf("reading %s: %w", stream, err)
		}
		event, envelope, err := events.DecodeRecord(record)
		if err != nil {
			return nil, meta, fmt.Errorf("reading %s at %d: %w", stream, record.Revision, err)
		}
		switch e := event.(type) {
		case events.UpdateRedriven:
			return nil, meta, nil
		case events.UpdateQuarantined:
			kept, meta.Correlation, meta.Causation = &e, envelope.Correlation, record.ID.String()
		}
	}
	if kept == nil {
		return nil, meta, fmt.Errorf("%w: %s", ErrNotQuarantined, quarantined)
	}
	return kept, meta, nil
}
