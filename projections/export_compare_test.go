package projections

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Side is one side of a comparison, for tests.
type Side struct {
	Tx     pgx.Tx
	Schema string
}

// Only is a filter, for tests.
type Only struct {
	Column string
	Values []string
}

// Held is how much of one side was held in memory at the same time.
type Held struct{ Rows, Bytes int }

// What one batch may hold.
const (
	BatchRows  = batchRows
	BatchBytes = batchBytes
)

// Compare is compare.
func Compare(ctx context.Context, a, b Side, only map[string]Only) (Comparison, error) {
	return compare(ctx, side{a.Tx, a.Schema}, side{b.Tx, b.Schema}, unexported(only))
}

func unexported(only map[string]Only) filters {
	f := filters{}
	for table, o := range only {
		f[table] = filter{o.Column, o.Values}
	}
	return f
}

// CompareHeld is Compare, and tells what it held.
func CompareHeld(ctx context.Context, a, b Side, only map[string]Only) (Comparison, Held, error) {
	c := newComparer(side{a.Tx, a.Schema}, side{b.Tx, b.Schema}, unexported(only))
	out, err := c.run(ctx)
	return out, Held{
		Rows:  max(cap(c.a.rows.bounds), cap(c.b.rows.bounds)),
		Bytes: max(cap(c.a.rows.memory), cap(c.b.rows.memory)),
	}, err
}
