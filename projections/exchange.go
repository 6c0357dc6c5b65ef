package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
)

// What goes live holds everything that readers have seen: the live build stands still while the other one comes up to it.
// That begins when it is near, and is given up for a while when it takes long.
const (
	closeBy    = 1000 // events; some batches, which go on coming while nobody stands still
	standstill = time.Second
)

// behindError says that a build cannot go live yet.
type behindError struct {
	schema   string
	at, live events.Position
	events   int64 // in between
}

func (e *behindError) Error() string {
	return fmt.Sprintf("build %s is behind the live one by %d events, at position %d of %d", e.schema, e.events, e.at, e.live)
}

// putLive exchanges builds once the new one has come near, for as long as patience lasts.
func (e *Engine) putLive(ctx context.Context, p *Projection, how goLive) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	if how.anew, err = e.beginsAnew(ctx, p); err != nil {
		return fmt.Errorf("putting %s live: %w", p.Schema(), err)
	}
	var behind *behindError
	for {
		err := e.exchange(ctx, p, how)
		if now, ok := errors.AsType[*behindError](err); ok {
			behind = now
		} else if ctx.Err() == nil || behind == nil {
			return err
		}
		pause := standstill // the live one goes on
		if behind.events > closeBy {
			pause = 20 * time.Millisecond // nothing stood still
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return &OrderError{p.name, behind.Error() + ", and does not catch up: see its status"}
		}
	}
}

// beginsAnew tells whether a build is of the store's history, and the live one is not: the store was restored, and what it
// lost will not come again. Nobody waits for the new build to come up to that.
func (e *Engine) beginsAnew(ctx context.Context, p *Projection) (bool, error) {
	live, found, err := findBuild(ctx, e.cfg.Pool, p.name, "phase = 'live'")
	if err != nil || !found {
		return false, err
	}
	_, err = newWorker(e, live.projection(), PhaseLive).locate(ctx)
	if _, refused := errors.AsType[*HistoryError](err); !refused {
		return false, err
	}
	_, err = newWorker(e, p, PhaseReady).locate(ctx)
	return err == nil, err
}

// exchange puts a build live that is near the live one. Only the live one's checkpoint is locked, so there is no order of
// locks to be kept; the other build's worker, in whatever process, goes on. Unless parked, no partition may wait only in it.
func (e *Engine) exchange(ctx context.Context, p *Projection, how goLive) error {
	err := e.change(ctx, p.name, func(tx pgx.Tx) error {
		err := p.isBehind(ctx, tx)
		if behind, ok := errors.AsType[*behindError](err); ok && (how.anew || behind.events <= closeBy) {
			err = nil
		}
		if err == nil {
			_, err = tx.Exec(ctx, `SELECT FROM checkpoints WHERE (projection, version, build) IN (
				SELECT name, version, build FROM projections WHERE name = $1 AND phase = 'live') FOR UPDATE`, p.name)
		}
		if err == nil && how.anew {
			_, err = tx.Exec(ctx, countAnew, headName, p.version, p.build, p.name)
		} else if err == nil {
			err = p.comesUp(ctx, tx)
		}
		if err == nil && !how.parked {
			err = nothingLost(ctx, tx, p)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE projections SET phase = 'retired', changed_at = clock_timestamp() WHERE name = $1 AND phase = 'live'", p.name)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE projections SET phase = 'live', changed_at = clock_timestamp() WHERE name = $1 AND version = $2 AND build = $3",
				p.name, p.version, p.build)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("putting %s live: %w", p.Schema(), err)
	}
	e.wake()
	e.cfg.Logger.InfoContext(ctx, "projection went live", "projection", p.Schema())
	return nil
}

// countAnew lets the follower of the head begin again, in the store that a build is of.
const countAnew = `UPDATE checkpoints h SET store_id = c.store_id, position = 0, events = 0, epoch = h.epoch + 1, holder = NULL, expires_at = NULL,
		anchor_stream = NULL, anchor_revision = NULL, anchor_event = NULL, anchor_position = NULL
	FROM checkpoints c WHERE h.projection = $1 AND c.projection = $4 AND c.version = $2 AND c.build = $3`

// comesUp waits a moment for a build to be where the live one stands still.
func (p *Projection) comesUp(ctx context.Context, tx pgx.Tx) error {
	enough := time.NewTimer(standstill)
	defer enough.Stop()
	for {
		err := p.isBehind(ctx, tx)
		if _, behind := errors.AsType[*behindError](err); !behind {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-enough.C:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// isBehind returns a *behindError for a build that is not where the live one is. Where none is live, it is not.
func (p *Projection) isBehind(ctx context.Context, tx pgx.Tx) error {
	behind := behindError{schema: p.Schema()}
	err := tx.QueryRow(ctx, `SELECT c.position, coalesce(l.position, 0), greatest(l.events - c.events, 0)
		FROM projections p JOIN checkpoints c ON c.projection = p.name AND c.version = p.version AND c.build = p.build
		LEFT JOIN projections q ON q.name = p.name AND q.phase = 'live'
		LEFT JOIN checkpoints l ON l.projection = q.name AND l.version = q.version AND l.build = q.build
		WHERE p.name = $1 AND p.version = $2 AND p.build = $3 AND p.phase IN ('ready', 'retired')`,
		p.name, p.version, p.build).Scan(&behind.at, &behind.live, &behind.events)
	if errors.Is(err, pgx.ErrNoRows) {
		return &OrderError{p.name, fmt.Sprintf("build %s is not ready, or is gone", p.Schema())}
	}
	if err == nil && behind.at < behind.live {
		return &behind
	}
	return err
}
