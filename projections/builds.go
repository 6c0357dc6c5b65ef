package projections

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"daybook/projections/tables"
)

// Phase is how far a build has come in its life.
type Phase string

// The phases. Builds of all of them but the first are projected as the log grows.
const (
	PhaseScratch   Phase = "scratch"   // it is filled up to a position, to be looked at, and thrown away
	PhaseReplaying Phase = "replaying" // it catches up, with no more indexes than it needs for that
	PhaseReady     Phase = "ready"     // it is where the live one is, and can be compared and put in its place
	PhaseLive      Phase = "live"      // readers read it
	PhaseRetired   Phase = "retired"   // it was live, and can be put back for a while
)

// build is one as it is stored.
type build struct {
	name    string
	version int
	number  int
	phase   Phase

	fingerprint string // of the definition it was made from; only readBuilds reads it
}

// projection has the build's names, and nothing else.
func (b build) projection() *Projection {
	return &Projection{name: b.name, version: b.version, build: b.number}
}

func (b build) schema() string { return b.projection().Schema() }

func scanBuild(row pgx.CollectableRow) (b build, err error) {
	return b, row.Scan(&b.name, &b.version, &b.number, &b.phase)
}

// findBuild returns the first build of a name that the rest of a query picks; found is false when there is none.
func findBuild(ctx context.Context, db interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, name, which string, more ...any) (b build, found bool, err error) {
	rows, _ := db.Query(ctx, "SELECT name, version, build, phase FROM projections WHERE name = $1 AND "+which+" LIMIT 1", append([]any{name}, more...)...)
	b, err = pgx.CollectExactlyOneRow(rows, scanBuild) // the query's error comes back with the rows
	if errors.Is(err, pgx.ErrNoRows) {
		return b, false, nil
	}
	if err != nil {
		return b, false, fmt.Errorf("looking for builds of %s: %w", name, err)
	}
	return b, true, nil
}

func readBuilds(ctx context.Context, conn *pgx.Conn) ([]build, error) {
	rows, err := conn.Query(ctx, "SELECT name, version, build, phase, fingerprint FROM projections ORDER BY name, version, build")
	if err != nil {
		return nil, fmt.Errorf("reading the builds of projections: %w", err)
	}
	builds, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b build, err error) {
		return b, row.Scan(&b.name, &b.version, &b.number, &b.phase, &b.fingerprint)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the builds of projections: %w", err)
	}
	return builds, nil
}

// number gives a build that is about to be made a number that no build of the version had before. The first one that is not
// scratch gets 1, whatever was only looked at before it.
func (p *Projection) number(ctx context.Context, tx pgx.Tx, phase Phase) error {
	if phase != PhaseScratch {
		tag, err := tx.Exec(ctx, `INSERT INTO build_numbers AS n (name, version, last, first) VALUES ($1, $2, 1, true)
			ON CONFLICT (name, version) DO UPDATE SET first = true WHERE NOT n.first`, p.name, p.version)
		if p.build = 1; err != nil || tag.RowsAffected() > 0 {
			return err
		}
	}
	return tx.QueryRow(ctx, `INSERT INTO build_numbers AS n (name, version, last, first) VALUES ($1, $2, 2, false)
		ON CONFLICT (name, version) DO UPDATE SET last = n.last + 1 RETURNING last`, p.name, p.version).Scan(&p.build)
}

// muster makes a worker for each build of a version that this process can project, and returns those whose build is gone.
// What was made from another definition of the version is another process's.
func (e *Engine) muster(ctx context.Context, conn *pgx.Conn) (gone []*worker, err error) {
	builds, err := readBuilds(ctx, conn)
	if err != nil {
		return nil, err
	}
	var errs []error
	var crew []*worker
	for _, v := range e.versions {
		for _, b := range builds {
			if b.name != v.name || b.version != v.version || b.phase == PhaseScratch || b.fingerprint != v.fingerprint() {
				continue
			}
			w := e.worker(b.schema())
			if w == nil {
				p := v.define.anew()
				p.build = b.number
				if slices.ContainsFunc(crew, func(w *worker) bool { return w.p == p }) {
					errs = append(errs, &MisuseError{p.Schema(), "its definition returns the same projection twice: it has to make one each time"})
					continue
				}
				err := e.bind(ctx, conn, v, p)
				altered, alone := errors.AsType[*AlteredError](err)
				if err != nil && !alone {
					errs = append(errs, err)
					continue
				}
				w = newWorker(e, p, b.phase)
				w.unbound = altered
			}
			w.setPhase(b.phase)
			crew = append(crew, w)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.crew {
		if !slices.Contains(crew, w) {
			gone = append(gone, w)
		}
	}
	e.crew = crew
	return gone, errors.Join(errs...)
}

// knows tells whether this process can project and read a version.
func (e *Engine) knows(name string, number int) bool {
	return slices.ContainsFunc(e.versions, func(v version) bool { return v.name == name && v.version == number })
}

// bind fits the tables of the definition to those of the physical schema.
func (p *Projection) bind(ctx context.Context, tx pgx.Tx) error {
	var errs []error
	for _, t := range p.tables {
		errs = append(errs, t.bind(ctx, tx, p.Schema()))
	}
	return errors.Join(errs...)
}

// bind fits a build's definition to its tables. When they do not fit, though schema.sql makes some that do, somebody else has
// changed them: that is the matter of this build, and no reason to do nothing at all.
func (e *Engine) bind(ctx context.Context, conn *pgx.Conn, v version, p *Projection) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return p.bind(ctx, tx) })
	if reply, ok := errors.AsType[*pgconn.PgError](err); ok && reply.Code == forbidden {
		return &AlteredError{p.Schema(), []string{reply.Message}, errUnfit}
	}
	misuse, ok := errors.AsType[*MisuseError](err)
	fresh := v.define()
	if !ok || fresh == p {
		return err
	}
	fresh.build = math.MaxInt32 // no build has come so far
	tx, failure := conn.Begin(ctx)
	if failure != nil {
		return failure
	}
	defer tables.Rollback(ctx, tx)
	if e.createSchema(ctx, tx, fresh) != nil || fresh.bind(ctx, tx) != nil {
		return err
	}
	return &AlteredError{p.Schema(), []string{misuse.Problem}, errUnfit}
}

var errUnfit = errors.New("its definition cannot write them any more")

// rebind fits the definition to tables that did not fit it before.
func (w *worker) rebind(ctx context.Context) error {
	if w.unbound == nil {
		return nil
	}
	if err := pgx.BeginFunc(ctx, w.engine.cfg.Pool, func(tx pgx.Tx) error { return w.p.bind(ctx, tx) }); err != nil {
		return w.unbound
	}
	w.unbound = nil
	return nil
}

// follow lets workers come and go with their builds, while the router runs, and learns which are live.
func (e *Engine) follow(ctx context.Context, router *message.Router) error {
	conn, err := e.cfg.Pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("reading the builds of projections: %w", err)
	}
	gone, err := e.muster(ctx, conn.Conn())
	conn.Release()
	for _, w := range gone {
		w.part()
	}
	for _, w := range e.workers() {
		err = errors.Join(err, w.join(ctx, router))
	}
	return errors.Join(err, router.RunHandlers(ctx), e.rereadMarks(ctx))
}
