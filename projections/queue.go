package projections

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"daybook/events/id"
)

// queue is what waits of one batch: events of partitions that were parked before, or are by this batch.
type queue struct {
	w     *worker
	fresh map[string]error // why the batch itself parks a partition
	lines []line
}

// line is an event that waits.
type line struct {
	*Recorded

	i   int // index in the batch
	key string
}

func newQueue(w *worker) *queue { return &queue{w: w, fresh: map[string]error{}} }

// waits tells whether an event is not to be projected now: because it has to wait, which is noted, or was skipped.
func (q *queue) waits(i int, r *Recorded) (bool, error) {
	if q.w.skips(r) {
		return true, nil
	}
	if len(q.w.parked)+len(q.fresh) == 0 || !q.w.p.handles(r) {
		return false, nil
	}
	key, err := q.w.p.partition(r)
	if err != nil {
		return false, fmt.Errorf("some %s are parked: %w", q.w.p.parks.of, err)
	}
	_, before := q.w.parked[key]
	_, now := q.fresh[key]
	if !before && !now {
		return false, nil
	}
	if q.w.parked[key]+q.count(key) >= maxParked {
		return false, &LimitError{q.w.p.Schema(), "events of one of the " + q.w.p.parks.of, fmt.Errorf("partition %q", key)}
	}
	q.lines = append(q.lines, line{r, i, key})
	return true, nil
}

func (q *queue) count(key string) (n int) {
	for _, l := range q.lines {
		if l.key == key {
			n++
		}
	}
	return n
}

// park lets an event, and what follows it of its partition, wait.
func (q *queue) park(i int, r *Recorded, key string, cause error) error {
	if len(q.w.parked)+len(q.fresh) >= maxParked {
		return &LimitError{q.w.p.Schema(), q.w.p.parks.of, cause}
	}
	q.fresh[key] = cause
	q.lines = append(q.lines, line{r, i, key})
	return nil
}

// save writes what waits, in the transaction of its batch, which has so many events.
func (q *queue) save(ctx context.Context, conn *pgx.Conn, events int) error {
	if len(q.lines) == 0 {
		return nil
	}
	p, now := q.w.p, q.w.engine.cfg.Now()
	batch := &pgx.Batch{}
	for key, cause := range q.fresh {
		batch.Queue(`INSERT INTO parked_keys (projection, version, build, key, cause, parked_at, tried_at) VALUES ($1, $2, $3, $4, $5, $6, $6)`,
			p.name, p.version, p.build, []byte(key), printable(cause.Error()), now)
	}
	for _, l := range q.lines {
		batch.Queue(`INSERT INTO parked_events (projection, version, build, key, n, stream, revision, event, type)
			SELECT $1, $2, $3, $4, c.events - $5, $6, $7, $8, $9 FROM checkpoints c WHERE c.projection = $1 AND c.version = $2 AND c.build = $3`,
			p.name, p.version, p.build, []byte(l.key), events-l.i-1, []byte(l.Stream), int64(l.Revision), l.ID.Bytes(), printable(l.Type))
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("parking events: %w", err)
	}
	return nil
}

// settled notes what is saved.
func (q *queue) settled(ctx context.Context) {
	for _, l := range q.lines {
		q.w.parked[l.key]++
	}
	for key, cause := range q.fresh {
		q.w.engine.cfg.Logger.ErrorContext(ctx, "event parked", "projection", q.w.p.Schema(), "partition", key, "error", cause)
	}
}

// skips tells whether an event is left out of the build for good. Another event in its place is another history's.
func (w *worker) skips(r *Recorded) bool {
	if len(w.skipped) == 0 {
		return false
	}
	event, skipped := w.skipped[Place{r.Stream, r.Revision}]
	return skipped && (event == r.ID || event.IsZero())
}

// knowParked reads what is parked of the build unless that is known. The row of the checkpoint is locked for that: a
// transaction whose end nobody heard of has ended then.
func (w *worker) knowParked(ctx context.Context) error {
	if w.p.parks == nil || w.parked != nil {
		return nil
	}
	return w.inItsPlace(ctx, func(tx pgx.Tx) error { return w.readParked(ctx, tx, false) })
}

// readParked reads which partitions wait, and what was skipped. Whoever comes new to a build tries again all that waits:
// it may be a binary that can.
func (w *worker) readParked(ctx context.Context, db interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}, again bool) error {
	if w.p.parks == nil {
		return nil
	}
	parked, skipped := map[string]int{}, map[Place]id.Event{}
	batch := &pgx.Batch{}
	if again {
		batch.Queue("UPDATE parked_keys SET wanted = true WHERE projection = $1 AND version = $2 AND build = $3", w.p.name, w.p.version, w.p.build)
	}
	batch.Queue(`SELECT k.key, count(e.n) FROM parked_keys k LEFT JOIN parked_events e ON e.projection = k.projection
			AND e.version = k.version AND e.build = k.build AND e.key = k.key AND e.skipped_at IS NULL
		WHERE k.projection = $1 AND k.version = $2 AND k.build = $3 GROUP BY k.key`,
		w.p.name, w.p.version, w.p.build).Query(func(rows pgx.Rows) error {
		var key []byte
		var n int
		_, err := pgx.ForEachRow(rows, []any{&key, &n}, func() error {
			parked[string(key)] = n
			return nil
		})
		return err
	})
	batch.Queue(`SELECT stream, revision, event FROM parked_events
		WHERE projection = $1 AND version = $2 AND build = $3 AND skipped_at IS NOT NULL`,
		w.p.name, w.p.version, w.p.build).Query(func(rows pgx.Rows) error {
		var stream []byte
		var revision uint64
		var event *[16]byte
		_, err := pgx.ForEachRow(rows, []any{&stream, &revision, &event}, func() error {
			skipped[Place{string(stream), revision}] = eventOf(event)
			return nil
		})
		return err
	})
	if err := db.SendBatch(ctx, batch).Close(); err != nil {
		return w.failedTo("reading what is parked of", err)
	}
	w.parked, w.skipped = parked, skipped
	return nil
}

// eventOf is zero when the id was not noted.
func eventOf(noted *[16]byte) (event id.Event) {
	if noted != nil {
		event.UUID = *noted
	}
	return event
}

// wish is a partition that is to be tried again. Its mark is another one when that is asked for anew.
type wish struct{ key, mark string }

// wishes lists the partitions that wait and are to be tried again, the longest waiting first.
func (w *worker) wishes(ctx context.Context) ([]wish, error) {
	rows, err := w.engine.cfg.Pool.Query(ctx, `SELECT key, xmin::text FROM parked_keys
		WHERE projection = $1 AND version = $2 AND build = $3 AND wanted ORDER BY parked_at, key`, w.p.name, w.p.version, w.p.build)
	if err != nil {
		return nil, w.failedTo("reading what is parked of", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (wish, error) {
		var key []byte
		var mark string
		err := row.Scan(&key, &mark)
		return wish{string(key), mark}, err
	})
	return list, w.failedTo("reading what is parked of", err)
}
