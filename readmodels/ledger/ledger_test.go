package ledger_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
	projected "daybook/projections/ledger"
	"daybook/projections/projectiontest"
	"daybook/readmodels/ledger"
)

// at is the n-th hour of 5 October 2026 in UTC; it may be of another day.
func at(n int) time.Time { return time.Date(2026, 10, 5, n, 0, 0, 0, time.UTC) }

func charge(micros int64) events.Charge {
	return events.Charge{
		Amount: money.Amount{Micros: micros, Currency: "EUR"}, Basis: events.BasisRegular, Category: events.Utility, Market: "Italy",
	}
}

func charged(n int, when time.Time, micros int64) events.MessageCharged {
	return events.MessageCharged{
		Delivery: events.Delivered{
			MessageID: id.Derive[id.Message](strconv.Itoa(n)), RecipientID: id.Derive[id.Customer]("anna"),
			Category: events.Utility, DeliveredAt: when,
		},
		Charge: charge(micros),
	}
}

func pending(n int, when time.Time) events.ChargePending {
	return events.ChargePending{Delivery: charged(n, when, 0).Delivery, Category: events.Utility}
}

// adjusted is an event of eight entries: another price at another time.
func adjusted(n int, was, is time.Time) events.ChargeAdjusted {
	return events.ChargeAdjusted{
		Delivery: charged(n, is, 0).Delivery, Charge: charge(20), Was: new(charge(10)), WasDeliveredAt: was,
	}
}

// given is a ledger of 4, 2, 8 and 4 entries of one account, with one of another account between.
func given(t *testing.T) *projectiontest.Scenario {
	t.Helper()
	s := projectiontest.For(t, projected.Define)
	s.Given("billing-1", charged(1, at(10), 10), pending(2, at(12)))
	s.Under(events.Envelope{Account: id.Derive[id.Account]("other")}).Given("billing-2", charged(9, at(11), 7))
	s.Under(events.Envelope{Account: projectiontest.Account}).Given("billing-1", adjusted(1, at(10), at(-5)), charged(3, at(14), 30))
	s.Settle()
	return s
}

func entries(ctx context.Context, t require.TestingT, s *projectiontest.Scenario, f ledger.Filter) ledger.Page {
	f.Account = projectiontest.Account
	page, err := ledger.Entries(ctx, s.Pool(), s.Schema(), f)
	require.NoError(t, err)
	return page
}

func TestAnEntrySaysWhatWhenAndWhy(t *testing.T) {
	t.Parallel()
	s := given(t)
	first := entries(t.Context(), t, s, ledger.Filter{}).Entries[0]
	first.EffectiveAt, first.RecordedAt = first.EffectiveAt.UTC(), first.RecordedAt.UTC()
	require.NotZero(t, first.Position)
	first.Position = 0
	require.Equal(t, ledger.Entry{
		Stream: "billing-1", Revision: 0, N: 0, AccountID: projectiontest.Account,
		LedgerAccount: "cost:messages:utility:italy", Asset: "EUR", Amount: 10, EffectiveAt: at(10), RecordedAt: projectiontest.Epoch,
		MessageID: id.Derive[id.Message]("1"), RecipientID: id.Derive[id.Customer]("anna"), Kind: ledger.Charge,
	}, first)
}

func TestPagesNeverSplitAnEvent(t *testing.T) {
	t.Parallel()
	s := given(t)
	for limit, want := range map[int][]int{
		0: {18}, 18: {18}, 1000: {18}, 5000: {18},
		17: {14, 4}, 14: {14, 4}, 13: {6, 12}, 12: {6, 12}, 11: {6, 8, 4}, 7: {6, 8, 4}, 5: {4, 2, 8, 4}, 3: {4, 2, 8, 4}, 1: {4, 2, 8, 4}, -1: {18},
	} {
		var got []int
		var all []ledger.Entry
		for after := new(uint64(0)); after != nil; {
			page := entries(t.Context(), t, s, ledger.Filter{After: *after, Limit: limit})
			got = append(got, len(page.Entries))
			all = append(all, page.Entries...)
			after = page.Next
		}
		require.Equal(t, want, got, limit)
		require.Equal(t, entries(t.Context(), t, s, ledger.Filter{}).Entries, all)
	}
	require.Empty(t, entries(t.Context(), t, s, ledger.Filter{After: uint64(s.Position())}).Entries)
}

func TestAPageHasAtMostAThousandEntries(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, projected.Define)
	many := make([]events.Event, 300)
	for n := range many {
		many[n] = charged(n, at(0), 1)
	}
	s.Given("billing-1", many...)
	s.Settle()
	require.Len(t, entries(t.Context(), t, s, ledger.Filter{}).Entries, 100)
	require.Len(t, entries(t.Context(), t, s, ledger.Filter{Limit: 5000}).Entries, 1000)
}

func TestEntriesByTheTimeTheyTookEffect(t *testing.T) {
	t.Parallel()
	s := given(t)
	for name, c := range map[string]struct {
		from, to *time.Time
		want     int
	}{
		"all":                        {nil, nil, 18},
		"from, inclusive":            {new(at(12)), nil, 6},
		"after it":                   {new(at(12).Add(time.Microsecond)), nil, 4},
		"to, exclusive":              {nil, new(at(12)), 12},
		"both":                       {new(at(10)), new(at(14)), 10}, // the reversal without what replaces it
		"nothing between":            {new(at(15)), new(at(20)), 0},
		"from is not before to":      {new(at(14)), new(at(10)), 0},
		"an instant in another zone": {new(at(12).In(time.FixedZone("", -3600))), nil, 6},
	} {
		require.Len(t, entries(t.Context(), t, s, ledger.Filter{From: c.from, To: c.to}).Entries, c.want, name)
	}
}

func TestBalancesOfEverythingAndAsOfAnInstant(t *testing.T) {
	t.Parallel()
	s := given(t)
	for name, c := range map[string]struct {
		asOf *time.Time
		want []ledger.Balance
	}{
		"everything": {nil, []ledger.Balance{
			{"cost:messages:utility:italy", "EUR", 50, 4}, {"provider:whatsapp:payable", "EUR", -50, 4},
			{"usage:messages:utility:italy:billable", "MSG.utility", 2, 4}, {"usage:pending:utility", "MSG.utility", 1, 1},
			{"usage:world", "MSG.utility", -3, 5},
		}},
		"before everything":                      {new(at(-5)), []ledger.Balance{}},
		"what was adjusted to an earlier time":   {new(at(-5).Add(time.Microsecond)), early(1)},
		"at the end of that day":                 {new(at(0)), early(1)},
		"when it was first said to be delivered": {new(at(10)), early(1)},
		"and after the charge and its reversal":  {new(at(11)), early(3)},
		"in another zone":                        {new(at(11).In(time.FixedZone("", 5*3600))), early(3)},
		"the instant itself does not count":      {new(at(12)), early(3)},
	} {
		got, err := ledger.Balances(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, c.asOf)
		require.NoError(t, err)
		require.Equal(t, c.want, got, name)
	}
	none, err := ledger.Balances(t.Context(), s.Pool(), s.Schema(), id.New[id.Account](), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

// early is the first message at its adjusted price, in so many entries on each account.
func early(entries int64) []ledger.Balance {
	return []ledger.Balance{
		{"cost:messages:utility:italy", "EUR", 20, entries}, {"provider:whatsapp:payable", "EUR", -20, entries},
		{"usage:messages:utility:italy:billable", "MSG.utility", 1, entries}, {"usage:world", "MSG.utility", -1, entries},
	}
}

// As of any instant: the balances are the sums of the entries before it.
func TestBalancesAreTheSumsOfTheEntries(t *testing.T) {
	t.Parallel()
	s := given(t)
	rapid.Check(t, func(rt *rapid.T) {
		asOf := at(0).Add(time.Duration(rapid.Int64Range(-40*3600, 40*3600).Draw(rt, "seconds")) * time.Second)
		sums := map[[2]string]ledger.Balance{}
		for _, e := range entries(t.Context(), rt, s, ledger.Filter{To: &asOf}).Entries {
			key := [2]string{e.LedgerAccount, e.Asset}
			sums[key] = ledger.Balance{LedgerAccount: e.LedgerAccount, Asset: e.Asset, Amount: sums[key].Amount + e.Amount, Entries: sums[key].Entries + 1}
		}
		got, err := ledger.Balances(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, &asOf)
		require.NoError(rt, err)
		require.Len(rt, got, len(sums))
		for _, b := range got {
			require.Equal(rt, sums[[2]string{b.LedgerAccount, b.Asset}], b)
		}
	})
}

func TestErrorsSayWhatWasRead(t *testing.T) {
	t.Parallel()
	s := given(t)
	_, err := ledger.Entries(t.Context(), s.Pool(), "nowhere", ledger.Filter{Account: projectiontest.Account, After: 3})
	require.ErrorContains(t, err, "reading ledger entries of account "+projectiontest.Account.String()+" after 3: ")
	_, err = ledger.Balances(t.Context(), s.Pool(), "nowhere", projectiontest.Account, nil)
	require.ErrorContains(t, err, "reading the balances of account "+projectiontest.Account.String()+": ")
}
