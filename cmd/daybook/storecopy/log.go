package storecopy

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"

	"daybook/events"
)

// copied tells which records a copy takes along.
func copied(r *events.Record) bool {
	return !events.SystemStream(r.Stream) && (r.Stream != events.StoreStream || !mark(r.Type))
}

// tombstone tells whether a record is the end of a stream that was deleted for good.
func tombstone(r *events.Record) bool {
	return r.Type == "$streamDeleted" && r.Revision == math.MaxInt64
}

// cursor walks over what is copied of one store's log.
type cursor struct {
	next    func() (events.Record, error, bool)
	close   func()
	store   string
	end     events.Position // nothing behind it belongs to the copy; 0: all does
	closed  bool            // what is behind the end is an error
	advice  string          // what to do about that
	counted uint64          // events passed that are not the database's, whether copied or not
}

// source opens the log of the source, which ends with its seal.
func (c *copying) source(ctx context.Context) *cursor {
	return open(ctx, c.sealed(), c.From)
}

func (c *copying) sealed() *cursor {
	advice := "unseal it, and copy again"
	if c.to.Finished != nil {
		advice = "and copy to another empty store: nothing is added to a finished copy"
	}
	return &cursor{store: "source", end: c.from.SealedAt, closed: true, advice: advice}
}

// untouched looks whether somebody has written to the source since it was sealed.
func (c *copying) untouched(ctx context.Context) error {
	for r, err := range c.From.ReadAll(ctx, c.from.SealedAt) {
		switch {
		case err != nil:
			return fmt.Errorf("reading the source: %w", err)
		case !r.System():
			return c.sealed().touched(&r)
		}
	}
	return ctx.Err()
}

func (c *cursor) touched(r *events.Record) error {
	return refuse("the %s was written to after it was sealed: %s as %s@%d. Stop whoever does, %s", c.store, r.Type, r.Stream, r.Revision, c.advice)
}

// target opens the log of the target, which is a copy up to the mark that says so.
func (c *copying) target(ctx context.Context) *cursor {
	return open(ctx, &cursor{store: "target", end: c.to.FinishedAt}, c.To)
}

func open(ctx context.Context, c *cursor, store Store) *cursor {
	c.next, c.close = iter.Pull2(store.ReadAll(ctx, events.Start))
	return c
}

// step returns the next record that is copied; false at the end.
func (c *cursor) step(ctx context.Context) (events.Record, bool, error) {
	for {
		r, err, more := c.next()
		switch {
		case err != nil:
			return r, false, fmt.Errorf("reading the %s: %w", c.store, err)
		case !more:
			return r, false, ctx.Err()
		case c.end > 0 && r.Position > c.end:
			if c.closed && !r.System() {
				return r, false, c.touched(&r)
			}
			if !c.closed {
				return r, false, nil
			}
			continue
		case !events.SystemStream(r.Stream) && tombstone(&r):
			return r, false, refuse("stream %s of the %s was deleted for good, which a copy would undo", r.Stream, c.store)
		}
		if !r.System() {
			c.counted++
		}
		if copied(&r) {
			return r, true, nil
		}
	}
}

// difference names the first field in which two records differ; empty when they are the same event at the same place of
// the same stream. The stores' own stream is not the same: other events are between.
func difference(a, b *events.Record) string {
	switch {
	case a.Stream != b.Stream:
		return "stream"
	case a.Revision != b.Revision && a.Stream != events.StoreStream:
		return "revision"
	case a.ID != b.ID:
		return "id"
	case a.Type != b.Type:
		return "type"
	case a.Binary != b.Binary:
		return "kind of data"
	case !bytes.Equal(a.Data, b.Data):
		return "data"
	case !bytes.Equal(a.Metadata, b.Metadata):
		return "metadata"
	}
	return ""
}

// parting says how two logs differ at a place. Either record may be missing.
func parting(a, b events.Record, hasA, hasB bool) string {
	name := func(r *events.Record) string {
		return fmt.Sprintf("%s %s as %s@%d", r.Type, r.ID, r.Stream, r.Revision)
	}
	switch {
	case !hasB:
		return fmt.Sprintf("the target lacks %s", name(&a))
	case !hasA:
		return fmt.Sprintf("the target holds %s beyond the end of the source", name(&b))
	case a.Stream != b.Stream || a.Revision != b.Revision:
		return fmt.Sprintf("where the source holds %s, the target holds %s", name(&a), name(&b))
	default:
		return fmt.Sprintf("the %s of %s", difference(&a, &b), name(&a))
	}
}
