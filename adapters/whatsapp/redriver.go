package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// Ready lists open updates, oldest first, whose cause has gone away: the message they wait for is bound, or the number
// is claimed.
type Ready func(ctx context.Context, limit int) ([]id.Quarantine, error)

// Redriver drives quarantined updates again as they become ready. Whatever it remembers is only to spare work: after a
// crash another one goes on from the log.
type Redriver struct {
	Ingester *Ingester
	Streams  Streams
	Ready    Ready
	Wake     <-chan struct{}  // a signal that more may be ready; signals may be merged
	Erased   func(error) bool // tells the vault's error for what was erased from those that may pass; nil: none is
	Log      *slog.Logger
}

const (
	redriveBatch = 256
	retryMin     = 200 * time.Millisecond
	retryMax     = 30 * time.Second
)

// Run works until ctx is done and then returns its error. Parts that fail are tried again, ever more slowly.
func (r *Redriver) Run(ctx context.Context) error {
	// An update that is ready and yet has no place, or cannot be opened, is left alone until the next start: it needs a
	// person, and would keep others from their turn.
	stuck := map[id.Quarantine]bool{}
	wait := retryMin
	for {
		err := r.drain(ctx, stuck)
		if err == nil {
			wait = retryMin
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-r.Wake:
			}
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.Log.Warn("redriving quarantined updates", "error", err, "again_in", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMax)
	}
}

// drain drives everything that is ready. One update that fails does not keep the others from their turn.
func (r *Redriver) drain(ctx context.Context, stuck map[id.Quarantine]bool) error {
	handled := map[id.Quarantine]bool{} // in this drain: the read model may lag behind what was closed just now
	var failures []error
	for {
		ready, err := r.Ready(ctx, redriveBatch+len(stuck)+len(handled))
		if err != nil {
			return fmt.Errorf("asking what is ready: %w", err)
		}
		forget(handled, ready)
		progress := false
		for _, quarantined := range ready {
			if handled[quarantined] || stuck[quarantined] {
				continue
			}
			progress, handled[quarantined] = true, true
			switch err := r.Ingester.Redrive(ctx, r.Streams, quarantined); {
			case err == nil:
			case lasting(err) || r.Erased != nil && r.Erased(err):
				stuck[quarantined] = true
				r.Log.Warn("a quarantined update stays", "quarantine", quarantined, "error", err)
			default:
				failures = append(failures, err)
			}
		}
		if len(failures) > 0 {
			return fmt.Errorf("%d of %d updates, the first: %w", len(failures), len(ready), failures[0])
		}
		if !progress {
			return nil
		}
	}
}

// forget drops what is no longer listed as ready.
func forget(handled map[id.Quarantine]bool, ready []id.Quarantine) {
	listed := make(map[id.Quarantine]bool, len(ready))
	for _, quarantined := range ready {
		listed[quarantined] = true
	}
	maps.DeleteFunc(handled, func(quarantined id.Quarantine, _ bool) bool { return !listed[quarantined] })
}

// lasting tells an error of the update from one of a part that may recover.
func lasting(err error) bool {
	if errors.Is(err, ErrNotQuarantined) || errors.Is(err, events.ErrSealed) {
		return true
	}
	_, noPlace := errors.AsType[*NoPlaceError](err)
	_, malformed := errors.AsType[*MalformedError](err)
	return noPlace || malformed
}
