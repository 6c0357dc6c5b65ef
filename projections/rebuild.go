package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
)

// OrderError says that something was asked of a projection that cannot be done as it stands. It says what can.
type OrderError struct{ Projection, Problem string }

func (e *OrderError) Error() string { return "projection " + e.Projection + ": " + e.Problem }

// UnknownError says that no projection of this process has the name.
type UnknownError struct{ Projection string }

func (e *UnknownError) Error() string {
	return "projection " + e.Projection + ": there is no such projection"
}

// Rebuild begins a new build of a read model, of the newest version that this process knows, beside the one that readers
// read. It returns the physical schema. Some process that runs the version replays the log into it; see Status.
func (e *Engine) Rebuild(ctx context.Context, name string) (schema string, err error) {
	v := e.newest(name)
	if v == nil {
		return "", &UnknownError{name}
	}
	store, err := e.storeID(ctx)
	if err != nil {
		return "", err
	}
	p := v.define()
	err = inTurn(ctx, e.cfg.Pool, func(tx pgx.Tx) error {
		builds, err := readBuilds(ctx, tx.Conn())
		if err != nil {
			return err
		}
		p.build = 0
		for _, b := range builds {
			if b.name == name && (b.phase == PhaseReplaying || b.phase == PhaseReady) {
				return &OrderError{name, fmt.Sprintf("build %s is under way: let it go live, or abort it first", b.schema())}
			}
			if b.name == name && b.version == p.version {
				p.build = max(p.build, b.number)
			}
		}
		p.build++
		return e.create(ctx, tx, p, store, PhaseReplaying)
	})
	if err != nil {
		return "", err
	}
	e.wake()
	return p.Schema(), nil
}

// newest is the newest version of a name that this process knows.
func (e *Engine) newest(name string) (found *version) {
	for i := range e.versions {
		v := &e.versions[i]
		if v.name == name && name != headName && (found == nil || v.version > found.version) {
			found = v
		}
	}
	return found
}

// underWay finds the build of a name that is being made, or was made and is not live yet.
func (e *Engine) underWay(ctx context.Context, name string) (build, error) {
	if e.newest(name) == nil {
		return build{}, &UnknownError{name}
	}
	rows, err := e.cfg.Pool.Query(ctx, `SELECT name, version, build, phase FROM projections
		WHERE name = $1 AND phase IN ('replaying', 'ready') ORDER BY phase = 'ready' DESC, version DESC LIMIT 1`, name)
	if err != nil {
		return build{}, fmt.Errorf("looking for a rebuild of %s: %w", name, err)
	}
	b, err := pgx.CollectExactlyOneRow(rows, scanBuild)
	if errors.Is(err, pgx.ErrNoRows) {
		return b, &OrderError{name, "no rebuild is under way"}
	}
	if err != nil {
		return b, fmt.Errorf("looking for a rebuild of %s: %w", name, err)
	}
	return b, nil
}

// GoLive puts the build that is ready in the place of the live one, which stays readable, and is kept up, for a while.
// It waits until the new one has come as far as the old one, for as long as ctx lasts.
func (e *Engine) GoLive(ctx context.Context, name string) error {
	b, err := e.underWay(ctx, name)
	if err != nil {
		return err
	}
	if b.phase != PhaseReady {
		return &OrderError{name, fmt.Sprintf("build %s is still being made: see its status", b.schema())}
	}
	return e.putLive(ctx, b.projection())
}

// GoBack puts the build back that was live before. The present one stays, retired.
func (e *Engine) GoBack(ctx context.Context, name string) error {
	if e.newest(name) == nil {
		return &UnknownError{name}
	}
	rows, err := e.cfg.Pool.Query(ctx, `SELECT name, version, build, phase FROM projections
		WHERE name = $1 AND phase = 'retired' ORDER BY changed_at DESC LIMIT 1`, name)
	if err != nil {
		return fmt.Errorf("looking for a retired build of %s: %w", name, err)
	}
	b, err := pgx.CollectExactlyOneRow(rows, scanBuild)
	if errors.Is(err, pgx.ErrNoRows) {
		return &OrderError{name, "nothing that was live before is left to go back to"}
	}
	if err != nil {
		return fmt.Errorf("looking for a retired build of %s: %w", name, err)
	}
	return e.putLive(ctx, b.projection())
}

// putLive exchanges builds as soon as the new one is not behind.
func (e *Engine) putLive(ctx context.Context, p *Projection) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var behind events.Position
	for {
		now, err := e.exchange(ctx, p)
		if err == nil && now == 0 {
			return nil
		}
		if now > 0 {
			behind = now
		} else if ctx.Err() == nil || behind == 0 {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return &OrderError{p.name, fmt.Sprintf("build %s is behind the live one, at %d, and does not catch up: %s", p.Schema(), behind, ctx.Err())}
		}
	}
}

// exchange puts a build live unless it is behind the live one; then it returns where it is.
func (e *Engine) exchange(ctx context.Context, p *Projection) (behind events.Position, err error) {
	err = inTurn(ctx, e.cfg.Pool, func(tx pgx.Tx) error {
		var at, live events.Position
		err := tx.QueryRow(ctx, `SELECT c.position, coalesce((SELECT l.position FROM projections q JOIN checkpoints l
					ON l.projection = q.name AND l.version = q.version AND l.build = q.build WHERE q.name = $1 AND q.phase = 'live'), 0)
			FROM checkpoints c JOIN projections p ON p.name = c.projection AND p.version = c.version AND p.build = c.build
			WHERE p.name = $1 AND p.version = $2 AND p.build = $3 AND p.phase IN ('ready', 'retired')`,
			p.name, p.version, p.build).Scan(&at, &live)
		if errors.Is(err, pgx.ErrNoRows) {
			return &OrderError{p.name, fmt.Sprintf("build %s is not ready, or is gone", p.Schema())}
		}
		if err != nil || at < live {
			behind = max(at, 1)
			return err
		}
		behind = 0
		_, err = tx.Exec(ctx, "UPDATE projections SET phase = 'retired', changed_at = $2 WHERE name = $1 AND phase = 'live'", p.name, e.cfg.Now())
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE projections SET phase = 'live', changed_at = $4 WHERE name = $1 AND version = $2 AND build = $3",
			p.name, p.version, p.build, e.cfg.Now())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("putting %s live: %w", p.Schema(), err)
	}
	if behind > 0 {
		return behind, nil
	}
	e.cfg.Logger.InfoContext(ctx, "projection went live", "projection", p.Schema())
	return 0, e.rereadMarks(ctx)
}

// Abort removes the build that is being made, or was made and is not live yet.
func (e *Engine) Abort(ctx context.Context, name string) (schema string, err error) {
	b, err := e.underWay(ctx, name)
	if err != nil {
		return "", err
	}
	return b.schema(), e.drop(ctx, b, PhaseReplaying, PhaseReady)
}

// drop removes a build that is in one of some phases, with its tables. Whoever projects it loses its checkpoint.
func (e *Engine) drop(ctx context.Context, b build, phases ...Phase) error {
	err := inTurn(ctx, e.cfg.Pool, func(tx pgx.Tx) error {
		return dropWithin(ctx, tx, b, phases...)
	})
	if err != nil {
		return fmt.Errorf("removing %s: %w", b.schema(), err)
	}
	e.wake()
	return nil
}

func dropWithin(ctx context.Context, tx pgx.Tx, b build, phases ...Phase) error {
	tag, err := tx.Exec(ctx, "DELETE FROM projections WHERE name = $1 AND version = $2 AND build = $3 AND phase = ANY($4)",
		b.name, b.version, b.number, phases)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return &OrderError{b.name, fmt.Sprintf("build %s is not %v any more", b.schema(), phases)}
	}
	if _, err = tx.Exec(ctx, "DELETE FROM checkpoints WHERE projection = $1 AND version = $2 AND build = $3", b.name, b.version, b.number); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{b.schema()}.Sanitize()+" CASCADE")
	return err
}
