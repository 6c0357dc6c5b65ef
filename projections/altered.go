package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"daybook/projections/tables"
)

// AlteredError says that somebody else changed the tables of a build. No event is to blame for what comes of it, and none
// is parked for it.
type AlteredError struct {
	Projection string   // name and version
	Changes    []string // by table
	Err        error    // what came of it
}

func (e *AlteredError) Error() string {
	return fmt.Sprintf("projection %s: its tables were changed from outside: %s: %s", e.Projection, strings.Join(e.Changes, ", "), e.Err)
}

func (e *AlteredError) Unwrap() error { return e.Err }

// explained tells what was changed in the tables, if that may be why the database refuses what is written.
func (w *worker) explained(ctx context.Context, err error) error {
	if reply, ok := errors.AsType[*pgconn.PgError](err); !ok || !blames(err) && !misfit(reply) {
		return err
	}
	changes, failure := w.altered(ctx)
	if failure != nil || len(changes) == 0 {
		return err
	}
	return &AlteredError{w.p.Schema(), changes, err}
}

// misfit tells whether Postgres cannot find, or cannot use, what a statement names.
func misfit(reply *pgconn.PgError) bool {
	class := reply.Code[:2]
	return (class == "42" || class == "3F" || class == "0A") && reply.Code != forbidden
}

// passes tells whether a refusal has to do with the server as it is just now, and nothing with what it was asked.
func passes(reply *pgconn.PgError) bool {
	switch reply.Code[:2] {
	case "08", "40", "53", "57", "58", "XX": // connection, conflicts, resources, operator, system, damage
		return true
	}
	return reply.Code == forbidden || reply.Code == "25006" || reply.Code == "55P03" // read-only, lock not available
}

// forbidden is the code of what the role may not do.
const forbidden = "42501"

// altered compares the tables with what they were when this process began to project the build.
func (w *worker) altered(ctx context.Context) (changes []string, err error) {
	tx, err := w.engine.cfg.Pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tables.Rollback(ctx, tx)
	return w.p.altered(ctx, tx)
}

func (p *Projection) altered(ctx context.Context, tx pgx.Tx) (changes []string, err error) {
	for _, t := range p.tables {
		change, err := t.altered(ctx, tx, p.Schema())
		if err != nil {
			return nil, err
		}
		if change != "" {
			changes = append(changes, change)
		}
	}
	return changes, nil
}

func (t *appendRows) altered(ctx context.Context, tx pgx.Tx, schema string) (string, error) {
	return t.alteredFor(ctx, tx, schema, t.insertSQL)
}

func (t *patchRows) altered(ctx context.Context, tx pgx.Tx, schema string) (string, error) {
	return t.alteredFor(ctx, tx, schema, t.upsert(t.everything()))
}

func (t *sumRows) altered(ctx context.Context, tx pgx.Tx, schema string) (string, error) {
	return t.alteredFor(ctx, tx, schema, t.addSQL)
}

// alteredFor compares the columns, and then tries a statement, if there is one.
func (l *layout) alteredFor(ctx context.Context, tx pgx.Tx, schema, sql string) (string, error) {
	types, err := describe(ctx, tx, schema, l.name)
	if err != nil {
		return "", err
	}
	if change := l.differs(types); change != "" || sql == "" {
		return change, nil
	}
	err = l.try(ctx, tx, schema, sql)
	if refused, ok := errors.AsType[*refusedError](err); ok && misfit(refused.reply) {
		return fmt.Sprintf("table %s: %s", l.name, refused.reply.Message), nil
	}
	return "", err
}

// differs names the first column that is not what it was; empty when there is none.
func (l *layout) differs(types map[string]described) string {
	if len(types) == 0 {
		return fmt.Sprintf("table %s is gone", l.name)
	}
	for i := range l.columns {
		c := &l.columns[i]
		now, there := types[c.name]
		switch {
		case !there:
			return fmt.Sprintf("table %s: column %s is gone", l.name, c.name)
		case now.columnType != c.typ:
			return fmt.Sprintf("table %s: column %s is %s and was %s", l.name, c.name, now, c.typ)
		}
		delete(types, c.name)
	}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		if types[name].must {
			return fmt.Sprintf("table %s: column %s is %s, and nothing fills it", l.name, name, types[name])
		}
	}
	return ""
}

func (t columnType) String() string {
	if t.must {
		return t.name + " NOT NULL"
	}
	return t.name
}
