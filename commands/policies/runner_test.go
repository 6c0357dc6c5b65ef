package policies_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/storetest"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/events"
	"daybook/events/id"
)

func TestEveryInputReachesItsShardInOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.cfg.Events = 7
	for i := range 50 {
		h.link(i%4, 1+i%3)
		h.record("account-1", events.ProfileUpdated{})
	}
	h.record("account-1", events.TermsAccepted{})
	p := newTally(h.store, 4)
	runner, _ := h.run(p)
	h.wait(runner, h.link(2, 3))
	for shard := range 4 {
		names := h.copies(shard)
		require.Len(t, names, h.linked[shard]+1, "and what is for every shard")
		last := 0
		for _, name := range names {
			if name == "" {
				continue
			}
			last++
			require.Equal(t, fmt.Sprintf("%d.%d", shard, last), name)
		}
	}
	for _, call := range p.calls {
		for i, in := range call {
			require.True(t, p.Handles(in.Type))
			require.Equal(t, recordedAt, in.Envelope.RecordedAt)
			require.True(t, i == 0 || call[i-1].Position < in.Position)
		}
	}
}

func TestARunnerNeedsThingsAndSoundPolicies(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, err := policies.NewRunner(policies.Config{Log: h.store})
	require.ErrorContains(t, err, "Log, Leases and Now are needed")
	_, err = policies.NewRunner(h.cfg, newTally(h.store, 0))
	require.ErrorContains(t, err, "0 shards")
	_, err = policies.NewRunner(h.cfg, newTally(h.store, 1), newTally(h.store, 1))
	require.ErrorContains(t, err, "two policies named")
	_, err = policies.NewRunner(h.cfg, nameless{newTally(h.store, 1)})
	require.ErrorContains(t, err, "no name")
}

type nameless struct{ *tally }

func (nameless) Name() string { return "" }

func TestAFailingShardRestsAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := newTally(h.store, 3)
	var broken atomic.Bool
	broken.Store(true)
	p.before = func(_ context.Context, shard int, _ []*policies.Input) error {
		if shard == 1 && broken.Load() {
			panic("no paper")
		}
		return nil
	}
	runner, _ := h.run(p)
	for range 10 {
		for shard := range 3 {
			h.link(shard, 2)
		}
	}
	require.Eventually(t, func() bool { return len(h.copies(0)) == 20 && len(h.copies(2)) == 20 }, 30*time.Second, time.Millisecond)
	s := h.status(runner, func(s policies.Status) bool { return s.State == policies.StateRetrying })
	require.Contains(t, s.Error, "shard 1: policy panicked: no paper")
	require.Contains(t, s.Shards[1].Error, "no paper")
	require.Empty(t, s.Shards[0].Error)
	require.Positive(t, s.Lag.Events, "those after the last that the resting shard has passed")
	require.Less(t, s.Position, s.Head)

	broken.Store(false)
	h.wait(runner, h.link(1, 1))
	h.complete()
	given := map[events.Position]int{}
	for _, in := range p.seen() {
		if in.Stream != "devices-1" {
			given[in.Position]++
		}
	}
	require.Len(t, given, 40)
	for position, n := range given {
		require.Equal(t, 1, n, "position %d is of a shard that was well", position)
	}
	s = h.status(runner, func(s policies.Status) bool { return s.State == policies.StateRunning && s.Position == s.Head })
	require.Equal(t, &policies.Lag{}, s.Lag)
	require.Empty(t, s.Error)
}

func TestAnUndecodableEventHoldsThePolicyThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.link(0, 2)
	h.write("devices-0", events.Proposed{ID: id.New[id.Event](), Type: "Unheard", Data: []byte("noise")})
	good := h.link(0, 1)
	h.write("devices-0", events.Proposed{ID: id.New[id.Event](), Type: "DeviceLinked", Data: []byte("noise")})
	last := h.link(0, 1)
	p := newTally(h.store, 1)
	h.cfg.Now = func() time.Time { return time.Now().Add(time.Hour) }
	runner, _ := h.run(p)
	h.wait(runner, good)
	s := h.status(runner, func(s policies.Status) bool { return s.State == policies.StateRetrying })
	require.Contains(t, s.Error, "policy tally stands before DeviceLinked at devices-0@4: decoding envelope")
	require.Equal(t, good, s.Position)
	require.GreaterOrEqual(t, s.Lag.Seconds, time.Hour.Seconds(), "it waits since it was recorded")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := runner.WaitFor(ctx, "tally", last)
	waited, ok := errors.AsType[*policies.WaitError](err)
	require.True(t, ok)
	require.Equal(t, good, waited.Position)
	_, ok = errors.AsType[*policies.InputError](waited.Trouble)
	require.True(t, ok)
	require.Equal(t, []string{"0.1", "0.2", "0.3"}, h.copies(0))
}

func TestAShardThatCannotBeFoundHoldsThePolicy(t *testing.T) {
	t.Parallel()
	for stream, complaint := range map[string]string{"devices-x": "finding its shard", "devices-7": "it is of shard 7, of 2"} {
		h := newHouse(t)
		h.record(stream, events.DeviceLinked{})
		runner, _ := h.run(newTally(h.store, 2))
		s := h.status(runner, func(s policies.Status) bool { return s.State == policies.StateRetrying })
		require.Contains(t, s.Error, complaint)
	}
}

func TestARestartGoesOnFromTheCheckpoint(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.cfg.SaveGap = time.Hour
	first := newTally(h.store, 2)
	runner, stop := h.run(first)
	h.wait(runner, h.link(0, 5))
	stop()
	h.link(0, 1)
	second := newTally(h.store, 2)
	runner, _ = h.run(second)
	h.wait(runner, h.link(1, 1))
	require.Len(t, second.seen(), 2)
	h.complete()
}

func TestAnIdleRunnerSavesWithoutBeingStopped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.cfg.TTL = time.Hour
	runner, _ := h.run(newTally(h.store, 2))
	last := h.wait(runner, h.link(0, 5))
	require.Eventually(t, func() bool {
		states, err := h.leases.Shards(t.Context(), "tally")
		require.NoError(t, err)
		return states[0].Checkpoint.Position >= last && states[1].Checkpoint.Position >= last
	}, 30*time.Second, time.Millisecond)
}

// TestACheckpointOfAnotherHistoryIsNotTrusted gives a runner the leases of another store.
func TestACheckpointOfAnotherHistoryIsNotTrusted(t *testing.T) {
	t.Parallel()
	one := newHouse(t)
	runner, stop := one.run(newTally(one.store, 2))
	one.wait(runner, one.link(0, 5))
	stop()
	states, err := one.leases.Shards(t.Context(), "tally")
	require.NoError(t, err)
	sound := states[0].Checkpoint

	other := newHouse(t)
	other.link(0, 9)
	restored := func(change func(*policies.Checkpoint)) policies.Checkpoint { // of the store itself, but not quite
		at, anchor := sound, *sound.Anchor
		at.Anchor = &anchor
		change(&at)
		return at
	}
	for name, c := range map[string]struct {
		h     *house
		at    policies.Checkpoint
		again int
	}{
		"sound":                  {one, sound, 0},
		"another store":          {other, sound, 9},
		"a copied store":         {one, restored(func(c *policies.Checkpoint) { c.Store = id.New[id.Store]() }), 5},
		"beyond the head":        {one, restored(func(c *policies.Checkpoint) { c.Position += 9; c.Anchor.Revision += 9 }), 5},
		"another event":          {one, restored(func(c *policies.Checkpoint) { c.Anchor.Event = id.New[id.Event]() }), 5},
		"another place":          {one, restored(func(c *policies.Checkpoint) { c.Anchor.Position-- }), 5},
		"a position without one": {one, restored(func(c *policies.Checkpoint) { c.Anchor = nil }), 5},
	} {
		t.Run(name, func(t *testing.T) {
			leases := policiestest.NewLeases(time.Now)
			tenure, err := leases.Hold(t.Context(), policies.Claim{Policy: "tally", Shards: 2, Holder: "before", TTL: time.Hour})
			require.NoError(t, err)
			for i := range tenure.Leases {
				tenure.Leases[i].Checkpoint = c.at
			}
			require.NoError(t, leases.Release(t.Context(), policies.Return{Policy: "tally", Holder: "before", Leases: tenure.Leases, Gone: true}))
			p := newTally(c.h.store, 2)
			h := *c.h
			h.t, h.cfg.Leases = t, leases
			runner, stop := h.run(p)
			head, err := h.store.Head(t.Context())
			require.NoError(t, err)
			h.wait(runner, head)
			stop()
			require.Len(t, p.seen(), c.again)
			h.complete()
		})
	}
}

// TestNothingIsDoneTwiceWhateverHappens lets three processes fail, stop and lose their leases at random.
func TestNothingIsDoneTwiceWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := newHouse(t)
		h.cfg.Events = rapid.IntRange(1, 20).Draw(rt, "batch")
		h.cfg.TTL = 20 * time.Millisecond
		h.cfg.Leases = policiestest.NewLeases(time.Now)
		var runner *policies.Runner
		var stops []func()
		for range rapid.IntRange(1, 3).Draw(rt, "processes") {
			p := newTally(h.store, 4)
			luck := rapid.SliceOfN(rapid.Bool(), 1, 20).Draw(rt, "luck")
			var turn atomic.Int64
			p.before = func(context.Context, int, []*policies.Input) error {
				if n := turn.Add(1); !luck[int(n)%len(luck)] && n%3 != 0 {
					return errors.New("bad luck")
				}
				return nil
			}
			r, stop := h.run(p)
			runner, stops = r, append(stops, stop)
		}
		var last events.Position
		for range rapid.IntRange(1, 20).Draw(rt, "events") {
			last = h.link(rapid.IntRange(0, 3).Draw(rt, "shard"), rapid.IntRange(1, 3).Draw(rt, "n"))
			if len(stops) > 1 && rapid.IntRange(0, 9).Draw(rt, "stop") == 0 {
				stops[0]()
				stops = stops[1:]
			}
			if rapid.IntRange(0, 4).Draw(rt, "expire") == 0 {
				h.cfg.Leases.(*policiestest.Leases).Expire()
			}
		}
		h.wait(runner, last)
		h.complete()
		for _, stop := range stops {
			stop()
		}
		policiestest.Amnesia(t, h.store, func() policies.Policy { return newTally(h.store, 4) })
	})
}

// TestNothingIsLeftRunning is not parallel: it counts goroutines. A client of a server would keep some beyond its calls.
func TestNothingIsLeftRunning(t *testing.T) { //nolint:paralleltest // see above
	h := houseOn(t, storetest.LendEmbedded(t))
	before := runtime.NumGoroutine()
	for range 5 {
		p := newTally(h.store, 2)
		at, leave := make(chan struct{}), make(chan struct{})
		p.before = func(ctx context.Context, shard int, _ []*policies.Input) error {
			if shard == 0 {
				close(at)
				<-ctx.Done() // what is being reacted to is given up
				close(leave)
				return ctx.Err()
			}
			return errors.New("and this one rests")
		}
		h.link(0, 1)
		h.link(1, 1)
		_, stop := h.run(p)
		<-at
		stop()
		<-leave
		states, err := h.leases.Shards(t.Context(), "tally")
		require.NoError(t, err)
		require.Empty(t, states[0].Holder, "given back")
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, time.Millisecond)
}
