package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// holdBack drops the indexes of a physical schema that no constraint needs, and returns the statements that make them.
func holdBack(ctx context.Context, tx pgx.Tx, schema string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT pg_get_indexdef(i.indexrelid), i.indexrelid::regclass::text FROM pg_index i
		JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND NOT i.indisunique AND NOT i.indisexclusion
			AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid) -- goes with its parent
		ORDER BY c.relname`, schema)
	if err != nil {
		return nil, err
	}
	var held, names []string
	var definition, name string
	_, err = pgx.ForEachRow(rows, []any{&definition, &name}, func() error {
		held, names = append(held, definition), append(names, name)
		return nil
	})
	for _, name := range names {
		if err == nil {
			_, err = tx.Exec(ctx, "DROP INDEX "+name)
		}
	}
	return held, err
}

// nearEnough is how many events a replay may be behind when its indexes are made: about what arrives meanwhile.
const nearEnough = 5000

// tend takes the build through its life, as far as it is this worker's matter. It may take long over an index, or wait for
// tables that somebody has locked.
func (w *worker) tend(ctx context.Context) error {
	var err error
	state, _ := w.now()
	if w.p.parks != nil && (state == StateRunning || state == StatePaused || state == StateRetrying) { // what is parked may be why
		err = w.redrive(ctx)
	}
	if w.projecting() {
		err = errors.Join(err, w.advanced(ctx, w.advance(ctx)))
	}
	return err
}

// advance takes the build into its next phase.
func (w *worker) advance(ctx context.Context) error {
	switch w.currentPhase() {
	case PhaseReplaying:
		return w.finishReplay(ctx)
	case PhaseReady:
		if !w.engine.cfg.Confirm {
			return w.engine.replaceUnreadable(ctx, w.p)
		}
	case PhaseLive, PhaseRetired, PhaseScratch:
	}
	return nil
}

// finishReplay makes the indexes that were held back, once the replay has come near the head of the log. Batches wait
// meanwhile; a crash leaves everything as it was.
func (w *worker) finishReplay(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	near, err := w.near(ctx)
	if err != nil || !near {
		return err
	}
	if err = w.engine.within(ctx, "projection.rebuilt", w.p, w.ready); err != nil {
		return w.failedTo("ending the replay of", err)
	}
	w.engine.cfg.Logger.InfoContext(ctx, "projection is rebuilt and ready to go live", "projection", w.p.Schema(), "position", w.at.position)
	return nil
}

// ready makes the indexes and the build one that can go live. The caller has the turn.
func (w *worker) ready(ctx context.Context) error {
	err := pgx.BeginTxFunc(ctx, w.engine.cfg.Pool, w.engine.locking(), func(tx pgx.Tx) error {
		if err := w.makeIndexes(ctx, tx, PhaseReplaying); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE projections SET phase = 'ready' WHERE name = $1 AND version = $2 AND build = $3",
			w.p.name, w.p.version, w.p.build)
		return err
	})
	if err == nil {
		w.setPhase(PhaseReady)
	}
	return err
}

// makeIndexes makes the indexes that were held back from a build in a phase. The caller has the turn.
func (w *worker) makeIndexes(ctx context.Context, tx pgx.Tx, phase Phase) error {
	var held []string
	err := tx.QueryRow(ctx, `SELECT held_back FROM projections WHERE name = $1 AND version = $2 AND build = $3 AND phase = $4
		FOR UPDATE`, w.p.name, w.p.version, w.p.build, phase).Scan(&held)
	if err == nil {
		err = w.still(ctx, tx)
	}
	if err != nil {
		return err
	}
	for _, index := range held {
		if _, err = tx.Exec(ctx, index); err != nil {
			return fmt.Errorf("%s: %w", index, err)
		}
	}
	_, err = tx.Exec(ctx, "UPDATE projections SET held_back = '{}', changed_at = clock_timestamp() WHERE name = $1 AND version = $2 AND build = $3",
		w.p.name, w.p.version, w.p.build)
	if err != nil {
		return err
	}
	return w.renewed(ctx, tx)
}

// still locks the checkpoint if it is this worker's. The caller has the turn.
func (w *worker) still(ctx context.Context, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, `SELECT FROM checkpoints WHERE projection = $1 AND version = $2 AND build = $3 AND epoch = $4 AND holder = $5
		FOR UPDATE`, w.p.name, w.p.version, w.p.build, w.at.epoch, w.holder)
	if err == nil && tag.RowsAffected() != 1 {
		return errMoved
	}
	return err
}

// renewed renews the lease at the end of a transaction that has locked its checkpoint, as nobody else could meanwhile.
func (w *worker) renewed(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE checkpoints SET expires_at = clock_timestamp() + make_interval(secs => $4)
		WHERE projection = $1 AND version = $2 AND build = $3`, w.p.name, w.p.version, w.p.build, w.engine.cfg.TTL.Seconds())
	return err
}

// near tells whether all but a few events are projected. What the follower of the head has counted tells quickly when it is
// more; it may not have counted all itself, and may have counted what the store does not hold any more.
func (w *worker) near(ctx context.Context) (bool, error) {
	head, err := w.engine.cfg.Log.Head(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the head of the log: %w", err)
	}
	if head <= w.at.position+nearEnough { // no two events have the same position
		return true, nil
	}
	var all int64
	err = w.engine.cfg.Pool.QueryRow(ctx, "SELECT coalesce(max(events), 0) FROM checkpoints WHERE projection = $1", headName).Scan(&all)
	if err != nil || all-w.at.events > nearEnough {
		return false, w.failedTo("counting what is to come for", err)
	}
	n := 0
	for _, err := range w.engine.cfg.Log.ReadAll(ctx, w.at.position) {
		if err != nil {
			return false, fmt.Errorf("reading after position %d: %w", w.at.position, err)
		}
		if n++; n > nearEnough {
			return false, nil
		}
	}
	return true, ctx.Err()
}

// replaceUnreadable puts a build that is ready in the place of a live one of an older version that this process does not
// know: its readers have nothing to read until then, so nobody compares the two first, and nothing that waits is in the way.
// Whoever does know that version goes on reading it, for a while.
func (e *Engine) replaceUnreadable(ctx context.Context, p *Projection) error {
	live, _, err := findBuild(ctx, e.cfg.Pool, p.name, "phase = 'live'")
	if err != nil || live.version >= p.version || e.knows(p.name, live.version) {
		return err
	}
	err = e.exchange(ctx, p, goLive{parked: true})
	if _, behind := errors.AsType[*behindError](err); behind {
		return nil // the next beat comes soon
	}
	return err
}

// expired finds what was live until a while ago.
const expired = `SELECT p.name, p.version, p.build, p.phase FROM projections p
	WHERE p.phase = 'retired' AND p.changed_at < now() - make_interval(secs => $1)`

// dropFound removes the builds that a query finds, each by itself: one that is in use holds up no other. How long builds are
// kept is measured by the database's clock, which all processes share.
func (e *Engine) dropFound(ctx context.Context, query string) error {
	rows, _ := e.cfg.Pool.Query(ctx, query, e.cfg.Keep.Seconds())
	found, err := pgx.CollectRows(rows, scanBuild) // the query's error, too
	if err != nil {
		return fmt.Errorf("looking for builds whose time is up: %w", err)
	}
	var errs []error
	for _, b := range found {
		if err := e.dropAgreed(ctx, query, b); err != nil {
			errs = append(errs, fmt.Errorf("removing build %s, whose time is up: %w", b.schema(), err))
		}
	}
	return errors.Join(errs...)
}

// dropAgreed removes a build that the query still finds when it is this engine's turn: one that was put back meanwhile stays.
func (e *Engine) dropAgreed(ctx context.Context, query string, b build) error {
	gone := false
	err := e.inTurn(ctx, e.cfg.Pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, query+" AND p.name = $2 AND p.version = $3 AND p.build = $4 FOR UPDATE SKIP LOCKED",
			e.cfg.Keep.Seconds(), b.name, b.version, b.number)
		if gone = err == nil && tag.RowsAffected() > 0; gone {
			err = dropWithin(ctx, tx, b, b.phase)
		}
		return err
	})
	if err == nil && gone {
		e.cfg.Logger.InfoContext(ctx, "removed a build whose time was up", "projection", b.schema(), "phase", b.phase)
		e.wake()
	}
	return err
}
