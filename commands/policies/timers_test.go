package policies_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

var (
	firstOfMay = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	somebody   = commands.Meta{Actor: "test", Source: "test"}
)

// clock is a clock that jumps.
type clock struct{ at atomic.Int64 }

func (c *clock) set(to time.Time) { c.at.Store(to.UnixNano()) }
func (c *clock) now() time.Time   { return time.Unix(0, c.at.Load()).UTC() }

// index finds timers in the log itself.
type index struct {
	store policiestest.Store
	stale atomic.Bool // it does not know what has fired
	away  atomic.Bool
	asked atomic.Int64
}

func (x *index) Due(ctx context.Context, _ events.Position, now time.Time, limit int) ([]policies.DueTimer, error) {
	x.asked.Add(1)
	if x.away.Load() {
		return nil, errors.New("the database is away")
	}
	set, ended := timersOf(ctx, x.store)
	due := slices.DeleteFunc(set, func(e events.TimerSet) bool {
		return e.Due.After(now) || ended[e.TimerID] && !x.stale.Load()
	})
	slices.SortFunc(due, func(a, b events.TimerSet) int { return a.Due.Compare(b.Due) })
	var found []policies.DueTimer
	for _, e := range due[:min(limit, len(due))] {
		found = append(found, policies.DueTimer{ID: e.TimerID})
	}
	return found, nil
}

// timersOf reads what was set, and what has ended.
func timersOf(ctx context.Context, store policiestest.Store) (set []events.TimerSet, ended map[id.Timer]bool) {
	ended = map[id.Timer]bool{}
	for _, event := range allEvents(ctx, store) {
		switch e := event.(type) {
		case events.TimerSet:
			set = append(set, e)
		case events.TimerFired:
			ended[e.TimerID] = true
		case events.TimerCancelled:
			ended[e.TimerID] = true
		}
	}
	return set, ended
}

// allEvents reads what the log holds, but for the store's own events.
func allEvents(ctx context.Context, store policiestest.Store) []events.Event {
	head, err := store.Head(ctx)
	if err != nil || head == events.Start {
		return nil
	}
	var all []events.Event
	for records, err := range store.SubscribeAll(ctx, events.Start, 1000) {
		if err != nil {
			return all
		}
		for _, r := range records {
			if event, _, err := events.DecodeRecord(r); err == nil && !r.System() {
				all = append(all, event)
			}
		}
		if records[len(records)-1].Position >= head {
			return all
		}
	}
	return all
}

// fired lists what has fired, in order.
func fired(t testing.TB, store policiestest.Store) []events.TimerFired {
	t.Helper()
	var all []events.TimerFired
	for _, event := range allEvents(t.Context(), store) {
		if e, ok := event.(events.TimerFired); ok {
			all = append(all, e)
		}
	}
	return all
}

func setTimer(t testing.TB, store policiestest.Store, name string, due time.Time) {
	t.Helper()
	_, err := commands.New(store, func() time.Time { return firstOfMay }).SetTimer(t.Context(), somebody,
		timer.Set{Kind: events.TimerMessageTTL, Stream: "conversation-1", Subject: name, Due: due})
	require.NoError(t, err)
}

// alarmed is a house with a clock and the policy that fires timers.
func alarmed(t *testing.T) (h *house, c *clock, x *index, policy func() policies.Policy) {
	t.Helper()
	h = newHouse(t)
	h.cfg.Beat = time.Millisecond
	c, x = &clock{}, &index{store: h.store}
	c.set(firstOfMay)
	return h, c, x, func() policies.Policy {
		return policies.NewTimers(x, commands.New(h.store, c.now), c.now)
	}
}

func subjects(list []events.TimerFired) string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Subject
	}
	return strings.Join(names, " ")
}

// A clock may jump: everything that has come due fires then, in the order in which it was due.
func TestTimersFireInTheOrderInWhichTheyAreDue(t *testing.T) {
	t.Parallel()
	h, c, x, policy := alarmed(t)
	for day, name := range []string{"never early", "one", "two", "three", "four"} {
		if day > 0 {
			setTimer(t, h.store, name, firstOfMay.AddDate(0, 0, 10-day))
		}
	}
	setTimer(t, h.store, "far", firstOfMay.AddDate(1, 0, 0))
	h.run(policy())
	asked := x.asked.Load()
	require.Eventually(t, func() bool { return x.asked.Load() > asked+3 }, 30*time.Second, time.Millisecond)
	require.Empty(t, fired(t, h.store), "nothing is due")

	jump := firstOfMay.AddDate(0, 1, 0)
	c.set(jump)
	require.Eventually(t, func() bool { return len(fired(t, h.store)) >= 4 }, 30*time.Second, time.Millisecond)
	all := fired(t, h.store)
	require.Equal(t, "four three two one", subjects(all))
	for _, e := range all {
		require.Equal(t, jump, e.FiredAt)
		require.True(t, e.Due.Before(jump))
	}
	require.True(t, slices.IsSortedFunc(all, func(a, b events.TimerFired) int { return cmp.Compare(a.Due.Unix(), b.Due.Unix()) }))
}

// Leases are not what keeps a timer from firing twice.
func TestPollersThatRaceFireOnce(t *testing.T) {
	t.Parallel()
	h, c, _, policy := alarmed(t)
	const timers = 40
	for n := range timers {
		setTimer(t, h.store, strings.Repeat("x", n+1), firstOfMay.Add(time.Duration(n)*time.Minute))
	}
	c.set(firstOfMay.AddDate(0, 1, 0))
	var racing sync.WaitGroup
	for range 3 {
		racing.Go(func() { policiestest.Run(t, h.store, policy()) })
	}
	racing.Wait()
	require.Len(t, fired(t, h.store), timers)
}

// The index may be away, be empty after a rebuild, or not know yet what has fired: timers fire later, never twice.
func TestATimerFiresLateRatherThanTwice(t *testing.T) {
	t.Parallel()
	h, c, x, policy := alarmed(t)
	x.away.Store(true)
	setTimer(t, h.store, "late", firstOfMay)
	runner, stop := h.run(policy())
	s := h.status(runner, func(s policies.Status) bool { return s.State == policies.StateRetrying })
	require.Contains(t, s.Error, "acting by the clock: finding what is due: the database is away")
	require.Empty(t, fired(t, h.store))

	x.stale.Store(true)
	x.away.Store(false)
	h.status(runner, func(s policies.Status) bool { return s.State == policies.StateRunning })
	asked := x.asked.Load()
	require.Eventually(t, func() bool { return x.asked.Load() > asked+10 }, 30*time.Second, time.Millisecond)
	require.Equal(t, "late", subjects(fired(t, h.store)))

	x.away.Store(true) // and comes back when nothing happens that could show it
	h.status(runner, func(s policies.Status) bool { return s.State == policies.StateRetrying })
	x.away.Store(false)
	h.status(runner, func(s policies.Status) bool { return s.State == policies.StateRunning })
	stop()

	setTimer(t, h.store, "while nobody looked", firstOfMay.Add(time.Hour))
	c.set(firstOfMay.AddDate(0, 0, 1))
	h.run(policy())
	require.Eventually(t, func() bool { return len(fired(t, h.store)) == 2 }, 30*time.Second, time.Millisecond)
}

// A backlog is fired in parts; the last of them is a beginning of one.
func TestMoreTimersThanAreAskedForAtOnceAllFire(t *testing.T) {
	t.Parallel()
	h, _, _, policy := alarmed(t)
	for n := range 501 {
		setTimer(t, h.store, time.Duration(n).String(), firstOfMay)
	}
	policiestest.Run(t, h.store, policy())
	require.Len(t, fired(t, h.store), 501)
}

func timely(t *testing.T) policiestest.Store {
	t.Helper()
	store := storetest.Lend(t)
	for n := range 3 {
		setTimer(t, store, time.Duration(n).String(), firstOfMay.Add(time.Duration(-n)*time.Minute))
	}
	return store
}

func TestAmnesia_timers(t *testing.T) {
	t.Parallel()
	policiestest.Crashes(t, timely,
		func(store policiestest.Store) policies.Policy {
			now := func() time.Time { return firstOfMay }
			x := &index{store: store}
			x.stale.Store(true) // as it is when what was fired is not in it yet
			return policies.NewTimers(x, commands.New(store, now), now)
		},
		func(t *testing.T, store policiestest.Store) {
			t.Helper()
			require.Len(t, fired(t, store), 3)
		})
}
