package tables

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Comparison tells how the tables of two physical schemas differ.
type Comparison struct {
	A      string       `json:"a"` // one schema
	B      string       `json:"b"` // the other
	Tables []Difference `json:"tables"`
}

// Difference tells how one table differs. A Comparison has one for every table, equal ones too, by name.
//
// Rows of the same primary key are one row, with equal or with other values. Where there is no primary key, or another
// one in B than in A, rows are matched as wholes, as often as they occur, and none is changed. Values are compared as
// Postgres prints them, in the columns that both tables have.
type Difference struct {
	Table     string             `json:"table"`
	OnlyIn    string             `json:"only_in,omitempty"`    // "a" or "b", if the other has no such table
	MatchedBy []string           `json:"matched_by,omitempty"` // columns: the primary key, or all that both have
	Whole     string             `json:"whole,omitempty"`      // why rows are matched as wholes, if they are
	Columns   []ColumnDifference `json:"columns,omitempty"`
	Rows      RowCounts          `json:"rows"`
	Examples  []Example          `json:"examples,omitempty"` // the first ones, in the order of what they are matched by
}

// ColumnDifference is a column that has another type in B, or that one table does not have.
type ColumnDifference struct {
	Column string `json:"column"`
	TypeA  string `json:"type_a,omitempty"` // empty: A has no such column
	TypeB  string `json:"type_b,omitempty"`
}

// RowCounts counts rows.
type RowCounts struct {
	Both    int64 `json:"both"` // equal or changed
	Equal   int64 `json:"equal"`
	Changed int64 `json:"changed"`
	OnlyA   int64 `json:"only_a"`
	OnlyB   int64 `json:"only_b"`
}

// ExampleKind says in what an example differs.
type ExampleKind string

// The kinds of examples.
const (
	RowChanged ExampleKind = "changed"
	RowOnlyA   ExampleKind = "only_a"
	RowOnlyB   ExampleKind = "only_b"
)

// Example is a row that differs. Long values are cut, and the cut is marked by "…".
type Example struct {
	Kind   ExampleKind       `json:"kind"`
	Key    []*string         `json:"key"`              // the values of MatchedBy as Postgres prints them, nil for NULL
	Values []ValueDifference `json:"values,omitempty"` // of a changed row
}

// ValueDifference is a column of a changed row, with both values as Postgres prints them; nil is NULL.
type ValueDifference struct {
	Column string  `json:"column"`
	A      *string `json:"a"`
	B      *string `json:"b"`
}

// Equal says that both schemas have the same tables with the same columns and rows. Another type or primary key is told,
// but does not count: what is read is the same.
func (c Comparison) Equal() bool { return !slices.ContainsFunc(c.Tables, Difference.Differs) }

// Differs tells whether the tables are not equal.
func (d Difference) Differs() bool {
	return d.OnlyIn != "" || d.Rows.Changed+d.Rows.OnlyA+d.Rows.OnlyB > 0 ||
		slices.ContainsFunc(d.Columns, func(c ColumnDifference) bool { return c.TypeA == "" || c.TypeB == "" })
}

// Side is one of two schemas and the transaction it is read in. Both sides may share one transaction. What is read is
// consistent if the transaction is REPEATABLE READ.
type Side struct {
	Tx     pgx.Tx
	Schema string
}

// Filters limit a comparison, by table; others are compared in full.
type Filters map[string]Filter

// Filter selects the rows whose column has one of the values, which are given as text and mean what the column's type
// makes of them. One without a column selects none.
type Filter struct {
	Column string
	Values []string
}

// Options of a comparison. The zero value compares everything, at once.
type Options struct {
	Only Filters
	Pace func(context.Context) error // before each batch of rows; may be nil
}

// Compare reads every table of both schemas once, in the order of their keys, and holds a batch of rows of each: no
// statement needs both. Views, sequences and partitions (which are read through their tables) are passed over. It writes
// nothing and leaves the transactions as they were, also when ctx ends or it fails.
func Compare(ctx context.Context, a, b Side, o Options) (Comparison, error) {
	return newComparer(a, b, o).run(ctx)
}

type comparer struct {
	a, b source
	only Filters
}

func newComparer(a, b Side, o Options) *comparer {
	return &comparer{
		a: source{Side: a, cursor: "compare_a", pace: o.Pace}, b: source{Side: b, cursor: "compare_b", pace: o.Pace}, only: o.Only,
	}
}

func (c *comparer) run(ctx context.Context) (Comparison, error) {
	out := Comparison{A: c.a.Schema, B: c.b.Schema, Tables: []Difference{}}
	for _, s := range []*source{&c.a, &c.b} {
		if err := s.open(ctx); err != nil {
			return out, fmt.Errorf("comparing schema %s: %w", s.Schema, err)
		}
		defer s.close(ctx) // the last one opened first: they may be savepoints of one transaction
	}
	names := slices.Concat(slices.Collect(maps.Keys(c.a.tables)), slices.Collect(maps.Keys(c.b.tables)))
	slices.Sort(names)
	names = slices.Compact(names)
	for _, table := range slices.Sorted(maps.Keys(c.only)) {
		if !slices.Contains(names, table) {
			return out, fmt.Errorf("comparing schemas %s and %s: neither has table %s, which a filter names", out.A, out.B, table)
		}
	}
	for _, table := range names {
		d, err := c.table(ctx, table)
		if err != nil {
			return out, err
		}
		out.Tables = append(out.Tables, d)
	}
	return out, nil
}

func (c *comparer) table(ctx context.Context, name string) (Difference, error) {
	a, inA := c.a.tables[name]
	b, inB := c.b.tables[name]
	d := Difference{Table: name}
	var err error
	switch {
	case !inB:
		d.OnlyIn = "a"
		d.Rows.OnlyA, err = c.a.count(ctx, a, c.only)
	case !inA:
		d.OnlyIn = "b"
		d.Rows.OnlyB, err = c.b.count(ctx, b, c.only)
	default:
		p := pair(a, b)
		d.MatchedBy, d.Whole, d.Columns = p.matchedBy(), p.whole, p.differences
		err = c.merge(ctx, &d, p)
	}
	return d, err
}

// merge walks through both tables at once: the lesser key is on one side only.
func (c *comparer) merge(ctx context.Context, d *Difference, p *pairing) error {
	for _, s := range []*source{&c.a, &c.b} {
		if err := s.begin(ctx, s.tables[d.Table], p, c.only); err != nil {
			return err
		}
	}
	for {
		a, err := c.a.head(ctx)
		if err != nil {
			return err
		}
		b, err := c.b.head(ctx)
		if err != nil {
			return err
		}
		switch order := a.order(b); {
		case a.none() && b.none():
			return nil
		case order < 0:
			d.Rows.OnlyA++
			show(d, p, RowOnlyA, a, row{})
			c.a.advance()
		case order > 0:
			d.Rows.OnlyB++
			show(d, p, RowOnlyB, b, row{})
			c.b.advance()
		default:
			match(d, p, a, b)
			c.a.advance()
			c.b.advance()
		}
	}
}

func match(d *Difference, p *pairing, a, b row) {
	d.Rows.Both++
	if bytes.Equal(a.values, b.values) {
		d.Rows.Equal++
		return
	}
	d.Rows.Changed++
	show(d, p, RowChanged, a, b)
}

// shownExamples is how many examples are kept for each table.
const shownExamples = 20

// show keeps an example; other is the row of B, if there are two.
func show(d *Difference, p *pairing, kind ExampleKind, r, other row) {
	if len(d.Examples) == shownExamples {
		return
	}
	values := r.cells()
	example := Example{Kind: kind}
	for _, i := range p.matched {
		example.Key = append(example.Key, excerpt(values[i], 0))
	}
	for i, b := range other.cells() {
		a := values[i]
		if bytes.Equal(a, b) && (a == nil) == (b == nil) {
			continue
		}
		from := sharedPrefix(a, b)
		example.Values = append(example.Values, ValueDifference{p.columns[i], excerpt(a, from), excerpt(b, from)})
	}
	d.Examples = append(d.Examples, example)
}
