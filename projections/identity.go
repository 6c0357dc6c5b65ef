package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"daybook/projections/tables"
)

// From declares what a Sum table must be equal to: a query over the projection's other tables, named without schema,
// that gives exactly the columns of the row struct, by name and type.
//
//	projections.From(`SELECT account_id, asset, sum(amount)::bigint AS amount FROM entries GROUP BY account_id, asset`)
//
// The query's shape is checked when the engine starts, its truth by [Projection.CheckSums]. It says nothing of how rows
// come about, so it may be corrected without a new version.
func From(query string) SumOption {
	return func(t *sumRows) { t.identity = query }
}

// Beginner opens transactions: a pool or a connection.
type Beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// CheckSums computes every Sum table that declares [From] anew and compares all its rows, all tables under one snapshot.
// It writes nothing, and may run beside the engine. The error joins a *SumError for each table that differs.
func (p *Projection) CheckSums(ctx context.Context, db Beginner) error {
	tx, err := db.BeginTx(ctx, tables.Snapshot)
	if err != nil {
		return fmt.Errorf("checking the sums of %s: %w", p.Schema(), err)
	}
	defer tables.Rollback(ctx, tx)
	found, err := p.checkSums(ctx, tx)
	if err != nil {
		return err
	}
	errs := make([]error, len(found))
	for i := range found {
		errs[i] = found[i]
	}
	return errors.Join(errs...)
}

// checkSums is CheckSums within a transaction, which it leaves as it was.
func (p *Projection) checkSums(ctx context.Context, tx pgx.Tx) (found []*SumError, err error) {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("checking the sums of %s: %w", p.Schema(), err)
	}
	defer tables.Rollback(ctx, savepoint)
	if err := tables.SearchIn(ctx, savepoint, p.Schema()); err != nil {
		return nil, fmt.Errorf("checking the sums of %s: %w", p.Schema(), err)
	}
	for _, t := range p.tables {
		sums, ok := t.(*sumRows)
		if !ok || sums.identity == "" {
			continue
		}
		differences, count, err := sums.compare(ctx, savepoint, p.Schema())
		if err != nil {
			return nil, fmt.Errorf("checking the sums of %s.%s: %w", p.Schema(), sums.name, err)
		}
		if count > 0 {
			found = append(found, &SumError{p.Schema(), sums.name, differences, count})
		}
	}
	return found, nil
}

// SumError says that a Sum table is not what its identity gives.
type SumError struct {
	Projection  string // name and version
	Table       string
	Differences []SumDifference // the first ones, in order of their keys
	Count       int64           // of all
}

// SumDifference is a key with its sums, as Postgres prints rows.
type SumDifference struct {
	Key      string
	Stored   string // empty when the table has no such row
	Computed string // empty when the identity gives none
}

func (e *SumError) Error() string {
	found := make([]string, len(e.Differences))
	for i, d := range e.Differences {
		found[i] = fmt.Sprintf("%s holds [%s], computed [%s]", d.Key, d.Stored, d.Computed)
	}
	return fmt.Sprintf("projection %s: table %s is not what its identity gives: %s", e.Projection, e.Table, strings.Join(found, "; "))
}

// shownDifferences bounds a SumError.
const shownDifferences = 10

// comparison subtracts the two tables from one another, both ways and as multisets: a key that the identity gives twice
// is a difference, too. The names with a $ are no column's.
const comparison = `
	WITH "$stored" AS (SELECT %[2]s FROM %[1]s),
	"$computed" AS (SELECT %[2]s FROM (%[3]s
	) AS "$identity")
	SELECT ROW(%[4]s)::text,
		coalesce(string_agg(ROW(%[5]s)::text, ' ') FILTER (WHERE "$kept"), ''),
		coalesce(string_agg(ROW(%[5]s)::text, ' ') FILTER (WHERE NOT "$kept"), ''),
		count(*) OVER ()
	FROM (
		SELECT *, true AS "$kept" FROM (TABLE "$stored" EXCEPT ALL TABLE "$computed") AS "$more"
		UNION ALL
		SELECT *, false FROM (TABLE "$computed" EXCEPT ALL TABLE "$stored") AS "$less"
	) AS "$differences"
	GROUP BY %[4]s ORDER BY %[4]s LIMIT %[6]d`

func (t *sumRows) compare(ctx context.Context, tx pgx.Tx, schema string) (found []SumDifference, count int64, err error) {
	quoted := func(want func(int) bool) string { return list("", t.identifiers(want)) }
	statement := fmt.Sprintf(comparison, pgx.Identifier{schema, t.name}.Sanitize(),
		quoted(func(int) bool { return true }), t.identity, quoted(func(i int) bool { return t.columns[i].key }),
		quoted(func(i int) bool { return !t.columns[i].key }), shownDifferences)
	rows, err := tx.Query(ctx, statement)
	if err != nil {
		return nil, 0, err
	}
	var d SumDifference
	_, err = pgx.ForEachRow(rows, []any{&d.Key, &d.Stored, &d.Computed, &count}, func() error {
		found = append(found, d)
		return nil
	})
	return found, count, err
}

func (t *sumRows) bind(ctx context.Context, tx pgx.Tx, schema string) error {
	errs := []error{t.bindColumns(ctx, tx, schema)}
	for i := range t.columns {
		c := &t.columns[i]
		switch {
		case c.encode == nil: // reported already
		case c.typ.array():
			errs = append(errs, t.misused(schema, "field %s: a Sum table cannot have array columns", c.field))
		case !c.key && c.typ.name != "bigint":
			errs = append(errs, t.misused(schema, "field %s: column %s is %s: sums need bigint", c.field, c.name, c.typ.name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.prepareSQL()
	values := t.setOf(func(c *column) bool { return !c.key })
	t.judged = t.rules.hide(values&^t.rules.notNull, values)
	if err := t.try(ctx, tx, schema, t.addSQL); err != nil {
		return err
	}
	return t.bindIdentity(ctx, tx, schema)
}

// bindIdentity lets Postgres describe the identity's query and compares with the table's columns.
func (t *sumRows) bindIdentity(ctx context.Context, tx pgx.Tx, schema string) error {
	if t.identity == "" {
		return nil
	}
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return fmt.Errorf("checking the identity of %s.%s: %w", schema, t.name, err)
	}
	defer tables.Rollback(ctx, savepoint) // and with it the search path
	if err := tables.SearchIn(ctx, savepoint, schema); err != nil {
		return fmt.Errorf("checking the identity of %s.%s: %w", schema, t.name, err)
	}
	described, err := savepoint.Conn().PgConn().Prepare(ctx, "", t.identity, nil)
	if reply, ok := errors.AsType[*pgconn.PgError](err); ok && !passes(reply) {
		return t.misused(schema, "From: %s", reply.Message)
	}
	if err != nil {
		return fmt.Errorf("checking the identity of %s.%s: %w", schema, t.name, err)
	}
	return t.fits(described, schema)
}

// fits tells whether a query gives exactly the columns of the table, in whatever order.
func (t *sumRows) fits(described *pgconn.StatementDescription, schema string) error {
	if len(described.ParamOIDs) > 0 {
		return t.misused(schema, "From: the query must not have parameters")
	}
	given := map[string]uint32{}
	for _, f := range described.Fields {
		given[f.Name] = f.DataTypeOID
	}
	var errs []error
	for i := range t.columns {
		c := &t.columns[i]
		oid, ok := given[c.name]
		switch {
		case !ok:
			errs = append(errs, t.misused(schema, "From: the query does not give column %s", c.name))
		case oid != c.typ.base:
			errs = append(errs, t.misused(schema, "From: the query gives column %s with another type than %s: cast it", c.name, c.typ.name))
		}
	}
	if len(described.Fields) != len(t.columns) {
		errs = append(errs, t.misused(schema, "From: the query gives %d columns, the rows have %d fields", len(described.Fields), len(t.columns)))
	}
	return errors.Join(errs...)
}
