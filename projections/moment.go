package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"daybook/events"
)

// skew is by how much the times of events may run back in the log, and PositionAt is still exact. Processes with clocks
// of their own append to one log, and what was decided first may be appended second.
const skew = time.Minute

// PositionAt resolves a time to the position of the last event before the first one that was recorded later; the
// beginning of the log if the first event was. Later events, with earlier times, are not in it. Recorded means by our
// clock, as the event's envelope says; a foreign event counts by the time of the store. The store's own events count not
// at all.
//
// It reads a few events here and there, and those of about a minute. For that, times must run back by a minute at most:
// no event may have a time that is more than a minute before that of any event in front of it. Where they do so
// nevertheless, the answer is still an event that is not recorded later, and whose next one is; but there may be another
// one like it further to the front. In any case the same log gives the same answer, and events that are appended later,
// with later times, do not change it.
func (e *Engine) PositionAt(ctx context.Context, t time.Time) (events.Position, error) {
	early, err := e.lastRun(ctx, t.Add(-skew))
	if err != nil {
		return events.Start, fmt.Errorf("looking for %s in the log: %w", t.Format(time.RFC3339Nano), err)
	}
	return e.scanUntil(ctx, early, t)
}

// scanUntil reads on from a position to the last event before the first that was recorded after t.
func (e *Engine) scanUntil(ctx context.Context, from events.Position, t time.Time) (events.Position, error) {
	last := from
	for r, err := range e.cfg.Log.ReadAll(ctx, from) {
		if err != nil {
			return events.Start, fmt.Errorf("reading the log after position %d: %w", from, err)
		}
		if r.System() {
			continue
		}
		if recordedAt(r).After(t) {
			break
		}
		last = r.Position
	}
	return last, ctx.Err()
}

// lastRun finds an event that was recorded at t at the latest, and whose next one was not, by halving the distance; the
// beginning of the log if the first event was not. Where it asks depends on nothing but the answers, not on how long
// the log is: it doubles its steps from the beginning, and takes what is not there yet for later.
func (e *Engine) lastRun(ctx context.Context, t time.Time) (events.Position, error) {
	early, late := events.Start, events.Position(1) // late: what comes after it is later than t
	for {
		r, err := e.next(ctx, late-1)
		if err != nil {
			return e.fallBack(ctx, early, err)
		}
		if r == nil || recordedAt(*r).After(t) {
			break
		}
		for early = r.Position; late-1 <= early; late *= 2 {
			if late > 1<<62 {
				return early, nil
			}
		}
	}
	for late--; early < late; {
		middle := early + (late-early)/2
		r, err := e.next(ctx, middle)
		switch {
		case err != nil:
			return e.fallBack(ctx, early, err)
		case r == nil || recordedAt(*r).After(t):
			late = middle
		default:
			early = r.Position
		}
	}
	return early, nil
}

// fallBack goes on from an event that is early, for a store that does not read from a position between two records: the
// scan from there is longer, and as right. A store that is away is no such store.
func (e *Engine) fallBack(ctx context.Context, early events.Position, err error) (events.Position, error) {
	if ctx.Err() != nil || errors.Is(err, events.ErrUnavailable) || errors.Is(err, events.ErrAnotherStore) {
		return events.Start, err
	}
	e.cfg.Logger.DebugContext(ctx, "the log cannot be read from a position that is no record's, so all of it is", "error", err)
	return early, nil
}

// next reads the first event after a position; nil when there is none.
func (e *Engine) next(ctx context.Context, after events.Position) (*events.Record, error) {
	for r, err := range e.cfg.Log.ReadAll(ctx, after) {
		if err != nil {
			return nil, fmt.Errorf("reading the log after position %d: %w", after, err)
		}
		if !r.System() {
			return &r, nil
		}
	}
	return nil, ctx.Err()
}

// recordedAt is when an event was recorded: by our clock, or else by the store's.
func recordedAt(r events.Record) time.Time {
	if envelope, err := events.DecodeEnvelope(r.Metadata); err == nil {
		return envelope.RecordedAt
	}
	return r.Created
}
