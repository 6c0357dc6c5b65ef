package account_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/account"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
)

func hear(all ...events.ToldEvent) decide {
	return func(s account.State) ([]events.Event, error) { return s.Hear(all) }
}

func TestWhatThePlatformToldLastHolds(t *testing.T) {
	t.Parallel()
	banned := events.AccountSuspended{ToldFact: told(1), Reason: events.SuspendedDisabled}
	lifted := events.AccountReinstated{ToldFact: told(2), Reason: events.SuspendedDisabled}
	again := events.AccountSuspended{ToldFact: told(3), Reason: events.SuspendedDisabled}
	gone := events.AccountSuspended{ToldFact: told(0), Reason: events.SuspendedDeleted}
	sendable := func(s account.State) ([]events.Event, error) { return nil, s.Sendable() }
	for name, c := range map[string]struct {
		told []events.ToldEvent
		ok   bool
	}{
		"nothing":                        {nil, true},
		"banned":                         {[]events.ToldEvent{banned}, false},
		"banned and lifted":              {[]events.ToldEvent{banned, lifted}, true},
		"the ban arrives late":           {[]events.ToldEvent{lifted, banned}, true},
		"banned again, in disorder":      {[]events.ToldEvent{again, lifted, banned}, false},
		"a lifted ban leaves a deletion": {[]events.ToldEvent{gone, banned, lifted}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := inUse()
			for _, e := range c.told {
				s = s.When(hear(e)).Then(t, e)
				s.When(hear(e)).Then(t)
			}
			if c.ok {
				s.When(sendable).Then(t)
			} else {
				s.When(sendable).Rejected(t, "AccountSuspended")
			}
		})
	}
	scenario.New(account.Evolve).When(hear(banned)).Rejected(t, "AccountUnknown")
}

// TestTheOrderOfWordsDoesNotMatter: suspensions, the limit and the tiers are the same in whatever order they were told,
// also when several carry the same second.
func TestTheOrderOfWordsDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []events.ToldEvent
		for i := range rapid.IntRange(1, 8).Draw(t, "words") {
			fact := told(rapid.IntRange(0, 3).Draw(t, "minute"))
			fact.FactID = id.Derive[id.Fact]("word", string(rune('a'+i)))
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				all = append(all, events.AccountSuspended{ToldFact: fact, Reason: events.SuspendedDisabled})
			case 1:
				all = append(all, events.AccountReinstated{ToldFact: fact, Reason: events.SuspendedDisabled})
			case 2:
				all = append(all, events.MessagingLimitChanged{ToldFact: fact, Limit: int64(i + 1)})
			default:
				all = append(all, events.VolumeTierTold{ToldFact: fact, Category: events.Utility, Market: "India", Month: "2026-10", Lower: 1})
			}
		}
		outcome := func(order []events.ToldEvent) []any {
			s := account.Evolve(account.State{}, registered())
			for _, e := range order {
				news, err := s.Hear([]events.ToldEvent{e})
				require.NoError(t, err)
				for _, n := range news {
					s = account.Evolve(s, n)
				}
			}
			limit, _ := s.MessagingLimit()
			return []any{limit, s.Sendable() == nil, s.TierSince(events.Utility, "India", "2026-10", 1)}
		}
		require.Equal(t, outcome(all), outcome(rapid.Permutation(all).Draw(t, "order")))
	})
}

func TestTheSmallestTierTimeWins(t *testing.T) {
	t.Parallel()
	tier := func(minute int, market string) events.VolumeTierTold {
		return events.VolumeTierTold{
			ToldFact: told(minute), Category: events.Utility, Market: market, Month: "2026-10", Lower: 100001, Upper: 1000000,
		}
	}
	first := inUse().When(hear(tier(5, "India"))).Then(t, tier(5, "India"))
	first.When(hear(tier(6, "INDIA"))).Then(t)
	earlier := first.When(hear(tier(4, "INDIA"))).Then(t, tier(4, "INDIA"))
	earlier.When(hear(tier(5, "India"))).Then(t)
	earlier.When(func(s account.State) ([]events.Event, error) {
		require.Equal(t, told(4).ToldAt, s.TierSince(events.Utility, "India", "2026-10", 100001))
		require.Zero(t, s.TierSince(events.Utility, "India", "2026-11", 100001))
		return nil, nil
	}).Then(t)
	other := tier(9, "Brazil")
	earlier.When(hear(other)).Then(t, other)
}

func TestTheOperatorSuspends(t *testing.T) {
	t.Parallel()
	suspend := func(s account.State) ([]events.Event, error) { return s.Suspend(noon) }
	reinstate := func(s account.State) ([]events.Event, error) { return s.Reinstate(noon) }
	byUs := events.ToldFact{AccountID: firm, ToldAt: noon}
	inUse().When(reinstate).Then(t)
	off := inUse().When(suspend).Then(t, events.AccountSuspended{ToldFact: byUs, Reason: events.SuspendedByOperator})
	off.When(suspend).Then(t)
	off.When(func(s account.State) ([]events.Event, error) { return nil, s.Sendable() }).Rejected(t, "AccountSuspended")
	on := off.When(reinstate).Then(t, events.AccountReinstated{ToldFact: byUs, Reason: events.SuspendedByOperator})
	on.When(func(s account.State) ([]events.Event, error) { return nil, s.Sendable() }).Then(t)
	scenario.New(account.Evolve).When(suspend).Rejected(t, "AccountUnknown")
}

func TestWhatNothingFollowsFromIsKeptOnce(t *testing.T) {
	t.Parallel()
	alert := events.PlatformTold{ToldFact: told(1), Field: "account_alerts"}
	keep := func(r account.Record) ([]events.Event, error) { return r.Keep(alert) }
	scenario.New(account.EvolveRecord).When(keep).Then(t, alert).When(keep).Then(t)
}
