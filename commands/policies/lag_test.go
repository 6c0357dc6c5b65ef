package policies_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/events"
	"daybook/events/id"
)

// TestALagIsThatOfThePolicy whether this process works on it, or another one, or nobody.
func TestALagIsThatOfThePolicy(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.cfg.Now = func() time.Time { return recordedAt.Add(time.Minute) }
	idle, err := policies.NewRunner(h.cfg, newTally(h.store, 2))
	require.NoError(t, err)
	_, stop := h.run(newTally(h.store, 2))
	h.passed(idle)
	stop()
	h.link(0, 3)
	require.Equal(t, &policies.Lag{Events: 3, Seconds: 60}, h.lag(idle), "nobody works on it")

	_, stop = h.run(newTally(h.store, 2))
	h.passed(idle)
	stop()
	require.Equal(t, &policies.Lag{}, h.lag(idle))

	h.write("$settings", events.Proposed{ID: id.New[id.Event](), Type: "$metadata"})
	require.Equal(t, &policies.Lag{}, h.lag(idle), "policies do not count the store's own events")
	h.record("accounts-1", events.PremiumSubscribed{})
	require.Equal(t, &policies.Lag{Events: 1, Seconds: 60}, h.lag(idle), "not passed, though it is none of theirs")
}

func TestALagIsCountedUpToAThousand(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	idle, err := policies.NewRunner(h.cfg, newTally(h.store, 1))
	require.NoError(t, err)
	h.link(0, 999)
	require.False(t, h.lag(idle).AtLeast)
	require.EqualValues(t, 1000, h.lag(idle).Events)
	h.link(0, 1)
	require.True(t, h.lag(idle).AtLeast)
	require.EqualValues(t, 1000, h.lag(idle).Events)
}

func TestALagThatCannotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.cfg.Log = headless{h.store}
	runner, err := policies.NewRunner(h.cfg, newTally(h.store, 1))
	require.NoError(t, err)
	all, err := runner.Status(t.Context())
	require.ErrorIs(t, err, errHeadless)
	require.Nil(t, all[0].Lag)
}

// passed waits until the policy has passed all there is, what it wrote itself included.
func (h *house) passed(r *policies.Runner) {
	h.t.Helper()
	h.status(r, func(s policies.Status) bool { return s.Position > 0 && s.Position == s.Head })
}

var errHeadless = errors.New("no head")

type headless struct{ policiestest.Store }

func (headless) Head(context.Context) (events.Position, error) { return 0, errHeadless }

func (h *house) lag(r *policies.Runner) *policies.Lag {
	h.t.Helper()
	all, err := r.Status(h.t.Context())
	require.NoError(h.t, err)
	return all[0].Lag
}

// TestReactionsAreObserved when they worked: each input is told of once, although the first reaction failed.
func TestReactionsAreObserved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var mu sync.Mutex
	observed := 0
	h.cfg.Observe = func(r policies.Reacted) {
		mu.Lock()
		defer mu.Unlock()
		if r.Policy == "tally" && r.Took > 0 {
			observed += r.Events
		}
	}
	p := newTally(h.store, 2)
	var failed atomic.Bool
	p.before = func(context.Context, int, []*policies.Input) error {
		if failed.CompareAndSwap(false, true) {
			return errors.New("out of ink")
		}
		return nil
	}
	h.link(0, 5)
	runner, stop := h.run(p)
	h.wait(runner, h.link(1, 3))
	stop()
	require.Equal(t, 8, observed)
	require.Greater(t, len(p.calls), 2)
}
