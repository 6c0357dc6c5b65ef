package policies_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/billing"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/money"
)

// tight is cards of which nearly every message has another price.
var tight = tiersOf(
	"Italy,IT,39,utility,USD,0.0300,2026-07-01,test,2:0.0200;4:0.0100", "Italy,IT,39,authentication,USD,0.0310,2026-07-01,test,2:0.0210",
	"Italy,IT,39,marketing,USD,0.0795,2026-07-01,test,",
)

// Whatever the platform repeats, in whatever order and split, whoever rates it: when the month is closed, every message
// is charged once, and comes to the same with its tier.
func TestAMonthsTotalDoesNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	scenario.Often(func() {
		rapid.Check(t, func(rt *rapid.T) {
			facts := updates(rt)
			for i := range facts {
				facts[i].at = facts[i].at.Add(time.Hour) // the month is that in which a delivery was first known
			}
			straight := newTale(t, rt)
			straight.publish(tight)
			straight.tell(facts...)

			shuffled := append(rapid.Permutation(facts).Draw(rt, "order"),
				rapid.SliceOfN(rapid.SampledFrom(facts), 0, 4).Draw(rt, "repeats")...)
			crooked := newTale(t, rt)
			crooked.publish(tight)
			for from := 0; from < len(shuffled); {
				to := from + rapid.IntRange(1, len(shuffled)-from).Draw(rt, "split")
				crooked.tell(shuffled[from:to]...)
				crooked.work()
				if rapid.IntRange(0, 5).Draw(rt, "close early") == 0 {
					crooked.asks()
				}
				from = to
			}
			straight.asks()
			crooked.asks()
			require.Equal(rt, straight.rated(), crooked.rated())
			require.Equal(rt, straight.totals(), crooked.totals())
		})
	})
}

// asks wants October to be closed.
func (t *tale) asks() {
	t.Helper()
	happen(t.TB, t.store, billing.ClosingStream(t.account, "2026-10"), t.account,
		events.PeriodClosingRequested{Portfolio: t.account, Month: "2026-10"})
}

// totals is what October comes to, without its account, which differs.
func (t *tale) totals() map[events.Category]money.Amount {
	sums := map[events.Category]money.Amount{}
	for _, total := range t.lastOf(t.account, "2026-10") {
		sum := sums[total.Category]
		sum.Micros += total.Amount.Micros
		sums[total.Category] = sum
	}
	return sums
}
