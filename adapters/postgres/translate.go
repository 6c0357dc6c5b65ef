package postgres

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/events"
	"daybook/events/id"
)

// Move says where the events of one store are in a copy of it.
type Move struct {
	From, To id.Store
	// Places are all events but the database's ("$") and those of events.StoreStream, which is another one in the copy; in
	// log order, which is the same in both. They are read once at most. Their error undoes the translation.
	Places iter.Seq2[Place, error]
	// Own writes what a read model says of the copy's events.StoreStream. What it said of the other store's is gone by
	// then. Nil: no read model says anything.
	Own func(ctx context.Context, tx pgx.Tx, version Version) error
}

// Place is where an event was and is.
type Place struct {
	From, To events.Position
	Stream   string
	Revision uint64
	Event    id.Event
	Counted  uint64 // how many events the copy holds up to here, without the database's
}

// Version is one version of a projection, and how far it has come in the copy.
type Version struct {
	Projection string
	Number     int
	Schema     string
	Position   events.Position
}

// Translated is what was moved.
type Translated struct {
	Projections int   // versions
	Shards      int   // of policies
	Rows        int64 // of read models
}

// Translate lets the projections and policies that have come some way in one store go on in a copy of it: their
// checkpoints, and what read models keep in columns named position, become those of the copy. All of it, or nothing. What
// belongs to other stores stays as it is, so a second translation finds nothing to do.
//
// It waits for batches at work, and whoever still runs over the other store stops. Triggers of the read models' tables do
// not run. Pool's search path finds the infrastructure tables, and its role owns the read models.
func Translate(ctx context.Context, pool *pgxpool.Pool, m Move) (done Translated, err error) {
	if there, err := migrated(ctx, pool); err != nil || !there {
		return Translated{}, err
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		t := &translation{Move: m, tx: tx}
		if err := t.forget(ctx); err != nil {
			return err
		}
		if err := t.readPins(ctx); err != nil || len(t.pins) == 0 {
			return err
		}
		if err := t.readPlaces(ctx); err != nil {
			return err
		}
		for _, p := range t.pins {
			if err := p.move(ctx, t); err != nil {
				return err
			}
		}
		done = t.done
		return nil
	})
	if err != nil {
		return Translated{}, fmt.Errorf("translating from store %s to %s: %w", m.From, m.To, err)
	}
	return done, nil
}

// translation is the transaction in which it happens.
type translation struct {
	Move

	tx   pgx.Tx
	pins []*pin
	done Translated
}

// pin is a checkpoint on its way. Schema is empty for a policy's.
type pin struct {
	name   string // of the projection or policy
	number int    // its version, or the shard
	build  int    // of the version
	schema string
	was    checkpoint
	is     Place // the last event passed that has a place; zero: none
}

// forget removes what is of the other store alone: builds that were filled up to a position of it, to be looked at there,
// and what verifications found at its positions.
func (t *translation) forget(ctx context.Context) error {
	rows, err := t.tx.Query(ctx, `WITH gone AS (
			DELETE FROM projections p USING checkpoints c WHERE p.phase = 'scratch' AND c.store_id = $1
			AND c.projection = p.name AND c.version = p.version AND c.build = p.build RETURNING p.*)
		DELETE FROM checkpoints c USING gone p
		WHERE c.projection = p.name AND c.version = p.version AND c.build = p.build RETURNING schema_name`, t.From)
	if err != nil {
		return err
	}
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, schema := range schemas {
		if _, err = t.tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{schema}.Sanitize()+" CASCADE"); err != nil {
			return err
		}
	}
	_, err = t.tx.Exec(ctx, `DELETE FROM drift d USING checkpoints c WHERE c.store_id = $1
		AND c.projection = d.projection AND c.version = d.version AND c.build = d.build`, t.From)
	return err
}

// readPins takes the checkpoints away from whoever else wants to move them.
func (t *translation) readPins(ctx context.Context) error {
	for _, query := range []string{
		`SELECT projection, c.version, c.build, schema_name, store_id, position, anchor_stream, anchor_revision, anchor_event, anchor_position
		FROM checkpoints c JOIN projections p ON p.name = c.projection AND p.version = c.version AND p.build = c.build
		WHERE store_id = $1 ORDER BY projection, c.version, c.build FOR UPDATE OF c`,
		`SELECT policy, shard, 0, '', store_id, position, anchor_stream, anchor_revision, anchor_event, anchor_position
		FROM policies WHERE store_id = $1 ORDER BY policy, shard FOR UPDATE`,
	} {
		rows, err := t.tx.Query(ctx, query, t.From)
		if err != nil {
			return err
		}
		var p pin
		_, err = pgx.ForEachRow(rows, append([]any{&p.name, &p.number, &p.build, &p.schema}, p.was.columns()...), func() error {
			t.pins = append(t.pins, new(p))
			p.was = checkpoint{} // what it points to was handed on
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readPlaces fills the map of positions, and finds the place of every checkpoint on the way.
func (t *translation) readPlaces(ctx context.Context) error {
	if _, err := t.tx.Exec(ctx, "CREATE TEMP TABLE moved (source bigint PRIMARY KEY, target bigint NOT NULL) ON COMMIT DROP"); err != nil {
		return err
	}
	waiting := slices.SortedFunc(slices.Values(t.pins), func(a, b *pin) int { return cmp.Compare(a.anchored(), b.anchored()) })
	next, stop := iter.Pull2(t.Places)
	defer stop()
	var last Place
	_, err := t.tx.CopyFrom(ctx, pgx.Identifier{"pg_temp", "moved"}, []string{"source", "target"},
		pgx.CopyFromFunc(func() ([]any, error) {
			place, err, more := next()
			switch {
			case err != nil:
				return nil, err
			case more && (place.From <= last.From || place.To <= last.To || place.From >= aside || place.To >= aside):
				return nil, fmt.Errorf("%s@%d does not follow what is before it", place.Stream, place.Revision)
			}
			for len(waiting) > 0 && (!more || waiting[0].anchored() < place.From) {
				waiting[0].is, waiting = last, waiting[1:]
			}
			if last = place; !more {
				return nil, nil // the end, as pgx wants it
			}
			return []any{int64(place.From), int64(place.To)}, nil
		}))
	if err != nil {
		return err
	}
	_, err = t.tx.Exec(ctx, "ANALYZE pg_temp.moved")
	return err
}

// aside is beyond every position of a log. Positions go there on their way: a new one may be another row's old one.
const aside = events.Position(1) << 62

// anchored is the position of the last event that was passed; 0 for none.
func (p *pin) anchored() events.Position {
	if p.was.at == nil {
		return events.Start
	}
	return events.Position(*p.was.at)
}

// move moves a checkpoint, and the read model that came of it.
func (p *pin) move(ctx context.Context, t *translation) error {
	if err := p.check(); err != nil {
		return err
	}
	var anchor struct{ stream, revision, event, position any } // all null, or none
	if p.is.To > 0 {
		anchor.stream, anchor.revision, anchor.event, anchor.position = []byte(p.is.Stream), int64(p.is.Revision), p.is.Event, int64(p.is.To)
	}
	arguments := []any{p.name, p.number, t.To, int64(p.is.To), anchor.stream, anchor.revision, anchor.event, anchor.position}
	if p.schema == "" {
		t.done.Shards++
		_, err := t.tx.Exec(ctx, `UPDATE policies SET store_id = $3, position = $4, updated_at = now(), holder = NULL, expires_at = NULL,
			epoch = epoch + 1, anchor_stream = $5, anchor_revision = $6, anchor_event = $7, anchor_position = $8
			WHERE policy = $1 AND shard = $2`, arguments...)
		return err
	}
	t.done.Projections++
	_, err := t.tx.Exec(ctx, `UPDATE checkpoints SET store_id = $3, position = $4, updated_at = now(), events = $9,
		epoch = epoch + 1, holder = NULL, expires_at = NULL,
		anchor_stream = $5, anchor_revision = $6, anchor_event = $7, anchor_position = $8
		WHERE projection = $1 AND version = $2 AND build = $10`, append(arguments, int64(p.is.Counted), p.build)...)
	if err != nil {
		return err
	}
	if err = t.moveTables(ctx, p.schema); err != nil || t.Own == nil {
		return err
	}
	return t.Own(ctx, t.tx, Version{p.name, p.number, p.schema, p.is.To})
}

// check tells whether the checkpoint stands at an event that was moved, or at one of the store's own stream: then it
// goes back to the last one before it, and what came between is read again.
func (p *pin) check() error {
	if p.was.at == nil || string(p.was.stream) == events.StoreStream {
		return nil
	}
	if p.is.From != p.anchored() || p.is.Stream != string(p.was.stream) || p.is.Revision != uint64(*p.was.revision) ||
		p.is.Event.UUID != *p.was.event {
		return fmt.Errorf("%s (%d) has come to %s@%d at position %d, which is not in the store that was copied: it was built from another history",
			p.name, p.number, p.was.stream, *p.was.revision, *p.was.at)
	}
	return nil
}
