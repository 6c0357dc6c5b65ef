package commands

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"daybook/events"
)

// EventStore is what the loop needs of an event store.
type EventStore interface {
	// Append writes all proposed events or none, durably before it returns, when the stream's last revision is as
	// expected; otherwise the error is a *events.WrongRevisionError and nothing was written. After any other error it
	// is unknown whether the events were written. The same append again is recognised and reports where it landed.
	// Nothing is retried.
	Append(ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed) (events.Appended, error)
	// ReadStream yields the stream's records from a revision on, in order and without gaps, up to the last one that
	// was durable when reading started, or later. A missing stream yields nothing. An error ends it.
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
}

// conflictLimit bounds how often one command is decided again because another writer came first.
const conflictLimit = 32

// decision looks at a state and says what happens at this moment. It changes nothing and may be asked more than once;
// only the last answer counts.
type decision[S any] func(state S, now time.Time) ([]events.Event, error)

// aggregate runs decisions on all streams of one kind.
type aggregate[S any] struct {
	store  EventStore
	now    func() time.Time
	evolve func(S, events.Event) S
	cache  *cache[S]
	books  *bookkeeping[S] // nil: a stream is never closed
}

// folded is one stream, or the book in use of one, as far as this process has read or written it.
type folded[S any] struct {
	state    S
	length   uint64          // events folded, which is the next revision
	position events.Position // of the last event folded
	commands history

	book    int          // the one in use, from 0
	opening events.Event // what opens it, while it is empty
	carried int          // what the state took over from older books, in events
}

func (f *folded[S]) expected() events.Expected {
	if f.length == 0 {
		return events.NoStream
	}
	return events.Exactly(f.length - 1)
}

// execute decides a request on a stream and records what was decided. One request at a time has the stream in this
// process; other processes are kept out by the expected revision.
//
// An append confirms the state that was decided on. Nothing confirms a rejection or a no-op, so these count only on a
// state that was read forward after the request came.
func (a *aggregate[S]) execute(ctx context.Context, stream string, r request, decide decision[S]) (events.Position, error) {
	digest, err := r.digest()
	if err != nil {
		return events.Start, err
	}
	f, release, err := a.cache.acquire(ctx, stream)
	if err != nil {
		return events.Start, fmt.Errorf("waiting for %s: %w", stream, err)
	}
	defer release()

	current := false
	if f.length == 0 && f.opening == nil {
		if err = a.catchUp(ctx, stream, f); err != nil {
			return events.Start, err
		}
		current = true
	}
	for conflicts := 0; ; {
		if past, err := f.commands.find(stream, r.Command, digest); past != nil || err != nil {
			return a.located(ctx, stream, past, err)
		}
		now := a.now().UTC().Round(0)
		decided, refusal := decide(f.state, now)
		switch {
		case refusal == nil && len(decided) > 0:
			position, err := a.record(ctx, stream, f, r, r.envelope(digest, now), decided)
			if !lostRace(err) {
				return position, err
			}
			conflicts++
			if err = backOff(ctx, stream, conflicts, err); err != nil {
				return events.Start, err
			}
		case current:
			return f.position, refusal
		}
		if err = a.catchUp(ctx, stream, f); err != nil {
			return events.Start, err
		}
		current = true
	}
}

// record appends what was decided, and returns where. Then it closes the book, if that is full.
func (a *aggregate[S]) record(
	ctx context.Context, stream string, f *folded[S], r request, envelope events.Envelope, decided []events.Event,
) (events.Position, error) {
	if err := a.append(ctx, stream, f, envelope, decided); err != nil {
		return f.position, err
	}
	position := f.position
	a.turn(ctx, stream, f, r, envelope.RecordedAt)
	return position, nil
}

// look shows a stream's state, read forward to its end, and the revision of its last event (0 when there is none).
func (a *aggregate[S]) look(ctx context.Context, stream string, show func(state S, revision uint64) error) error {
	f, release, err := a.cache.acquire(ctx, stream)
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", stream, err)
	}
	defer release()
	if err = a.catchUp(ctx, stream, f); err != nil {
		return err
	}
	return show(f.state, max(f.length, 1)-1)
}

// rehearse returns the error that execute would, and records nothing.
func (a *aggregate[S]) rehearse(ctx context.Context, stream string, r request, decide decision[S]) error {
	digest, err := r.digest()
	if err != nil {
		return err
	}
	f, release, err := a.cache.acquire(ctx, stream)
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", stream, err)
	}
	defer release()
	if err = a.catchUp(ctx, stream, f); err != nil {
		return err
	}
	if past, err := f.commands.find(stream, r.Command, digest); past != nil || err != nil {
		return err
	}
	_, err = decide(f.state, a.now().UTC().Round(0))
	return err
}

// catchUp folds what was appended since. An event that this binary cannot read stops it: a state that skipped one
// would decide wrongly. What was folded before an error stays folded.
func (a *aggregate[S]) catchUp(ctx context.Context, stream string, f *folded[S]) error {
	if f.length == 0 && f.opening == nil {
		if err := a.newest(ctx, stream, f); err != nil {
			return err
		}
	}
	for {
		book := f.book
		if err := a.catchUpBook(ctx, a.streamOf(stream, book), f); err != nil || f.book == book {
			return err
		}
	}
}

// catchUpBook reads the rest of a stream; of a book that was closed, up to its end.
func (a *aggregate[S]) catchUpBook(ctx context.Context, stream string, f *folded[S]) error {
	book := f.book
	for record, err := range a.store.ReadStream(ctx, stream, f.length) {
		if err != nil {
			return fmt.Errorf("reading %s: %w", stream, err)
		}
		if record.Revision != f.length {
			return fmt.Errorf("reading %s: got revision %d after %d events", stream, record.Revision, f.length)
		}
		event, envelope, err := events.DecodeRecord(record)
		if err != nil {
			return fmt.Errorf("folding %s revision %d: %w", stream, record.Revision, err)
		}
		if a.fold(f, event, envelope, record.Position); f.book != book {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", stream, err)
	}
	return nil
}

// append writes at the revision that was folded, and folds what it wrote. When it is unknown what was written, the
// fold is forgotten: a store would take the same append from it for a repeat, and what this process then folded would
// have other times than what is stored.
func (a *aggregate[S]) append(ctx context.Context, stream string, f *folded[S], envelope events.Envelope, decided []events.Event) error {
	stream = a.streamOf(stream, f.book)
	if f.opening != nil {
		if err := a.write(ctx, stream, f, opening(stream, envelope), []events.Event{f.opening}); err != nil {
			return err
		}
	}
	return a.write(ctx, stream, f, envelope, decided)
}

func (a *aggregate[S]) write(ctx context.Context, stream string, f *folded[S], envelope events.Envelope, decided []events.Event) error {
	proposed, err := propose(envelope, decided)
	if err != nil {
		return fmt.Errorf("appending to %s: %w", stream, err)
	}
	appended, err := a.store.Append(ctx, stream, f.expected(), proposed)
	if err != nil {
		if !lostRace(err) {
			*f = folded[S]{}
		}
		return fmt.Errorf("appending to %s: %w", stream, err)
	}
	if last := f.length + uint64(len(decided)) - 1; appended.Revision != last {
		*f = folded[S]{}
		return fmt.Errorf("appending to %s: the store reports revision %d, not %d", stream, appended.Revision, last)
	}
	for _, event := range decided {
		a.fold(f, event, envelope, appended.Position)
	}
	return nil
}

func (a *aggregate[S]) fold(f *folded[S], event events.Event, envelope events.Envelope, at events.Position) {
	f.state = a.evolve(f.state, event)
	f.position = at
	f.commands.note(pastCommand{command: envelope.Command, digest: envelope.Digest, at: at, book: f.book, revision: f.length})
	f.length++
	f.turn(event)
}

func lostRace(err error) bool {
	var wrong *events.WrongRevisionError
	return errors.As(err, &wrong)
}

// backOff waits before the next attempt: not at all after the first conflict, then a random time that grows to 64 ms. After
// too many it gives up.
func backOff(ctx context.Context, stream string, conflicts int, lost error) error {
	if conflicts == conflictLimit {
		return fmt.Errorf("appending to %s: %d writers came first: %w", stream, conflicts, lost)
	}
	wait := time.Duration(0)
	if conflicts > 1 {
		wait = rand.N(time.Millisecond << min(conflicts, 6)) //nolint:gosec // spreads load; guards nothing
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("appending to %s: %w", stream, err)
	}
	return nil
}
