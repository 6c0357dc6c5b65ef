package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
)

// Leases keeps the leases and checkpoints of policies in the infrastructure tables. It holds no session and no lock
// beyond a round trip, so a pooler in between does no harm, and its clock is the database's.
type Leases struct{ pool *pgxpool.Pool }

// NewLeases returns leases over a pool whose search path finds the infrastructure tables.
func NewLeases(pool *pgxpool.Pool) *Leases { return &Leases{pool} }

var _ policies.Leases = (*Leases)(nil)

// The statements of Hold are one round trip and so one transaction. Whoever waits there for another holder waits for one
// that waits for nobody: free rows that are locked are left alone.
const (
	// makeShards gives a new policy its rows. It never adds to those of an old one.
	makeShards = `INSERT INTO policies (policy, shard)
		SELECT $1::text, n FROM generate_series(0, $2::int - 1) n WHERE NOT EXISTS (SELECT FROM policies WHERE policy = $1::text)
		ON CONFLICT DO NOTHING`

	// saveCheckpoints writes those that are still the holder's to write.
	saveCheckpoints = `UPDATE policies p SET store_id = s.store_id, position = s.position, updated_at = now(),
			anchor_stream = s.stream, anchor_revision = s.revision, anchor_event = s.event, anchor_position = s.at
		FROM unnest($3::int[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bytea[], $8::bigint[], $9::uuid[], $10::bigint[])
			AS s (shard, epoch, store_id, position, stream, revision, event, at)
		WHERE p.policy = $1 AND p.holder = $2 AND p.shard = s.shard AND p.epoch = s.epoch`

	// comeForward makes the holder count, and sweeps up those who have gone without a word.
	comeForward = `WITH gone AS (
			DELETE FROM policy_holders WHERE (policy, holder) IN (SELECT policy, holder FROM policy_holders
				WHERE policy = $1 AND holder <> $2 AND expires_at <= now() FOR UPDATE SKIP LOCKED))
		INSERT INTO policy_holders (policy, holder, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))
		ON CONFLICT (policy, holder) DO UPDATE SET expires_at = excluded.expires_at`

	// renewAndTake answers one row at least, without a shard when the holder has none.
	renewAndTake = `WITH share AS (
			SELECT ceil($4::numeric / count(*))::int AS share FROM policy_holders WHERE policy = $1 AND expires_at > now()
		), kept AS (
			UPDATE policies SET expires_at = now() + make_interval(secs => $3) WHERE policy = $1 AND holder = $2 RETURNING *
		), free AS (
			SELECT shard FROM policies WHERE policy = $1 AND (holder IS NULL OR holder <> $2 AND expires_at <= now()) ORDER BY shard
			LIMIT greatest((SELECT share FROM share) - (SELECT count(*) FROM kept), 0) FOR UPDATE SKIP LOCKED
		), taken AS (
			UPDATE policies p SET holder = $2, epoch = p.epoch + 1, expires_at = now() + make_interval(secs => $3)
			FROM free WHERE p.policy = $1 AND p.shard = free.shard RETURNING p.*
		)
		SELECT (SELECT share FROM share), (SELECT count(*) FROM policies WHERE policy = $1), shard, epoch,
			store_id, position, anchor_stream, anchor_revision, anchor_event, anchor_position
		FROM (SELECT) one LEFT JOIN (SELECT * FROM kept UNION ALL SELECT * FROM taken) held ON true ORDER BY shard`
)

// Hold implements policies.Leases.
func (l *Leases) Hold(ctx context.Context, c policies.Claim) (policies.Tenure, error) {
	ttl := c.TTL.Seconds()
	var batch pgx.Batch
	batch.Queue(makeShards, c.Policy, c.Shards)
	queueSave(&batch, c.Policy, c.Holder, c.Held)
	batch.Queue(comeForward, c.Policy, c.Holder, ttl)
	var tenure policies.Tenure
	shards := 0
	batch.Queue(renewAndTake, c.Policy, c.Holder, ttl, c.Shards).Query(func(rows pgx.Rows) error {
		var shard *int
		var epoch *int64
		var at checkpoint
		_, err := pgx.ForEachRow(rows, append([]any{&tenure.Share, &shards, &shard, &epoch}, at.columns()...), func() error {
			if shard != nil {
				tenure.Leases = append(tenure.Leases, policies.Lease{Shard: *shard, Epoch: *epoch, Checkpoint: at.value()})
			}
			return nil
		})
		return err
	})
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return policies.Tenure{}, fmt.Errorf("renewing the leases of policy %s: %w", c.Policy, err)
	}
	if shards != c.Shards {
		return policies.Tenure{}, fmt.Errorf("policy %s has %d shards in the database, and %d here", c.Policy, shards, c.Shards)
	}
	return tenure, nil
}

// Release implements policies.Leases.
func (l *Leases) Release(ctx context.Context, r policies.Return) error {
	var batch pgx.Batch
	queueSave(&batch, r.Policy, r.Holder, r.Leases)
	if r.Gone {
		batch.Queue("DELETE FROM policy_holders WHERE policy = $1 AND holder = $2", r.Policy, r.Holder)
		batch.Queue("UPDATE policies SET holder = NULL, expires_at = NULL WHERE policy = $1 AND holder = $2", r.Policy, r.Holder)
	} else {
		var shards []int
		var epochs []int64
		for _, lease := range r.Leases {
			shards, epochs = append(shards, lease.Shard), append(epochs, lease.Epoch)
		}
		batch.Queue(`UPDATE policies p SET holder = NULL, expires_at = NULL FROM unnest($3::int[], $4::bigint[]) AS s (shard, epoch)
			WHERE p.policy = $1 AND p.holder = $2 AND p.shard = s.shard AND p.epoch = s.epoch`, r.Policy, r.Holder, shards, epochs)
	}
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("giving back leases of policy %s: %w", r.Policy, err)
	}
	return nil
}

// Evict gives back the leases of everybody, those of projections too, with the checkpoints as they were last saved. It is for the owner of a store
// that one process at a time can have: whoever held leases over it is gone, and need not be waited for.
func (l *Leases) Evict(ctx context.Context) error {
	var batch pgx.Batch
	batch.Queue("DELETE FROM policy_holders")
	batch.Queue("UPDATE policies SET holder = NULL, expires_at = NULL WHERE holder IS NOT NULL")
	batch.Queue("UPDATE checkpoints SET holder = NULL, expires_at = NULL WHERE holder IS NOT NULL")
	if err := l.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("giving back the leases of processes that are gone: %w", err)
	}
	return nil
}

// Shards implements policies.Leases.
func (l *Leases) Shards(ctx context.Context, policy string) ([]policies.ShardState, error) {
	rows, err := l.pool.Query(ctx, `SELECT shard, epoch, CASE WHEN expires_at > now() THEN holder ELSE '' END, updated_at,
			store_id, position, anchor_stream, anchor_revision, anchor_event, anchor_position
		FROM policies WHERE policy = $1 ORDER BY shard`, policy)
	if err != nil {
		return nil, fmt.Errorf("reading the leases of policy %s: %w", policy, err)
	}
	var out []policies.ShardState
	var s policies.ShardState
	var updated *time.Time
	var at checkpoint
	_, err = pgx.ForEachRow(rows, append([]any{&s.Shard, &s.Epoch, &s.Holder, &updated}, at.columns()...), func() error {
		s.Checkpoint, s.UpdatedAt = at.value(), time.Time{}
		if updated != nil {
			s.UpdatedAt = *updated
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the leases of policy %s: %w", policy, err)
	}
	return out, nil
}

// checkpoint is one as it is stored: what is not known is null.
type checkpoint struct {
	store, event           *uuid.UUID
	position, revision, at *int64
	stream                 []byte
}

func (c *checkpoint) columns() []any {
	return []any{&c.store, &c.position, &c.stream, &c.revision, &c.event, &c.at}
}

func (c *checkpoint) value() policies.Checkpoint {
	var out policies.Checkpoint
	if c.store != nil {
		out.Store, out.Position = id.Store{UUID: *c.store}, events.Position(*c.position)
	}
	if c.event != nil {
		out.Anchor = &policies.Anchor{
			Stream: string(c.stream), Revision: uint64(*c.revision), Event: id.Event{UUID: *c.event}, Position: events.Position(*c.at),
		}
	}
	return out
}

// queueSave saves the checkpoints that there are.
func queueSave(batch *pgx.Batch, policy, holder string, leases []policies.Lease) {
	var (
		shards             []int
		epochs, positions  []int64
		stores             []uuid.UUID
		streams            [][]byte
		revisions, anchors []*int64
		anchored           []*uuid.UUID
	)
	for _, l := range leases {
		at := l.Checkpoint
		if at.Store == (id.Store{}) {
			continue
		}
		shards, epochs = append(shards, l.Shard), append(epochs, l.Epoch)
		stores, positions = append(stores, at.Store.UUID), append(positions, int64(at.Position))
		if at.Anchor == nil {
			streams, revisions, anchored, anchors = append(streams, nil), append(revisions, nil), append(anchored, nil), append(anchors, nil)
			continue
		}
		streams, revisions = append(streams, []byte(at.Anchor.Stream)), append(revisions, new(int64(at.Anchor.Revision)))
		anchored, anchors = append(anchored, &at.Anchor.Event.UUID), append(anchors, new(int64(at.Anchor.Position)))
	}
	if len(shards) > 0 {
		batch.Queue(saveCheckpoints, policy, holder, shards, epochs, stores, positions, streams, revisions, anchored, anchors)
	}
}
