package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// project applies a batch, which means what its events mean one after another. They are written together; where that is
// refused, or might hide one of them from a constraint, they are written singly, and what fails then is to blame.
func (w *worker) project(ctx context.Context, b *Batch) error {
	if err := w.knowParked(ctx); err != nil {
		return err
	}
	began := time.Now()
	a, err := w.together(ctx, b)
	if divides(err) {
		refused := blames(err)
		if a, err = w.singly(ctx, b); err == nil && refused && a.stands == nil && len(a.queue.fresh) == 0 {
			w.careful = true // no event was to blame
		}
	}
	if err != nil {
		return err
	}
	w.at = w.at.past(a.batch)
	a.queue.settled(ctx)
	w.engine.marks[w.p.name].raise(w.p.Schema(), a.batch.Last)
	w.report(a.batch, began)
	return a.stands
}

// applied is what a transaction has applied of a batch: all of it but for what waits or, when an event stops it, what
// comes before that.
type applied struct {
	batch  *Batch
	queue  *queue
	stands error // why the projection stands there; nil: it does not
}

// errMeeting says that rows of several events meet where one might hide another from a constraint.
var errMeeting = errors.New("its events have to be written one by one")

// divides tells whether one by one, some events of a batch may go through.
func divides(err error) bool {
	_, its := errors.AsType[*EventError](err)
	return its || errors.Is(err, errMeeting) || blames(err)
}

// together writes what the events of a batch come to. One round trip does for that, unless there is much to write, something
// waits, or an event is handed the transaction, which cuts the batch.
func (w *worker) together(ctx context.Context, b *Batch) (*applied, error) {
	a := &applied{batch: b, queue: newQueue(w)}
	w.p.reset()
	next, err := w.gather(b.Events, 0, a.queue)
	if err != nil {
		return a, err
	}
	whole := next == len(b.Events)
	rows := work{w.step(b, w.durable(!whole || w.p.pending()))}
	if whole {
		w.flush(&rows, w.careful)
	}
	if whole && len(a.queue.lines) == 0 && !slices.ContainsFunc(rows, copies) {
		return a, w.commit(ctx, a, func(conn *pgx.Conn) error { return rows.once(ctx, conn) })
	}
	rows = slices.Insert(rows, 0, statement{sql: "BEGIN"})
	if !whole {
		rows = append(rows, statement{sql: guard})
	}
	return a, w.commit(ctx, a, func(conn *pgx.Conn) error {
		for next < len(b.Events) {
			if err := w.piece(ctx, conn, rows, b.Events[next]); err != nil {
				return err
			}
			if next, err = w.gather(b.Events, next+1, a.queue); err != nil {
				return err
			}
			if rows = nil; next == len(b.Events) {
				rows = work{{sql: unguard}}
				w.flush(&rows, w.careful)
			}
		}
		if err := rows.run(ctx, conn); err != nil {
			return err
		}
		return a.queue.save(ctx, conn, len(b.Events))
	})
}

// piece writes what was gathered for the event that is handed the transaction, and lets that do its work.
func (w *worker) piece(ctx context.Context, conn *pgx.Conn, rows work, r *Recorded) error {
	w.flush(&rows, w.careful)
	err := rows.run(ctx, conn)
	w.p.reset()
	if err != nil {
		return err
	}
	return w.hand(ctx, conn, r)
}

// gather works out what events write, from the i-th on and up to the next one that is handed the transaction.
func (w *worker) gather(list []*Recorded, i int, q *queue) (next int, err error) {
	for ; i < len(list); i++ {
		waits, err := q.waits(i, list[i])
		if err == nil && !waits {
			if w.p.handed[list[i].Type] != nil {
				break
			}
			err = w.p.apply(list[i])
		}
		if err != nil {
			return i, w.blame(list[i], err)
		}
	}
	if w.p.meetings > 1 {
		return i, errMeeting
	}
	return i, nil
}

// flush adds what is gathered, table by table in the order of their definition. Handlers that read tables need them all.
func (w *worker) flush(rows *work, careful bool) {
	for _, t := range w.p.tables {
		if w.only == nil || w.only(t) || len(w.p.handed) > 0 {
			t.flush(rows, careful)
		}
	}
}

func (w *worker) blame(r *Recorded, err error) *EventError {
	return &EventError{w.p.Schema(), r.Stream, r.Revision, r.Type, err}
}

// commitError says that a transaction's end is not known.
type commitError struct{ cause error }

func (e *commitError) Error() string { return "committing: " + e.cause.Error() }
func (e *commitError) Unwrap() error { return e.cause }

// commit runs a transaction, whose first statement begins it, and finds out how it ended.
func (w *worker) commit(ctx context.Context, a *applied, write func(*pgx.Conn) error) error {
	err := w.transact(ctx, write)
	if unsure, ok := errors.AsType[*commitError](err); ok {
		return w.settle(ctx, a.batch, unsure)
	}
	if _, its := errors.AsType[*EventError](err); err == nil || its {
		return err
	}
	return fmt.Errorf("projection %s: writing the events after %d up to %d: %w", w.p.Schema(), a.batch.After, a.batch.Last, err)
}

func (w *worker) transact(ctx context.Context, write func(*pgx.Conn) error) error {
	conn, err := w.engine.cfg.Pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // which closes the connection of a transaction that has not ended
	err = write(conn.Conn())
	// From here on it is quicker to finish than to stop, and leaves no doubt.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if conn.Conn().PgConn().TxStatus() == 'I' { // it is over
		return err
	}
	if err != nil {
		_, _ = conn.Exec(ctx, "ROLLBACK") // if it fails, too, the connection is closed, which has the same effect
		return err
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
// reads, a commit that is lost takes the checkpoint's step with it, and the batch comes again. What is ready, or retired,
// may be live before this worker hears of it.
func (w *worker) durable(writes bool) bool {
	phase := w.currentPhase()
	return writes && phase != PhaseScratch && phase != PhaseReplaying
}

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
