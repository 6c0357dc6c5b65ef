package commands

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// bookLimit is at how many events a book is closed.
const bookLimit = 5_000

// bookkeeping is how an aggregate closes a stream that has become long, and goes on in the next: stream, stream-1, stream-2.
// The last event of one is the first of the other, word for word. Whoever records something after the closing writes the
// opening before it.
type bookkeeping[S any] struct {
	limit uint64
	close func(state S, now time.Time) events.ConversationCarriedForward
}

// streamOf names the stream of a book; the first has the aggregate's own name.
func (a *aggregate[S]) streamOf(stream string, book int) string {
	if book == 0 {
		return stream
	}
	return stream + "-" + strconv.Itoa(book)
}

// newest finds the last book that was opened.
func (a *aggregate[S]) newest(ctx context.Context, stream string, f *folded[S]) error {
	for a.books != nil {
		opened := false
		for _, err := range a.store.ReadStream(ctx, a.streamOf(stream, f.book+1), 0) {
			if err != nil {
				return fmt.Errorf("looking for the books of %s: %w", stream, err)
			}
			opened = true
			break
		}
		if !opened {
			break
		}
		f.book++
	}
	return nil
}

// turn closes the book in use when it is full. Nothing is lost when that fails, or another writer comes first: the next
// command closes it.
func (a *aggregate[S]) turn(ctx context.Context, stream string, f *folded[S], r request, now time.Time) {
	if a.books == nil || f.length < a.books.limit {
		return
	}
	closing := a.books.close(f.state, now)
	closing.Commands = f.commands.list()
	_ = a.append(ctx, stream, f, r.step().envelope("", now), []events.Event{closing})
}

// opening is the envelope of what opens a book. Its event id follows from the stream: whoever comes at the same time
// writes the same.
func opening(stream string, envelope events.Envelope) events.Envelope {
	envelope.Command, envelope.Digest = id.Derive[id.Command]("book", stream), ""
	return envelope
}

// turn takes note of an event that closes a book or opens one.
func (f *folded[S]) turn(event events.Event) {
	e, turns := event.(events.ConversationCarriedForward)
	if !turns {
		return
	}
	f.carried = len(e.Open) + len(e.Received)
	f.commands.takeOver(e.Commands)
	if f.length == 1 { // it opens the book: no command stands before it
		f.opening = nil
		return
	}
	f.book, f.length, f.opening = e.Book, 0, e
}

// located returns where a repeated command was recorded. Of one that stands in an older book only the revision is known:
// positions are the store's, and a copy of it has others.
func (a *aggregate[S]) located(ctx context.Context, stream string, past *pastCommand, err error) (events.Position, error) {
	if err != nil {
		return events.Start, err
	}
	if past.at != events.Start {
		return past.at, nil
	}
	name := a.streamOf(stream, past.book)
	for record, err := range a.store.ReadStream(ctx, name, past.revision) {
		if err != nil {
			return events.Start, fmt.Errorf("reading %s: %w", name, err)
		}
		past.at = record.Position
		return past.at, nil
	}
	return events.Start, fmt.Errorf("reading %s: there is no revision %d", name, past.revision)
}

// older yields the states in which the older books ended, newest first.
func (a *aggregate[S]) older(ctx context.Context, stream string) iter.Seq2[S, error] {
	return func(yield func(S, error) bool) {
		book, err := a.inUse(ctx, stream)
		for book--; book >= 0 && err == nil; book-- {
			var state S
			state, err = a.ended(ctx, a.streamOf(stream, book))
			if err == nil && !yield(state, nil) {
				return
			}
		}
		if err != nil {
			var none S
			yield(none, err)
		}
	}
}

// inUse is the number of the book in use, which may still be empty.
func (a *aggregate[S]) inUse(ctx context.Context, stream string) (int, error) {
	f, release, err := a.cache.acquire(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("waiting for %s: %w", stream, err)
	}
	defer release()
	err = a.catchUp(ctx, stream, f)
	return f.book, err
}

// ended folds a book up to what closes it.
func (a *aggregate[S]) ended(ctx context.Context, stream string) (state S, err error) {
	for record, err := range a.store.ReadStream(ctx, stream, 0) {
		if err != nil {
			return state, fmt.Errorf("reading %s: %w", stream, err)
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return state, fmt.Errorf("folding %s revision %d: %w", stream, record.Revision, err)
		}
		if _, closes := event.(events.ConversationCarriedForward); closes && record.Revision > 0 {
			return state, nil
		}
		state = a.evolve(state, event)
	}
	return state, ctx.Err()
}
