package projections

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"daybook/projections/tables"
)

// rules are what Postgres demands of a table's rows. Events that are merged must not keep from it what it would have
// refused of one of them: where they might, a row is written in rounds, or the batch event by event.
type rules struct {
	judged  []uint64 // sets of columns, each judged together
	notNull uint64   // columns of which nothing is refused but NULL
	between bool     // rows are compared with other rows: unique columns, references
}

// created stands for the columns of a new row that nobody has written, in sets in which they can be wrong.
const created = 1 << 63

// everyColumn is the set of all, and created.
const everyColumn = ^uint64(0)

// hide tells whether a change of some columns may hide what an earlier event made of others.
func (r *rules) hide(made, changed uint64) bool {
	return slices.ContainsFunc(r.judged, func(set uint64) bool { return set&made != 0 && set&changed != 0 })
}

// meet notes that the event at work writes rows that are compared with others.
func (l *layout) meet() {
	if l.rules.between && l.of.met != l.of.nth {
		l.of.met = l.of.nth
		l.of.meetings++
	}
}

// setOf is the set of the columns that want says.
func (l *layout) setOf(want func(*column) bool) (set uint64) {
	for i := range l.columns {
		if want(&l.columns[i]) {
			set |= 1 << i
		}
	}
	return set
}

// bindRules reads what is demanded.
func (l *layout) bindRules(ctx context.Context, tx pgx.Tx) error {
	l.rules = rules{}
	for _, read := range []func(context.Context, pgx.Tx) error{l.bindColumnRules, l.bindChecks, l.bindBetween} {
		if err := read(ctx, tx); err != nil {
			return fmt.Errorf("reading the constraints of %s: %w", l.table, err)
		}
	}
	return nil
}

// bindColumnRules finds the columns that do not take every value of their field.
func (l *layout) bindColumnRules(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT attname, attnotnull, atttypmod >= 0, attgenerated <> '' FROM pg_attribute
		WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`, l.table)
	if err != nil {
		return err
	}
	var name string
	var notNull, limited, computed bool
	_, err = pgx.ForEachRow(rows, []any{&name, &notNull, &limited, &computed}, func() error {
		i := slices.IndexFunc(l.columns, func(c column) bool { return c.name == name })
		switch {
		case computed: // of any others
			l.rules.judged = append(l.rules.judged, everyColumn)
		case i < 0 || l.columns[i].key:
		case limited || !l.columns[i].typ.takesAll():
			l.rules.judged = append(l.rules.judged, 1<<i)
		case notNull:
			l.rules.judged, l.rules.notNull = append(l.rules.judged, 1<<i), l.rules.notNull|1<<i
		}
		return nil
	})
	return err
}

// takesAll tells whether Postgres refuses no value of the type that was encoded.
func (t columnType) takesAll() bool {
	switch t.oid {
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.UUIDOID, pgtype.Int8OID, pgtype.Int4OID, pgtype.Int2OID, pgtype.BoolOID,
		pgtype.ByteaOID, pgtype.Float8OID:
		return true
	}
	return false
}

// bindChecks reads CHECK constraints.
func (l *layout) bindChecks(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT pg_get_expr(conbin, conrelid), 0 = ANY (conkey),
			ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey))
		FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c' ORDER BY conname`, l.table)
	if err != nil {
		return err
	}
	var expression string
	var expressions, names []string
	var sets []uint64
	var whole bool
	_, err = pgx.ForEachRow(rows, []any{&expression, &whole, &names}, func() error {
		set := everyColumn
		if !whole {
			set = l.setOf(func(c *column) bool { return slices.Contains(names, c.name) })
		}
		expressions, sets = append(expressions, expression), append(sets, set)
		return nil
	})
	if err != nil || len(sets) == 0 {
		return err
	}
	satisfied, err := l.satisfied(ctx, tx, expressions)
	if err != nil {
		return err
	}
	keys := l.setOf(func(c *column) bool { return c.key })
	for i := range sets {
		if !satisfied[i] || sets[i]&keys != 0 {
			sets[i] |= created
		}
		l.rules.notNull &^= sets[i]
	}
	l.rules.judged = append(l.rules.judged, sets...)
	return nil
}

// satisfied tells which constraints a row satisfies that has nothing but defaults.
func (l *layout) satisfied(ctx context.Context, tx pgx.Tx, expressions []string) ([]bool, error) {
	var columns []string
	rows, err := tx.Query(ctx, `SELECT format('CAST(%s AS %s) AS %I', coalesce(pg_get_expr(adbin, adrelid), 'NULL'),
			format_type(atttypid, atttypmod), attname)
		FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
		WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`, l.table)
	if err == nil {
		columns, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, err
	}
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tables.Rollback(ctx, savepoint)
	out := make([]bool, len(expressions))
	err = savepoint.QueryRow(ctx, fmt.Sprintf("SELECT ARRAY[(%s) IS NOT FALSE] FROM (SELECT %s) AS created",
		strings.Join(expressions, ") IS NOT FALSE, ("), strings.Join(columns, ", "))).Scan(&out)
	if refusedBy(err) { // what cannot be told is taken as not satisfied
		return make([]bool, len(expressions)), nil
	}
	return out, err
}

// bindBetween finds out whether rows are compared with others. Those of an Append table stay as they are, so that no two
// of them can hide that they are too alike.
func (l *layout) bindBetween(ctx context.Context, tx pgx.Tx) error {
	var keys []string
	for _, i := range l.keys {
		keys = append(keys, l.columns[i].name)
	}
	slices.Sort(keys)
	return tx.QueryRow(ctx, `SELECT EXISTS (
			SELECT FROM pg_constraint WHERE contype = 'f' AND $1::regclass IN (conrelid, confrelid)
		) OR $2::text[] IS NOT NULL AND EXISTS (
			SELECT FROM pg_index WHERE indrelid = $1::regclass AND (indisunique OR indisexclusion) AND $2 <> ARRAY(
				SELECT attname::text FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY (indkey) ORDER BY attname::text COLLATE "C")
		)`, l.table, keys).Scan(&l.rules.between)
}
