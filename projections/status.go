package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
)

// State is what a build is doing in this process, or, when it does not go on there, in the one that projects it.
type State string

// The states. A projection that was refused, because its checkpoint belongs to another history, is stopped, and runs
// again by itself once the right store is back.
const (
	StateRunning  State = "running"
	StateRetrying State = "retrying" // something fails that is no event's fault, such as Postgres or the log
	StatePaused   State = "paused"   // it stands at an event that fails, and tries it again; nothing is skipped
	StateStandby  State = "standby"  // another process projects it
	StateStopped  State = "stopped"
)

// Status is how one build of a projection stands.
type Status struct {
	Name      string          `json:"name"`
	Version   int             `json:"version"`
	Build     int             `json:"build"`
	Schema    string          `json:"schema"` // the physical schema
	Phase     Phase           `json:"phase"`
	Holder    string          `json:"holder,omitempty"` // the process that projects it
	Here      bool            `json:"here"`             // that is this one
	Position  events.Position `json:"position"`
	Events    int64           `json:"events"` // projected or passed over since the beginning of the log
	Lag       Lag             `json:"lag"`
	Progress  *Progress       `json:"progress,omitempty"` // of a replay; nil in other phases
	State     State           `json:"state"`
	Error     string          `json:"error,omitempty"`  // why it is not running
	Since     *time.Time      `json:"since,omitempty"`  // when that began; nil when nothing is wrong
	Event     *Standing       `json:"event,omitempty"`  // at which it is paused
	CreatedAt time.Time       `json:"created_at"`       // when the build began
	UpdatedAt time.Time       `json:"updated_at"`       // when the checkpoint last moved
	Drift     *Drift          `json:"drift,omitempty"`  // what the last verification found; nil: there was none
	Parked    *ParkedCounts   `json:"parked,omitempty"` // what waits; nil for a projection that pauses instead
	Audit     string          `json:"audit,omitempty"`  // why this process could not verify it the last time
}

// ParkedCounts are how much of a build waits.
type ParkedCounts struct {
	Partitions int64 `json:"partitions"`
	Events     int64 `json:"events"`
}

// Lag is how far a projection is behind the log. Positions are not dense, so events are counted, by a follower that
// does nothing else; Seconds is the age of the oldest event that is not projected yet.
type Lag struct {
	Events  int64   `json:"events"`
	AtLeast bool    `json:"at_least,omitempty"` // the follower itself has not counted to the head
	Seconds float64 `json:"seconds"`
}

// Status tells how the builds stand that this process can project, those that were just begun too. When Postgres or the log
// cannot be asked, what is known in memory is returned beside the error.
func (e *Engine) Status(ctx context.Context) ([]Status, error) {
	stored, err := e.stored(ctx)
	if err != nil {
		return e.remembered(), err
	}
	elsewhere, err := e.troubles(ctx)
	if err != nil {
		return e.remembered(), err
	}
	head, err := e.cfg.Log.Head(ctx)
	if err != nil {
		err = fmt.Errorf("reading the head of the log: %w", err)
	}
	var follower Status
	for _, s := range stored {
		if s.Name == headName {
			follower = s
		}
	}
	var out []Status
	for _, v := range e.versions {
		for _, s := range stored {
			if v.name == headName || s.Name != v.name || s.Version != v.version {
				continue
			}
			if v.parks == nil {
				s.Parked = nil
			}
			s.Here = s.Holder == e.holder
			w := e.worker(s.Schema)
			s.show(w, elsewhere[s.Schema])
			s.Audit = w.whyUnverified()
			if err == nil {
				s.Lag, err = e.lag(ctx, s, follower, head)
			}
			if err == nil && s.Phase == PhaseReplaying {
				s.Progress = progress(s.Events, s.Lag.Events, e.cfg.Now().Sub(s.CreatedAt))
			}
			out = append(out, s)
		}
	}
	return out, err
}

// remembered is how the builds stand as far as this process knows by itself.
func (e *Engine) remembered() (out []Status) {
	for _, w := range e.workers() {
		if w.p.name == headName {
			continue
		}
		s := Status{Name: w.p.name, Version: w.p.version, Build: w.p.build, Schema: w.p.Schema(), Phase: w.currentPhase()}
		s.show(w, nil)
		s.Drift, s.Audit = w.lastDrift(), w.whyUnverified()
		out = append(out, s)
	}
	return out
}

// Live tells whether readers read this build.
func (s *Status) Live() bool { return s.Phase == PhaseLive }

// stored reads all builds with their checkpoints and with how much of them waits, but for those that are only looked at.
// Of what there is to be counted, maxParked is the bound.
func (e *Engine) stored(ctx context.Context) ([]Status, error) {
	rows, err := e.cfg.Pool.Query(ctx, `SELECT p.name, p.version, p.build, p.schema_name, p.phase, p.created_at, c.position, c.events, c.updated_at,
			CASE WHEN c.expires_at > now() THEN c.holder ELSE '' END,
			(SELECT count(*) FROM parked_keys k WHERE k.projection = p.name AND k.version = p.version AND k.build = p.build),
			(SELECT count(*) FROM parked_events e WHERE e.projection = p.name AND e.version = p.version AND e.build = p.build
				AND e.skipped_at IS NULL)
		FROM projections p JOIN checkpoints c ON c.projection = p.name AND c.version = p.version AND c.build = p.build
		WHERE p.phase <> 'scratch' ORDER BY p.name, p.version, p.build`)
	if err != nil {
		return nil, fmt.Errorf("reading checkpoints: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Status, err error) {
		s.Parked = &ParkedCounts{}
		return s, row.Scan(&s.Name, &s.Version, &s.Build, &s.Schema, &s.Phase, &s.CreatedAt, &s.Position, &s.Events, &s.UpdatedAt, &s.Holder,
			&s.Parked.Partitions, &s.Parked.Events)
	})
	if err != nil {
		return nil, fmt.Errorf("reading checkpoints: %w", err)
	}
	found, err := e.drifts(ctx)
	for i := range out {
		out[i].Drift = found[out[i].Schema]
	}
	return out, err
}

// lag compares with the follower's count and reads the first event that is still to come.
func (e *Engine) lag(ctx context.Context, s, follower Status, head events.Position) (Lag, error) {
	if s.Position >= head {
		return Lag{}, nil
	}
	for r, err := range e.cfg.Log.ReadAll(ctx, s.Position) {
		if err != nil {
			return Lag{}, fmt.Errorf("reading after position %d: %w", s.Position, err)
		}
		waiting := Decode([]events.Record{r})
		if len(waiting) == 0 {
			continue
		}
		since := waiting[0].Envelope.RecordedAt
		if waiting[0].Foreign != nil {
			since = r.Created
		}
		return Lag{
			Events:  max(follower.Events-s.Events, 1),
			AtLeast: follower.Position < head,
			Seconds: max(e.cfg.Now().Sub(since).Seconds(), 0),
		}, nil
	}
	return Lag{}, ctx.Err()
}

// Live returns the physical schema that readers of a read model name in their SQL: of the live build, or, when that is of
// a version that this process cannot read, of the one that was live before and that it can. Ask once per request: the
// answer changes when another build goes live, and the one before stays readable for a while.
func (e *Engine) Live(ctx context.Context, name string) (string, error) {
	r, err := e.readable(ctx, name)
	return r.Schema, err
}

// readable reads which build readers read, and where that is, in one snapshot.
func (e *Engine) readable(ctx context.Context, name string) (Readable, error) {
	r := Readable{Projection: name}
	err := e.cfg.Pool.QueryRow(ctx, "SELECT schema_name, position FROM ("+readable+") r WHERE name = $3", e.names, e.numbers, name).
		Scan(&r.Schema, &r.Position)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, e.unready(ctx, name)
	}
	if err != nil {
		return r, fmt.Errorf("finding the live build of %s: %w", name, err)
	}
	return r, nil
}

// UnreadyError says that no build of a read model was live yet of a version that this process can read.
type UnreadyError struct {
	Projection string
	Absent     bool // nor is one being made: somebody has given it up
}

func (e *UnreadyError) Error() string {
	if e.Absent {
		return "read model " + e.Projection + " has no build that can be read here, and none is being made: daybook projection rebuild " + e.Projection
	}
	return "read model " + e.Projection + " is being built and cannot be read yet: see the projections for how far it is"
}

// unready tells why nothing can be read. Whoever has not prepared may still begin the build.
func (e *Engine) unready(ctx context.Context, name string) error {
	_, found, err := findBuild(ctx, e.cfg.Pool, name, `phase <> 'scratch'
		AND (name, version) IN (SELECT * FROM unnest($2::text[], $3::int[]))`, e.names, e.numbers)
	if err != nil {
		return err
	}
	return &UnreadyError{Projection: name, Absent: !found && e.prepared.Load()}
}

// readable picks the build of each name that readers read, among the names ($1) and versions ($2) that they know.
const readable = `SELECT DISTINCT ON (p.name) p.name, p.schema_name, c.position FROM projections p
	JOIN checkpoints c ON c.projection = p.name AND c.version = p.version AND c.build = p.build
	WHERE (p.name, p.version) IN (SELECT * FROM unnest($1::text[], $2::int[])) AND p.phase IN ('live', 'retired')
	ORDER BY p.name, p.phase = 'live' DESC, p.changed_at DESC`
