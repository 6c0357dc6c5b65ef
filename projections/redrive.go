package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"daybook/events"
)

// redrive tries the partitions again for which that is wanted. Batches come in between.
func (w *worker) redrive(ctx context.Context) error {
	list, err := w.wishes(ctx)
	for _, wanted := range list {
		if err == nil {
			err = w.redriveOne(ctx, wanted)
		}
	}
	return err
}

func (w *worker) redriveOne(ctx context.Context, wanted wish) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return w.engine.within(ctx, "projection.redrive", w.p, func(ctx context.Context) error { return w.retry(ctx, wanted) })
}

// retry applies all that waits of a partition, in order, in one transaction; or nothing of it. A try that fails leaves
// alone what was asked for since it began, as by a skip of an event that it had read already.
func (w *worker) retry(ctx context.Context, wanted wish) error {
	list, err := w.recall(ctx, wanted.key)
	if err == nil {
		err = w.replay(ctx, wanted.key, list)
	}
	if err == nil {
		delete(w.parked, wanted.key)
		w.engine.cfg.Logger.InfoContext(ctx, "parked events were projected", "projection", w.p.Schema(), "partition", wanted.key, "events", len(list))
		return nil
	}
	if _, its := errors.AsType[*EventError](err); !its { // the store or the database is away: it stays wanted
		return err
	}
	return w.inItsPlace(ctx, func(tx pgx.Tx) error {
		_, failure := tx.Exec(ctx, `UPDATE parked_keys SET wanted = xmin::text <> $7, cause = $5, tries = tries + 1, tried_at = $6
			WHERE projection = $1 AND version = $2 AND build = $3 AND key = $4`,
			w.p.name, w.p.version, w.p.build, []byte(wanted.key), printable(err.Error()), w.engine.cfg.Now(), wanted.mark)
		return failure
	})
}

// recall reads the events that wait from the store, as this binary reads them.
func (w *worker) recall(ctx context.Context, key string) ([]*Recorded, error) {
	rows, err := w.engine.cfg.Pool.Query(ctx, `SELECT stream, revision FROM parked_events
		WHERE projection = $1 AND version = $2 AND build = $3 AND key = $4 AND skipped_at IS NULL ORDER BY n`,
		w.p.name, w.p.version, w.p.build, []byte(key))
	if err != nil {
		return nil, w.failedTo("reading what is parked of", err)
	}
	var (
		records  []events.Record
		places   []Place
		stream   []byte
		revision uint64
	)
	_, err = pgx.ForEachRow(rows, []any{&stream, &revision}, func() error {
		places = append(places, Place{string(stream), revision})
		return nil
	})
	if err != nil {
		return nil, w.failedTo("reading what is parked of", err)
	}
	for _, place := range places {
		record, err := w.engine.at(ctx, place)
		if errors.Is(err, errGone) {
			return nil, &EventError{w.p.Schema(), place.Stream, place.Revision, "event", errGone}
		}
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return Decode(records), nil
}

// Place is the durable reference of an event.
type Place struct {
	Stream   string `json:"stream"`
	Revision uint64 `json:"revision"`
}

// at reads one event.
func (e *Engine) at(ctx context.Context, place Place) (events.Record, error) {
	for r, err := range e.cfg.Log.ReadStream(ctx, place.Stream, place.Revision) {
		if err == nil && r.Revision == place.Revision {
			return r, nil
		}
		if err != nil {
			return r, fmt.Errorf("reading %s@%d: %w", place.Stream, place.Revision, err)
		}
		break
	}
	if ctx.Err() != nil {
		return events.Record{}, ctx.Err()
	}
	return events.Record{}, fmt.Errorf("reading %s@%d: %w", place.Stream, place.Revision, errGone)
}

var errGone = errors.New("the store does not hold it any more")

func (w *worker) replay(ctx context.Context, key string, list []*Recorded) error {
	return w.inItsPlace(ctx, func(tx pgx.Tx) error {
		if err := w.unpark(ctx, tx, key, len(list)); err != nil {
			return err
		}
		one, err := w.single(ctx, tx.Conn(), map[*Recorded]error{})
		if err != nil {
			return err
		}
		for _, r := range list {
			if cause, err := one.write(ctx, r); cause != nil || err != nil {
				return cmp.Or(err, cause)
			}
		}
		return one.finish(ctx)
	})
}

// unpark lets a partition wait no longer, if what waits of it is still what was recalled. It is not when one of the events
// was skipped since, or when a try before this one went through and nobody heard of that.
func (w *worker) unpark(ctx context.Context, tx pgx.Tx, key string, recalled int) error {
	of := "WHERE projection = $1 AND version = $2 AND build = $3 AND key = $4"
	tag, err := tx.Exec(ctx, "DELETE FROM parked_events "+of+" AND skipped_at IS NULL", w.p.name, w.p.version, w.p.build, []byte(key))
	if err == nil && tag.RowsAffected() != int64(recalled) {
		return fmt.Errorf("projection %s: what waits under %q has changed meanwhile", w.p.Schema(), key)
	}
	if err == nil {
		_, err = tx.Exec(ctx, "DELETE FROM parked_keys "+of, w.p.name, w.p.version, w.p.build, []byte(key))
	}
	return err
}

// inItsPlace runs a transaction that changes rows of the build, or what is parked of it, without moving its checkpoint.
// Nobody else can change them meanwhile. After an error it may have ended either way, and what is parked is read again
// before anything is projected.
func (w *worker) inItsPlace(ctx context.Context, change func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, w.engine.cfg.Pool, w.engine.locking(), func(tx pgx.Tx) error {
		if err := w.still(ctx, tx); err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return err
		}
		return w.renewed(ctx, tx)
	})
	if err != nil {
		w.parked = nil
	}
	return err
}

// printable is what Postgres can hold of a text.
func printable(text string) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ReplaceAll(text, "\x00", "\uFFFD")
}
