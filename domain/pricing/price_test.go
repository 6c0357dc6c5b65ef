package pricing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/money"
)

func TestDay(t *testing.T) {
	t.Parallel()
	rome, err := time.LoadLocation("Europe/Rome")
	require.NoError(t, err)
	edge := time.Date(2026, 9, 30, 22, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		zone *time.Location
		at   time.Time
		want events.Date
	}{
		{rome, edge, "2026-10-01"},
		{rome, edge.Add(-time.Nanosecond), "2026-09-30"},
		{nil, edge, "2026-09-30"},
		{nil, time.Date(987, 6, 5, 0, 0, 0, 0, time.UTC), "0987-06-05"},
		{nil, time.Date(-1, 6, 5, 0, 0, 0, 0, time.UTC), "0000-01-01"},
		{nil, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "9999-12-31"},
	} {
		require.Equal(t, c.want, pricing.Terms{Currency: "USD", Zone: c.zone}.Day(c.at))
	}
}

// TestThePlatformsWord is what becomes of each delivery with and without a word, under both policies.
func TestThePlatformsWord(t *testing.T) {
	t.Parallel()
	p := reference(t, "USD", "Europe/Rome")
	open, closed := t0.Add(time.Hour), time.Time{}
	type word = events.Pricing
	for name, c := range map[string]struct {
		d        events.Delivered
		word     *word
		used     int64
		basis    events.Basis
		expected events.Basis
		amount   int64
		category events.Category
		rated    events.Category
		reason   events.PendingReason
	}{
		"P2 service is free whatever the window": {d: sent(events.Service, t0, closed), basis: events.BasisFreeWindow, category: events.Service},
		"P2 marketing costs inside the window":   {d: sent(events.Marketing, t0, open), basis: events.BasisRegular, amount: 79_500, category: events.Marketing, rated: events.Marketing},
		"P2 authentication costs inside it":      {d: sent(events.Authentication, t0, open), basis: events.BasisRegular, amount: 30_000, category: events.Authentication, rated: events.Authentication},
		"agreement expects nothing else": {
			d: sent(events.Utility, t0, open), word: &word{Model: "PMP", Type: "free_customer_service", Category: "utility"},
			basis: events.BasisFreeWindow, category: events.Utility,
		},
		"regular where the policy says free": {
			d: sent(events.Utility, t0, open), word: &word{Type: "regular"},
			basis: events.BasisRegular, expected: events.BasisFreeWindow, amount: 30_000, category: events.Utility, rated: events.Utility,
		},
		"free where the policy charges": {
			d: sent(events.Utility, t0, closed), word: &word{Type: "free_customer_service"},
			basis: events.BasisFreeWindow, expected: events.BasisRegular, category: events.Utility,
		},
		"a free entry point": {
			d: sent(events.Marketing, t0, closed), word: &word{Type: "free_entry_point", Category: "referral_conversion"},
			basis: events.BasisFreeEntryPoint, expected: events.BasisRegular, category: events.Marketing,
		},
		"a group in its window": {
			d: sent(events.Utility, t0, open), word: &word{Type: "free_group_customer_service"},
			basis: events.BasisFreeGroup, expected: events.BasisFreeWindow, category: events.Utility,
		},
		"another category": {
			d: sent(events.Utility, t0, open), word: &word{Type: "regular", Category: "marketing"},
			basis: events.BasisRegular, expected: events.BasisFreeWindow, amount: 79_500, category: events.Marketing, rated: events.Marketing,
		},
		"another category and no type": {
			d: sent(events.Marketing, t0, open), word: &word{Category: "utility"},
			basis: events.BasisFreeWindow, expected: events.BasisRegular, category: events.Utility,
		},
		"billable alone decides nothing": {
			d: sent(events.Marketing, t0, open), word: &word{Billable: new(false)},
			basis: events.BasisRegular, amount: 79_500, category: events.Marketing, rated: events.Marketing,
		},
		"regular service of P2 has no rate": {
			d: sent(events.Service, t0, open), word: &word{Type: "regular"}, category: events.Service, reason: events.RateUnavailable,
		},
		"a type that nobody knows": {
			d: sent(events.Utility, t0, open), word: &word{Type: "free_lunch"}, category: events.Utility, reason: events.PolicyUnavailable,
		},
		"a category without a rule": {
			d: sent(events.Utility, t0, open), word: &word{Type: "regular", Category: "marketing_lite"}, category: "marketing_lite", reason: events.PolicyUnavailable,
		},
		"a conversation, of which the card has no price": {
			d: sent(events.Utility, t0, open), word: &word{Model: "CBP", Category: "utility"}, category: events.Utility, reason: events.RateUnavailable,
		},
		"a model that nobody knows": {
			d: sent(events.Utility, t0, open), word: &word{Model: "ABC", Category: "utility"}, category: events.Utility, reason: events.PolicyUnavailable,
		},
		"a group costs what its members cost": {
			d: sent(events.Marketing, t0, open), word: &word{Type: "regular", Category: "group_marketing"},
			basis: events.BasisRegular, amount: 79_500, category: events.Marketing, rated: events.Marketing,
		},
		"a conversation's category": {
			d: sent("cbp_utility", t0, closed), category: "cbp_utility", reason: events.PolicyUnavailable,
		},
		"one category, two spellings": {
			d: sent(events.Authentication, t0, open), word: &word{Type: "free_entry_point", Category: "authentication-international"},
			basis: events.BasisFreeEntryPoint, expected: events.BasisRegular, category: "authentication_international",
		},
		"P3 service within the allowance": {d: sent(events.Service, autumn, closed), used: 999, basis: events.BasisAllowance, category: events.Service},
		"P3 service beyond it": {
			d: sent(events.Service, autumn, closed), used: 1000, basis: events.BasisRegular, amount: 30_000, category: events.Service, rated: events.Service,
		},
		"regular takes no allowance away": {
			d: sent(events.Service, autumn, closed), used: 999, word: &word{Type: "regular", Category: "service"}, basis: events.BasisAllowance, category: events.Service,
		},
		"free in the window is of the allowance": {
			d: sent(events.Service, autumn, closed), used: 1000, word: &word{Type: "free_customer_service", Category: "service"},
			basis: events.BasisAllowance, expected: events.BasisRegular, category: events.Service,
		},
		"regular is in no entry point, and takes no allowance away": {
			d: inEntryPoint(sent(events.Service, autumn, closed)), used: 1000, word: &word{Type: "regular"},
			basis: events.BasisRegular, expected: events.BasisFreeEntryPoint, amount: 30_000, category: events.Service, rated: events.Service,
		},
		"an entry point uses no allowance": {
			d: sent(events.Service, autumn, closed), word: &word{Type: "free_entry_point"},
			basis: events.BasisFreeEntryPoint, expected: events.BasisAllowance, category: events.Service,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.d.Pricing = c.word
			charge, reason := pricing.Price(p.book, p.terms, c.d, pricing.Used{Allowance: c.used})
			require.Equal(t, c.reason, reason)
			require.Equal(t, c.basis, charge.Basis)
			require.Equal(t, c.expected, charge.Expected)
			require.Equal(t, c.category, charge.Category)
			require.Equal(t, c.rated, charge.Rated)
			require.Equal(t, c.amount, charge.Amount.Micros)
			require.Equal(t, "Italy", charge.Market)
		})
	}
}

func inEntryPoint(d events.Delivered) events.Delivered {
	d.EntryPointUntil = new(d.QueuedAt.Add(time.Hour))
	return d
}

func TestAChargeNamesItsCard(t *testing.T) {
	t.Parallel()
	p := pricer{
		t, book(t, "USD", file(
			"Italy,IT,39,utility,USD,0.02,2026-07-01,", "Italy,IT,39,utility,USD,0.03,2026-10-01,", "Italy,IT,39,service,USD,n/a,2026-10-01,")),
		terms(t, "USD", "Europe/Rome"),
	}
	charge, reason := pricing.Price(p.book, p.terms, sent(events.Service, autumn, time.Time{}), pricing.Used{Allowance: 1000})
	require.Empty(t, reason)
	require.Equal(t, events.Charge{
		Amount: money.Amount{Micros: 30_000, Currency: "USD"}, Basis: events.BasisRegular, Policy: "P3", Day: "2026-10-10",
		Category: events.Service, Market: "Italy", MarketBasis: events.MarketByPrefix,
		Rated: events.Utility, Card: new(place("USD", 1)), CardFrom: "2026-10-01", Provisional: true,
	}, charge, "no rate for service: utility's")

	charge, reason = pricing.Price(p.book, p.terms, sent(events.Marketing, autumn, time.Time{}), pricing.Used{})
	require.Equal(t, events.RateUnavailable, reason)
	require.Equal(t, events.Charge{
		Policy: "P3", Day: "2026-10-10", Category: events.Marketing, Market: "Italy", MarketBasis: events.MarketByPrefix,
	}, charge, "what is known stands beside the reason")
}

func TestAFreeDeliveryNeedsNoMarket(t *testing.T) {
	t.Parallel()
	d := sent(events.Service, t0, time.Time{})
	d.Dialling = events.Dialling{}
	charge, reason := pricing.Price(nil, terms(t, "EUR", "Europe/Rome"), d, pricing.Used{})
	require.Empty(t, reason)
	require.Equal(t, events.Charge{
		Amount: money.Amount{Currency: "EUR"}, Basis: events.BasisFreeWindow, Policy: "P2", Day: "2026-07-15", Category: events.Service,
	}, charge)
}
