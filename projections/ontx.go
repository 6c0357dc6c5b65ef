package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"daybook/events"
)

// OnTx handles one event of the catalogue within the transaction of its batch, for what follows from rows and not from
// events alone. What the events before came to is there when it is called. Tables are found without their schema. Rows that
// it gives to tables of the projection in the usual way are written after it.
//
// It is called again when the batch is tried again, so all that it does has to be done by tx. Its error is that of the
// event, of which nothing is left then. Ending the transaction is one, by tx or by SQL: the server refuses the commit. In a
// projection that parks, it must not depend on rows of other partitions.
//
// An event that is handled so costs its batch some round trips: what was merged up to there is written before it.
func OnTx[E events.Event](p *Projection, handle func(ctx context.Context, tx pgx.Tx, e E, at At) error) {
	name, free := newHandler[E](p, handle == nil)
	if !free {
		return
	}
	p.handed[name] = func(ctx context.Context, tx pgx.Tx, at At) error {
		e, err := decodeAs[E](at)
		if err != nil {
			return err
		}
		return handle(ctx, tx, e, at)
	}
}

// onTx handles an event that is handed the transaction.
type onTx func(context.Context, pgx.Tx, At) error

// hand runs the handlers of an event that is handed the transaction.
func (w *worker) hand(ctx context.Context, conn *pgx.Conn, r *Recorded) error {
	if err := w.p.apply(r); err != nil {
		return w.blame(r, err)
	}
	var path string // finds the engine's own tables
	err := conn.QueryRow(ctx, "SELECT current_setting('search_path')").Scan(&path)
	if err != nil {
		return err
	}
	outer, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: "SET LOCAL search_path TO " + pgx.Identifier{w.p.Schema()}.Sanitize()})
	if err != nil {
		return err
	}
	tx, err := outer.Begin(ctx) // a savepoint: what the handler ends with tx is not the transaction
	if err != nil {
		return err
	}
	err = w.p.work(r, func() error { return w.p.handed[r.Type](ctx, tx, At{r}) })
	if reply, ok := errors.AsType[*pgconn.PgError](err); conn.PgConn().TxStatus() == 'E' && (err == nil || ok && reply.Code == "25P02") {
		err = errIgnored
	}
	end := tx.Commit
	if err != nil {
		end = tx.Rollback
	}
	if failure := end(ctx); gone(failure) {
		err = errEnded
	} else {
		err = cmp.Or(err, failure)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil || conn.IsClosed() || refusedBy(err) && !blames(err):
		return fmt.Errorf("%s at %s@%d: %w", r.Type, r.Stream, r.Revision, err)
	default:
		return w.blame(r, err)
	}
	_, err = conn.Exec(ctx, "SELECT set_config('search_path', $1, true)", path)
	return err
}

// While handlers get the transaction, a cursor is open whose rows a commit would have to keep. Working them out fails, and so
// does the commit. It is older than every savepoint: only the end of the transaction takes it away, and closing it fails then.
const (
	guard   = "DECLARE handed NO SCROLL CURSOR WITH HOLD FOR SELECT refuse('" + codeEnded + "', 'a handler may not end the transaction')"
	unguard = "CLOSE handed"
)

var (
	errIgnored = errors.New("its handler went on after the database had refused a statement")
	errEnded   = errors.New("its handler ended the transaction, which is the engine's to end: leave out Commit and Rollback of its tx, " +
		"and COMMIT, ROLLBACK and RELEASE in SQL")
)

// gone tells whether a savepoint could not be ended because it is there no more.
func gone(err error) bool {
	reply, ok := errors.AsType[*pgconn.PgError](err)
	return errors.Is(err, pgx.ErrTxClosed) || ok && (reply.Code == "3B001" || reply.Code == "25P01")
}

// refusedBy tells whether an error comes from the database.
func refusedBy(err error) bool {
	_, reply := errors.AsType[*pgconn.PgError](err)
	return reply
}
