package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"daybook/events"
	"daybook/projections/tables"
)

// AsOf is a read model as it was at a position, in a scratch build of its own. It was projected by the code of today, so
// it tells what is now thought to have been so; and what has been erased since stays erased.
type AsOf struct {
	Projection string          `json:"projection"`
	Version    int             `json:"version"`
	Build      int             `json:"build"`
	Schema     string          `json:"schema"` // the physical schema
	Asked      events.Position `json:"asked"`
	Position   events.Position `json:"position"` // of the last record that was read; not after Asked
	Events     int64           `json:"events"`   // projected or passed over, without the store's own
	Parked     int64           `json:"parked"`   // partitions that wait, whose rows are as they were before what failed
	Skipped    int64           `json:"skipped"`  // of the events: left out for good, whether or not they had been then
	Tables     []TableRows     `json:"tables"`
}

// TableRows is how many rows a table has.
type TableRows struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// AsOf projects a read model, of the newest version that this process knows, up to and including a position into a
// scratch build beside the live one, and leaves it there to be read for Config.Keep. It takes as long as projecting that
// much of the log does; when ctx ends or anything fails before that, the build is removed. The engine need not run.
// Progress is called after each batch; it may be nil.
func (e *Engine) AsOf(ctx context.Context, name string, at events.Position, progress func(Filled)) (AsOf, error) {
	v := e.newest(name)
	if v == nil {
		return AsOf{}, &UnknownError{name}
	}
	done, err := e.look(ctx, v.name)
	if err != nil {
		return AsOf{}, err
	}
	defer done()
	s, err := e.newScratch(ctx, v, nil)
	if err != nil {
		return AsOf{}, errors.Join(ctx.Err(), err)
	}
	s.tell = progress
	out, err := s.asOf(ctx, at)
	if err == nil {
		err = s.keep(ctx)
	}
	if err != nil { // a connection that ctx has ended does not always say so
		s.discard(ctx)
		return AsOf{}, errors.Join(ctx.Err(), fmt.Errorf("projecting %s as of position %d: %w", name, at, err))
	}
	return out, nil
}

func (s *scratch) asOf(ctx context.Context, at events.Position) (AsOf, error) {
	if err := s.fill(ctx, at); err != nil {
		return AsOf{}, err
	}
	tables, err := s.count(ctx)
	if err != nil {
		return AsOf{}, err
	}
	parked, skipped, err := s.missing(ctx)
	return AsOf{
		Projection: s.p.name, Version: s.p.version, Build: s.p.build, Schema: s.p.Schema(), Asked: at,
		Position: s.at.position, Events: s.at.events, Parked: parked, Skipped: skipped, Tables: tables,
	}, err
}

// missing counts the partitions that wait, and the events that were skipped, of those that were projected: a new build knows
// of later ones, too.
func (s *scratch) missing(ctx context.Context) (parked, skipped int64, err error) {
	err = s.engine.cfg.Pool.QueryRow(ctx, `SELECT
			(SELECT count(*) FROM parked_keys WHERE projection = $1 AND version = $2 AND build = $3),
			(SELECT count(*) FROM parked_events WHERE projection = $1 AND version = $2 AND build = $3 AND skipped_at IS NOT NULL AND n <= $4)`,
		s.p.name, s.p.version, s.p.build, s.at.events).Scan(&parked, &skipped)
	return parked, skipped, s.failedTo("counting what is missing of", err)
}

// count counts the rows of all tables, those that the definition does not name too.
func (s *scratch) count(ctx context.Context) ([]TableRows, error) {
	out := []TableRows{}
	err := pgx.BeginTxFunc(ctx, s.engine.cfg.Pool, tables.Snapshot, func(tx pgx.Tx) error {
		found, err := tables.List(ctx, tx, s.p.Schema())
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(found)) {
			t := TableRows{Table: name}
			if err = tx.QueryRow(ctx, "SELECT count(*) FROM "+pgx.Identifier{s.p.Schema(), name}.Sanitize()).Scan(&t.Rows); err != nil {
				return err
			}
			out = append(out, t)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting the rows of %s: %w", s.p.Schema(), err)
	}
	return out, nil
}
