package whatsapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"daybook/commands"
	"daybook/events"
	"daybook/events/id"
)

// Waiting is an open update whose cause has gone away, and the position that it was kept at.
type Waiting struct {
	ID       id.Quarantine
	Position events.Position
}

// Ready lists the open updates after a position, in order of position and at most limit, whose cause has gone away: the
// message they wait for is bound, the number or the WABA is claimed, or the field is handled now. Fewer than limit means that there are no more.
type Ready func(ctx context.Context, after events.Position, limit int) ([]Waiting, error)

// Redriver drives quarantined updates again as they become ready. Whatever it remembers is only to spare work: after a
// crash another one goes on from the log.
type Redriver struct {
	Ingester *Ingester // its clock tells when a pause is over
	Streams  Streams
	Ready    Ready
	Wake     <-chan struct{}  // a signal that more may be ready; signals may be merged
	Erased   func(error) bool // tells the vault's error for what was erased from those that may pass; nil: none is
	Log      *slog.Logger
}

// actorRedrive is who drives updates again, in every envelope that this causes.
const actorRedrive events.Actor = "policy:redrive"

const (
	redriveBatch = 256

	retryMin = 200 * time.Millisecond // between two attempts to learn what is ready
	retryMax = 30 * time.Second

	pauseMin    = time.Second      // between two attempts at one update
	pauseMax    = 10 * time.Minute // that has no place
	recoveryMax = 30 * time.Second // that a part kept from its place
)

// Run works until ctx is done and then returns its error. Parts that fail are tried again, ever more slowly; so is each
// update that fails, on its own, while all others have their turn.
func (r *Redriver) Run(ctx context.Context) error {
	tried := attempts{}
	wait := retryMin
	for {
		err := r.sweep(ctx, tried)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wake, pause := r.Wake, tried.pause(r.Ingester.Now())
		if err != nil {
			r.Log.Warn("redriving quarantined updates", "error", err, "again_in", wait)
			wake, pause = nil, wait
			wait = min(2*wait, retryMax)
		} else {
			wait = retryMin
		}
		if err := await(ctx, wake, pause); err != nil {
			return err
		}
	}
}

// await waits for a signal or for the end of a pause, whichever comes first. A negative pause has no end.
func await(ctx context.Context, wake <-chan struct{}, pause time.Duration) error {
	var over <-chan time.Time
	if pause >= 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
	case <-over:
	}
	return nil
}

// sweep tries everything that is ready and not in a pause, once, from the oldest to the newest.
func (r *Redriver) sweep(ctx context.Context, tried attempts) error {
	listed := map[id.Quarantine]bool{}
	for after := events.Start; ; {
		page, err := r.Ready(ctx, after, redriveBatch)
		if err != nil {
			return fmt.Errorf("asking what is ready: %w", err)
		}
		for _, waiting := range page {
			after = waiting.Position
			listed[waiting.ID] = true
			if last := tried[waiting.ID]; last.over || r.Ingester.Now().Before(last.due) {
				continue
			}
			if err := r.try(ctx, waiting.ID, tried); err != nil {
				return err
			}
		}
		if len(page) < redriveBatch {
			break
		}
	}
	maps.DeleteFunc(tried, func(quarantined id.Quarantine, _ attempt) bool { return !listed[quarantined] })
	return nil
}

// try drives one update and notes what came of it. The error is the context's.
func (r *Redriver) try(ctx context.Context, quarantined id.Quarantine, tried attempts) error {
	err := r.Ingester.Redrive(ctx, r.Streams, quarantined, commands.Meta{Actor: actorRedrive, Source: string(actorRedrive)})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	last, again := tried[quarantined]
	next := attempt{pause: min(max(2*last.pause, pauseMin), limitOf(err))}
	next.over = err == nil || r.unreadable(err)
	next.due = r.Ingester.Now().Add(next.pause)
	tried[quarantined] = next
	if err != nil {
		level := slog.LevelWarn
		if again {
			level = slog.LevelDebug // said once
		}
		r.Log.Log(ctx, level, "a quarantined update stays", "quarantine", quarantined, "error", err)
	}
	return nil
}

// unreadable says that no later attempt can do better: the bytes are gone, or are no delivery.
func (r *Redriver) unreadable(err error) bool {
	_, malformed := errors.AsType[*MalformedError](err)
	return malformed || errors.Is(err, events.ErrSealed) || r.Erased != nil && r.Erased(err)
}

// limitOf is the longest pause after an error: one of the update waits longer than one of a part that may recover.
func limitOf(err error) time.Duration {
	if _, noPlace := errors.AsType[*NoPlaceError](err); noPlace || errors.Is(err, ErrNotQuarantined) {
		return pauseMax
	}
	return recoveryMax
}

// attempts are the last ones at the updates that are still listed as ready.
type attempts map[id.Quarantine]attempt

type attempt struct {
	over  bool          // nothing is left to do, or can be done; the read model may not know yet
	pause time.Duration // before the next one
	due   time.Time     // when that is
}

// pause is how long it takes until an attempt is due; negative when none is.
func (a attempts) pause(now time.Time) time.Duration {
	next := time.Duration(-1)
	for _, last := range a {
		if left := max(last.due.Sub(now), 0); !last.over && (next < 0 || left < next) {
			next = left
		}
	}
	return next
}
