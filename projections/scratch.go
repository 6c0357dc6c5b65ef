package projections

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
)

// scratch is a build that is filled here, straight from the log, up to a position: to be looked at, or compared with.
// Batches go through the same code as those of the router, and into the same kind of tables. The lease is not the
// engine's: it is renewed for as long as this process works on the build, whether or not the engine runs.
type scratch struct {
	*worker

	last  *LastEvent // counted
	began time.Time
	pace  func(context.Context) error // before each batch; may be nil
	tell  func(Filled)                // after each batch; may be nil
	end   func()                      // ends the renewing of the lease
}

// Filled is how far the filling of a scratch build has come.
type Filled struct {
	Position events.Position `json:"position"`
	Events   int64           `json:"events"`
	Rate     float64         `json:"rate"` // events a second since it began
}

// A batch of a scratch build is no larger than this, but for a single event.
const (
	scratchEvents = 1000
	scratchBytes  = 8 << 20
)

// newScratch makes an empty build of a version. Only the tables that only picks are written; nil picks all. Whoever
// asked for the build ends it with keep or discard.
func (e *Engine) newScratch(ctx context.Context, v *version, only func(table) bool) (*scratch, error) {
	store, err := e.storeID(ctx)
	if err != nil {
		return nil, err
	}
	w := newWorker(e, v.define.anew(), PhaseScratch)
	w.holder, w.only = e.holder+" scratch "+rand.Text(), only // of its own: what renews one build must not keep others
	s := &scratch{worker: w, began: e.cfg.Now(), end: func() {}}
	err = e.inTurn(ctx, e.cfg.Pool, func(tx pgx.Tx) error {
		if _, err := w.p.recognise(ctx, tx); err != nil {
			return err
		}
		if err := e.create(ctx, tx, w.p, store, PhaseScratch); err != nil {
			return err
		}
		w.at, err = scanCheckpoint(tx.QueryRow(ctx, `UPDATE checkpoints
			SET holder = $4, expires_at = clock_timestamp() + make_interval(secs => $5), epoch = epoch + 1
			WHERE projection = $1 AND version = $2 AND build = $3 RETURNING `+checkpointColumns,
			w.p.name, w.p.version, w.p.build, w.holder, e.cfg.TTL.Seconds()))
		return err
	})
	if err != nil {
		s.discard(ctx) // it may have been made, and the answer was lost
		return nil, fmt.Errorf("making a scratch build of %s: %w", v.Schema(), err)
	}
	s.renew(ctx)
	return s, nil
}

// renew keeps the lease until end is called.
func (s *scratch) renew(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() { s.engine.keepLeases(ctx, s.holder) })
	s.end = func() {
		cancel()
		renewing.Wait()
	}
}

// fill projects the events after those that it has, up to and including a position, or the head if that is before it.
func (s *scratch) fill(ctx context.Context, upTo events.Position) error {
	for more := upTo > s.at.position; more; {
		var err error
		if more, err = s.fillSome(ctx, upTo); err != nil {
			return err
		}
	}
	return nil
}

// fillSome is fill, but ends after one batch of what is paced: no read of the log stays open over a rest.
func (s *scratch) fillSome(ctx context.Context, upTo events.Position) (more bool, err error) {
	var records []events.Record
	size := 0
	for r, err := range s.engine.cfg.Log.ReadAll(ctx, s.at.position) {
		if err != nil {
			return false, fmt.Errorf("reading the log after position %d: %w", s.at.position, err)
		}
		if r.Position > upTo {
			break
		}
		bytes := len(r.Data) + len(r.Metadata)
		if len(records) == scratchEvents || len(records) > 0 && size+bytes > scratchBytes {
			if more = s.pace != nil; more {
				break
			}
			if err := s.step(ctx, records); err != nil {
				return false, err
			}
			records, size = records[:0], 0
		}
		records, size = append(records, r), size+bytes
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return more, s.step(ctx, records)
}

// step projects one batch.
func (s *scratch) step(ctx context.Context, records []events.Record) error {
	if len(records) == 0 {
		return nil
	}
	if s.pace != nil {
		if err := s.pace(ctx); err != nil {
			return err
		}
	}
	b := &Batch{After: s.at.position, Last: records[len(records)-1].Position, Events: Decode(records)}
	err := s.project(ctx, b)
	if err != nil && s.gone(ctx) {
		return fmt.Errorf("scratch build %s was removed: its lease had run out: %w", s.p.Schema(), errMoved)
	}
	if err != nil {
		return err
	}
	s.note(records)
	if s.tell != nil {
		s.tell(s.progress())
	}
	return nil
}

// note remembers the last event, which is no record of the store's own.
func (s *scratch) note(records []events.Record) {
	for _, r := range slices.Backward(records) {
		if !r.System() {
			s.last = &LastEvent{Place{r.Stream, r.Revision}, r.Position, r.Type, recordedAt(r)}
			return
		}
	}
}

// gone tells whether somebody removed the build, which may also show as a table that is not there.
func (s *scratch) gone(ctx context.Context) bool {
	_, err := readCheckpoint(ctx, s.engine.cfg.Pool, s.p)
	return errors.Is(err, pgx.ErrNoRows)
}

func (s *scratch) progress() Filled {
	p := Filled{Position: s.at.position, Events: s.at.events}
	if took := s.engine.cfg.Now().Sub(s.began).Seconds(); took > 0 {
		p.Rate = float64(s.at.events) / took
	}
	return p
}

// keep makes the indexes that were held back and lets go of the build, which then stays for a while.
func (s *scratch) keep(ctx context.Context) error {
	err := pgx.BeginTxFunc(ctx, s.engine.cfg.Pool, s.engine.locking(), func(tx pgx.Tx) error {
		if err := s.makeIndexes(ctx, tx, PhaseScratch); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE checkpoints SET holder = NULL, expires_at = NULL WHERE projection = $1 AND version = $2 AND build = $3",
			s.p.name, s.p.version, s.p.build)
		return err
	})
	if err != nil {
		return s.failedTo("finishing the scratch build of", err)
	}
	s.end()
	return nil
}

// discard removes the build, if it is there. If that fails it goes when its lease has run out.
func (s *scratch) discard(ctx context.Context) {
	s.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := s.engine.inTurn(ctx, s.engine.cfg.Pool, func(tx pgx.Tx) error {
		return dropWithin(ctx, tx, build{name: s.p.name, version: s.p.version, number: s.p.build}, PhaseScratch)
	})
	if _, gone := errors.AsType[*OrderError](err); err != nil && !gone {
		s.engine.cfg.Logger.WarnContext(ctx, "a scratch build was not removed; it goes when its lease has run out",
			"projection", s.p.Schema(), "error", err)
	}
}

// A scratch build that nobody may be filling any more, or that was finished a while ago. Whoever has the lease has a
// holder; what is locked is being written.
const abandoned = `SELECT p.name, p.version, p.build, p.phase
	FROM projections p JOIN checkpoints c ON c.projection = p.name AND c.version = p.version AND c.build = p.build
	WHERE p.phase = 'scratch' AND (c.expires_at <= now() OR c.holder IS NULL AND p.changed_at < now() - make_interval(secs => $1))`
