package policiestest

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
)

// LeasesSuite is what every implementation of policies.Leases passes. Each test opens leases that nobody holds, and
// a function that lets what is held expire at once.
func LeasesSuite(t *testing.T, open func(*testing.T) (leases policies.Leases, expire func())) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, policies.Leases, func()){
		"the first holder gets all":              firstHolder,
		"a second holder gets its share":         secondHolder,
		"expired leases change hands":            expired,
		"what is given back is free":             givenBack,
		"who is gone leaves nothing":             gone,
		"checkpoints are kept":                   checkpoints,
		"checkpoints of an old epoch are not":    oldEpochs,
		"the number of shards is fixed":          fixedShards,
		"policies do not touch each other":       otherPolicies,
		"holders who come together share fairly": together,
	} {
		t.Run(name, func(t *testing.T) {
			leases, expire := open(t)
			test(t, leases, expire)
		})
	}
}

func claim(shards int, holder string, held ...policies.Lease) policies.Claim {
	return policies.Claim{Policy: "rating", Shards: shards, Holder: holder, TTL: time.Hour, Held: held}
}

func hold(t *testing.T, l policies.Leases, c policies.Claim) policies.Tenure {
	t.Helper()
	tenure, err := l.Hold(t.Context(), c)
	require.NoError(t, err)
	return tenure
}

func release(t *testing.T, l policies.Leases, holder string, gone bool, leases ...policies.Lease) {
	t.Helper()
	require.NoError(t, l.Release(t.Context(), policies.Return{Policy: "rating", Holder: holder, Leases: leases, Gone: gone}))
}

func shards(t *testing.T, l policies.Leases) []policies.ShardState {
	t.Helper()
	states, err := l.Shards(t.Context(), "rating")
	require.NoError(t, err)
	return states
}

// fresh is a lease as it is first taken.
func fresh(shard int, epoch int64) policies.Lease { return policies.Lease{Shard: shard, Epoch: epoch} }

func firstHolder(t *testing.T, l policies.Leases, _ func()) {
	require.Empty(t, shards(t, l))
	all := policies.Tenure{Leases: []policies.Lease{fresh(0, 1), fresh(1, 1), fresh(2, 1)}, Share: 3}
	require.Equal(t, all, hold(t, l, claim(3, "a")))
	require.Equal(t, all, hold(t, l, claim(3, "a", all.Leases...)), "renewed in the same epoch")
	require.Equal(t, all, hold(t, l, claim(3, "a")), "also when the answer before was lost")
	for i, s := range shards(t, l) {
		require.Equal(t, policies.ShardState{Lease: fresh(i, 1), Holder: "a"}, s)
	}
}

func secondHolder(t *testing.T, l policies.Leases, _ func()) {
	all := hold(t, l, claim(5, "a")).Leases
	require.Equal(t, policies.Tenure{Share: 3}, hold(t, l, claim(5, "b")), "nothing is free")
	require.Equal(t, policies.Tenure{Leases: all, Share: 3}, hold(t, l, claim(5, "a", all...)), "nothing is taken away")
	release(t, l, "a", false, all[3:]...)
	require.Equal(t, policies.Tenure{Leases: all[:3], Share: 3}, hold(t, l, claim(5, "a", all[:3]...)), "not beyond the share")
	require.Equal(t, policies.Tenure{Leases: []policies.Lease{fresh(3, 2), fresh(4, 2)}, Share: 3}, hold(t, l, claim(5, "b")))
}

func expired(t *testing.T, l policies.Leases, expire func()) {
	old := hold(t, l, claim(2, "a")).Leases
	expire()
	require.Empty(t, shards(t, l)[0].Holder)
	require.Equal(t, policies.Tenure{Leases: []policies.Lease{fresh(0, 2), fresh(1, 2)}, Share: 2}, hold(t, l, claim(2, "b")))
	require.Empty(t, hold(t, l, claim(2, "a", old...)).Leases)
	expire()
	require.Equal(t, policies.Tenure{Leases: []policies.Lease{fresh(0, 2), fresh(1, 2)}, Share: 2}, hold(t, l, claim(2, "b")),
		"expired, but nobody else was there meanwhile")
}

func givenBack(t *testing.T, l policies.Leases, expire func()) {
	old := hold(t, l, claim(2, "a")).Leases
	release(t, l, "b", false, old...)
	require.Equal(t, "a", shards(t, l)[0].Holder, "not somebody else's to give")
	release(t, l, "a", false, fresh(0, 7))
	require.Equal(t, "a", shards(t, l)[0].Holder, "of another epoch")
	release(t, l, "a", false, old[0])
	require.Empty(t, shards(t, l)[0].Holder)
	require.Equal(t, "a", shards(t, l)[1].Holder)
	require.Equal(t, []policies.Lease{fresh(0, 2)}, hold(t, l, claim(2, "b")).Leases)
	expire()
	hold(t, l, claim(2, "c"))
	release(t, l, "a", false, old[1])
	require.Equal(t, "c", shards(t, l)[1].Holder, "too late")
}

func gone(t *testing.T, l policies.Leases, _ func()) {
	release(t, l, "nobody", true)
	hold(t, l, claim(2, "a"))
	require.Equal(t, 1, hold(t, l, claim(2, "b")).Share)
	release(t, l, "a", true)
	require.Equal(t, policies.Tenure{Leases: []policies.Lease{fresh(0, 2), fresh(1, 2)}, Share: 2}, hold(t, l, claim(2, "b")))
}

func checkpoint(position events.Position) policies.Checkpoint {
	return policies.Checkpoint{
		Store: id.Store{UUID: uuid.UUID{1}}, Position: position,
		Anchor: &policies.Anchor{Stream: "s\xff\x00", Revision: 7, Event: id.Event{UUID: uuid.UUID{2}}, Position: position - 1},
	}
}

func checkpoints(t *testing.T, l policies.Leases, expire func()) {
	held := hold(t, l, claim(3, "a")).Leases
	held[0].Checkpoint = checkpoint(10)
	held[1].Checkpoint = policies.Checkpoint{Store: id.Store{UUID: uuid.UUID{1}}, Position: 4}
	require.Equal(t, held, hold(t, l, claim(3, "a", held...)).Leases)
	require.Equal(t, held[1], shards(t, l)[1].Lease)
	require.False(t, shards(t, l)[1].UpdatedAt.IsZero())
	require.True(t, shards(t, l)[2].UpdatedAt.IsZero())
	require.Equal(t, held, hold(t, l, claim(3, "a", fresh(0, 1), fresh(2, 1))).Leases, "nothing known, nothing saved")

	held[0].Checkpoint, held[1].Checkpoint = held[1].Checkpoint, checkpoint(20)
	release(t, l, "a", false, held[:2]...)
	require.Equal(t, held[1].Checkpoint, shards(t, l)[1].Checkpoint)
	require.Nil(t, shards(t, l)[0].Checkpoint.Anchor, "set back to before every event")
	expire()
	held[2].Checkpoint = checkpoint(30)
	for i := range held {
		held[i].Epoch = 2
	}
	taken := hold(t, l, claim(3, "b")).Leases
	require.Equal(t, held[:2], taken[:2])
	require.Equal(t, policies.Checkpoint{}, taken[2].Checkpoint)
}

func oldEpochs(t *testing.T, l policies.Leases, expire func()) {
	old := hold(t, l, claim(1, "a")).Leases
	expire()
	hold(t, l, claim(1, "b"))
	old[0].Checkpoint = checkpoint(10)
	hold(t, l, claim(1, "a", old...))
	release(t, l, "a", true, old...)
	expire()
	for range 2 {
		require.Equal(t, []policies.Lease{fresh(0, 3)}, hold(t, l, claim(1, "a", old...)).Leases)
	}
	require.Equal(t, policies.Checkpoint{}, shards(t, l)[0].Checkpoint)
}

func fixedShards(t *testing.T, l policies.Leases, _ func()) {
	hold(t, l, claim(4, "a"))
	for _, other := range []int{3, 5} {
		_, err := l.Hold(t.Context(), claim(other, "b"))
		require.ErrorContains(t, err, "4 shards")
	}
}

func otherPolicies(t *testing.T, l policies.Leases, _ func()) {
	hold(t, l, claim(2, "a"))
	other := claim(3, "b")
	other.Policy = "sending"
	require.Len(t, hold(t, l, other).Leases, 3)
	release(t, l, "b", true)
	states, err := l.Shards(t.Context(), "sending")
	require.NoError(t, err)
	require.Equal(t, "b", states[2].Holder)
}

func together(t *testing.T, l policies.Leases, _ func()) {
	holders := []string{"a", "b", "c", "d"}
	tenures := make(chan policies.Tenure, len(holders))
	for _, h := range holders {
		go func() {
			tenure, err := l.Hold(t.Context(), claim(16, h))
			if err != nil {
				t.Error(err)
			}
			tenures <- tenure
		}()
	}
	owner := map[int]bool{}
	for range holders {
		for _, lease := range (<-tenures).Leases {
			require.False(t, owner[lease.Shard], "shard %d has one holder", lease.Shard)
			owner[lease.Shard] = true
		}
	}
	for _, h := range holders {
		require.Equal(t, 4, hold(t, l, claim(16, h)).Share)
	}
}
