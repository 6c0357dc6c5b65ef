package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/events/id"
)

func TestLeases(t *testing.T) {
	t.Parallel()
	policiestest.LeasesSuite(t, func(t *testing.T) (policies.Leases, func()) {
		pool := pgtest.Migrated(t)
		return postgres.NewLeases(pool), func() {
			for _, table := range []string{"policies", "policy_holders"} {
				_, err := pool.Exec(t.Context(), "UPDATE "+table+" SET expires_at = now() - interval '1 ms' WHERE holder IS NOT NULL")
				require.NoError(t, err)
			}
		}
	})
}

func TestLeasesLastForTheirTTLAndAreRenewed(t *testing.T) {
	t.Parallel()
	pool := pgtest.Migrated(t)
	leases := postgres.NewLeases(pool)
	claim := policies.Claim{Policy: "rating", Shards: 2, Holder: "a"}
	left := func() (seconds []float64) {
		t.Helper()
		rows, err := pool.Query(t.Context(), `SELECT extract(epoch FROM expires_at - now())::float8 FROM policies
			UNION ALL SELECT extract(epoch FROM expires_at - now())::float8 FROM policy_holders`)
		require.NoError(t, err)
		seconds, err = pgx.CollectRows(rows, pgx.RowTo[float64])
		require.NoError(t, err)
		return seconds
	}
	for _, ttl := range []time.Duration{time.Hour, 30 * time.Hour} {
		claim.TTL = ttl
		_, err := leases.Hold(t.Context(), claim)
		require.NoError(t, err)
		for _, seconds := range left() {
			require.InDelta(t, ttl.Seconds(), seconds, 600)
		}
		require.Len(t, left(), 3)
	}
}

func TestInvariantsOfTheLeases(t *testing.T) {
	t.Parallel()
	pool := pgtest.Migrated(t)
	for _, c := range []struct{ columns, values, constraint string }{
		{"shard", "-1", "policies_shard"},
		{"shard, epoch", "0, -1", "policies_epoch"},
		{"shard, holder", "0, 'a'", "policies_holder"},
		{"shard, position", "0, 1", "policies_checkpoint"},
		{"shard, store_id, position, updated_at", "0, gen_random_uuid(), -1, now()", "policies_position"},
		{"shard, anchor_position", "0, 1", "policies_anchor"},
	} {
		_, err := pool.Exec(t.Context(), "INSERT INTO policies (policy, "+c.columns+") VALUES ('p', "+c.values+")")
		require.ErrorContains(t, err, c.constraint)
	}
}

func TestLeasesSayWhatFailed(t *testing.T) {
	t.Parallel()
	leases := postgres.NewLeases(pgtest.Pool(t)) // without the tables
	_, err := leases.Hold(t.Context(), policies.Claim{Policy: "rating", Shards: 1})
	require.ErrorContains(t, err, "renewing the leases of policy rating")
	require.ErrorContains(t, leases.Release(t.Context(), policies.Return{Policy: "rating"}), "giving back leases of policy rating")
	_, err = leases.Shards(t.Context(), "rating")
	require.ErrorContains(t, err, "reading the leases of policy rating")
}

func TestEvictedLeasesAreFree(t *testing.T) {
	t.Parallel()
	ctx, leases := t.Context(), postgres.NewLeases(pgtest.Migrated(t))
	claim := policies.Claim{Policy: "rating", Shards: 3, Holder: "killed", TTL: time.Hour}
	held, err := leases.Hold(ctx, claim)
	require.NoError(t, err)
	claim.Held = held.Leases
	claim.Held[1].Checkpoint = policies.Checkpoint{Store: id.New[id.Store](), Position: 7}
	_, err = leases.Hold(ctx, claim)
	require.NoError(t, err)

	require.NoError(t, leases.Evict(ctx))
	next, err := leases.Hold(ctx, policies.Claim{Policy: "rating", Shards: 3, Holder: "next", TTL: time.Hour})
	require.NoError(t, err)
	require.Len(t, next.Leases, 3)
	require.Equal(t, 3, next.Share)
	require.Equal(t, claim.Held[1].Checkpoint, next.Leases[1].Checkpoint)
	require.Equal(t, held.Leases[1].Epoch+1, next.Leases[1].Epoch)
}
