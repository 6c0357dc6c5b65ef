package policies_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/billing"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

// closer notes what is asked to be closed, each request once, beside the timers that it sets.
type closer struct {
	*commands.Handler

	requests map[id.Command]string
}

func (c closer) CloseBillingPeriod(_ context.Context, meta commands.Meta, portfolio id.Account, month string) (events.Position, error) {
	c.requests[meta.Command] = billing.Stream(portfolio, month)
	return events.Start, nil
}

// rate records that something was rated.
func rate(t testing.TB, store policiestest.Store, stream string, at time.Time) {
	t.Helper()
	p, err := events.Encode(id.New[id.Event](), events.BatchRated{Charged: 1}, events.Envelope{RecordedAt: at, Actor: "test", Source: "test"})
	require.NoError(t, err)
	_, err = store.Append(t.Context(), stream, events.Any, []events.Proposed{p})
	require.NoError(t, err)
}

func TestAPeriodIsClosedADayAfterItIsOverEverywhere(t *testing.T) {
	t.Parallel()
	store := storetest.Lend(t)
	clock := &clock{}
	c := closer{commands.New(store, clock.now), map[id.Command]string{}}
	october := billing.Stream(id.Derive[id.Account]("a"), "2026-10")
	over := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	rate(t, store, october, over.AddDate(0, 0, -20))
	rate(t, store, october, over.AddDate(0, 0, 1).Add(-1))
	rate(t, store, billing.Stream(id.Derive[id.Account]("b"), "2026-12"), over.AddDate(0, 1, 0))
	policiestest.Run(t, store, policies.NewPeriods(c))
	set, _ := timersOf(t.Context(), store)
	require.Len(t, set, 2)
	require.Equal(t, events.TimerSet{
		TimerID: set[0].TimerID, Kind: events.TimerPeriodClose, Due: over.AddDate(0, 0, 1), Stream: october, Subject: "2026-10",
	}, set[0])
	require.Equal(t, time.Date(2027, 1, 2, 12, 0, 0, 0, time.UTC), set[1].Due, "across the year's end")
	require.Empty(t, c.requests)

	clock.set(over.AddDate(0, 0, 1))
	_, err := c.FireTimer(t.Context(), somebody, id.Account{}, set[0].TimerID)
	require.NoError(t, err)
	_, err = c.SetTimer(t.Context(), somebody, timer.Set{Kind: events.TimerMessageTTL, Stream: "conversation-1", Due: over})
	require.NoError(t, err)
	policiestest.Run(t, store, policies.NewPeriods(c))
	require.Len(t, c.requests, 1)
	for _, closed := range c.requests {
		require.Equal(t, october, closed)
	}
}

// What is rated after a period was closed has it closed again, once for all that comes in a day.
func TestAPeriodIsClosedAgainForWhatComesLate(t *testing.T) {
	t.Parallel()
	store := storetest.Lend(t)
	c := closer{commands.New(store, time.Now), map[id.Command]string{}}
	october := billing.Stream(id.Derive[id.Account]("a"), "2026-10")
	due := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	for _, late := range []time.Duration{-time.Hour, 0, time.Hour, 24*time.Hour - 1, 24 * time.Hour, 31 * 24 * time.Hour} {
		rate(t, store, october, due.Add(late))
	}
	policiestest.Run(t, store, policies.NewPeriods(c))
	set, _ := timersOf(t.Context(), store)
	var dues []time.Time
	for _, s := range set {
		dues = append(dues, s.Due)
	}
	require.Equal(t, []time.Time{due, due.AddDate(0, 0, 1), due.AddDate(0, 0, 2), due.AddDate(0, 0, 32)}, dues)
}

func TestAStreamThatIsNoPeriodHoldsThePolicyThere(t *testing.T) {
	t.Parallel()
	for _, stream := range []string{"billing-", "billing-2026-10", "billing-x-2026-10", "ledger-1"} {
		in := &policies.Input{Event: events.BatchRated{}}
		in.Stream = stream
		err := policies.NewPeriods(closer{}).React(t.Context(), 0, []*policies.Input{in})
		require.ErrorContains(t, err, fmt.Sprintf("stream %s is no billing period", stream))
	}
}

func TestAmnesia_periods(t *testing.T) {
	t.Parallel()
	asked := map[id.Command]string{}
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	policiestest.Crashes(t,
		func(t *testing.T) policiestest.Store {
			t.Helper()
			clear(asked)
			store := storetest.Lend(t)
			stream := billing.Stream(id.Derive[id.Account]("a"), "2026-10")
			rate(t, store, stream, now.AddDate(0, -1, 0))
			rate(t, store, stream, now)
			c := closer{commands.New(store, func() time.Time { return now }), asked}
			policiestest.Run(t, store, policies.NewPeriods(c))
			set, _ := timersOf(t.Context(), store)
			_, err := c.FireTimer(t.Context(), somebody, id.Account{}, set[0].TimerID)
			require.NoError(t, err)
			rate(t, store, stream, now.AddDate(0, 0, 3))
			return store
		},
		func(store policiestest.Store) policies.Policy {
			return policies.NewPeriods(closer{commands.New(store, func() time.Time { return now }), asked})
		},
		func(t *testing.T, store policiestest.Store) {
			t.Helper()
			set, _ := timersOf(t.Context(), store)
			require.Len(t, set, 3)
			require.Len(t, asked, 1)
		})
}
