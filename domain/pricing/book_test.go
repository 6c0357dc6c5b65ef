package pricing_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/pricing"
	"daybook/events"
)

func TestMarkets(t *testing.T) {
	t.Parallel()
	b := book(t, "EUR", file(
		"North America,US;CA,1;1,utility,EUR,0.01,2026-01-01,", "Islands,BB;JM,1;1658,utility,EUR,0.02,2026-07-01,",
		"Italy,IT,39,utility,EUR,0.03,2026-01-01,", "Vatican,VA,3906698,utility,EUR,0.04,2026-07-01,",
		"East,CZ;HU;PL,36;420;48,utility,EUR,0.05,2026-01-01,", "Poland,PL,48,utility,EUR,0.06,2026-04-01,",
		"East,HU,36,utility,EUR,0.05,2026-07-01,", "Russia,RU,7,utility,EUR,0.07,2026-01-01,",
		"Other,,,utility,EUR,0.08,2026-04-01,",
	))
	for _, c := range []struct {
		to   events.Dialling
		on   events.Date
		want pricing.Market
	}{
		{events.Dialling{Prefix: "39"}, "2025-12-31", pricing.Market{}},
		{events.Dialling{Prefix: "39"}, "2026-01-01", pricing.Market{Name: "Italy", Basis: events.MarketByPrefix}},
		{events.Dialling{Prefix: "3906698"}, "2026-06-30", pricing.Market{Name: "Italy", Basis: events.MarketByPrefix}},
		{events.Dialling{Prefix: "39066981"}, "2026-07-01", pricing.Market{Name: "Vatican", Basis: events.MarketByPrefix}},
		{events.Dialling{Prefix: "48"}, "2026-03-31", pricing.Market{Name: "East", Basis: events.MarketByPrefix}},
		{events.Dialling{Prefix: "48"}, "2026-04-01", pricing.Market{Name: "Poland", Basis: events.MarketByPrefix}},
		{events.Dialling{Country: "PL"}, "2026-04-01", pricing.Market{Name: "Poland", Basis: events.MarketByUserID}},
		{events.Dialling{Prefix: "36"}, "2026-04-01", pricing.Market{Name: "East", Basis: events.MarketByPrefix}},
		{events.Dialling{Prefix: "420"}, "2026-06-30", pricing.Market{Name: "East", Basis: events.MarketByPrefix}},
		{events.Dialling{Prefix: "420"}, "2026-07-01", pricing.Market{Name: "Other", Basis: events.MarketByFallback}}, // dropped
		{events.Dialling{Prefix: "77"}, "2026-03-31", pricing.Market{}},
		{events.Dialling{Prefix: "77"}, "2026-04-01", pricing.Market{Name: "Other", Basis: events.MarketByFallback}},
		{events.Dialling{Prefix: "79"}, "2026-04-01", pricing.Market{Name: "Russia", Basis: events.MarketByPrefix}},
		{events.Dialling{Country: "KZ"}, "2026-04-01", pricing.Market{Name: "Other", Basis: events.MarketByFallback}},
		{events.Dialling{Prefix: "1246"}, "2026-04-01", pricing.Market{Name: "Other", Basis: events.MarketByFallback}},
		{events.Dialling{}, "2026-04-01", pricing.Market{}},
	} {
		got, found := b.Market(c.to, c.on)
		require.Equal(t, c.want, got, "%+v on %s", c.to, c.on)
		require.Equal(t, c.want != pricing.Market{}, found)
	}
}

func TestATerritoryIsListedByItsCountryToo(t *testing.T) {
	t.Parallel()
	b := book(t, "USD", file("Caribbean,BB,1246,utility,USD,0.02,2026-01-01,", "Asia,KZ,996,utility,USD,0.03,2026-01-01,",
		"Russia,RU,7,utility,USD,0.04,2026-01-01,", "Other,,,utility,USD,0.01,2026-01-01,"))
	for prefix, want := range map[string]string{"1246": "Caribbean", "1868": "Other", "1212": "Other", "76": "Asia", "75": "Russia"} {
		got, _ := b.Market(events.Dialling{Prefix: prefix}, "2026-05-05")
		require.Equal(t, want, got.Name, prefix)
	}
}

func TestRatesAreInForceUntilTheNextOne(t *testing.T) {
	t.Parallel()
	b := book(t, "EUR", file(
		"Italy,IT,39,utility,EUR,0.01,2026-01-01,", "Italy,IT,39,marketing,EUR,0.05,2026-01-01,",
		"Italy,IT,39,utility,EUR,n/a,2026-04-01,", "Italy,IT,39,utility,EUR,0.02,2026-07-01,",
	))
	rate := func(category events.Category, on events.Date) int64 {
		r, found := b.Rate("Italy", category, on)
		require.Equal(t, found, r.Micros > 0)
		return r.Micros
	}
	require.EqualValues(t, 0, rate(events.Utility, "2025-12-31"))
	require.EqualValues(t, 10_000, rate(events.Utility, "2026-03-31"))
	require.EqualValues(t, 0, rate(events.Utility, "2026-04-01"))
	require.EqualValues(t, 20_000, rate(events.Utility, "2026-07-01"))
	require.EqualValues(t, 50_000, rate(events.Marketing, "2030-01-01"), "no later card names it")
	require.EqualValues(t, 0, rate(events.Service, "2026-07-01"))
	_, found := b.Rate("Atlantis", events.Utility, "2026-07-01")
	require.False(t, found)
	_, found = (*pricing.Book)(nil).Rate("Italy", events.Utility, "2026-07-01")
	require.False(t, found)

	other := events.RateCardImported{Currency: "USD", EffectiveFrom: "2026-01-01"}
	require.Same(t, b, b.With(other, place("USD", 0)), "a book has one currency")
}

func TestBooksDoNotChange(t *testing.T) {
	t.Parallel()
	one := book(t, "EUR", file("Italy,IT,39,utility,EUR,0.01,2026-01-01,", "Italy,IT,39,utility,EUR,0.02,2026-02-01,", "Italy,IT,39,utility,EUR,0.03,2026-03-01,"))
	micros := func(b *pricing.Book, category events.Category) int64 {
		r, _ := b.Rate("Italy", category, "2026-05-05")
		return r.Micros
	}
	card := func(category events.Category, micros int64) events.RateCardImported {
		rates := []events.Rate{{Category: category, Micros: &micros}}
		return events.RateCardImported{Currency: "EUR", EffectiveFrom: "2026-04-01", Markets: []events.MarketRates{
			{Market: "Italy", Countries: []string{"IT"}, Prefixes: []string{"39"}, Rates: rates},
		}}
	}
	four, five := one.With(card(events.Utility, 40_000), place("EUR", 7)), one.With(card(events.Utility, 50_000), place("EUR", 8))
	both := four.With(card(events.Marketing, 60_000), place("EUR", 9)) // the same date, in two parts
	require.EqualValues(t, 30_000, micros(one, events.Utility))
	require.EqualValues(t, 40_000, micros(four, events.Utility))
	require.EqualValues(t, 50_000, micros(five, events.Utility))
	require.EqualValues(t, 40_000, micros(both, events.Utility))
	require.EqualValues(t, 60_000, micros(both, events.Marketing))
	require.EqualValues(t, 0, micros(four, events.Marketing))
	require.Same(t, four, four.With(card(events.Utility, 40_000), place("EUR", 7)), "a card counts once")

	for _, wrong := range []int64{0, -1} { // no importer writes this; no book prices by it
		_, found := one.With(card(events.Utility, wrong), place("EUR", 7)).Rate("Italy", events.Utility, "2026-05-05")
		require.False(t, found)
	}
}

func TestEveryCurrencyHasItsOwnBook(t *testing.T) {
	t.Parallel()
	currencies := []string{
		"USD", "EUR", "GBP", "INR", "IDR", "BRL", "MXN", "ARS", "COP", "AED", "SAR", "AUD", "MYR", "PEN", "CLP", "SGD",
	}
	var rows []string
	for i, c := range currencies {
		rows = append(rows, "Italy,IT,39,marketing,"+c+","+strconv.Itoa(i+1)+".5,2026-07-01,")
	}
	all := cards(t, file(rows...))
	require.Len(t, all, len(currencies))
	for i, card := range all {
		b := (*pricing.Book)(nil).With(card.RateCardImported, place(card.Currency, i))
		charge, reason := pricing.Price(b, terms(t, card.Currency, "Europe/Rome"), sent(events.Marketing, t0, time.Time{}), pricing.Used{})
		require.Empty(t, reason)
		require.Equal(t, card.Currency, charge.Amount.Currency)
		require.EqualValues(t, slices.Index(currencies, string(card.Currency))*1_000_000+1_500_000, charge.Amount.Micros)
	}
}

var (
	prefixes   = []string{"", "39", "1650", "1246", "1809", "76", "79", "999", "852", "48"}
	countries  = []string{"", "IT", "BB", "KZ", "HK", "XX"}
	categories = []events.Category{
		events.Marketing, events.Utility, events.Authentication, events.Service, "authentication_international", "cbp_utility", "",
	}
	words = []string{"", "regular", "free_customer_service", "free_entry_point", "free_group_customer_service", "free_lunch"}
)

func anyDelivery(t *rapid.T) events.Delivered {
	at := time.Unix(rapid.Int64Range(1_735_000_000, 1_800_000_000).Draw(t, "at"), 0) // 2024-12 to 2027-01
	d := events.Delivered{
		Dialling: events.Dialling{Prefix: rapid.SampledFrom(prefixes).Draw(t, "prefix"), Country: rapid.SampledFrom(countries).Draw(t, "country")},
		Category: rapid.SampledFrom(categories).Draw(t, "category"), QueuedAt: at, DeliveredAt: at.Add(time.Minute),
	}
	if rapid.Bool().Draw(t, "window") {
		d.WindowUntil = new(at.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "until"))))
	}
	if rapid.Bool().Draw(t, "told") {
		d.Pricing = &events.Pricing{
			Type: rapid.SampledFrom(words).Draw(t, "type"), Category: string(rapid.SampledFrom(categories).Draw(t, "word")),
			Model: rapid.SampledFrom([]string{"", "PMP", "CBP"}).Draw(t, "model"),
		}
	}
	return d
}

// TestAmountAndBasisAgree: what is charged has a rate, what is free has none, and what has no price is neither; books
// are the same in whatever order the cards came.
func TestAmountAndBasisAgree(t *testing.T) {
	t.Parallel()
	var all []events.RateCardImported
	for _, card := range cards(t, pricing.ReferenceCards) {
		if card.Currency == "USD" {
			all = append(all, card.RateCardImported)
		}
	}
	inOrder := func(order []int) *pricing.Book {
		var b *pricing.Book
		for _, i := range order {
			b = b.With(all[i], place("USD", i))
		}
		return b
	}
	order := []int{0, 1, 2, 3, 4, 5}
	sorted, zone := inOrder(order), terms(t, "USD", "Europe/Rome")
	rapid.Check(t, func(t *rapid.T) {
		d, used := anyDelivery(t), pricing.Used{Allowance: rapid.Int64Range(998, 1001).Draw(t, "used")}
		charge, reason := pricing.Price(sorted, zone, d, used)
		switch {
		case reason != "":
			require.Zero(t, charge.Amount)
			require.Empty(t, charge.Basis)
		case charge.Basis == events.BasisRegular:
			require.Positive(t, charge.Amount.Micros)
			rate, found := sorted.Rate(charge.Market, charge.Rated, charge.Day)
			require.True(t, found)
			require.Equal(t, pricing.Rate{Micros: charge.Amount.Micros, Card: *charge.Card, From: charge.CardFrom}, rate)
		default:
			require.Contains(t, []events.Basis{
				events.BasisAllowance, events.BasisFreeWindow, events.BasisFreeEntryPoint, events.BasisFreeGroup,
			}, charge.Basis)
			require.Zero(t, charge.Amount.Micros)
			require.Nil(t, charge.Card)
		}
		if reason == "" {
			require.EqualValues(t, "USD", charge.Amount.Currency)
		}
		again, sameReason := pricing.Price(inOrder(rapid.Permutation(order).Draw(t, "order")), zone, d, used)
		require.Equal(t, charge, again)
		require.Equal(t, reason, sameReason)
	})
}
