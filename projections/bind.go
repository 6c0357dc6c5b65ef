package projections

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// arrays builds array parameters, one for each column of a statement.
type arrays struct {
	columns [][]byte // by column; empty when the statement does not name it
}

// begin starts arrays of n elements. Their memory belongs to the params that are returned.
func (a *arrays) begin(columns []column, n int, want func(int) bool) {
	a.columns = make([][]byte, len(columns))
	for i := range columns {
		if !want(i) {
			continue
		}
		header := make([]byte, 0, 20+24*n)
		for _, word := range []uint32{1, 1, columns[i].typ.oid, uint32(n), 1} {
			header = binary.BigEndian.AppendUint32(header, word) // dimensions, may hold NULL, type, length, first index
		}
		a.columns[i] = header
	}
}

func (a *arrays) add(column int, cell []byte) { a.columns[column] = append(a.columns[column], cell...) }

func (a *arrays) params() (out [][]byte) {
	for _, array := range a.columns {
		if array != nil {
			out = append(out, array)
		}
	}
	return out
}

// parameters lists the array parameters of the columns that want says: $1::uuid[], $2::text[].
func (l *layout) parameters(want func(int) bool) string {
	var out []string
	for i := range l.columns {
		if want(i) {
			out = append(out, fmt.Sprintf("$%d::%s[]", len(out)+1, l.columns[i].typ.name))
		}
	}
	return strings.Join(out, ", ")
}

// describeSQL reads a table's columns. One that must be filled has to be given a value by every insert.
const describeSQL = `
	SELECT a.attname, a.atttypid, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, t.typtype = 'e',
	       format_type(a.atttypid, NULL), a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	JOIN pg_type t ON t.oid = a.atttypid
	WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped`

// bindColumns finds the columns of the table and fits the fields to them. Every misfit is reported.
func (l *layout) bindColumns(ctx context.Context, conn *pgx.Conn, schema string) error {
	l.table = pgx.Identifier{schema, l.name}.Sanitize()
	types, err := describe(ctx, conn, schema, l.name)
	if err != nil {
		return err
	}
	complain := func(format string, args ...any) error {
		return &MisuseError{schema, fmt.Sprintf("table %s: %s", l.name, fmt.Sprintf(format, args...))}
	}
	if len(types) == 0 {
		return complain("there is no such table")
	}
	required := maps.Clone(types)
	maps.DeleteFunc(required, func(_ string, t columnType) bool { return !t.must })
	for i := range l.columns {
		c := &l.columns[i]
		t, ok := types[c.name]
		if !ok {
			return complain("field %s: there is no column %s", c.field, c.name)
		}
		if c.key || !l.partial {
			delete(required, c.name)
		}
		c.typ = t
		if c.encode, err = encoderFor(c.value, t); err != nil {
			return complain("field %s: column %s: %s", c.field, c.name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(required)) {
		return complain("column %s is NOT NULL without a default, and not every insert fills it", name)
	}
	return nil
}

func describe(ctx context.Context, conn *pgx.Conn, schema, name string) (map[string]columnType, error) {
	rows, err := conn.Query(ctx, describeSQL, schema, name)
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s.%s: %w", schema, name, err)
	}
	types := map[string]columnType{}
	var columnName string
	var t columnType
	_, err = pgx.ForEachRow(rows, []any{&columnName, &t.oid, &t.base, &t.enum, &t.name, &t.must}, func() error {
		types[columnName] = t
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s.%s: %w", schema, name, err)
	}
	return types, nil
}

func (t *appendRows) bind(ctx context.Context, conn *pgx.Conn, schema string) error {
	if err := t.bindColumns(ctx, conn, schema); err != nil {
		return err
	}
	t.prepareSQL()
	if t.insertSQL == "" {
		return nil
	}
	return t.try(ctx, conn, schema, t.insertSQL)
}

func (t *patchRows) bind(ctx context.Context, conn *pgx.Conn, schema string) error {
	if err := t.bindColumns(ctx, conn, schema); err != nil {
		return err
	}
	for i := range t.columns {
		c := &t.columns[i]
		if c.typ.array() {
			return &MisuseError{schema, fmt.Sprintf("table %s: field %s: a Patch table cannot have array columns", t.name, c.field)}
		}
	}
	t.prepareSQL()
	return t.try(ctx, conn, schema, t.upsert(t.everything()))
}

// refusedError is a mistake that Postgres found.
type refusedError struct {
	*MisuseError

	reply *pgconn.PgError
}

func (e *refusedError) Unwrap() error { return e.MisuseError }

// try runs a statement without rows, for all arrays are NULL: Postgres judges what the catalogue does not tell here, such
// as a missing unique index or a generated column.
func (l *layout) try(ctx context.Context, conn *pgx.Conn, schema, sql string) error {
	result := conn.PgConn().ExecParams(ctx, sql, make([][]byte, len(l.columns)), nil, nil, nil).Read()
	if reply, ok := errors.AsType[*pgconn.PgError](result.Err); ok && !passes(reply) {
		return &refusedError{&MisuseError{schema, fmt.Sprintf("table %s: %s", l.name, reply.Message)}, reply}
	}
	if result.Err != nil {
		return fmt.Errorf("trying the statement for %s.%s: %w", schema, l.name, result.Err)
	}
	return nil
}
