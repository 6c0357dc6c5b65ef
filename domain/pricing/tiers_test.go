package pricing_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/pricing"
	"daybook/events"
)

// tieredFile writes rows under a header that has the column tiers.
func tieredFile(rows ...string) string {
	return strings.Join(append([]string{"market,iso2,calling_prefix,category,currency,rate,effective_from,source,tiers"}, rows...), "\n")
}

func TestARateMayHaveTiers(t *testing.T) {
	t.Parallel()
	b := book(t, "USD", tieredFile(
		"Argentina,AR,54,utility,USD,0.0260,2026-10-01,test,100001:0.0247;500001:0.0234", "Argentina,AR,54,marketing,USD,0.0618,2026-10-01,test,",
	))
	rate, found := b.Rate("Argentina", events.Utility, "2026-10-01")
	require.True(t, found)
	require.Equal(t, []events.RateTier{{From: 100_001, Micros: 24_700}, {From: 500_001, Micros: 23_400}}, rate.Tiers)
	rate, _ = b.Rate("Argentina", events.Marketing, "2026-10-01")
	require.Empty(t, rate.Tiers)

	d := sent(events.Utility, autumn, time.Time{})
	d.Dialling = events.DialPhone("5491123456789")
	for before, want := range map[int64]events.Charge{
		0:       {Tier: 1, Ordinal: 1},
		99_999:  {Tier: 1, Ordinal: 100_000},
		100_000: {Tier: 2, Ordinal: 100_001},
		499_999: {Tier: 2, Ordinal: 500_000},
		500_000: {Tier: 3, Ordinal: 500_001},
	} {
		used := pricing.Used{Paid: map[pricing.Counter]int64{{Market: "Argentina", Category: events.Utility}: before}}
		charge, reason := pricing.Price(b, terms(t, "USD", "Europe/Rome"), d, used)
		require.Empty(t, reason)
		require.Equal(t, []int64{int64(want.Tier), want.Ordinal}, []int64{int64(charge.Tier), charge.Ordinal})
		require.Equal(t, []int64{26_000, 24_700, 23_400}[want.Tier-1], charge.Amount.Micros)
		require.True(t, charge.Provisional)
	}
}

func TestBadTiersAreNamed(t *testing.T) {
	t.Parallel()
	for tiers, detail := range map[string]string{
		"100001":            `"100001" is none`,
		"100001:free":       `"100001:free" is none`,
		"1:0.02":            `"1:0.02" is none`,
		"100001:0":          `"100001:0" is none`,
		"x:0.02":            `"x:0.02" is none`,
		"200:0.02;100:0.01": "in order of the first message",
		"200:0.02;200:0.01": "in order of the first message",
		"9:1;":              `"" is none`,
	} {
		_, err := pricing.ParseCards(strings.NewReader(tieredFile("Italy,IT,39,utility,USD,0.03,2026-10-01,test," + tiers)))
		bad, refused := errors.AsType[*pricing.FileError](err)
		require.True(t, refused, tiers)
		require.Equal(t, "tiers", bad.Lines[0].Field)
		require.Contains(t, bad.Lines[0].Detail, detail)
	}
	for row, why := range map[string]string{
		"Italy,IT,39,marketing,USD,0.03,2026-10-01,test,2:0.02":                                              "only a rate of",
		"Italy,IT,39,utility,USD,n/a,2026-10-01,test,2:0.02":                                                 "only a rate of",
		"Italy,IT,39,utility,USD,0.03,2026-10-01,test,2:0.02\nItaly,IT,39,utility,USD,0.03,2026-10-01,test,": "has other tiers",
	} {
		_, err := pricing.ParseCards(strings.NewReader(tieredFile(row)))
		bad, refused := errors.AsType[*pricing.FileError](err)
		require.True(t, refused, row)
		require.Equal(t, "tiers", bad.Lines[0].Field)
		require.Contains(t, bad.Lines[0].Detail, why)
	}
}

// A campaign holds what its messages may cost at worst on any day of their life.
func TestTheHighestPriceOfSomeDays(t *testing.T) {
	t.Parallel()
	b := book(t, "USD", tieredFile(
		"Mexico,MX,52,marketing,USD,0.0305,2026-07-01,test,", "Mexico,MX,52,marketing,USD,0.0397,2026-10-01,test,",
		"Mexico,MX,52,marketing,USD,0.0100,2026-11-01,test,", "Italy,IT,39,utility,USD,0.0300,2026-10-01,test,9:0.0400",
		"Italy,IT,39,utility,USD,n/a,2026-11-01,test,",
	))
	for _, c := range []struct {
		market   string
		category events.Category
		from, to events.Date
		want     int64
		card     events.Date
	}{
		{"Mexico", events.Marketing, "2026-09-01", "2026-09-30", 30_500, "2026-07-01"},
		{"Mexico", events.Marketing, "2026-09-30", "2026-10-30", 39_700, "2026-10-01"},
		{"Mexico", events.Marketing, "2026-10-31", "2026-11-30", 39_700, "2026-10-01"},
		{"Mexico", events.Marketing, "2026-11-01", "2026-12-01", 10_000, "2026-11-01"},
		{"Mexico", events.Marketing, "2026-06-01", "2026-07-01", 30_500, "2026-07-01"},
		{"Italy", events.Utility, "2026-10-01", "2026-11-30", 40_000, "2026-10-01"}, // whichever comes first in the month
		{"Italy", events.Utility, "2026-11-01", "2026-11-30", 0, ""},
		{"Mexico", events.Marketing, "2026-06-01", "2026-06-30", 0, ""},
		{"Mexico", events.Utility, "2026-09-30", "2026-10-30", 0, ""},
	} {
		rate, found := b.Highest(c.market, c.category, c.from, c.to)
		require.Equal(t, c.want > 0, found, "%+v", c)
		require.Equal(t, c.want, rate.Micros, "%+v", c)
		require.Equal(t, c.card, rate.From)
	}
	_, found := (*pricing.Book)(nil).Highest("Italy", events.Utility, "2026-10-01", "2026-10-01")
	require.False(t, found)
}

func TestLateRepliesAreOfThePolicyOf2018(t *testing.T) {
	t.Parallel()
	for day, want := range map[events.Date]bool{
		"2018-08-01": true, "2022-12-31": true, "2023-01-01": false, "2024-01-01": false, "2025-07-01": false, "2026-10-01": false,
	} {
		require.Equal(t, want, pricing.LateRepliesAllowed(day), day)
	}
}
