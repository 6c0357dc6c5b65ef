package tables

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Table is one as the catalogue describes it.
type Table struct {
	name        string
	partitioned bool
	columns     []attribute // by name
	key         []string    // the primary key's columns, in its order
}

// attribute is a column.
type attribute struct {
	name string
	typ  string // as people write it
	cast string // its type beneath domains, as SQL
	base uint32 // the same
}

// relationsSQL reads the tables of a schema with their columns and the columns' places in the primary key. A table
// without columns has one row.
const relationsSQL = `
	SELECT c.relname, c.relkind = 'p', coalesce(a.attname, ''), coalesce(format_type(a.atttypid, a.atttypmod), ''),
	       coalesce(t.oid, 0), coalesce(quote_ident(n.nspname) || '.' || quote_ident(t.typname), ''),
	       coalesce((SELECT k.place FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
	                 WHERE k.attnum = a.attnum AND k.place <= i.indnkeyatts), 0)
	FROM pg_class c
	LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN pg_type d ON d.oid = a.atttypid
	LEFT JOIN pg_type t ON t.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END
	LEFT JOIN pg_namespace n ON n.oid = t.typnamespace
	LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
	WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
	AND c.relkind IN ('r', 'p') AND NOT c.relispartition
	ORDER BY c.relname, a.attname`

// List reads which tables a schema has, by name, partitioned ones once. There are none in a schema that does not exist.
func List(ctx context.Context, db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, schema string) (map[string]*Table, error) {
	rows, _ := db.Query(ctx, relationsSQL, pgx.QueryExecModeExec, schema) // the error comes back with the rows
	out := map[string]*Table{}
	var (
		r     Table
		a     attribute
		place int64
	)
	scan := []any{&r.name, &r.partitioned, &a.name, &a.typ, &a.base, &a.cast, &place}
	_, err := pgx.ForEachRow(rows, scan, func() error {
		t := out[r.name]
		if t == nil {
			t = &Table{name: r.name, partitioned: r.partitioned}
			out[r.name] = t
		}
		if a.name == "" {
			return nil
		}
		t.columns = append(t.columns, a)
		if place > 0 {
			t.key = append(t.key, make([]string, max(0, int(place)-len(t.key)))...)
			t.key[place-1] = a.name
		}
		return nil
	})
	return out, err
}

func (r *Table) attribute(name string) *attribute {
	for i := range r.columns {
		if r.columns[i].name == name {
			return &r.columns[i]
		}
	}
	return nil
}

// pairing is how the rows of two tables are matched.
type pairing struct {
	keys        []key    // in the order of A's primary key; empty: whole rows
	whole       string   // why
	columns     []string // that both have, by name: what is compared
	matched     []int    // indices into columns
	differences []ColumnDifference
}

// key is a column of a primary key, and how it is ordered on both sides.
type key struct {
	column string
	order  keyOrder
}

// keyOrder is an order that Postgres and bytes share, see appendKey. Types that have none are ordered as text.
type keyOrder string

const (
	orderText     keyOrder = "text"     // bytes, by collation C
	orderBytes    keyOrder = "bytes"    // bytes of the binary form
	orderIntegers keyOrder = "integers" // the binary form is a signed integer
	orderPrinted  keyOrder = "printed"  // bytes of what is printed, by collation C
)

// kindsOfKeys are the types whose own order is one of bytes, so that an index serves it. Types of one kind have the same
// order.
var kindsOfKeys = map[uint32]struct {
	kind  string
	order keyOrder
}{
	pgtype.Int2OID:        {"integer", orderIntegers},
	pgtype.Int4OID:        {"integer", orderIntegers},
	pgtype.Int8OID:        {"integer", orderIntegers},
	pgtype.DateOID:        {"date", orderIntegers},
	pgtype.TimestampOID:   {"timestamp", orderIntegers},
	pgtype.TimestamptzOID: {"timestamptz", orderIntegers},
	pgtype.BoolOID:        {"boolean", orderBytes},
	pgtype.ByteaOID:       {"bytea", orderBytes},
	pgtype.UUIDOID:        {"uuid", orderBytes},
	pgtype.TextOID:        {"text", orderText},
	pgtype.VarcharOID:     {"text", orderText},
}

func orderFor(a, b *attribute) keyOrder {
	ofA, known := kindsOfKeys[a.base]
	if known && ofA.kind == kindsOfKeys[b.base].kind {
		return ofA.order
	}
	return orderPrinted
}

// pair finds what two tables have in common.
func pair(a, b *Table) *pairing {
	p := &pairing{}
	for _, c := range a.columns {
		other := b.attribute(c.name)
		if other == nil {
			p.differences = append(p.differences, ColumnDifference{Column: c.name, TypeA: c.typ})
			continue
		}
		p.columns = append(p.columns, c.name)
		if c.typ != other.typ {
			p.differences = append(p.differences, ColumnDifference{c.name, c.typ, other.typ})
		}
	}
	for _, c := range b.columns {
		if a.attribute(c.name) == nil {
			p.differences = append(p.differences, ColumnDifference{Column: c.name, TypeB: c.typ})
		}
	}
	slices.SortFunc(p.differences, func(x, y ColumnDifference) int { return strings.Compare(x.Column, y.Column) })
	p.chooseKey(a, b)
	return p
}

// chooseKey matches by the primary key if it consists of the same columns, in whatever order.
func (p *pairing) chooseKey(a, b *Table) {
	switch {
	case len(a.key) == 0 && len(b.key) == 0:
		p.whole = "no primary key"
	case !slices.Equal(slices.Sorted(slices.Values(a.key)), slices.Sorted(slices.Values(b.key))):
		p.whole = fmt.Sprintf("the primary key is (%s) in one and (%s) in the other", strings.Join(a.key, ", "), strings.Join(b.key, ", "))
	default:
		for _, name := range a.key {
			p.keys = append(p.keys, key{name, orderFor(a.attribute(name), b.attribute(name))})
			p.matched = append(p.matched, slices.Index(p.columns, name))
		}
		return
	}
	for i := range p.columns {
		p.matched = append(p.matched, i)
	}
}

func (p *pairing) matchedBy() []string {
	out := make([]string, len(p.matched))
	for n, i := range p.matched {
		out[n] = p.columns[i]
	}
	return out
}

// selectSQL gives the rows of one of the tables in the common order: first what orders them, then what is compared. Whole
// rows are ordered by a digest of what is printed: it is short, however long the rows are.
func (p *pairing) selectSQL(schema string, r *Table, where string) string {
	columns := make([]string, len(p.columns))
	for i, name := range p.columns {
		columns[i] = pgx.Identifier{name}.Sanitize()
	}
	orders := p.orderSQL()
	if len(p.keys) == 0 {
		orders = []string{"sha256(convert_to(ROW(" + strings.Join(columns, ", ") + ")::text, 'UTF8'))"}
	}
	places := make([]string, len(orders))
	for i := range orders {
		places[i] = strconv.Itoa(i + 1)
	}
	return fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s", strings.Join(slices.Concat(orders, columns), ", "),
		r.fromSQL(schema), where, strings.Join(places, ", "))
}

func (p *pairing) orderSQL() []string {
	out := make([]string, len(p.keys))
	for i, k := range p.keys {
		out[i] = pgx.Identifier{k.column}.Sanitize()
		switch k.order {
		case orderText:
			out[i] += ` COLLATE "C"`
		case orderPrinted:
			out[i] += `::text COLLATE "C"`
		default: // its own order
		}
	}
	return out
}

// Ordered is the part of a query that reads all rows, each called alias, from the table in a schema, in the order of their
// key. Without one there is no order.
func (r *Table) Ordered(schema, alias string) string {
	from := "FROM " + r.fromSQL(schema) + " AS " + alias
	if order := pair(r, r).orderSQL(); len(order) > 0 {
		from += " ORDER BY " + strings.Join(order, ", ")
	}
	return from
}

// fromSQL names the table. Rows of tables that inherit from it are theirs.
func (r *Table) fromSQL(schema string) string {
	table := pgx.Identifier{schema, r.name}.Sanitize()
	if r.partitioned {
		return table
	}
	return "ONLY " + table
}

// whereSQL is the filter of a table, if it has one, for the parameters that are returned.
func (r *Table) whereSQL(only Filters) (where string, parameters []any, err error) {
	f, limited := only[r.name]
	switch {
	case !limited:
		return "", nil, nil
	case f.Column == "":
		return " WHERE false", nil, nil
	}
	c := r.attribute(f.Column)
	if c == nil {
		return "", nil, fmt.Errorf("there is no column %s to filter by", f.Column)
	}
	where = fmt.Sprintf(" WHERE %s = ANY ($1::text[]::%s[])", pgx.Identifier{f.Column}.Sanitize(), c.cast)
	return where, []any{slices.Concat([]string{}, f.Values)}, nil
}
