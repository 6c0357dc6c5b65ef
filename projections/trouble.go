package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// trouble is why a build does not go on. It is kept with the checkpoint of whoever has the lease, for every process to show,
// and the step of the next batch clears it.
type trouble struct {
	state State
	cause string
	since time.Time
	event *Standing // nil: it is no event's fault
}

// Standing is the event at which a projection stands.
type Standing struct {
	Place

	Type string `json:"type"`
}

// troubleOf says what is wrong, since now or for as long as the same was wrong before.
func troubleOf(state State, err error, before *trouble, now time.Time) *trouble {
	t := &trouble{state: state, cause: printable(err.Error()), since: now.UTC().Truncate(time.Microsecond)}
	if stands, ok := errors.AsType[*EventError](err); ok && state == StatePaused {
		t.event = &Standing{Place{stands.Stream, stands.Revision}, printable(stands.Type)}
	}
	if t.sameAs(before) {
		t.since = before.since
	}
	return t
}

// stateAfter is that of a build whose batch failed. Tables that were changed from outside are no event's fault.
func stateAfter(err error) State {
	_, event := errors.AsType[*EventError](err)
	_, altered := errors.AsType[*AlteredError](err)
	if event && !altered {
		return StatePaused
	}
	return StateRetrying
}

// sameAs tells whether it goes on. Causes may be told in other words each time.
func (t *trouble) sameAs(before *trouble) bool {
	return before != nil && t.state == before.state && (t.event == nil) == (before.event == nil) &&
		(t.event == nil || *t.event == *before.event)
}

const troubleColumns = "state, cause, since, stuck_stream, stuck_revision, stuck_type"

// troubleScan is what Scan fills with troubleColumns.
type troubleScan struct {
	state    *State
	cause    *string
	since    *time.Time
	stream   []byte
	revision *uint64
	kind     *string
}

func (s *troubleScan) into() []any {
	return []any{&s.state, &s.cause, &s.since, &s.stream, &s.revision, &s.kind}
}

func (s *troubleScan) trouble() *trouble {
	if s.state == nil {
		return nil
	}
	t := &trouble{state: *s.state, cause: *s.cause, since: s.since.UTC()}
	if s.kind != nil {
		t.event = &Standing{Place{string(s.stream), *s.revision}, *s.kind}
	}
	return t
}

// tell stores what is wrong, nil for nothing, when it is not what is stored. The caller has the turn. Who has not got the
// lease has nothing to tell: others may do better.
func (w *worker) tell(ctx context.Context, t *trouble) error {
	stored := w.at.trouble
	if t == nil && stored == nil || t != nil && t.sameAs(stored) && t.cause == stored.cause {
		return nil
	}
	var all struct{ state, cause, since, stream, revision, kind any } // null, or not
	if t != nil {
		all.state, all.cause, all.since = t.state, t.cause, t.since
		if t.event != nil {
			all.stream, all.revision, all.kind = []byte(t.event.Stream), int64(t.event.Revision), t.event.Type
		}
	}
	tag, err := w.engine.cfg.Pool.Exec(ctx, `UPDATE checkpoints
		SET state = $6, cause = $7, since = $8, stuck_stream = $9, stuck_revision = $10, stuck_type = $11
		WHERE projection = $1 AND version = $2 AND build = $3 AND epoch = $4 AND holder = $5`,
		w.p.name, w.p.version, w.p.build, w.at.epoch, w.holder, all.state, all.cause, all.since, all.stream, all.revision, all.kind)
	if err == nil && tag.RowsAffected() == 1 {
		w.at.trouble = t
	}
	return w.failedTo("storing the state of", err)
}

// troubles reads why builds do not go on that other processes project, by physical schema.
func (e *Engine) troubles(ctx context.Context) (map[string]*trouble, error) {
	rows, err := e.cfg.Pool.Query(ctx, `SELECT p.schema_name, `+troubleColumns+`
		FROM projections p JOIN checkpoints c ON c.projection = p.name AND c.version = p.version AND c.build = p.build
		WHERE c.state IS NOT NULL AND c.holder <> $1 AND c.expires_at > now()`, e.holder)
	if err != nil {
		return nil, fmt.Errorf("reading the states of projections: %w", err)
	}
	out := map[string]*trouble{}
	var schema string
	var s troubleScan
	_, err = pgx.ForEachRow(rows, append([]any{&schema}, s.into()...), func() error {
		out[schema] = s.trouble()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the states of projections: %w", err)
	}
	return out, nil
}

// show says what a build does, in the process that projects it if it is another one, and why it does not go on. A build that
// was just begun has no worker yet.
func (s *Status) show(w *worker, elsewhere *trouble) {
	s.State = StateStopped
	t := elsewhere
	if w != nil {
		state, here := w.wrong()
		s.State, t = cmp.Or(state, StateStopped), cmp.Or(elsewhere, here)
	}
	if elsewhere != nil {
		s.State = elsewhere.state
	}
	if t != nil {
		s.Error, s.Since, s.Event = t.cause, &t.since, t.event
	}
}
