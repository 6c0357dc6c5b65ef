package policies_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/events"
)

// process is a runner in a synctest bubble.
type process struct {
	*policies.Runner

	cancel context.CancelFunc
	ended  chan error
}

func start(t *testing.T, log policies.Log, leases policies.Leases, p policies.Policy) *process {
	t.Helper()
	runner, err := policies.NewRunner(policies.Config{Log: log, Leases: leases, Now: time.Now, Process: "host"}, p)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	out := &process{runner, cancel, make(chan error, 1)}
	go func() { out.ended <- runner.Run(ctx) }()
	synctest.Wait()
	return out
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	p.cancel()
	require.NoError(t, <-p.ended)
}

func (p *process) status(t *testing.T) policies.Status {
	t.Helper()
	all, err := p.Status(t.Context())
	require.NoError(t, err)
	return all[0]
}

// pass lets time pass in the bubble, where it takes none, and what is due then happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// here counts the shards that a process works on.
func (p *process) here(t *testing.T) int {
	t.Helper()
	n := 0
	for _, s := range p.status(t).Shards {
		if s.Here {
			n++
		}
	}
	return n
}

func TestAProcessThatCannotRenewStopsBeforeItsLeasesExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, leases := newBook(), policiestest.NewLeases(time.Now)
		log.link("devices-0")
		began := time.Now()
		var given time.Duration
		calls := 0
		p := start(t, log, leases, &listener{1, func(ctx context.Context, _ int, _ []*policies.Input) error {
			if calls++; calls == 1 {
				<-ctx.Done()
				given = time.Since(began)
			}
			return ctx.Err()
		}})
		leases.Fail(errAway)
		pass(15 * time.Second)
		require.Equal(t, 9*time.Second, given, "of a TTL of 10 s")
		require.Equal(t, 1, calls, "nothing is begun without a lease")
		all, err := p.Status(t.Context())
		require.ErrorIs(t, err, errAway)
		require.Equal(t, policies.StateRetrying, all[0].State)
		require.Contains(t, all[0].Error, "away")

		leases.Fail(nil)
		head, err := p.WaitFor(t.Context(), "listener", log.link("devices-0"))
		require.NoError(t, err)
		require.Equal(t, 2, calls)
		s := p.status(t)
		require.Equal(t, policies.StateRunning, s.State)
		require.Equal(t, head, s.Position)
		require.Contains(t, s.Shards[0].Holder, "host ")
		p.stop(t)
		require.Equal(t, policies.StateStopped, p.status(t).State)
	})
}

// slowReader has just read what is of shard 1 when shard 0 has given up.
type slowReader struct {
	listener

	up <-chan struct{}
}

func (s *slowReader) Shard(ctx context.Context, in *policies.Input) (int, error) {
	shard, err := s.listener.Shard(ctx, in)
	if shard == 1 {
		<-s.up
		<-time.After(time.Millisecond)
	}
	return shard, err
}

func TestWhatIsGivenUpIsNotPassedByTheNextBatch(t *testing.T) {
	t.Parallel()
	for range 50 { // whether the next batch still comes through is a matter of luck
		synctest.Test(t, func(t *testing.T) {
			log, leases := newBook(), policiestest.NewLeases(time.Now)
			given := log.link("devices-0")
			log.link("devices-1")
			up := make(chan struct{})
			p := &slowReader{listener{2, func(ctx context.Context, shard int, _ []*policies.Input) error {
				if shard == 0 {
					<-ctx.Done()
					close(up)
				}
				return ctx.Err()
			}}, up}
			runner, err := policies.NewRunner(policies.Config{Log: log, Leases: leases, Now: time.Now, Events: 1}, p)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.NoError(t, runner.Run(ctx))
			states, err := leases.Shards(t.Context(), "listener")
			require.NoError(t, err)
			require.Less(t, states[0].Checkpoint.Position, given)
		})
	}
}

func TestALeaseLostToAnotherEndsTheWorkOnIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, leases := newBook(), policiestest.NewLeases(time.Now)
		last := log.link("devices-0")
		given := 0
		p := start(t, log, leases, &listener{1, func(ctx context.Context, _ int, _ []*policies.Input) error {
			<-ctx.Done()
			given++
			return ctx.Err()
		}})
		leases.Expire() // the database's clock may jump
		_, err := leases.Hold(t.Context(), policies.Claim{Policy: "listener", Shards: 1, Holder: "other", TTL: time.Minute})
		require.NoError(t, err)
		pass(5 * time.Second)
		require.Equal(t, 1, given)
		s := p.status(t)
		require.Equal(t, policies.StateStandby, s.State)
		require.Equal(t, "other", s.Shards[0].Holder)
		require.Less(t, s.Position, last)
		p.stop(t)
	})
}

func TestAnotherProcessTakesOverAfterExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, leases := newBook(), policiestest.NewLeases(time.Now)
		// A process that died with all leases in its hands.
		_, err := leases.Hold(t.Context(), policies.Claim{Policy: "listener", Shards: 4, Holder: "dead", TTL: 10 * time.Second})
		require.NoError(t, err)
		began := time.Now()
		p := start(t, log, leases, &listener{4, func(context.Context, int, []*policies.Input) error { return nil }})
		require.Equal(t, policies.StateStandby, p.status(t).State)
		_, err = p.WaitFor(t.Context(), "listener", log.link("devices-0"))
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(began), 10*time.Second)
		require.LessOrEqual(t, time.Since(began), 14*time.Second)
		require.Equal(t, 4, p.here(t))
		p.stop(t)
	})
}

func TestProcessesDivideTheShards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, leases := newBook(), policiestest.NewLeases(time.Now)
		heard := map[events.Position]int{}
		hear := func() policies.Policy {
			return &listener{8, func(_ context.Context, _ int, inputs []*policies.Input) error {
				for _, in := range inputs {
					heard[in.Position]++ // one process at a time, in this test
				}
				return nil
			}}
		}
		one := start(t, log, leases, hear())
		require.Equal(t, 8, one.here(t))
		two := start(t, log, leases, hear())
		pass(10 * time.Second)
		require.Equal(t, 4, one.here(t))
		require.Equal(t, 4, two.here(t))
		three := start(t, log, leases, hear())
		pass(20 * time.Second)
		require.Equal(t, []int{3, 3, 2}, []int{one.here(t), two.here(t), three.here(t)})
		for n := range 8 {
			last := log.link("devices-" + string(rune('0'+n)))
			for _, p := range []*process{one, two, three} {
				_, err := p.WaitFor(t.Context(), "listener", last)
				require.NoError(t, err)
			}
		}
		two.stop(t)
		three.stop(t)
		pass(4 * time.Second)
		require.Equal(t, 8, one.here(t), "given back, and taken long before it would have expired")
		_, err := one.WaitFor(t.Context(), "listener", log.link("devices-0"))
		require.NoError(t, err)
		require.Len(t, heard, 9)
		for position, n := range heard {
			require.Equal(t, 1, n, "position %d", position)
		}
		one.stop(t)
	})
}

func TestTroubleOfTheLogIsWaitedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, leases := newBook(), policiestest.NewLeases(time.Now)
		heard := 0
		p := start(t, log, leases, &listener{2, func(_ context.Context, _ int, inputs []*policies.Input) error {
			heard += len(inputs)
			return nil
		}})
		log.link("devices-0")
		synctest.Wait()
		log.fail(errAway)
		pass(time.Minute)
		all, err := p.Status(t.Context())
		require.ErrorIs(t, err, errAway)
		require.Equal(t, policies.StateRetrying, all[0].State)
		require.Contains(t, all[0].Error, "away")
		log.fail(nil)
		pass(5 * time.Second)
		require.Equal(t, policies.StateRunning, p.status(t).State, "there is nothing to read, and it could be read")
		log.link("devices-1")
		synctest.Wait()
		require.Equal(t, 2, heard)
		p.stop(t)
	})
}

func TestWaitingIsBoundedAndSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, leases := newBook(), policiestest.NewLeases(time.Now)
		p := start(t, log, leases, &listener{1, func(context.Context, int, []*policies.Input) error { return errAway }})
		_, err := p.WaitFor(t.Context(), "nobody", 1)
		require.ErrorContains(t, err, "no such policy")

		last := log.link("devices-0")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = p.WaitFor(ctx, "listener", last)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "policy listener has come to position 7, not yet to 10: context deadline exceeded; it is held up: shard 0: away")

		leases.Fail(errAway)
		reader, err := policies.NewRunner(policies.Config{Log: log, Leases: leases, Now: time.Now}, &listener{shards: 1})
		require.NoError(t, err)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = reader.WaitFor(ctx, "listener", last)
		require.ErrorContains(t, err, "held up: away")
		p.stop(t)
	})
}

func TestAPositionBeyondTheHeadIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, leases := newBook(), policiestest.NewLeases(time.Now)
		p := start(t, log, leases, &listener{2, func(context.Context, int, []*policies.Input) error { return nil }})
		reader, err := policies.NewRunner(policies.Config{Log: log, Leases: leases, Now: time.Now}, &listener{shards: 2})
		require.NoError(t, err)
		woken := make(chan events.Position)
		for _, r := range []*policies.Runner{p.Runner, reader, reader} { // those who only read wake each other
			go func() {
				at, err := r.WaitFor(t.Context(), "listener", 10)
				if err != nil {
					t.Error(err)
				}
				woken <- at
			}()
		}
		pass(time.Minute)
		select {
		case <-woken:
			t.Fatal("nothing is there yet")
		default:
		}
		log.link("devices-0")
		for range 3 {
			require.EqualValues(t, 10, <-woken)
		}
		p.stop(t)
	})
}

func TestPostgresGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	server := pgtest.Restartable(t)
	pool, err := postgres.Open(t.Context(), server.URL())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	h := newHouse(t)
	h.cfg.Leases, h.cfg.TTL = postgres.NewLeases(pool), 500*time.Millisecond
	runner, _ := h.run(newTally(h.store, 4))
	h.wait(runner, h.link(0, 5))
	for shard := range 2 {
		server.Kill()
		h.link(shard, 3)
		s := h.status(runner, func(s policies.Status) bool {
			return s.State == policies.StateRetrying && s.Error != "" && !s.Shards[0].Here
		})
		require.Len(t, s.Shards, 4)
		last := h.link(shard, 3)
		server.Start()
		h.wait(runner, last)
	}
	h.complete()
}

func TestTwoProcessesOnPostgres(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.cfg.Leases, h.cfg.TTL = postgres.NewLeases(pgtest.Migrated(t)), 300*time.Millisecond
	h.cfg.Events = 5
	one, stop := h.run(newTally(h.store, 4))
	h.wait(one, h.link(0, 3))
	two, _ := h.run(newTally(h.store, 4))
	both := func(s policies.Status) bool {
		here := 0
		for _, shard := range s.Shards {
			if shard.Here {
				here++
			}
		}
		return here == 2
	}
	h.status(one, both)
	h.status(two, both)
	var last events.Position
	for i := range 40 {
		last = h.link(i%4, 2)
	}
	h.wait(one, last)
	h.wait(two, last)
	h.complete()
	stop()
	h.wait(two, h.link(3, 1))
	h.complete()
}
