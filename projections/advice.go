package projections

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"daybook/events"
)

// AdvisedError is why a projection stands still, and what to do about it.
type AdvisedError struct {
	Err    error
	Advice string
}

func (e *AdvisedError) Error() string { return e.Err.Error() + ". " + e.Advice }
func (e *AdvisedError) Unwrap() error { return e.Err }

// Advice by SQLSTATE or the beginning of it, the first that fits; %s is the database. docs/how-to lists it.
var onDatabase = []struct{ code, advice string }{
	{"53100", "The disk of %s is full: free space there. Nothing is lost and nothing has to be repaired; the projection then goes on by itself"},
	{"53", "The server of %s has no memory, connections or files left: give it more, or take load from it. The projection then goes on by itself"},
	{forbidden, "A right was taken from this process's role in %s: grant it again. The projection then goes on by itself"},
	{"42", "Something in %s was changed from outside: undo it, or restore what is missing. The projection then goes on by itself"},
	{"3F", "Something in %s was changed from outside: undo it, or restore what is missing. The projection then goes on by itself"},
	{"25006", "%s takes no writes: connect to the server that does, or let this one. The projection then goes on by itself"},
	{"28", "%s does not let this process in: see DATABASE_URL and the server's pg_hba.conf"},
	{"3D", "%s is not there: see DATABASE_URL, or restore it"},
	{"25P03", "This process was frozen for too long. The projection goes on by itself"},
	{"40", "Others were at work on the same rows of %s. The projection goes on by itself"},
	{"55", "Others hold locks in %s: see pg_stat_activity. The projection goes on by itself when they let go"},
	{"08", "The connection to %s was cut. The projection goes on by itself when there is one again"},
	{"57", "The server of %s ends sessions, or is being started or stopped. The projection goes on by itself when it runs"},
	{"58", "The server of %s cannot read or write its files: see its log, and mend the disk or restore a backup"},
	{"XX", "The server of %s finds its files damaged: see its log, restore a backup, and rebuild the projection"},
}

// Advice that has nothing to do with one database.
const (
	onEvent = "The projection stands at this event and skips nothing. Run a binary that can take it, or mend what refuses it; " +
		"the projection then goes on by itself"
	onStore   = "Bring the event store back; the projection then goes on by itself"
	onAltered = "Undo the change, and the projection goes on by itself; or rebuild it: daybook projection rebuild %s --go-live"
	onProof   = "Find who writes there and stop it; then rebuild the projection: daybook projection rebuild %s --go-live"
	onNoEnd   = "It has not come to the end of a batch since then: a handler does not return, or Postgres does not answer. " +
		"See pg_stat_activity for who has locked its tables"
	onFunction = "%s does not find it. Unless somebody removed it, the function looks in the wrong schema: write SET search_path FROM CURRENT " +
		"into its definition in schema.sql, and give the projection another version"
	onAway = "%s cannot be reached: start its server, or mend the way there. The projection then goes on by itself"
)

// advised adds what to do about an error. Some say it themselves.
func (w *worker) advised(ctx context.Context, err error) error {
	err = w.explained(ctx, err)
	if advice := w.engine.advice(err, w.p.name); advice != "" {
		return &AdvisedError{err, advice}
	}
	return err
}

func (e *Engine) advice(err error, name string) string {
	if _, limit := errors.AsType[*LimitError](err); limit {
		return "" // it says so itself
	}
	if _, altered := errors.AsType[*AlteredError](err); altered {
		return fmt.Sprintf(onAltered, name)
	}
	if _, event := errors.AsType[*EventError](err); event {
		return onEvent
	}
	if _, proof := errors.AsType[*ProofError](err); proof {
		return fmt.Sprintf(onProof, name)
	}
	if reply, ok := errors.AsType[*pgconn.PgError](err); ok {
		return onReply(reply, e.database())
	}
	if errors.Is(err, events.ErrUnavailable) {
		return onStore
	}
	if cut(err) {
		return fmt.Sprintf(onAway, e.database())
	}
	return ""
}

// missedByFunction tells whether a function, not the engine, names what Postgres does not find: a table, function, type or
// schema. A trigger runs with the search_path of the engine, which is that of no build.
func missedByFunction(reply *pgconn.PgError) bool {
	return reply.InternalQuery != "" && slices.Contains([]string{"42P01", "42883", "42704", "3F000"}, reply.Code)
}

func onReply(reply *pgconn.PgError, database string) string {
	if missedByFunction(reply) {
		where, _, _ := strings.Cut(reply.Where, "\n")
		return fmt.Sprintf(onFunction, where)
	}
	for _, known := range onDatabase {
		if strings.HasPrefix(reply.Code, known.code) {
			return strings.Replace(known.advice, "%s", database, 1)
		}
	}
	return ""
}

// cut tells whether there is no connection, or none any more.
func cut(err error) bool {
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	return connecting || network || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)
}

// database names the one of the read models: what to look for, and where.
func (e *Engine) database() string {
	c := e.cfg.Pool.Config().ConnConfig
	return fmt.Sprintf("database %q on %s", c.Database, net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))))
}
