package projections

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// singly writes the events of a batch one by one, in one transaction. One that fails leaves nothing behind: it is parked
// or, in a projection that pauses, it is where the projection stands from then on. One whose handler ends the transaction
// leaves nothing of the others, either: they are written again, without it.
func (w *worker) singly(ctx context.Context, b *Batch) (a *applied, err error) {
	ended := map[*Recorded]error{}
	for n := -1; n < len(ended); {
		n = len(ended)
		a, err = w.oneByOne(ctx, b, ended)
	}
	return a, err
}

// oneByOne is one try. What ended the transaction in those before fails at once, and what ends it now is noted.
func (w *worker) oneByOne(ctx context.Context, b *Batch, ended map[*Recorded]error) (*applied, error) {
	a := &applied{batch: b, queue: newQueue(w)}
	return a, w.commit(ctx, a, func(conn *pgx.Conn) error {
		still := &Batch{After: b.After, Last: b.After} // how far it comes is not known yet
		begin := work{{sql: "BEGIN"}, w.step(still, true)}
		if err := begin.run(ctx, conn); err != nil {
			return err
		}
		n, stands, err := w.each(ctx, conn, b.Events, a.queue, ended)
		if err != nil || n == 0 {
			return cmp.Or(err, stands)
		}
		a.batch, a.stands = b.first(n), stands
		if err = (work{w.step(a.batch, w.durable(true))}).run(ctx, conn); err != nil {
			return err
		}
		return a.queue.save(ctx, conn, n)
	})
}

// first is the beginning of a batch.
func (b *Batch) first(n int) *Batch {
	if n == len(b.Events) {
		return b
	}
	return &Batch{After: b.After, Last: b.Events[n-1].Position, Events: b.Events[:n]}
}

// each writes events until one stops the projection, and says which, and why.
func (w *worker) each(ctx context.Context, conn *pgx.Conn, list []*Recorded, q *queue, ended map[*Recorded]error) (n int, stands, err error) {
	s, err := w.single(ctx, conn, ended)
	for i := 0; err == nil && i < len(list); i++ {
		var cause error
		if cause, err = s.next(ctx, i, list[i], q); cause != nil {
			return i, cause, s.finish(ctx)
		}
	}
	if err != nil {
		return 0, nil, err
	}
	return len(list), nil, s.finish(ctx)
}

// single writes one event at a time, each in a savepoint.
type single struct {
	*worker

	conn  *pgx.Conn
	end   work                // of a savepoint
	ended map[*Recorded]error // whose handlers ended a transaction
}

// single prepares for it. Constraints that wait for the commit judge each event at its end, and then wait again. Nobody may
// change the tables until it is known who is to blame.
func (w *worker) single(ctx context.Context, conn *pgx.Conn, ended map[*Recorded]error) (*single, error) {
	s := &single{worker: w, conn: conn, ended: ended}
	if err := s.ifHanded(ctx, guard); err != nil {
		return nil, err
	}
	for _, t := range w.p.tables {
		if _, err := conn.Exec(ctx, "LOCK TABLE "+pgx.Identifier{w.p.Schema(), t.tableName()}.Sanitize()+" IN ACCESS SHARE MODE"); err != nil {
			return nil, err
		}
	}
	rows, err := conn.Query(ctx, `SELECT DISTINCT format('%I.%I', n.nspname, c.conname) FROM pg_constraint c
		JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = $1 AND c.condeferred`, w.p.Schema())
	if err != nil {
		return nil, err
	}
	waiting, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	if len(waiting) > 0 {
		names := strings.Join(waiting, ", ")
		s.end = work{{sql: "SET CONSTRAINTS " + names + " IMMEDIATE"}, {sql: "SET CONSTRAINTS " + names + " DEFERRED"}}
	}
	s.end = append(s.end, statement{sql: "RELEASE SAVEPOINT event"})
	return s, nil
}

// finish is due after the last event.
func (s *single) finish(ctx context.Context) error { return s.ifHanded(ctx, unguard) }

// ifHanded runs a statement if any handlers get the transaction.
func (s *single) ifHanded(ctx context.Context, sql string) error {
	if len(s.p.handed) == 0 {
		return nil
	}
	_, err := s.conn.Exec(ctx, sql)
	return err
}

// next writes an event or lets it wait; the cause is why the projection stands at it.
func (s *single) next(ctx context.Context, i int, r *Recorded, q *queue) (cause, err error) {
	waits, err := q.waits(i, r)
	if err != nil {
		return s.blame(r, err), nil
	}
	if waits {
		return nil, nil
	}
	if cause, err = s.write(ctx, r); cause == nil || err != nil {
		return nil, err
	}
	key, pauses := s.p.parksAt(r, cause)
	if pauses != nil {
		return pauses, nil
	}
	return q.park(i, r, key, cause), nil
}

// write writes an event, or nothing of it; the cause is why it cannot be written.
func (s *single) write(ctx context.Context, r *Recorded) (cause, err error) {
	s.p.reset()
	if s.ended[r] != nil {
		return s.ended[r], nil
	}
	if s.p.handed[r.Type] == nil {
		if err = s.p.apply(r); err != nil {
			return s.blame(r, err), nil
		}
		if !s.p.pending() {
			return nil, nil
		}
	}
	cause = s.within(ctx, r)
	if errors.Is(cause, errEnded) {
		s.ended[r] = cause
	}
	if cause == nil || s.ended[r] != nil || !divides(cause) {
		return nil, cause
	}
	tx, err := s.conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: "ROLLBACK TO SAVEPOINT event"})
	if err != nil {
		return nil, err
	}
	if blames(cause) { // unless somebody has changed the tables
		if changes, err := s.p.altered(ctx, tx); err != nil || len(changes) > 0 {
			return nil, cause
		}
	}
	if _, its := errors.AsType[*EventError](cause); !its {
		cause = s.blame(r, cause)
	}
	_, err = s.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT event; RELEASE SAVEPOINT event")
	return cause, err
}

// within writes an event within a savepoint.
func (s *single) within(ctx context.Context, r *Recorded) error {
	rows := work{{sql: "SAVEPOINT event"}}
	if s.p.handed[r.Type] != nil {
		if err := rows.run(ctx, s.conn); err != nil {
			return err
		}
		if err := s.hand(ctx, s.conn, r); err != nil {
			return err
		}
		rows = nil
	}
	s.flush(&rows, true)
	return append(rows, s.end...).run(ctx, s.conn)
}
