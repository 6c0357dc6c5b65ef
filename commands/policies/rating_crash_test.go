package policies_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/events"
)

// eventful is the history of two businesses in which everything happens that rating knows: cards that come too late,
// charges that wait for them, later knowledge of charges and of what waits, charges taken back, two months, an allowance.
func eventful(t testing.TB) storetest.LentStore {
	t.Helper()
	store := storetest.Lend(t)
	rome, bogota := newShop(t, store, "USD", "Europe/Rome"), newShop(t, store, "USD", "America/Bogota")
	rome.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"))
	noon := time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC)
	entry := &events.Pricing{Model: "PMP", Type: "free_entry_point", Category: "marketing"}
	unpriced := &events.Pricing{Model: "PMP", Category: "authentication"}
	for n := range 6 {
		at := noon.Add(time.Duration(n) * 2 * time.Hour)
		for _, s := range []*shop{rome, bogota} {
			s.receives(italian, at)
			waits := s.sends(italian, events.Utility, at.Add(day+time.Second))
			charged, free := s.sends(italian, events.Marketing, at), s.sends(italian, events.Service, at)
			s.tell(waits.customer, status(waits, events.StatusRead, at.Add(day+time.Minute), nil))
			s.tell(charged.customer, status(charged, events.StatusDelivered, at.Add(time.Second), nil),
				status(free, events.StatusDelivered, at.Add(2*time.Second), nil))
			if n%2 == 0 {
				s.tell(charged.customer, status(charged, events.StatusRead, at.Add(time.Minute), entry),
					status(waits, events.StatusDelivered, at.Add(day+time.Hour), nil),
					status(free, events.StatusDelivered, at.Add(time.Second), nil))
			} else {
				s.tell(free.customer, status(free, events.StatusRead, at.Add(time.Minute), unpriced))
			}
		}
	}
	rome.publish(rows("Italy,IT,39,authentication,USD,0.0310,2026-07-01,test"))
	rome.publish(rows("Italy,IT,39,marketing,USD,0.0800,2026-10-01,test"))
	// The last card prices most, in several appends: after a crash between two, no other card comes to price the rest.
	rome.publish(rows("Italy,IT,39,utility,USD,0.0300,2026-07-01,test"))
	last := rome.sends(italian, events.Marketing, noon.Add(3*day))
	rome.delivered(last, noon.Add(3*day))
	return store
}

// copyHistory writes the same history into a store of its own, but for some streams.
func copyHistory(t testing.TB, from storetest.LentStore, without ...string) storetest.LentStore {
	t.Helper()
	to := storetest.Lend(t)
	copyInto(t, to, from, without...)
	return to
}

func copyInto(t testing.TB, to, from storetest.LentStore, without ...string) {
	t.Helper()
	for record, err := range from.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		if record.Stream == events.StoreStream || slices.Contains(without, record.Stream) {
			continue
		}
		_, err = to.Append(t.Context(), record.Stream, events.Any, []events.Proposed{
			{ID: record.ID, Type: record.Type, Data: record.Data, Metadata: record.Metadata},
		})
		require.NoError(t, err)
	}
}

func fixedClock() time.Time { return time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC) }

// small is rating in appends of at most five events, so that there is something between two appends to crash in.
func small(store policies.RatingStore) policies.Policy {
	return policies.NewRatingInAppendsOf(store, fixedClock, 5, 1<<20)
}

func TestRatingSurvivesACrashBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	history := eventful(t)
	undisturbed := copyHistory(t, history)
	policiestest.Run(t, undisturbed, small(undisturbed))
	want := readBooks(t, undisturbed)
	require.Subset(t, want.names, []string{"MessageCharged", "ChargePending", "ChargeAdjusted", "BatchRated"})
	require.Len(t, want.closing, 4)
	require.Contains(t, slices.Collect(maps.Values(want.kinds)), []string{"MessageCharged", "ChargePending", "ChargeAdjusted"})

	policiestest.Crashes(t,
		func(t *testing.T) policiestest.Store { t.Helper(); return copyHistory(t, history) },
		func(store policiestest.Store) policies.Policy { return small(store) },
		func(t *testing.T, store policiestest.Store) {
			t.Helper()
			requireSameBooks(t, want, readBooks(t, store))
		})
}

// requireSameBooks requires the same of every delivery, and the same sums. How it came to that may differ.
func requireSameBooks(t tester, want, got *books) {
	t.Helper()
	require.Equal(t, want.lines(), got.lines())
	require.Len(t, got.closing, len(want.closing))
	for stream, closing := range want.closing {
		require.Equal(t, closing.Totals, got.closing[stream].Totals)
		require.Equal(t, closing.Allowances, got.closing[stream].Allowances)
		require.Equal(t, closing.Pending, got.closing[stream].Pending)
	}
}

// Leases are not what keeps charges from doubling: ratings that know nothing of one another do the same at once.
func TestRatingsThatRaceChargeOnce(t *testing.T) {
	t.Parallel()
	history := eventful(t)
	undisturbed := copyHistory(t, history)
	policiestest.Run(t, undisturbed, small(undisturbed))
	want := readBooks(t, undisturbed)
	for _, sizes := range [][]int{{5, 5}, {2, 5, 500}, {3, 4, 2}} {
		store := copyHistory(t, history)
		var racing sync.WaitGroup
		for _, size := range sizes {
			racing.Go(func() {
				policiestest.Run(t, store, policies.NewRatingInAppendsOf(store, fixedClock, size, 1<<20))
			})
		}
		racing.Wait()
		requireSameBooks(t, want, readBooks(t, store))
		policiestest.Amnesia(t, store, func() policies.Policy { return small(store) })
	}
}
