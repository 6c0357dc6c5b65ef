package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
	"daybook/projections/tables"
)

// Verdict tells what a verification compared, and how many rows differ.
type Verdict struct {
	Projection string          `json:"projection"`
	Version    int             `json:"version"`
	Build      int             `json:"build"`
	Schema     string          `json:"schema"`
	Position   events.Position `json:"position"`  // of the live build in the snapshot
	Events     int64           `json:"events"`    // that the live build has counted
	Projected  int64           `json:"projected"` // events that were projected anew
	CheckedAt  time.Time       `json:"checked_at"`
	Complete   bool            `json:"complete"`         // every row was compared with the whole log
	Sample     *Sample         `json:"sample,omitempty"` // if some were
	Rows       int64           `json:"rows"`             // of the live build that were compared, and those that it lacks
	Drift      int64           `json:"drift"`            // rows that differ
	Tables     []TableDrift    `json:"tables,omitempty"` // that differ
	Checked    []TableCheck    `json:"checked"`          // all of them, by name
	// Comparison is of the live build (A) with a projection of the log (B).
	Comparison tables.Comparison `json:"comparison"`
	Sums       []*SumError       `json:"sums,omitempty"` // tables that are not what their identities give
}

// Unknown says that no rows were compared, of any table.
func (v Verdict) Unknown() bool {
	found := v.Summary()
	return found.Unknown()
}

// Clean says that something was compared and nothing differs.
func (v Verdict) Clean() bool { return len(v.Tables) == 0 && !v.Unknown() }

// Summary is the verdict as Status would show it, had there been none before.
func (v Verdict) Summary() Drift {
	d := Drift{Tables: []TableDrift{}}
	for _, c := range v.Checked {
		d.add(TableDrift{Table: c.Table}, c)
	}
	d.Rows, d.Tables = v.Drift, append(d.Tables, v.Tables...)
	return d
}

// TableDrift is how a table differs.
type TableDrift struct {
	Table   string   `json:"table"`
	Rows    int64    `json:"rows"`
	Objects []Object `json:"objects,omitempty"`
}

// TableCheck says when the rows of a table were compared last, and how.
type TableCheck struct {
	Table     string          `json:"table"`
	How       How             `json:"how"`
	Rows      int64           `json:"rows"`                 // that were compared
	Position  events.Position `json:"position"`             // of the build then
	CheckedAt *time.Time      `json:"checked_at,omitempty"` // nil: they never were
}

// How says what the rows of a table were compared with.
type How string

// The ways to compare rows.
const (
	HowNever    How = "never"
	HowSample   How = "sample"   // those of some streams, with these
	HowIdentity How = "identity" // all, with what the sum is declared to be equal to
	HowLog      How = "log"      // all, with the whole log
)

// Drift is what verifications of a build found, of each table the last one that compared its rows. None found is no proof:
// see Verify for what each kind compares.
type Drift struct {
	Rows      int64           `json:"rows"`                // that differ
	Tables    []TableDrift    `json:"tables,omitempty"`    // that differ
	Compared  int64           `json:"compared"`            // rows
	Complete  bool            `json:"complete"`            // all rows were compared with the whole log
	Position  events.Position `json:"position"`            // of the build when rows were compared last
	CheckedAt time.Time       `json:"checked_at,omitzero"` // when that was; zero: never
	Checked   []TableCheck    `json:"checked"`             // all tables
}

// Unknown says that no rows were ever compared.
func (d *Drift) Unknown() bool { return d.CheckedAt.IsZero() }

// add adds what is known of a table.
func (d *Drift) add(t TableDrift, c TableCheck) {
	if t.Rows > 0 || len(t.Objects) > 0 {
		d.Rows, d.Tables = d.Rows+t.Rows, append(d.Tables, t)
	}
	d.Complete = c.How == HowLog && (d.Complete || len(d.Checked) == 0)
	d.Compared, d.Checked = d.Compared+c.Rows, append(d.Checked, c)
	if c.CheckedAt != nil && c.CheckedAt.After(d.CheckedAt) {
		d.Position, d.CheckedAt = c.Position, *c.CheckedAt
	}
}

// recordSQL keeps what is known of a table. A sample may miss what another comparison found, so rows that differ stay
// until all rows of the table are compared with the log. Columns and the like are compared each time.
const recordSQL = `INSERT INTO drift AS d (projection, version, build, table_name, differing, objects, how, compared, position, checked_at)
	SELECT name, version, build, $4, $5, $6, $7, $8, $9, $10 FROM projections WHERE name = $1 AND version = $2 AND build = $3
	ON CONFLICT (projection, version, build, table_name) DO UPDATE SET objects = excluded.objects,
		differing  = CASE WHEN excluded.differing > 0 OR excluded.how = 'log' THEN excluded.differing ELSE d.differing END,
		how        = CASE excluded.how WHEN 'never' THEN d.how ELSE excluded.how END,
		compared   = CASE excluded.how WHEN 'never' THEN d.compared ELSE excluded.compared END,
		position   = CASE excluded.how WHEN 'never' THEN d.position ELSE excluded.position END,
		checked_at = coalesce(excluded.checked_at, d.checked_at)`

// record notes a verdict for every process to show.
func (e *Engine) record(ctx context.Context, b build, v Verdict) error {
	found := map[string]TableDrift{}
	for _, t := range v.Tables {
		found[t.Table] = t
	}
	batch := &pgx.Batch{}
	for _, c := range v.Checked {
		t := found[c.Table]
		batch.Queue(recordSQL, b.name, b.version, b.number, c.Table, t.Rows, append([]Object{}, t.Objects...), c.How, c.Rows, int64(c.Position), c.CheckedAt)
	}
	known := map[string]*Drift{}
	err := e.cfg.Pool.SendBatch(ctx, batch).Close()
	if err == nil {
		known, err = e.drifts(ctx)
	}
	if err != nil {
		return fmt.Errorf("recording the verification of %s: %w", b.schema(), err)
	}
	if w := e.worker(b.schema()); w != nil {
		w.found(known[b.schema()])
	}
	return nil
}

func (w *worker) found(d *Drift) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drift = d
}

func (w *worker) lastDrift() *Drift {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drift
}

// drifts reads what verifications found, by physical schema.
func (e *Engine) drifts(ctx context.Context) (map[string]*Drift, error) {
	rows, err := e.cfg.Pool.Query(ctx, `SELECT schema_name, table_name, differing, nullif(objects, '[]'), how, compared, position, checked_at
		FROM drift JOIN projections USING (version, build) WHERE projection = name ORDER BY schema_name, table_name`)
	if err != nil {
		return nil, fmt.Errorf("reading what verifications found: %w", err)
	}
	out := map[string]*Drift{}
	for rows.Next() {
		var schema string
		var t TableDrift
		var c TableCheck
		if err = rows.Scan(&schema, &t.Table, &t.Rows, &t.Objects, &c.How, &c.Rows, &c.Position, &c.CheckedAt); err != nil {
			break
		}
		if c.Table = t.Table; c.CheckedAt != nil {
			c.CheckedAt = new(c.CheckedAt.UTC())
		}
		if out[schema] == nil {
			out[schema] = &Drift{Tables: []TableDrift{}}
		}
		out[schema].add(t, c)
	}
	rows.Close()
	if err = errors.Join(err, rows.Err()); err != nil {
		return nil, fmt.Errorf("reading what verifications found: %w", err)
	}
	return out, nil
}
