package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Phase is how far a build has come in its life.
type Phase string

// The phases. Builds of all of them are projected.
const (
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
}

func readBuilds(ctx context.Context, conn *pgx.Conn) ([]build, error) {
	rows, err := conn.Query(ctx, "SELECT name, version, build, phase FROM projections ORDER BY name, version, build")
	if err != nil {
		return nil, fmt.Errorf("reading the builds of projections: %w", err)
	}
	builds, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b build, err error) {
		return b, row.Scan(&b.name, &b.version, &b.number, &b.phase)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the builds of projections: %w", err)
	}
	return builds, nil
}

// muster makes a worker for each build of a version that this process can project, in the order of registration.
func (e *Engine) muster(ctx context.Context, conn *pgx.Conn) error {
	builds, err := readBuilds(ctx, conn)
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range e.versions {
		for _, b := range builds {
			if b.name != v.name || b.version != v.version {
				continue
			}
			p := v.define()
			p.build = b.number
			if e.worker(p.Schema()) != nil {
				continue
			}
			if err := p.bind(ctx, conn); err != nil {
				errs = append(errs, err)
				continue
			}
			e.mu.Lock()
			e.crew = append(e.crew, newWorker(e, p))
			e.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

// bind fits the tables of the definition to those of the physical schema.
func (p *Projection) bind(ctx context.Context, conn *pgx.Conn) error {
	var errs []error
	for _, t := range p.tables {
		errs = append(errs, t.bind(ctx, conn, p.Schema()))
	}
	return errors.Join(errs...)
}
