package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	err = e.change(ctx, name, func(tx pgx.Tx) error {
		builds, err := readBuilds(ctx, tx.Conn())
		if err != nil {
			return err
		}
		for _, b := range builds {
			if b.name == name && (b.phase == PhaseReplaying || b.phase == PhaseReady) {
				return &OrderError{name, fmt.Sprintf("build %s is under way: let it go live, or abort it first", b.schema())}
			}
		}
		return e.create(ctx, tx, p, store, PhaseReplaying)
	})
	if err != nil {
		return "", err
	}
	e.wake()
	return p.Schema(), nil
}

// change changes builds of a name when it is this engine's turn. A process that does not know the newest version must
// leave that to those who do: it would replace it by an older one, or throw it away.
func (e *Engine) change(ctx context.Context, name string, change func(pgx.Tx) error) error {
	known := e.newest(name)
	if known == nil {
		return &UnknownError{name}
	}
	return e.inTurn(ctx, e.cfg.Pool, func(tx pgx.Tx) error {
		newer, found, err := findBuild(ctx, tx, name,
			"version > $2 AND phase IN ('replaying', 'ready', 'live') ORDER BY version DESC, build DESC", known.version)
		if found {
			return &OrderError{name, fmt.Sprintf("build %s is %s, of version %d, and this process knows none above version %d: ask one that does",
				newer.schema(), newer.phase, newer.version, known.version)}
		}
		if err != nil {
			return err
		}
		return change(tx)
	})
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
	b, found, err := findBuild(ctx, e.cfg.Pool, name, "phase IN ('replaying', 'ready') ORDER BY phase = 'ready' DESC, version DESC")
	if err == nil && !found {
		err = &OrderError{name, "no rebuild is under way"}
	}
	return b, err
}

// GoLiveOption is what may be said of going live.
type GoLiveOption func(*goLive)

type goLive struct {
	parked bool   // whatever waits in the build
	schema string // of the build; "": whichever is ready
	anew   bool   // the live build is not of the store's history
}

// WithParked lets a build go live although partitions wait in it that do not wait in the live one.
func WithParked() GoLiveOption { return func(g *goLive) { g.parked = true } }

// OnlyBuild lets no other build go live than the one of a physical schema, such as one that was compared: another one may be
// ready by then.
func OnlyBuild(schema string) GoLiveOption { return func(g *goLive) { g.schema = schema } }

// GoLive puts the build that is ready in the place of the live one, which stays readable, and is kept up, for a while.
// It waits until the new one has come near the old one, which then stands still until both are at the same position: so
// nobody reads an older state. Nor does anybody lose rows: it is refused while partitions wait in the new build that do not
// wait in the live one, unless [WithParked] says otherwise.
func (e *Engine) GoLive(ctx context.Context, name string, options ...GoLiveOption) error {
	var how goLive
	for _, option := range options {
		option(&how)
	}
	b, err := e.underWay(ctx, name)
	if err != nil {
		return err
	}
	if how.schema != "" && how.schema != b.schema() {
		return &OrderError{name, fmt.Sprintf("build %s is not under way any more, but %s is: compare that one", how.schema, b.schema())}
	}
	if b.phase != PhaseReady {
		return &OrderError{name, fmt.Sprintf("build %s is still being made: see its status", b.schema())}
	}
	return e.putLive(ctx, b.projection(), how)
}

// GoBack puts the build back that was live before, whatever waits in it. The present one stays, retired.
func (e *Engine) GoBack(ctx context.Context, name string) error {
	if e.newest(name) == nil {
		return &UnknownError{name}
	}
	b, found, err := findBuild(ctx, e.cfg.Pool, name, "phase = 'retired' ORDER BY changed_at DESC")
	if err != nil {
		return err
	}
	if !found {
		return &OrderError{name, "nothing that was live before is left to go back to"}
	}
	return e.putLive(ctx, b.projection(), goLive{parked: true})
}

// Abort removes the build that is being made, or was made and is not live yet.
func (e *Engine) Abort(ctx context.Context, name string) (schema string, err error) {
	b, err := e.underWay(ctx, name)
	if err != nil {
		return "", err
	}
	err = e.change(ctx, name, func(tx pgx.Tx) error { return dropWithin(ctx, tx, b, PhaseReplaying, PhaseReady) })
	if err != nil {
		return "", fmt.Errorf("removing %s: %w", b.schema(), err)
	}
	e.wake()
	return b.schema(), nil
}

// dropWithin removes a build that is in one of some phases, with its tables. Whoever projects it loses its checkpoint. It
// does not wait for long for those who read the tables, or make an index: others wait for its turn. Only autovacuum gives way,
// after the server's deadlock_timeout of a second.
func dropWithin(ctx context.Context, tx pgx.Tx, b build, phases ...Phase) error {
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '3s'"); err != nil {
		return err
	}
	err := dropNow(ctx, tx, b, phases)
	if reply, ok := errors.AsType[*pgconn.PgError](err); ok && reply.Code == lockNotAvailable {
		return &OrderError{b.name, fmt.Sprintf("build %s is in use: somebody reads its tables, or an index is being made: try again", b.schema())}
	}
	return err
}

// lockNotAvailable is the SQLSTATE of a lock that was not given in time.
const lockNotAvailable = "55P03"

func dropNow(ctx context.Context, tx pgx.Tx, b build, phases []Phase) error {
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
