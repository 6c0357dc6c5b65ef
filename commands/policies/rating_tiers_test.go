package policies_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/billing"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// argentina is a card with the tiers that Argentina has had.
var argentina = tiersOf(
	"Argentina,AR,54,utility,USD,0.0260,2026-10-01,test,100001:0.0247",
	"Argentina,AR,54,authentication,USD,0.0260,2026-10-01,test,100001:0.0247",
)

func paidBefore(category events.Category, n, micros int64) events.PeriodTotal {
	return events.PeriodTotal{
		Amount: money.Amount{Micros: n * micros, Currency: "USD"}, Market: "Argentina", Category: category, Paid: n,
	}
}

// That 100,001 charges come to this sum is tested where they are decided, in domain/billing.
func TestVector18_TheNextTierIsOfTheNextMessages(t *testing.T) {
	t.Parallel()
	s := tenantOf(t, storetest.Lend(t), id.Account{}, "USD", "Europe/Rome")
	s.publish(argentina)
	s.counted(s.account, "2026-10", paidBefore(events.Utility, 99_999, 26_000))
	at := october.Add(day)
	s.deliver(parcel{to: argentine, category: events.Utility, queued: at})
	s.deliver(parcel{to: argentine, category: events.Utility, queued: at.Add(time.Second)})

	charges := s.charges(s.account, "2026-10")
	require.Len(t, charges, 2)
	require.Equal(t, []string{"0.0260 USD", "0.0247 USD"}, []string{charges[0].Amount.String(), charges[1].Amount.String()})
	require.Equal(t, []int{1, 2}, []int{charges[0].Tier, charges[1].Tier})
	require.Equal(t, []int64{100_000, 100_001}, []int64{charges[0].Ordinal, charges[1].Ordinal})
	require.True(t, charges[1].Provisional)
	require.Equal(t, "2600.0247 USD", s.lastOf(s.account, "2026-10")[0].Amount.String())
}

func TestVector19_TiersAreThePortfolios(t *testing.T) {
	t.Parallel()
	store, portfolio := storetest.Lend(t), id.Derive[id.Account]("portfolio", "Mario & Luigi")
	rome, tokyo := tenantOf(t, store, portfolio, "USD", "Europe/Rome"), tenantOf(t, store, portfolio, "USD", "Asia/Tokyo")
	rome.publish(argentina)
	rome.counted(portfolio, "2026-10", paidBefore(events.Utility, 99_999, 26_000))
	at := october.Add(day)
	until := at.Add(day)
	rome.deliver(parcel{to: argentine, category: events.Utility, queued: at})
	tokyo.deliver(parcel{to: argentine, category: events.Utility, queued: at, entry: &until})
	tokyo.deliver(parcel{to: argentine, category: events.Utility, queued: at})
	tokyo.deliver(parcel{to: argentine, category: events.Authentication, queued: at})
	night := time.Date(2026, 10, 31, 20, 0, 0, 0, time.UTC) // 21:00 in Rome; 5:00 on November 1 in Tokyo
	rome.deliver(parcel{to: argentine, category: events.Utility, queued: night})
	tokyo.deliver(parcel{to: argentine, category: events.Utility, queued: night})

	charges := rome.charges(portfolio, "2026-10")
	require.Len(t, charges, 5)
	var ordinals []int64
	for _, c := range charges {
		ordinals = append(ordinals, c.Ordinal)
	}
	require.Equal(t, []int64{100_000, 0, 100_001, 1, 100_002}, ordinals, "free ones do not count, and each category counts by itself")
	november := rome.charges(portfolio, "2026-11")
	require.Len(t, november, 1)
	require.Equal(t, []any{int64(1), "0.0260 USD"}, []any{november[0].Ordinal, november[0].Amount.String()})
	require.Equal(t, "2600.0494 USD", rome.lastOf(portfolio, "2026-10")[1].Amount.String())
	policiestest.Amnesia(t, store, rome.rating)
}

// few is a card on which every second message is cheaper than those before.
var few = tiersOf("Italy,IT,39,utility,USD,0.0300,2026-10-01,test,3:0.0200;5:0.0100", "Italy,IT,39,marketing,USD,0.0795,2026-10-01,test,")

func TestVector20_TiersGoByTheOrderOfDelivery(t *testing.T) {
	t.Parallel()
	s := tenantOf(t, storetest.Lend(t), id.Account{}, "USD", "Europe/Rome")
	s.publish(few)
	var sent []message
	for n := range 6 { // the last one is rated first
		at := october.Add(day - time.Duration(n)*time.Minute)
		sent = append(sent, s.deliver(parcel{to: italian, category: events.Utility, queued: at}))
	}
	before := s.rate()
	require.Equal(t, []string{"0.0300 USD", "0.0300 USD", "0.0200 USD", "0.0200 USD", "0.0100 USD", "0.0100 USD"}, before.amounts(sent...))

	b := s.closes(s.account, "2026-10")
	require.Equal(t, []string{"0.0100 USD", "0.0100 USD", "0.0200 USD", "0.0200 USD", "0.0300 USD", "0.0300 USD"}, b.amounts(sent...))
	require.Equal(t, before.sum("USD"), b.sum("USD"), "the sum does not depend on the order")
	for n, kinds := range [][]string{{"MessageCharged", "ChargeAdjusted"}, {"MessageCharged", "ChargeAdjusted"}, {"MessageCharged"}} {
		require.Equal(t, kinds, b.kindsOf(sent[n]), "corrected, never rewritten; and only what is wrong")
	}
	require.False(t, b.charge(sent[0]).Provisional)
	stream := billing.Stream(s.account, "2026-10")
	require.True(t, b.closing[stream].Closed)
	require.Equal(t, []events.PeriodClosed{{Portfolio: s.account, Month: "2026-10", ClosedAt: s.clock, Lines: 6, Adjusted: 4}}, b.closed[stream])
	policiestest.Amnesia(t, s.store, s.rating)
}

func TestVector21_TheAllowanceIsTheNumbersAndTheMonths(t *testing.T) {
	t.Parallel()
	store := storetest.Lend(t)
	s := tenantOf(t, store, id.Account{}, "USD", "Europe/Rome")
	s.publish(pricing.ReferenceCards)
	happen(t, store, billing.Stream(s.account, "2026-10"), s.account,
		events.BatchRated{Allowances: []events.AllowanceUsed{{PhoneNumberID: s.number, Used: 999}}})
	other := *s
	other.number = "900555000111333"
	zone, err := time.LoadLocation("Europe/Rome")
	require.NoError(t, err)
	november := time.Date(2026, 11, 1, 0, 0, 0, 0, zone)
	at := november.Add(-time.Second)
	write := func(from *shop, category events.Category, at time.Time) {
		from.deliver(parcel{to: italian, category: category, queued: at})
	}
	write(s, events.Utility, at)
	write(s, events.Service, at)
	write(s, events.Service, at)
	write(&other, events.Service, at)
	write(s, events.Service, november)

	var got []string
	for _, c := range append(s.charges(s.account, "2026-10"), s.charges(s.account, "2026-11")...) {
		got = append(got, string(c.Category)+" "+string(c.Basis)+" "+c.Amount.String())
	}
	require.Equal(t, []string{
		"utility regular 0.0300 USD", "service allowance 0.0000 USD", "service regular 0.0300 USD",
		"service allowance 0.0000 USD", "service allowance 0.0000 USD",
	}, got)
}

// The allowance is that of the first thousand by delivery, in whatever order they are told.
func TestClosingGivesTheAllowanceInOrderOfDelivery(t *testing.T) {
	t.Parallel()
	s := tenantOf(t, storetest.Lend(t), id.Account{}, "USD", "Europe/Rome")
	s.publish(rows("Italy,IT,39,utility,USD,0.0300,2026-10-01,test"))
	var sent []message
	for n := range 1_002 {
		sent = append(sent, s.deliver(parcel{to: italian, category: events.Service, queued: october.Add(day - time.Duration(n)*time.Second)}))
	}
	told := s.deliver(parcel{
		to: italian, category: events.Service, queued: october.Add(2 * day), word: &events.Pricing{Type: "free_customer_service", Category: "service"},
	})
	before := s.rate()
	require.Equal(t, []string{"0.0000 USD", "0.0000 USD", "0.0300 USD", "0.0300 USD"}, before.amounts(sent[0], sent[1], sent[1000], sent[1001]))

	b := s.closes(s.account, "2026-10")
	require.Equal(t, []string{"0.0300 USD", "0.0300 USD", "0.0000 USD", "0.0000 USD", "0.0000 USD"}, b.amounts(
		sent[0], sent[1], sent[2], sent[1000], sent[1001]))
	require.Equal(t, before.sum("USD"), b.sum("USD"))
	require.Equal(t, events.BasisAllowance, b.charge(told).Basis, "by the platform's word")
	require.Equal(t, []string{"MessageCharged"}, b.kindsOf(told))
	require.Equal(t, events.Utility, b.charge(sent[0]).Rated)
	policiestest.Amnesia(t, s.store, s.rating)
}

// What comes after closing has the price of the next message; closing again puts it into its place, and closing once more
// changes nothing.
func TestAPeriodIsClosedAgainAfterLateLines(t *testing.T) {
	t.Parallel()
	s := tenantOf(t, storetest.Lend(t), id.Account{}, "USD", "Europe/Rome")
	s.publish(few)
	var sent []message
	write := func(at time.Duration) {
		sent = append(sent, s.deliver(parcel{to: italian, category: events.Utility, queued: october.Add(at)}))
	}
	write(1 * time.Hour)
	write(3 * time.Hour)
	s.closes(s.account, "2026-10")
	write(2 * time.Hour)
	b := s.rate()
	stream := billing.Stream(s.account, "2026-10")
	require.False(t, b.closing[stream].Closed)
	require.Equal(t, []string{"0.0300 USD", "0.0300 USD", "0.0200 USD"}, b.amounts(sent...))
	b = s.closes(s.account, "2026-10")
	require.Equal(t, []string{"0.0300 USD", "0.0200 USD", "0.0300 USD"}, b.amounts(sent...))
	require.Len(t, b.closed[stream], 2)
	require.EqualValues(t, 2, b.closed[stream][1].Adjusted)
	again := s.closes(s.account, "2026-10")
	require.Equal(t, b.names, again.names)
	policiestest.Amnesia(t, s.store, s.rating)
}

// A charge that moves to another price by what becomes known keeps its place in the count, and one that leaves the count
// makes room: closing finds the tiers of those that are left.
func TestClosingFollowsWhatBecameKnown(t *testing.T) {
	t.Parallel()
	s := tenantOf(t, storetest.Lend(t), id.Account{}, "USD", "Europe/Rome")
	s.publish(few)
	var sent []message
	for n := range 5 {
		sent = append(sent, s.deliver(parcel{to: italian, category: events.Utility, queued: october.Add(time.Duration(n) * time.Hour)}))
	}
	first := october
	s.deliver(parcel{message: sent[0], to: italian, category: events.Utility, queued: october, word: regularMarketing, first: &first})
	require.Equal(t, []string{"0.0795 USD", "0.0300 USD", "0.0200 USD", "0.0200 USD", "0.0100 USD"}, s.rate().amounts(sent...))
	b := s.closes(s.account, "2026-10")
	require.Equal(t, []string{"0.0795 USD", "0.0300 USD", "0.0300 USD", "0.0200 USD", "0.0200 USD"}, b.amounts(sent...))
}

// A portfolio may have accounts of several currencies. Their messages are counted together, each is priced by its own
// card, and each waits for the cards of its own currency.
func TestCurrenciesOfAPortfolioWaitForTheirOwnCards(t *testing.T) {
	t.Parallel()
	store, portfolio := storetest.Lend(t), id.Derive[id.Account]("portfolio", "Mario & Luigi")
	dollars, euros := tenantOf(t, store, portfolio, "USD", "UTC"), tenantOf(t, store, portfolio, "EUR", "UTC")
	at := october.Add(day)
	var sent []message
	for n, s := range []*shop{dollars, euros, dollars, euros} {
		sent = append(sent, s.deliver(parcel{to: italian, category: events.Utility, queued: at.Add(time.Duration(n) * time.Second)}))
	}
	rating := dollars.rating()
	react := func() *books {
		policiestest.Run(t, store, rating)
		return readBooks(t, store)
	}
	require.Len(t, react().reasons, 4)
	euros.publish(tiersOf("Italy,IT,39,utility,EUR,0.0250,2026-10-01,test,2:0.0240"))
	b := react()
	require.Equal(t, []bool{true, false, true, false}, []bool{b.line(sent[0]).pending, b.line(sent[1]).pending, b.line(sent[2]).pending, b.line(sent[3]).pending})
	dollars.publish(tiersOf("Italy,IT,39,utility,USD,0.0300,2026-10-01,test,2:0.0290;4:0.0280"))
	b = react()
	require.Equal(t, []string{"0.0290 USD", "0.0250 EUR", "0.0280 USD", "0.0240 EUR"}, b.amounts(sent...), "in order of rating")
	b = dollars.closes(portfolio, "2026-10")
	require.Equal(t, []string{"0.0300 USD", "0.0240 EUR", "0.0290 USD", "0.0240 EUR"}, b.amounts(sent...), "in order of delivery")
	policiestest.Amnesia(t, store, dollars.rating)
}

// twiceClosed is the history of a portfolio that is closed, goes on, and is closed again.
func twiceClosed(t testing.TB) storetest.LentStore {
	t.Helper()
	store, portfolio := storetest.Lend(t), id.Derive[id.Account]("portfolio", "Mario & Luigi")
	dollars, euros := tenantOf(t, store, portfolio, "USD", "UTC"), tenantOf(t, store, portfolio, "EUR", "UTC")
	dollars.publish(few, tiersOf("Italy,IT,39,utility,EUR,0.0250,2026-10-01,test,2:0.0240;4:0.0230"))
	ask := func() {
		happen(t, store, billing.ClosingStream(portfolio, "2026-10"), portfolio, events.PeriodClosingRequested{Portfolio: portfolio, Month: "2026-10"})
	}
	free := &events.Pricing{Type: "free_entry_point"}
	write := func(hours ...int) {
		for n, hour := range hours {
			parcel := parcel{to: italian, category: events.Utility, queued: october.Add(time.Duration(hour) * time.Hour)}
			if n == 1 {
				parcel.word = free
			}
			if n%2 == 0 {
				dollars.deliver(parcel)
			} else {
				euros.deliver(parcel)
			}
		}
	}
	write(20, 18, 16, 14, 12, 10)
	ask()
	write(11, 13, 15, 9)
	ask()
	write(8)
	return store
}

func TestClosingSurvivesACrashBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	history := twiceClosed(t)
	undisturbed := copyHistory(t, history)
	policiestest.Run(t, undisturbed, small(undisturbed))
	want := readBooks(t, undisturbed)
	require.Len(t, want.closing, 1)
	for _, closed := range want.closed {
		require.Len(t, closed, 2)
		require.Equal(t, []int64{4, 6}, []int64{closed[0].Adjusted, closed[1].Adjusted})
	}
	policiestest.Crashes(t,
		func(t *testing.T) policiestest.Store { t.Helper(); return copyHistory(t, history) },
		func(store policiestest.Store) policies.Policy { return small(store) },
		func(t *testing.T, store policiestest.Store) {
			t.Helper()
			got := readBooks(t, store)
			requireSameBooks(t, want, got)
			require.Equal(t, want.closed, got.closed)
		})
}
