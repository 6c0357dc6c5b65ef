package projections

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Parked is a partition that waits.
type Parked struct {
	Schema   string    `json:"schema"` // the build
	Key      string    `json:"key"`    // of the partition
	Cause    string    `json:"cause"`  // of the last try
	ParkedAt time.Time `json:"parked_at"`
	Tries    int       `json:"tries"`
	TriedAt  time.Time `json:"tried_at"`
	Wanted   bool      `json:"wanted"` // it will be tried again
	Events   int       `json:"events"` // how many wait
	First    Place     `json:"first"`  // of those
	Type     string    `json:"type"`   // of the first
}

// Skipped is an event that was left out for good.
type Skipped struct {
	Schema    string    `json:"schema"`
	Key       string    `json:"key"`
	Event     Place     `json:"event"`
	Type      string    `json:"type"`
	SkippedAt time.Time `json:"skipped_at"`
	Reason    string    `json:"reason"`
}

// Blast is how much of a build waits: 3 of 41,220 conversations.
type Blast struct {
	Parked int64  `json:"parked"`
	Total  int64  `json:"total"` // partitions that have rows, or wait; 0 when the tables do not tell
	Of     string `json:"of"`
}

func (b Blast) String() string {
	if b.Total == 0 {
		return fmt.Sprintf("%d %s", b.Parked, b.Of)
	}
	return fmt.Sprintf("%d of %d %s", b.Parked, b.Total, b.Of)
}

// Parked lists what waits in the builds of a projection but scratch ones, the longest waiting first.
func (e *Engine) Parked(ctx context.Context, name string) ([]Parked, error) {
	rows, _ := e.cfg.Pool.Query(ctx, `SELECT p.schema_name, k.key, k.cause, k.parked_at, k.tries, k.tried_at, k.wanted,
			(SELECT count(*) FROM parked_events e WHERE e.projection = k.projection AND e.version = k.version AND e.build = k.build
				AND e.key = k.key AND e.skipped_at IS NULL),
			f.stream, f.revision, coalesce(f.type, '')
		FROM parked_keys k JOIN projections p ON p.name = k.projection AND p.version = k.version AND p.build = k.build
		LEFT JOIN LATERAL (SELECT * FROM parked_events e WHERE e.projection = k.projection AND e.version = k.version
			AND e.build = k.build AND e.key = k.key AND e.skipped_at IS NULL ORDER BY n LIMIT 1) f ON true
		WHERE k.projection = $1 AND p.phase <> 'scratch' ORDER BY k.parked_at, k.key`, name) // the error comes back with the rows
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Parked, err error) {
		var key, stream []byte
		var revision *int64
		err = row.Scan(&p.Schema, &key, &p.Cause, &p.ParkedAt, &p.Tries, &p.TriedAt, &p.Wanted, &p.Events, &stream, &revision, &p.Type)
		p.Key, p.First.Stream = string(key), string(stream)
		if revision != nil {
			p.First.Revision = uint64(*revision)
		}
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing what is parked of %s: %w", name, err)
	}
	return list, nil
}

// Skipped lists what was left out of the builds of a projection but scratch ones, in the order of the log.
func (e *Engine) Skipped(ctx context.Context, name string) ([]Skipped, error) {
	rows, _ := e.cfg.Pool.Query(ctx, `SELECT p.schema_name, e.key, e.stream, e.revision, e.type, e.skipped_at, e.reason
		FROM parked_events e JOIN projections p ON p.name = e.projection AND p.version = e.version AND p.build = e.build
		WHERE e.projection = $1 AND e.skipped_at IS NOT NULL AND p.phase <> 'scratch' ORDER BY p.version, p.build, e.n`, name)
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Skipped, err error) {
		var key, stream []byte
		err = row.Scan(&s.Schema, &key, &stream, &s.Event.Revision, &s.Type, &s.SkippedAt, &s.Reason)
		s.Key, s.Event.Stream = string(key), string(stream)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing what was skipped of %s: %w", name, err)
	}
	return list, nil
}

// Blast tells how much of a build waits. It counts rows, which may take a while.
func (e *Engine) Blast(ctx context.Context, schema string) (b Blast, err error) {
	w := e.worker(schema)
	if w == nil || w.p.parks == nil {
		return b, &OrderError{schema, "it is no build of a projection that parks, or none that this process knows"}
	}
	b.Of = w.p.parks.of
	// What waits may have no rows yet. Keys are bytes: text cannot hold them all.
	const parked = "SELECT key FROM parked_keys WHERE projection = $1 AND version = $2 AND build = $3"
	partitions := []string{parked}
	for _, t := range w.p.tables {
		if rows, ok := t.(*patchRows); ok && rows.partition >= 0 {
			partitions = append(partitions, fmt.Sprintf("SELECT convert_to(%s::text, 'UTF8') FROM %s",
				pgx.Identifier{rows.columns[rows.partition].name}.Sanitize(), pgx.Identifier{schema, rows.name}.Sanitize()))
		}
	}
	err = e.cfg.Pool.QueryRow(ctx, fmt.Sprintf("SELECT (SELECT count(*) FROM (%s) p), (SELECT count(*) FROM (%s) p)", parked,
		strings.Join(partitions, " UNION ")), w.p.name, w.p.version, w.p.build).Scan(&b.Parked, &b.Total)
	if err != nil {
		return b, fmt.Errorf("counting %s of %s: %w", b.Of, schema, err)
	}
	if len(partitions) == 1 {
		b.Total = 0
	}
	return b, nil
}

// Retry asks for another try of a partition, or, without a key, of all that wait in a build. Whoever projects the build
// tries soon; see Parked for what came of it.
func (e *Engine) Retry(ctx context.Context, schema, key string) error {
	tag, err := e.cfg.Pool.Exec(ctx, `UPDATE parked_keys k SET wanted = true FROM projections p
		WHERE p.schema_name = $1 AND k.projection = p.name AND k.version = p.version AND k.build = p.build AND ($2 = ''::bytea OR k.key = $2)`,
		schema, []byte(key))
	if err != nil {
		return fmt.Errorf("asking for a retry in %s: %w", schema, err)
	}
	if tag.RowsAffected() == 0 {
		return &OrderError{schema, fmt.Sprintf("nothing is parked there%s", keyed(key))}
	}
	e.wake()
	return nil
}

func keyed(key string) string {
	if key == "" {
		return ""
	}
	return fmt.Sprintf(" under %q", key)
}

// Skip leaves out the event for which a partition waits, for good, and asks for a try of what waits behind it. The event
// has to be the one that the caller has looked at. It stays listed, with the reason. Builds of the same version that are
// begun from then on leave it out, too: as the live build does, or the newest one if that is of another version. A new
// version meets it again, for its handlers may be able to.
func (e *Engine) Skip(ctx context.Context, schema, key string, event Place, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return &OrderError{schema, "skipping an event needs a reason"}
	}
	err := pgx.BeginTxFunc(ctx, e.cfg.Pool, e.locking(), func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE parked_events e SET skipped_at = $5, reason = $6 FROM projections p
			WHERE p.schema_name = $1 AND e.projection = p.name AND e.version = p.version AND e.build = p.build
				AND e.key = $2 AND e.stream = $3 AND e.revision = $4 AND e.skipped_at IS NULL
				AND NOT EXISTS (SELECT FROM parked_events f WHERE f.projection = e.projection AND f.version = e.version
					AND f.build = e.build AND f.key = e.key AND f.skipped_at IS NULL AND f.n < e.n)`,
			schema, []byte(key), []byte(event.Stream), int64(event.Revision), e.cfg.Now(), reason)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &OrderError{schema, fmt.Sprintf("%s@%d is not what is waited for%s", event.Stream, event.Revision, keyed(key))}
		}
		_, err = tx.Exec(ctx, `UPDATE parked_keys k SET wanted = true FROM projections p
			WHERE p.schema_name = $1 AND k.projection = p.name AND k.version = p.version AND k.build = p.build AND k.key = $2`,
			schema, []byte(key))
		return err
	})
	if err != nil {
		return fmt.Errorf("skipping an event of %s: %w", schema, err)
	}
	e.wake()
	return nil
}

// leaveOut lets a new build skip what is skipped in the live one of its version, or else in the newest one.
func leaveOut(ctx context.Context, tx pgx.Tx, p *Projection) error {
	_, err := tx.Exec(ctx, `INSERT INTO parked_events (projection, version, build, key, n, stream, revision, event, type, skipped_at, reason)
		SELECT projection, version, $3, key, n, stream, revision, event, type, skipped_at, reason FROM parked_events
		WHERE projection = $1 AND version = $2 AND skipped_at IS NOT NULL AND build = (
			SELECT build FROM projections WHERE name = $1 AND version = $2 AND build <> $3 AND phase <> 'scratch'
			ORDER BY phase = 'live' DESC, build DESC LIMIT 1)`, p.name, p.version, p.build)
	return err
}

// parkedAnew lists the partitions that wait in a build and do not wait in the live one.
func parkedAnew(ctx context.Context, tx pgx.Tx, p *Projection) ([]string, error) {
	rows, _ := tx.Query(ctx, `SELECT k.key FROM parked_keys k WHERE k.projection = $1 AND k.version = $2 AND k.build = $3
			AND NOT EXISTS (SELECT FROM projections p JOIN parked_keys l ON l.projection = p.name AND l.version = p.version AND l.build = p.build
				WHERE p.name = $1 AND p.phase = 'live' AND l.key = k.key)
		ORDER BY k.key`, p.name, p.version, p.build) // the error comes back with the rows
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var key []byte
		err := row.Scan(&key)
		return string(key), err
	})
	if err != nil {
		return nil, fmt.Errorf("comparing what is parked of %s with the live build: %w", p.Schema(), err)
	}
	return keys, nil
}

// nothingLost refuses a build in which partitions wait that readers have now.
func nothingLost(ctx context.Context, tx pgx.Tx, p *Projection) error {
	keys, err := parkedAnew(ctx, tx, p)
	if err != nil || len(keys) == 0 {
		return err
	}
	return &OrderError{p.name, fmt.Sprintf("partitions wait in build %s that do not wait in the live one: %s. Retry them, skip what they wait "+
		"for, or let the build go live with them parked", p.Schema(), shown(keys))}
}

// shownPartitions bounds how many are named.
const shownPartitions = 10

func shown(keys []string) string {
	var names []string
	for _, key := range keys[:min(len(keys), shownPartitions)] {
		names = append(names, strconv.Quote(key))
	}
	if more := len(keys) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
