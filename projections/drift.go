package projections

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"daybook/events"
)

// Drift is what the last verification of a build found. None found is no proof: see Verify for what each kind compares.
type Drift struct {
	Rows      int64           `json:"rows"`             // that differ
	Tables    []TableDrift    `json:"tables,omitempty"` // in which they do
	Compared  int64           `json:"compared"`         // rows
	Complete  bool            `json:"complete"`         // all rows were compared with the whole log, not a sample
	Position  events.Position `json:"position"`         // of the build when it was compared
	CheckedAt time.Time       `json:"checked_at"`
}

// Summary is what Status keeps of a verdict.
func (v Verdict) Summary() Drift {
	return Drift{
		Rows: v.Drift, Tables: slices.Concat([]TableDrift{}, v.Tables), Compared: v.Rows, Complete: v.Complete, Position: v.Position,
		CheckedAt: v.CheckedAt.UTC().Truncate(time.Microsecond),
	}
}

// replaces tells whether a finding is to be shown instead of an older one. A sample may miss what another one found, so
// drift stays until a complete verification finds none.
func (d Drift) replaces(older *Drift) bool {
	return older == nil || len(older.Tables) == 0 || len(d.Tables) > 0 || d.Complete
}

// record notes a verdict for every process to show.
func (e *Engine) record(ctx context.Context, b build, v Verdict) error {
	d := v.Summary()
	if w := e.worker(b.schema()); w != nil {
		w.found(d)
	}
	tables, rows := make([]string, len(d.Tables)), make([]int64, len(d.Tables))
	for i, t := range d.Tables {
		tables[i], rows[i] = t.Table, t.Rows
	}
	_, err := e.cfg.Pool.Exec(ctx, `INSERT INTO drift AS d (projection, version, build, differing, tables, table_rows, compared, complete, position, checked_at)
		SELECT name, version, build, $4, $5, $6, $7, $8, $9, $10 FROM projections WHERE name = $1 AND version = $2 AND build = $3
		ON CONFLICT (projection, version, build) DO UPDATE SET differing = excluded.differing, tables = excluded.tables,
			table_rows = excluded.table_rows, compared = excluded.compared, complete = excluded.complete,
			position = excluded.position, checked_at = excluded.checked_at
		WHERE d.tables = '{}' OR excluded.tables <> '{}' OR excluded.complete`,
		b.name, b.version, b.number, d.Rows, tables, rows, d.Compared, d.Complete, int64(d.Position), d.CheckedAt)
	if err != nil {
		return fmt.Errorf("recording the verification of %s: %w", b.schema(), err)
	}
	return nil
}

func (w *worker) found(d Drift) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.replaces(w.drift) {
		w.drift = &d
	}
}

func (w *worker) lastDrift() *Drift {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drift
}

// drifts reads what verifications found, by physical schema.
func (e *Engine) drifts(ctx context.Context) (map[string]*Drift, error) {
	rows, err := e.cfg.Pool.Query(ctx, `SELECT schema_name, differing, tables, table_rows, compared, complete, position, checked_at
		FROM drift JOIN projections USING (version, build) WHERE projection = name`)
	if err != nil {
		return nil, fmt.Errorf("reading what verifications found: %w", err)
	}
	out := map[string]*Drift{}
	for rows.Next() {
		var schema string
		var tables []string
		var counts []int64
		d := &Drift{Tables: []TableDrift{}}
		if err = rows.Scan(&schema, &d.Rows, &tables, &counts, &d.Compared, &d.Complete, &d.Position, &d.CheckedAt); err != nil {
			break
		}
		for i, table := range tables { // as many as there are counts: a constraint
			d.Tables = append(d.Tables, TableDrift{table, counts[i]})
		}
		d.CheckedAt = d.CheckedAt.UTC()
		out[schema] = d
	}
	rows.Close()
	if err = errors.Join(err, rows.Err()); err != nil {
		return nil, fmt.Errorf("reading what verifications found: %w", err)
	}
	return out, nil
}

// auditStreams is how many streams an audit chooses from the log, and from each Append table.
const auditStreams = 32

// audit verifies samples of the live builds that this process projects, one after the other, each once in Config.Audit,
// whichever process did it last.
func (e *Engine) audit(ctx context.Context) {
	if e.cfg.Audit <= 0 {
		return
	}
	tried := map[*worker]time.Time{}
	ticker := time.NewTicker(min(e.cfg.Audit, time.Minute))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for _, w := range e.due(ctx, tried) {
			tried[w] = e.cfg.Now()
			e.auditOne(ctx, w)
		}
	}
}

// due lists the builds that were neither verified nor tried for a while.
func (e *Engine) due(ctx context.Context, tried map[*worker]time.Time) (out []*worker) {
	found, err := e.drifts(ctx)
	if err != nil {
		if ctx.Err() == nil {
			e.cfg.Logger.WarnContext(ctx, "looking for builds to verify, trying again", "error", err)
		}
		return nil
	}
	before := e.cfg.Now().Add(-e.cfg.Audit)
	for _, w := range e.workers() {
		state, _ := w.now()
		if w.p.name == headName || w.currentPhase() != PhaseLive || state != StateRunning {
			continue
		}
		last, recorded := tried[w]
		if d := found[w.p.Schema()]; d != nil && d.CheckedAt.After(last) {
			last, recorded = d.CheckedAt, true
		}
		if !recorded || !last.After(before) {
			out = append(out, w)
		}
	}
	return out
}

// auditOne verifies a sample of a live build, and says so when it finds something.
func (e *Engine) auditOne(ctx context.Context, w *worker) {
	v, err := e.Verify(ctx, w.p.name, VerifyOptions{Sample: auditStreams, Seed: rand.Uint64(), pace: e.aside}) //nolint:gosec // a sample
	switch {
	case ctx.Err() != nil:
	case err != nil:
		e.cfg.Logger.WarnContext(ctx, "verifying a projection failed", "projection", w.p.Schema(), "error", err)
	case !v.Clean():
		e.cfg.Logger.ErrorContext(ctx, "a projection's rows are not what its events come to", "projection", w.p.Schema(),
			"rows", v.Drift, "tables", v.Summary().Tables, "position", v.Position)
	}
}

// aside lets every live build end the batch that it is at. Waiting for its turn is enough: turns are given in order, so
// neither keeps the other from going on.
func (e *Engine) aside(ctx context.Context) error {
	for _, w := range e.workers() {
		if w.currentPhase() != PhaseLive {
			continue
		}
		select {
		case w.turn <- struct{}{}:
			<-w.turn
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
