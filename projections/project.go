package projections

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"
)

// EventError names the event at which a projection stands still, or for which a partition waits.
type EventError struct {
	Projection string // name and version
	Stream     string
	Revision   uint64
	Type       string
	Err        error
}

func (e *EventError) Error() string {
	return fmt.Sprintf("projection %s: %s at %s@%d: %s", e.Projection, e.Type, e.Stream, e.Revision, e.Err)
}

func (e *EventError) Unwrap() error { return e.Err }

// project applies a batch. What fails is parked, or, in a projection that pauses, is where the projection stands from then
// on: what comes before it is applied.
func (w *worker) project(ctx context.Context, b *Batch) error {
	if err := w.knowParked(ctx); err != nil {
		return err
	}
	q := newQueue(w)
	for {
		err := w.attempt(ctx, b, q)
		if err == nil {
			return nil
		}
		i, cause := w.culprit(ctx, b, q, err)
		if cause == nil {
			return err
		}
		key, pauses := w.p.parksAt(b.Events[i], cause)
		if pauses != nil {
			return w.upTo(ctx, b, i, q, pauses)
		}
		if err = q.park(i, key, cause); err != nil {
			return w.upTo(ctx, b, i, q, err)
		}
		w.engine.cfg.Logger.ErrorContext(ctx, "event parked", "projection", w.p.Schema(), "partition", key, "error", cause)
	}
}

// attempt applies a batch in one transaction, but for what waits.
func (w *worker) attempt(ctx context.Context, b *Batch, q *queue) error {
	began := time.Now()
	rows, err := w.rows(b.Events, q)
	if err != nil {
		return err
	}
	err = w.commit(ctx, b, rows, q)
	if unsure, ok := errors.AsType[*commitError](err); ok {
		err = w.settle(ctx, b, unsure)
	}
	if err == nil {
		w.at = w.at.past(b)
		q.settled()
		w.engine.marks[w.p.name].raise(w.p.Schema(), b.Last)
		w.report(b, began)
	}
	return err
}

// upTo applies what comes before an event, so that the projection stands at that.
func (w *worker) upTo(ctx context.Context, b *Batch, i int, q *queue, cause error) error {
	if i == 0 {
		return cause
	}
	before := &Batch{After: b.After, Last: b.Events[i-1].Position, Events: b.Events[:i]}
	if err := w.attempt(ctx, before, q.before(i)); err != nil {
		return err
	}
	return cause
}

// rows works out what events write. They are good until the next call.
func (w *worker) rows(list []*Recorded, q *queue) (*work, error) {
	w.p.reset()
	q.begin()
	for i, r := range list {
		waits, err := q.waits(i, r)
		if err == nil && !waits {
			err = w.p.apply(r)
		}
		if err != nil {
			return nil, &handlerError{i, w.blame(r, err)}
		}
	}
	var rows work
	for _, t := range w.p.tables {
		if w.only == nil || w.only(t) {
			t.flush(&rows)
		}
	}
	return &rows, nil
}

func (w *worker) blame(r *Recorded, err error) *EventError {
	return &EventError{w.p.Schema(), r.Stream, r.Revision, r.Type, err}
}

// handlerError is that of the i-th event's handler.
type handlerError struct {
	i     int
	cause *EventError
}

func (e *handlerError) Error() string { return e.cause.Error() }
func (e *handlerError) Unwrap() error { return e.cause }

// culprit finds the event whose fault it is that a batch fails; nil when it is no event's.
func (w *worker) culprit(ctx context.Context, b *Batch, q *queue, failure error) (int, error) {
	if handler, ok := errors.AsType[*handlerError](failure); ok {
		return handler.i, handler.cause
	}
	if len(b.Events) == 0 || !w.blames(ctx, failure) {
		return 0, nil
	}
	return w.firstBad(ctx, b.Events, q)
}

// firstBad finds the first event that the database refuses: it tries beginnings of the list, and rolls back.
func (w *worker) firstBad(ctx context.Context, list []*Recorded, q *queue) (int, error) {
	var last error // of the shortest beginning that failed
	var odd bool   // something else went wrong
	fails := func(n int) bool {
		err := w.try(ctx, list[:n], q)
		odd = odd || err != nil && !blames(err)
		if err != nil {
			last = err
		}
		return err != nil
	}
	n := 1 // the first one is the usual one, when a batch comes again
	if !fails(1) {
		n = 2 + sort.Search(len(list)-1, func(i int) bool { return odd || fails(i+2) })
	}
	if odd || last == nil || n > len(list) {
		return 0, nil
	}
	return n - 1, w.blame(list[n-1], last)
}

// try writes rows and takes them back.
func (w *worker) try(ctx context.Context, list []*Recorded, q *queue) error {
	rows, err := w.rows(list, q)
	if err != nil {
		return err
	}
	tx, err := w.engine.cfg.Pool.BeginTx(ctx, w.engine.locking())
	if err != nil {
		return err
	}
	defer rollback(ctx, tx)
	if err = rows.run(ctx, tx.Conn()); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE")
	return err
}

// commitError says that a transaction's end is not known.
type commitError struct{ cause error }

func (e *commitError) Error() string { return "committing: " + e.cause.Error() }
func (e *commitError) Unwrap() error { return e.cause }

// commit moves the checkpoint and writes the rows, in as few round trips as can be.
func (w *worker) commit(ctx context.Context, b *Batch, rows *work, q *queue) error {
	conn, err := w.engine.cfg.Pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("projection %s: %w", w.p.Schema(), err)
	}
	defer conn.Release() // which closes the connection of a transaction that has not ended
	begin := statement{sql: "BEGIN"}
	if err = rows.run(ctx, conn.Conn(), begin, w.step(b, w.durable(rows))); err == nil {
		err = q.save(ctx, conn.Conn(), len(b.Events))
	}
	// From here on it is quicker to finish than to stop, and leaves no doubt.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err != nil {
		_, _ = conn.Exec(ctx, "ROLLBACK") // if it fails, too, the connection is closed, which has the same effect
		return fmt.Errorf("projection %s: writing the events after %d up to %d: %w", w.p.Schema(), b.After, b.Last, err)
	}
	tag, err := conn.Exec(ctx, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		err = pgx.ErrTxCommitRollback
	}
	if err != nil {
		return &commitError{err}
	}
	return nil
}

// durable tells whether a commit must outlast a crash of Postgres once readers can see it. Without rows, or where nobody
// reads, a commit that is lost takes the checkpoint's step with it, and the batch comes again.
func (w *worker) durable(rows *work) bool { return !rows.empty() && w.currentPhase() == PhaseLive }

// settle finds out how a commit ended. The checkpoint at the ceiling means that it is done, by whomever.
func (w *worker) settle(ctx context.Context, b *Batch, unsure *commitError) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	now, err := readCheckpoint(ctx, w.engine.cfg.Pool, w.p)
	if err != nil {
		return fmt.Errorf("projection %s: %w, and then: %w", w.p.Schema(), unsure, err)
	}
	if now.store == w.at.store && now.position == b.Last {
		return nil
	}
	return fmt.Errorf("projection %s: %w", w.p.Schema(), unsure)
}
