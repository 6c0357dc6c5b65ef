package projections

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// Leases say which process projects a build. They only spare work and contention: what keeps two processes from both
// applying an event is the compare-and-set of the checkpoint, which names the epoch, and the epoch rises with every
// change of hands. A process that was frozen past its lease, and wakes, finds the epoch gone and writes nothing.
//
// A lease is renewed by every batch and, when there is none, every third of its time, whatever else the engine does. No session and no
// lock outlives a transaction, so a pooler in between does no harm, and the clock is the database's. A process that
// freezes within a transaction loses that, too: the server ends sessions that idle in one for as long as a lease lasts, and
// whoever waits for the lease ends one that stopped while it was sending.

// heldError says that another process projects the build.
type heldError struct{ schema, holder string }

func (e *heldError) Error() string {
	return fmt.Sprintf("projection %s is projected by %s", e.schema, e.holder)
}

// acquire takes the lease, or renews it, and returns where the build stands. A row that is locked is being projected.
func (w *worker) acquire(ctx context.Context) (checkpoint, error) {
	at, err := scanCheckpoint(w.engine.cfg.Pool.QueryRow(ctx, `UPDATE checkpoints SET
			holder = $4, expires_at = now() + make_interval(secs => $5), epoch = epoch + (holder IS DISTINCT FROM $4)::int
		WHERE (projection, version, build) IN (
			SELECT projection, version, build FROM checkpoints WHERE projection = $1 AND version = $2 AND build = $3
				AND (holder IS NULL OR holder = $4 OR expires_at <= now()) FOR UPDATE SKIP LOCKED)
		RETURNING `+checkpointColumns, w.p.name, w.p.version, w.p.build, w.holder, w.engine.cfg.TTL.Seconds()))
	if !errors.Is(err, pgx.ErrNoRows) {
		return at, w.failedTo("taking the lease of", err)
	}
	var holder *string
	var over bool
	err = w.engine.cfg.Pool.QueryRow(ctx, `SELECT holder, coalesce(expires_at <= now(), false) FROM checkpoints
		WHERE projection = $1 AND version = $2 AND build = $3`, w.p.name, w.p.version, w.p.build).Scan(&holder, &over)
	if err != nil {
		return at, w.failedTo("finding the holder of", err)
	}
	if holder != nil && *holder == w.holder {
		return at, fmt.Errorf("projection %s: its last transaction has not ended yet", w.p.Schema())
	}
	if over {
		if err = w.endFrozen(ctx); err != nil {
			return at, err
		}
	}
	return at, &heldError{w.p.Schema(), deref(holder, "another process")}
}

// endFrozen ends the session that has locked the checkpoint, if the lease has run out and the session has waited for its
// client for as long: that is frozen, or its host is gone, while it was sending. No timeout of the server's applies to that.
// The row names the transaction that has locked it.
func (w *worker) endFrozen(ctx context.Context) error {
	var pids []int32
	err := w.engine.cfg.Pool.QueryRow(ctx, `SELECT coalesce(array_agg(a.pid) FILTER (WHERE pg_terminate_backend(a.pid)), '{}') FROM checkpoints c
		JOIN pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = c.xmax AND l.granted AND l.mode = 'ExclusiveLock'
		JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE c.projection = $1 AND c.version = $2 AND c.build = $3 AND c.expires_at <= now()
			AND a.wait_event = 'ClientRead' AND a.query_start < now() - make_interval(secs => $4)`,
		w.p.name, w.p.version, w.p.build, w.engine.cfg.TTL.Seconds()).Scan(&pids)
	if len(pids) > 0 {
		w.engine.cfg.Logger.WarnContext(ctx, "ended the session of a process that stands still within a transaction",
			"projection", w.p.Schema(), "pid", pids)
	}
	return w.failedTo("looking for whoever has locked", err)
}

func (w *worker) failedTo(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s projection %s: %w", doing, w.p.Schema(), err)
}

func deref(s *string, otherwise string) string {
	if s == nil {
		return otherwise
	}
	return *s
}

// untilFree waits before a lease is asked for again. Processes that wait for the same one do not ask in step.
func (e *Engine) untilFree(ctx context.Context) {
	timer := time.NewTimer(e.cfg.TTL/8 + rand.N(e.cfg.TTL/8)) //nolint:gosec // no secret
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// keepLeases renews a holder's leases until ctx ends.
func (e *Engine) keepLeases(ctx context.Context, holder string) {
	ticker := time.NewTicker(e.cfg.TTL / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if err := e.renewLeases(ctx, holder); err != nil && ctx.Err() == nil {
			e.cfg.Logger.WarnContext(ctx, "keeping the leases of projections, trying again", "holder", holder, "error", err)
		}
	}
}

// renewLeases holds on to everything that a holder has. What is locked is being projected, and renews itself.
func (e *Engine) renewLeases(ctx context.Context, holder string) error {
	_, err := e.cfg.Pool.Exec(ctx, `UPDATE checkpoints SET expires_at = now() + make_interval(secs => $2)
		WHERE (projection, version, build) IN (
			SELECT projection, version, build FROM checkpoints WHERE holder = $1 FOR UPDATE SKIP LOCKED)`,
		holder, e.cfg.TTL.Seconds())
	if err != nil {
		return fmt.Errorf("renewing leases of projections: %w", err)
	}
	return nil
}

// releaseLeases gives everything back, so that nobody has to wait for it to expire.
func (e *Engine) releaseLeases(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_, err := e.cfg.Pool.Exec(ctx, "UPDATE checkpoints SET holder = NULL, expires_at = NULL WHERE holder = $1", e.holder)
	if err != nil {
		e.cfg.Logger.WarnContext(ctx, "leases of projections were not given back; they expire", "error", err)
	}
}
