package tables

import "context"

// Held is how much of one side was held in memory at the same time.
type Held struct{ Rows, Bytes int }

// What one batch may hold.
const (
	BatchRows  = batchRows
	BatchBytes = batchBytes
)

// CompareHeld is Compare, and tells what it held.
func CompareHeld(ctx context.Context, a, b Side, o Options) (Comparison, Held, error) {
	c := newComparer(a, b, o)
	out, err := c.run(ctx)
	return out, Held{
		Rows:  max(cap(c.a.rows.bounds), cap(c.b.rows.bounds)),
		Bytes: max(cap(c.a.rows.memory), cap(c.b.rows.memory)),
	}, err
}
