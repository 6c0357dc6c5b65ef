package projections_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
)

// holder tells which process projects the sample.
func (h *house) holder() (name string) {
	h.t.Helper()
	require.NoError(h.t, h.pool.QueryRow(h.t.Context(), "SELECT coalesce(holder, '') FROM checkpoints WHERE projection = 'sample'").Scan(&name))
	return name
}

// expire lets leases run out until they are another's. A process that is frozen renews nothing; one in a test does, but for
// its worker.
func (h *house) expire(holder string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		h.exec("UPDATE checkpoints SET expires_at = now() WHERE holder = $1", holder)
		return h.holder() != holder
	}, 30*time.Second, 5*time.Millisecond)
}

func TestOneProcessProjectsAndTheOthersStandBy(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first, stopFirst := h.run(h.pool, sample)
	h.wait(first, "sample", h.append(3))
	holder := h.holder()
	second, _ := h.run(h.pool, sample)
	require.Equal(t, holder, h.status(second, "sample", projections.StateStandby).Holder)
	h.wait(second, "sample", h.append(20)) // it learns of what the first one does
	require.Equal(t, holder, h.holder())
	third, stopThird := h.run(h.pool, sample)
	h.status(third, "sample", projections.StateStandby)
	stopThird()
	require.Equal(t, holder, h.holder(), "whoever stands by has nothing to give back")

	stopFirst() // gives the lease back
	h.wait(second, "sample", h.append(5))
	h.status(second, "sample", projections.StateRunning)
	require.NotEqual(t, holder, h.holder())
	h.consistent("sample_v1", sample)
}

func TestAnIdleProcessKeepsItsLeases(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ttl = 300 * time.Millisecond
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(1))
	var before, after time.Time
	expiry := "SELECT expires_at FROM checkpoints WHERE projection = 'sample'"
	require.NoError(t, h.pool.QueryRow(t.Context(), expiry).Scan(&before))
	require.Eventually(t, func() bool {
		err := h.pool.QueryRow(t.Context(), expiry).Scan(&after)
		return err == nil && after.After(before.Add(h.ttl)) // nothing but the engine's beat can have done that
	}, 30*time.Second, 5*time.Millisecond)
}

// TestABatchRenewsTheLease: what is being projected is passed over by whoever renews leases.
func TestABatchRenewsTheLease(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ttl = time.Hour // nothing but batches renews it meanwhile
	engine, _ := h.run(h.pool, sample)
	var before time.Time
	for range 3 {
		h.wait(engine, "sample", h.append(1))
		var after time.Time
		require.NoError(t, h.pool.QueryRow(t.Context(), "SELECT expires_at FROM checkpoints WHERE projection = 'sample'").Scan(&after))
		require.Greater(t, after, before)
		before = after
	}
}

// TestAFrozenWorkerWritesNothing freezes a worker with a batch in its hands until another process has taken over.
func TestAFrozenWorkerWritesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ttl = 2 * time.Second
	frozen, thaw := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	p := sample()
	projections.On(p, func(events.PremiumSubscribed, projections.At) error {
		if first.CompareAndSwap(false, true) {
			close(frozen)
			<-thaw
		}
		return nil
	})
	mine, _ := h.run(h.pool, always(p))
	h.wait(mine, "sample", h.append(3))
	h.record("account-1", events.PremiumSubscribed{})
	<-frozen

	q := sample()
	projections.On(q, func(events.PremiumSubscribed, projections.At) error { return nil })
	other, _ := h.run(h.pool, always(q))
	h.expire(h.holder())
	last := h.append(10)
	h.wait(other, "sample", last)
	close(thaw)
	h.status(mine, "sample", projections.StateStandby)
	require.Len(t, h.rows("SELECT FROM sample_v1.trail"), 15)
}

// TestAProcessThatFreezesInATransactionIsCutOff stops the bytes of a commit, or those of a COPY. The session is ended, and
// with it what keeps others from taking over.
func TestAProcessThatFreezesInATransactionIsCutOff(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{"idle": "COMMIT\x00", "sending": "PGCOPY\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			freezes(t, at)
		})
	}
}

// freezes stops a process where it sends something of a batch.
func freezes(t *testing.T, at string) {
	t.Helper()
	h := newHouse(t)
	h.ttl, h.limit = time.Second, 100
	var prepared, stuck atomic.Bool
	thaw, ctx := make(chan struct{}), t.Context()
	pool := h.wired(t, func(sent []byte) bool {
		if prepared.Load() && strings.Contains(string(sent), at) && stuck.CompareAndSwap(false, true) {
			select {
			case <-thaw:
			case <-ctx.Done():
			}
		}
		return false
	})
	frozen := h.engine(pool, sample)
	require.NoError(t, frozen.Prepare(t.Context()))
	prepared.Store(true)
	h.append(100) // a batch that is copied takes more than one message
	stop := h.start(frozen)
	require.Eventually(t, stuck.Load, 30*time.Second, 5*time.Millisecond)

	other, _ := h.run(h.pool, sample)
	h.expire(h.holder())
	h.wait(other, "sample", h.append(10))
	close(thaw)
	stop()
	h.consistent("sample_v1", sample)
}

// TestLeasesAreKeptWhileIndexesAreMade stops the making of an index, of a build that is nearly ready.
func TestLeasesAreKeptWhileIndexesAreMade(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat, h.ttl = 10*time.Millisecond, time.Second
	engine, _ := h.run(h.pool, slowIndex)
	h.wait(engine, "sample", h.append(5))
	schema, goOn := h.stopAtIndex(engine)

	expiry := "SELECT expires_at FROM checkpoints WHERE projection = 'sample' AND build = 1"
	var before, after time.Time
	require.NoError(t, h.pool.QueryRow(t.Context(), expiry).Scan(&before))
	require.Eventually(t, func() bool {
		err := h.pool.QueryRow(t.Context(), expiry).Scan(&after)
		return err == nil && after.After(before.Add(h.ttl))
	}, 30*time.Second, 5*time.Millisecond)
	goOn()
	h.phase(schema, projections.PhaseReady)
}

// TestAProcessThatFreezesWithTheTurnIsCutOff stops the bytes in the middle of making a build.
func TestAProcessThatFreezesWithTheTurnIsCutOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ttl = time.Second
	var stuck atomic.Bool
	thaw, ctx := make(chan struct{}), t.Context()
	pool := h.wired(t, func(sent []byte) bool {
		if strings.Contains(string(sent), "INSERT INTO projections") && stuck.CompareAndSwap(false, true) {
			select {
			case <-thaw:
			case <-ctx.Done():
			}
		}
		return false
	})
	other := h.engine(h.pool, sample)
	require.NoError(t, other.Prepare(t.Context()))
	frozen := make(chan error, 1)
	go func() {
		_, err := h.engine(pool, sample).Rebuild(ctx, "sample")
		frozen <- err
	}()
	require.Eventually(t, stuck.Load, 30*time.Second, 5*time.Millisecond)

	bounded, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	schema, err := other.Rebuild(bounded, "sample")
	require.NoError(t, err)
	require.Equal(t, "sample_v1_b2", schema)
	close(thaw)
	require.Error(t, <-frozen)
}
