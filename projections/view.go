package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
	"daybook/projections/tables"
)

// View is a read model as it was at a position, to be read by whoever opened it. It is removed when it is closed, or when
// the context ends with which it was opened; should the process die, when its lease has run out.
type View struct {
	AsOf

	Last *LastEvent // nil: no event had been recorded

	scratch *scratch
	tables  map[string]*tables.Table
	close   func()
	stop    func() bool
}

// LastEvent is the last of the events that a build was made from.
type LastEvent struct {
	Place

	Position   events.Position `json:"position"`
	Type       string          `json:"type"`
	RecordedAt time.Time       `json:"recorded_at"`
}

// UnknownTableError says that a read model has no such table.
type UnknownTableError struct {
	Projection, Table string
	Known             []string
}

func (e *UnknownTableError) Error() string {
	return fmt.Sprintf("projection %s has no table %s: it has %s", e.Projection, e.Table, strings.Join(e.Known, ", "))
}

// views is how many there are at once: each holds a connection for as long as its reader takes, and those that project and
// compare need theirs.
func views(connections int32) int { return int(min(2, max(1, connections-lookConnections))) }

// View projects a read model as AsOf does, to be read here and now. A table that there is not is refused before anything is
// projected; "" is none. Two views of an engine are open at a time, one if there are few connections; others wait.
func (e *Engine) View(ctx context.Context, name string, at events.Position, table string) (*View, error) {
	newest := e.newest(name)
	if newest == nil {
		return nil, &UnknownError{name}
	}
	leave, err := takeTurn(ctx, name, e.viewing(), "view")
	if err != nil {
		return nil, err
	}
	v, err := e.view(ctx, newest, at, table)
	if err != nil {
		leave()
		return nil, err
	}
	v.close = sync.OnceFunc(func() {
		v.scratch.discard(ctx)
		leave()
	})
	v.stop = context.AfterFunc(ctx, v.close)
	return v, nil
}

// view projects what is to be read.
func (e *Engine) view(ctx context.Context, newest *version, at events.Position, table string) (*View, error) {
	done, err := e.look(ctx, newest.name)
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := e.newScratch(ctx, newest, nil)
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	v := &View{scratch: s}
	if err = v.describe(ctx, table); err == nil {
		v.AsOf, err = s.asOf(ctx, at)
	}
	if err != nil {
		s.discard(ctx)
		return nil, errors.Join(ctx.Err(), fmt.Errorf("projecting %s as of position %d: %w", newest.name, at, err))
	}
	v.Last = s.last
	return v, nil
}

// Close removes what was projected.
func (v *View) Close() {
	v.stop()
	v.close()
}

// describe reads what tables there are.
func (v *View) describe(ctx context.Context, wanted string) error {
	found, err := tables.List(ctx, v.scratch.engine.cfg.Pool, v.scratch.p.Schema())
	if err != nil {
		return fmt.Errorf("listing the tables: %w", err)
	}
	if wanted != "" && found[wanted] == nil {
		return &UnknownTableError{v.scratch.p.name, wanted, slices.Sorted(maps.Keys(found))}
	}
	v.tables = found
	return nil
}

// CSV writes the rows of a table as Postgres prints them, one after the other, with a line of names first. NULL is an empty
// field, an empty text is "". Rows come in the order of their key, and times are in UTC.
func (v *View) CSV(ctx context.Context, table string, w io.Writer) error {
	return v.read(ctx, table, func(tx pgx.Tx, from string) error {
		_, err := tx.Conn().PgConn().CopyTo(ctx, w, "COPY (SELECT * "+from+") TO STDOUT WITH (FORMAT csv, HEADER)")
		return err
	})
}

// JSON gives the rows of a table to a function, one after the other, as objects of their columns, in the order of CSV. A row
// is valid until the function returns.
func (v *View) JSON(ctx context.Context, table string, each func(row json.RawMessage) error) error {
	return v.read(ctx, table, func(tx pgx.Tx, from string) error {
		rows, err := tx.Query(ctx, `SELECT to_json(`+wholeRow+`)::text AS `+wholeRow+" "+from, pgx.QueryExecModeExec)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err = each(rows.RawValues()[0]); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// wholeRow is what a row is called in SQL: a name that no column has.
const wholeRow = `"daybook's whole row"`

// read reads a table in a transaction of which the settings are known.
func (v *View) read(ctx context.Context, table string, do func(tx pgx.Tx, from string) error) error {
	t := v.tables[table]
	if t == nil {
		return &UnknownTableError{v.scratch.p.name, table, slices.Sorted(maps.Keys(v.tables))}
	}
	err := pgx.BeginTxFunc(ctx, v.scratch.engine.cfg.Pool, tables.Snapshot, func(tx pgx.Tx) error {
		if err := tables.Print(ctx, tx); err != nil {
			return err
		}
		return do(tx, t.Ordered(v.scratch.p.Schema(), wholeRow))
	})
	if err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("reading table %s of %s: %w", table, v.scratch.p.Schema(), err))
	}
	return nil
}
