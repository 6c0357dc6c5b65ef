package projections

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/events"
	"daybook/events/id"
)

// checkpoint is how far one version has projected, of which store, in whose epoch, and what keeps it there.
type checkpoint struct {
	store    id.Store
	position events.Position
	events   int64 // counted so far
	epoch    int64
	trouble  *trouble // nil: nothing
	anchor   *anchor  // nil: nothing was counted yet
}

// anchor is the last event that was counted. That the store still holds it, at the same place, shows that its history
// is the one that was projected; positions alone come again when an older copy of a store grows anew.
type anchor struct {
	stream   string
	revision uint64
	event    id.Event
	position events.Position
}

// past is the checkpoint once a batch is projected. A batch without events keeps the anchor.
func (c checkpoint) past(b *Batch) checkpoint {
	c.position, c.events, c.trouble = b.Last, c.events+int64(len(b.Events)), nil
	if n := len(b.Events); n > 0 {
		last := b.Events[n-1]
		c.anchor = &anchor{last.Stream, last.Revision, last.ID, last.Position}
	}
	return c
}

// readCheckpoint reads the stored checkpoint of a build.
func readCheckpoint(ctx context.Context, pool *pgxpool.Pool, p *Projection) (checkpoint, error) {
	c, err := scanCheckpoint(pool.QueryRow(ctx, "SELECT "+checkpointColumns+
		" FROM checkpoints WHERE projection = $1 AND version = $2 AND build = $3", p.name, p.version, p.build))
	if err != nil {
		return checkpoint{}, fmt.Errorf("reading the checkpoint of %s: %w", p.Schema(), err)
	}
	return c, nil
}

const checkpointColumns = "store_id, position, events, epoch, anchor_stream, anchor_revision, anchor_event, anchor_position, " + troubleColumns

func scanCheckpoint(row pgx.Row) (checkpoint, error) {
	var (
		c            checkpoint
		store        [16]byte
		stream       []byte
		event        *[16]byte
		revision, at *uint64
		wrong        troubleScan
	)
	into := []any{&store, &c.position, &c.events, &c.epoch, &stream, &revision, &event, &at}
	if err := row.Scan(append(into, wrong.into()...)...); err != nil {
		return checkpoint{}, err
	}
	c.store.UUID, c.trouble = store, wrong.trouble()
	if event != nil {
		c.anchor = &anchor{string(stream), *revision, id.Event{UUID: *event}, events.Position(*at)}
	}
	return c, nil
}

// builtFrom tells whether the log begins with what the checkpoint has counted: its anchor is where it was, and between
// that and the checkpoint's position there is nothing but the store's own events.
func (c checkpoint) builtFrom(ctx context.Context, log Log) (bool, error) {
	counted := events.Start
	if c.anchor != nil {
		if held, err := c.anchor.heldBy(ctx, log); !held {
			return false, err
		}
		counted = c.anchor.position
	}
	if counted >= c.position {
		return true, nil
	}
	for r, err := range log.ReadAll(ctx, counted) {
		if err != nil {
			return false, fmt.Errorf("reading the log after position %d: %w", counted, err)
		}
		if r.Position > c.position {
			break
		}
		if !r.System() {
			return false, nil
		}
	}
	return true, ctx.Err()
}

// missing says what a store of the right history would hold.
func (c checkpoint) missing() string {
	if c.anchor == nil {
		return fmt.Sprintf("up to position %d it should hold no events but its own", c.position)
	}
	a := c.anchor
	return fmt.Sprintf("it should hold event %s as %q@%d at position %d, and up to %d nothing else but its own",
		a.event, a.stream, a.revision, a.position, c.position)
}

func (a *anchor) heldBy(ctx context.Context, log Log) (bool, error) {
	for r, err := range log.ReadStream(ctx, a.stream, a.revision) {
		if err != nil {
			return false, fmt.Errorf("reading %s@%d: %w", a.stream, a.revision, err)
		}
		return r.ID == a.event && r.Position == a.position, nil
	}
	return false, ctx.Err()
}

// step moves the checkpoint from floor to ceiling, and says for its transaction how long the server lets it idle and
// whether the commit waits for the disk. A worker that comes second waits here for the first one's commit, and then finds
// the checkpoint moved.
func (w *worker) step(b *Batch, durable bool) statement {
	next := w.at.past(b)
	var anchored struct{ stream, revision, event, position any } // all null, or none
	if a := next.anchor; a != nil {
		anchored.stream, anchored.revision, anchored.event, anchored.position = []byte(a.stream), int64(a.revision), a.event.Bytes(), int64(a.position)
	}
	ttl := w.engine.cfg.TTL
	return statement{sql: stepSQL, name: stepName, arguments: []any{
		w.p.name, w.p.version, w.p.build, w.at.store.Bytes(), int64(b.After), w.at.epoch, w.holder,
		int64(next.position), int64(len(b.Events)), w.engine.cfg.Now(), ttl.Seconds(),
		anchored.stream, anchored.revision, anchored.event, anchored.position,
		strconv.FormatInt(ttl.Milliseconds(), 10), durable,
	}}
}

// stepName is that of the prepared statement, by which tests know it on the wire.
const stepName = "step"

const stepSQL = `WITH moved AS (
	UPDATE checkpoints SET position = $8, events = events + $9, updated_at = $10,
		expires_at = now() + make_interval(secs => $11),
		anchor_stream = $12, anchor_revision = $13, anchor_event = $14, anchor_position = $15,
		state = NULL, cause = NULL, since = NULL, stuck_stream = NULL, stuck_revision = NULL, stuck_type = NULL
	WHERE projection = $1 AND version = $2 AND build = $3 AND store_id = $4 AND position = $5 AND epoch = $6 AND holder = $7
	RETURNING set_config('idle_in_transaction_session_timeout', $16, true), set_config('plan_cache_mode', 'force_generic_plan', true),
		CASE WHEN NOT $17::bool THEN set_config('synchronous_commit', 'off', true) END
) SELECT refuse('` + codeMoved + `', 'the checkpoint is not where the batch begins') WHERE NOT EXISTS (SELECT FROM moved)`
