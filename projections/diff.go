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

// Diff tells how the build that is ready differs from the one that readers read, both as of the same position of the log.
type Diff struct {
	Projection string          `json:"projection"`
	Position   events.Position `json:"position"`
	// Comparison is of the live build (A) with the one that is ready (B).
	Comparison tables.Comparison `json:"comparison"`
	// Parked are the partitions that wait in the one that is ready and do not wait in the live one.
	Parked []string `json:"parked"`
}

// String is the difference for people.
func (d Diff) String() string {
	text := d.Comparison.String()
	if len(d.Parked) > 0 {
		text += fmt.Sprintf("partitions that wait in %s only: %s\n", d.Comparison.B, shown(d.Parked))
	}
	return text
}

// Diff compares the live build with the one that is ready, row by row. The live one is read as of one moment, and the other
// one brought to the very position that it had then, and held there meanwhile; so this process has to be the one that
// projects it. The live one goes on. Where it stands still, and the other one is past it, it is refused.
func (e *Engine) Diff(ctx context.Context, name string) (Diff, error) {
	done, err := e.look(ctx, name)
	if err != nil {
		return Diff{}, err
	}
	defer done()
	b, err := e.underWay(ctx, name)
	if err != nil {
		return Diff{}, err
	}
	w := e.worker(b.schema())
	if b.phase != PhaseReady || w == nil {
		return Diff{}, &OrderError{name, fmt.Sprintf("build %s is still being made, or unknown to this process: see its status", b.schema())}
	}
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return Diff{}, ctx.Err()
	}
	for {
		d, err := w.diff(ctx)
		if !errors.Is(err, errAhead) {
			return d, err
		}
		select {
		case <-time.After(20 * time.Millisecond): // the live one comes on
		case <-ctx.Done():
			return d, fmt.Errorf("projection %s: waiting for the live build, which is behind %s: %w", name, b.schema(), ctx.Err())
		}
	}
}

// errAhead says that a build has projected more than the live one.
var errAhead = errors.New("it is ahead of the live build")

// diff compares one snapshot of the live build with this one. The caller has the turn.
func (w *worker) diff(ctx context.Context) (d Diff, err error) {
	d.Projection = w.p.name
	err = pgx.BeginTxFunc(ctx, w.engine.cfg.Pool, tables.Snapshot, func(live pgx.Tx) error {
		var schema, stands string
		err := live.QueryRow(ctx, `SELECT p.schema_name, c.position,
				coalesce(c.cause, CASE WHEN c.expires_at > now() THEN '' ELSE 'no process projects it' END) FROM projections p
			JOIN checkpoints c ON c.projection = p.name AND c.version = p.version AND c.build = p.build
			WHERE p.name = $1 AND p.phase = 'live'`, w.p.name).Scan(&schema, &d.Position, &stands)
		switch {
		case err != nil:
			return w.failedTo("finding the live build beside", err)
		case d.Position < w.at.position && stands != "":
			return &OrderError{w.p.name, fmt.Sprintf("build %s cannot be compared with the live one, which stands still at position %d, before it. "+
				"Mend that, or let it go live without a comparison, for which the live one need not run. What is wrong there: %s", w.p.Schema(), d.Position, stands)}
		case d.Position < w.at.position:
			return errAhead
		}
		if err = (&scratch{worker: w}).fill(ctx, d.Position); errors.Is(err, errMoved) {
			return &OrderError{w.p.name, fmt.Sprintf("build %s is projected by another process: ask that one", w.p.Schema())}
		}
		if err != nil {
			return err
		}
		return pgx.BeginTxFunc(ctx, w.engine.cfg.Pool, tables.Snapshot, func(ready pgx.Tx) error {
			if d.Parked, err = parkedAnew(ctx, ready, w.p); err != nil {
				return err
			}
			d.Comparison, err = tables.Compare(ctx, tables.Side{Tx: live, Schema: schema}, tables.Side{Tx: ready, Schema: w.p.Schema()}, tables.Options{})
			return err
		})
	})
	return d, err
}
