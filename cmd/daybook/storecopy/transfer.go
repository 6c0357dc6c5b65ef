package storecopy

import (
	"context"
	"errors"
	"fmt"

	"daybook/events"
)

// maxEvents bounds one append in events.
const maxEvents = 1000

// transfer appends to the target what it lacks. What it holds already is compared first: only so is its end known to
// stand at the same place of the source.
func (c *copying) transfer(ctx context.Context) error {
	from, to := c.source(ctx), c.target(ctx)
	defer from.close()
	defer to.close()
	t := &transfer{copying: c, limit: c.AppendBytes}
	for held := true; ; {
		a, more, err := from.step(ctx)
		if err != nil {
			return err
		}
		if held {
			var b events.Record
			if b, held, err = to.step(ctx); err != nil {
				return err
			}
			if held && (!more || difference(&a, &b) != "") {
				return &DifferenceError{First: parting(a, b, more, held)}
			}
		}
		switch {
		case !more:
			return t.end(ctx)
		case held:
			t.events++
			c.Progress(Progress{Checking, t.events, a.Position, c.from.SealedAt})
		default:
			if err = t.add(ctx, a); err != nil {
				return err
			}
		}
	}
}

// transfer gathers neighbours of one stream, and appends them together.
type transfer struct {
	*copying

	limit   int // bytes of one append
	pending []events.Record
	size    int
	events  uint64
	copied  uint64 // of them, in this run
}

func (t *transfer) add(ctx context.Context, r events.Record) error {
	size := sizeOf(&r)
	if n := len(t.pending); n > 0 && (t.pending[0].Stream != r.Stream || n == maxEvents || t.size+size > t.limit) {
		if err := t.flush(ctx); err != nil {
			return err
		}
	}
	t.pending, t.size = append(t.pending, r), t.size+size
	return nil
}

// sizeOf counts as the stores do.
func sizeOf(r *events.Record) int { return len(r.Data) + len(r.Metadata) + 2*len(r.Type) }

// end tells that the source is at its end, which nothing of the copy stands at.
func (t *transfer) end(ctx context.Context) error {
	if err := t.flush(ctx); err != nil {
		return err
	}
	phase := Copying
	if t.copied == 0 {
		phase = Checking
	}
	t.Progress(Progress{phase, t.events, t.from.SealedAt, t.from.SealedAt})
	return nil
}

func (t *transfer) flush(ctx context.Context) error {
	if len(t.pending) == 0 {
		return nil
	}
	if err := t.append(ctx, t.pending); err != nil {
		return err
	}
	t.events += uint64(len(t.pending))
	t.copied += uint64(len(t.pending))
	t.Progress(Progress{Copying, t.events, t.pending[len(t.pending)-1].Position, t.from.SealedAt})
	clear(t.pending) // they may be large
	t.pending, t.size = t.pending[:0], 0
	return nil
}

// append writes neighbours of one stream, in halves if the target refuses the whole.
func (t *transfer) append(ctx context.Context, records []events.Record) error {
	proposed := make([]events.Proposed, len(records))
	size := 0
	for i := range records {
		r := &records[i]
		proposed[i] = events.Proposed{ID: r.ID, Type: r.Type, Data: r.Data, Metadata: r.Metadata, Binary: r.Binary}
		size += sizeOf(r)
	}
	first := &records[0]
	at, err := t.To.Append(ctx, first.Stream, t.expected(first), proposed)
	switch {
	case err == nil:
		if first.Stream == events.StoreStream {
			t.to.Last = at.Revision
		}
		return nil
	case t.TooLarge == nil || !t.TooLarge(err):
		return t.refused(first, err)
	case len(records) == 1:
		return &OversizedError{first.Stream, first.Revision, size, err}
	}
	t.limit = max(min(t.limit, size/2), 1)
	middle := len(records) / 2
	if err = t.append(ctx, records[:middle]); err != nil {
		return err
	}
	return t.append(ctx, records[middle:])
}

// expected is the place of an event in the target: the same as in the source, but in the stores' own stream.
func (t *transfer) expected(r *events.Record) events.Expected {
	switch {
	case r.Stream == events.StoreStream:
		return events.Exactly(t.to.Last)
	case r.Revision == 0:
		return events.NoStream
	}
	return events.Exactly(r.Revision - 1)
}

// refused explains why an event has no place in the target.
func (t *transfer) refused(r *events.Record, err error) error {
	conflict, ok := errors.AsType[*events.WrongRevisionError](err)
	switch {
	case !ok:
		return fmt.Errorf("copying %s@%d: %w", r.Stream, r.Revision, err)
	case conflict.Actual < conflict.Expected:
		return refuse("the source lacks what was before %s@%d: the stream was truncated, and a copy could not keep its revisions",
			r.Stream, r.Revision)
	default:
		return fmt.Errorf("copying %s@%d: somebody else writes to the target: %w", r.Stream, r.Revision, err)
	}
}
