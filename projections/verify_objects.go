package projections

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"daybook/projections/tables"
)

// Object is something of a table that is not what schema.sql makes of it: its columns, what must hold of its rows, and
// what else is done when they are written.
type Object struct {
	Kind ObjectKind `json:"kind"`
	Name string     `json:"name"`
	Live string     `json:"live,omitempty"` // how the live build has it; empty: it does not
	Due  string     `json:"due,omitempty"`  // how schema.sql makes it; empty: it does not
}

// ObjectKind is what an object is.
type ObjectKind string

// The kinds of objects. Indexes are those that rows must obey: others change no row, and a rebuild makes them last.
const (
	KindTable      ObjectKind = "table"
	KindColumn     ObjectKind = "column"
	KindConstraint ObjectKind = "constraint"
	KindIndex      ObjectKind = "index"
	KindTrigger    ObjectKind = "trigger"
)

// ObjectKinds are all of them.
func ObjectKinds() []ObjectKind {
	return []ObjectKind{KindTable, KindColumn, KindConstraint, KindIndex, KindTrigger}
}

// place is where an object is.
type place struct {
	table string
	kind  ObjectKind
	name  string
}

// objectsSQL lists the objects of a schema with their definitions, in which names are unqualified if the schema is the
// search path. What a column must not be is told with the column, also where Postgres makes a constraint of it.
const objectsSQL = `
	WITH tables AS (
		SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition
	)
	SELECT relname::text, 'table', relname::text, 'table' FROM tables
	UNION ALL
	SELECT t.relname::text, 'column', a.attname::text, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
		CASE WHEN a.attnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid, true))
	FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
	UNION ALL
	SELECT t.relname::text, 'constraint', k.conname::text, pg_get_constraintdef(k.oid, true)
	FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid WHERE k.contype IN ('p', 'u', 'x', 'c', 'f')
	UNION ALL
	SELECT t.relname::text, 'index', c.relname::text, pg_get_indexdef(i.indexrelid, 0, true)
	FROM tables t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
	WHERE (i.indisunique OR i.indisexclusion) AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
	UNION ALL
	SELECT t.relname::text, 'trigger', g.tgname::text, pg_get_triggerdef(g.oid, true) || CASE g.tgenabled WHEN 'D' THEN ' (disabled)' ELSE '' END
	FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal`

// objectsOf reads the objects of a physical schema within a transaction, which it leaves as it was.
func objectsOf(ctx context.Context, tx pgx.Tx, schema string) (map[place]string, error) {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tables.Rollback(ctx, savepoint)
	if err = tables.SearchIn(ctx, savepoint, schema); err != nil {
		return nil, err
	}
	rows, err := savepoint.Query(ctx, objectsSQL, schema)
	if err != nil {
		return nil, err
	}
	out := map[place]string{}
	var at place
	var definition string
	_, err = pgx.ForEachRow(rows, []any{&at.table, &at.kind, &at.name, &definition}, func() error {
		out[at] = definition
		return nil
	})
	return out, err
}

// compareObjects compares what schema.sql makes of the tables today with what it is in the live build.
func (v *verifier) compareObjects(ctx context.Context, tx pgx.Tx, s *scratch) error {
	live, err := objectsOf(ctx, tx, v.live.schema())
	if err != nil {
		return fmt.Errorf("reading the catalogue of %s: %w", v.live.schema(), err)
	}
	var due map[place]string
	err = pgx.BeginTxFunc(ctx, v.engine.cfg.Pool, tables.Snapshot, func(other pgx.Tx) (err error) {
		due, err = objectsOf(ctx, other, s.p.Schema())
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the catalogue of %s: %w", s.p.Schema(), err)
	}
	all := maps.Clone(live)
	maps.Copy(all, due)
	for _, at := range slices.SortedFunc(maps.Keys(all), place.compare) {
		if lost := (place{at.table, KindTable, at.table}); at != lost && (live[lost] == "" || due[lost] == "") {
			continue // the table says it all
		}
		if live[at] != due[at] {
			t := v.drift(at.table)
			t.Objects = append(t.Objects, Object{at.kind, at.name, live[at], due[at]})
		}
	}
	return nil
}

func (p place) compare(other place) int {
	return slices.Compare([]string{p.table, string(p.kind), p.name}, []string{other.table, string(other.kind), other.name})
}

// String is the object for people.
func (o Object) String() string {
	switch {
	case o.Live == "":
		return fmt.Sprintf("%s %s is missing: %s", o.Kind, o.Name, o.Due)
	case o.Due == "":
		return fmt.Sprintf("%s %s is not of schema.sql: %s", o.Kind, o.Name, o.Live)
	}
	return fmt.Sprintf("%s %s is %s, and should be %s", o.Kind, o.Name, o.Live, o.Due)
}

// String is how the table differs, in words.
func (t TableDrift) String() string {
	var parts []string
	if t.Rows > 0 || len(t.Objects) == 0 {
		parts = append(parts, fmt.Sprintf("%d rows", t.Rows))
	}
	for _, o := range t.Objects {
		parts = append(parts, fmt.Sprintf("%s %s", o.Kind, o.Name))
	}
	return strings.Join(parts, ", ") + " of " + t.Table
}
