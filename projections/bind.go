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

	"daybook/projections/tables"
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

// describeSQL reads a table's columns. A required column must be given a value by every insert; one with a default gets that
// of its type when it has none of its own. The name of a type is without length and precision, which a cast would cut values
// to: "character" alone means one.
const describeSQL = `
	SELECT a.attname, a.atttypid, beneath.base, beneath.enum,
	       format_type(a.atttypid, -1), a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', a.attidentity <> '',
	       CASE WHEN a.attgenerated = '' THEN coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(t.typdefaultbin, 0), '') ELSE '' END,
	       format_type(a.atttypid, a.atttypmod), beneath.fitted, coalesce((
	           SELECT min(collname) FROM pg_collation WHERE NOT collisdeterministic AND oid IN (
	               SELECT a.attcollation UNION ALL
	               SELECT compared.by FROM pg_index, unnest(indkey::int2[], indcollation::oid[]) AS compared(attnum, by)
	               WHERE indrelid = c.oid AND indisunique AND compared.attnum = a.attnum)), '')
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	CROSS JOIN LATERAL (
		WITH RECURSIVE domains AS (
			SELECT a.atttypid AS typ, a.atttypmod >= 0 AS fitted UNION ALL
			SELECT typbasetype, fitted OR typtypmod >= 0 FROM domains JOIN pg_type ON pg_type.oid = typ AND typtype = 'd'
		)
		SELECT typ AS base, typtype = 'e' AS enum, fitted FROM domains JOIN pg_type ON pg_type.oid = typ AND typtype <> 'd'
	) AS beneath
	WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped`

// described is a column as the catalogue has it.
type described struct {
	columnType

	identity  bool
	otherwise string // the default; empty when there is none
	declared  string // the type with its length or precision
	fitted    bool   // values are cut, padded or rounded to such, perhaps of a domain
	loose     string // a collation, of the column or of a unique index on it, to which different texts are equal
}

// bindColumns finds the columns of the table and fits the fields to them. Every misfit is reported.
func (l *layout) bindColumns(ctx context.Context, tx pgx.Tx, schema string) error {
	l.table = pgx.Identifier{schema, l.name}.Sanitize()
	left, err := describe(ctx, tx, schema, l.name)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		return l.misused(schema, "there is no such table")
	}
	var errs []error
	for i := range l.columns {
		c := &l.columns[i]
		found, ok := left[c.name]
		if !ok {
			errs = append(errs, l.misused(schema, "field %s: there is no column %s", c.field, c.name))
			continue
		}
		if c.key || !l.partial {
			delete(left, c.name)
		}
		c.typ = found.columnType
		if c.encode, err = encoderFor(c.value, c.typ); err == nil && i == l.partition && l.of.parks != nil {
			c.encode, err = l.of.within(c.encode, c.typ)
		}
		if err == nil && c.key {
			err = found.identifies()
		}
		if err != nil {
			errs = append(errs, l.misused(schema, "field %s: column %s: %s", c.field, c.name, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		errs = append(errs, l.checkUnfilled(ctx, tx, schema, name, left[name]))
	}
	if err = errors.Join(append(errs, l.checkKey(ctx, tx, schema))...); err != nil {
		return err
	}
	return l.bindRules(ctx, tx)
}

// checkUnfilled looks at what becomes of a column that not every insert fills: the same in every build, or it is a misfit.
func (l *layout) checkUnfilled(ctx context.Context, tx pgx.Tx, schema, name string, column described) error {
	switch {
	case column.must:
		return l.misused(schema, "column %s is NOT NULL without a default, and not every insert fills it", name)
	case column.identity:
		return l.misused(schema, "column %s numbers the rows by itself, and another build would number them otherwise: "+
			"make it a plain column, and set it from the event", name)
	case column.otherwise == "":
		return nil
	}
	// Only Postgres knows whether an expression is immutable. It says so of those in an index.
	reply, err := refusal(ctx, tx, fmt.Sprintf("CREATE TABLE %s (EXCLUDE USING btree (((%s) IS NULL) WITH =))",
		pgx.Identifier{schema, "$default"}.Sanitize(), column.otherwise), 0)
	if err != nil {
		return fmt.Errorf("trying the default of column %s of %s.%s: %w", name, schema, l.name, err)
	}
	if reply != nil {
		return l.misused(schema, "column %s: DEFAULT %s would not be the same in another build (%s), and not every insert fills the column: "+
			"set it from the event, or make the default a constant", name, column.otherwise, reply.Message)
	}
	return nil
}

// noArbiter is Postgres's code for a key in ON CONFLICT that no unique index is on.
const noArbiter = "42P10"

// checkKey tells whether Postgres finds rows by the key. What else it has against the key's columns, try reports.
func (l *layout) checkKey(ctx context.Context, tx pgx.Tx, schema string) error {
	var names, fields []string
	for _, i := range l.keys {
		c := &l.columns[i]
		if c.encode == nil {
			return nil
		}
		names, fields = append(names, c.name), append(fields, fmt.Sprintf("%s (field %s)", c.name, c.field))
	}
	if len(fields) == 0 {
		return nil
	}
	isKey := func(i int) bool { return l.columns[i].key }
	columns := strings.Join(l.identifiers(isKey), ", ")
	reply, err := refusal(ctx, tx, fmt.Sprintf("INSERT INTO %s (%s) SELECT * FROM unnest(%s) ON CONFLICT (%[2]s) DO NOTHING",
		l.table, columns, l.parameters(isKey)), len(l.keys))
	if err != nil {
		return fmt.Errorf("trying the key of %s.%s: %w", schema, l.name, err)
	}
	if reply != nil && reply.Code == noArbiter {
		return l.misused(schema, "the key is %s, and no primary key or unique index is on exactly that: add PRIMARY KEY (%s) to the table",
			strings.Join(fields, ", "), strings.Join(names, ", "))
	}
	return nil
}

func describe(ctx context.Context, tx pgx.Tx, schema, name string) (map[string]described, error) {
	rows, err := tx.Query(ctx, describeSQL, schema, name)
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s.%s: %w", schema, name, err)
	}
	columns := map[string]described{}
	var columnName string
	var d described
	into := []any{&columnName, &d.oid, &d.base, &d.enum, &d.name, &d.must, &d.identity, &d.otherwise, &d.declared, &d.fitted, &d.loose}
	_, err = pgx.ForEachRow(rows, into, func() error {
		columns[columnName] = d
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s.%s: %w", schema, name, err)
	}
	return columns, nil
}

func (t *appendRows) bind(ctx context.Context, tx pgx.Tx, schema string) error {
	if err := t.bindColumns(ctx, tx, schema); err != nil {
		return err
	}
	if err := t.bindOrigin(schema); err != nil {
		return err
	}
	t.prepareSQL()
	if t.insertSQL == "" {
		return nil
	}
	return t.try(ctx, tx, schema, t.insertSQL)
}

func (t *patchRows) bind(ctx context.Context, tx pgx.Tx, schema string) error {
	errs := []error{t.bindColumns(ctx, tx, schema)}
	for i := range t.columns {
		c := &t.columns[i]
		if c.typ.array() {
			errs = append(errs, t.misused(schema, "field %s: a Patch table cannot have array columns", c.field))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.prepareSQL()
	reply, err := refusal(ctx, tx, t.deleteSQL, len(t.keys))
	if err = t.refused(schema, reply, err); err != nil {
		return err
	}
	return t.try(ctx, tx, schema, t.upsert(t.everything()))
}

// refusedError is a mistake that Postgres found.
type refusedError struct {
	*MisuseError

	reply *pgconn.PgError
}

func (e *refusedError) Unwrap() error { return e.MisuseError }

// try runs a statement without rows, for all arrays are NULL: Postgres judges what the catalogue does not tell here, such
// as a generated column.
func (l *layout) try(ctx context.Context, tx pgx.Tx, schema, sql string) error {
	reply, err := refusal(ctx, tx, sql, len(l.columns))
	return l.refused(schema, reply, err)
}

// refused is what came of a statement that was tried.
func (l *layout) refused(schema string, reply *pgconn.PgError, err error) error {
	if err != nil {
		return fmt.Errorf("trying the statement for %s.%s: %w", schema, l.name, err)
	}
	if reply != nil {
		return &refusedError{l.misused(schema, "%s", reply.Message), reply}
	}
	return nil
}

// refusal runs a statement, with NULL for each parameter, and undoes it. What Postgres has against it is the reply.
func refusal(ctx context.Context, tx pgx.Tx, sql string, params int) (reply *pgconn.PgError, err error) {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tables.Rollback(ctx, savepoint)
	err = savepoint.Conn().PgConn().ExecParams(ctx, sql, make([][]byte, params), nil, nil, nil).Read().Err
	if reply, ok := errors.AsType[*pgconn.PgError](err); ok && !passes(reply) {
		return reply, nil
	}
	return nil, err
}

func (l *layout) misused(schema, format string, args ...any) *MisuseError {
	return &MisuseError{schema, fmt.Sprintf("table %s: %s", l.name, fmt.Sprintf(format, args...))}
}
