package ratecards_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/pricing"
	"daybook/domain/ratecards"
	"daybook/domain/scenario"
	"daybook/events"
)

// file parses rows under the header, which is line 1.
func file(t *testing.T, rows ...string) []pricing.Card {
	t.Helper()
	text := "market,iso2,calling_prefix,category,currency,rate,effective_from,source\n" + strings.Join(rows, "\n")
	cards, err := pricing.ParseCards(strings.NewReader(text))
	require.NoError(t, err)
	return cards
}

func imports(cards []pricing.Card) func(ratecards.State) ([]events.Event, error) {
	return func(s ratecards.State) ([]events.Event, error) { return s.Import(cards) }
}

func italy(cards []pricing.Card, card int, rates ...events.Rate) events.RateCardImported {
	c := cards[card].RateCardImported
	c.Markets = []events.MarketRates{{Market: "Italy", Countries: []string{"IT"}, Prefixes: []string{"39"}, Rates: rates}}
	return c
}

func utility(micros int64) events.Rate { return events.Rate{Category: events.Utility, Micros: &micros} }

func TestNewRatesAreRecordedOnce(t *testing.T) {
	t.Parallel()
	first := file(t, "Italy,IT,39,utility,USD,0.02,2026-07-01,", "Italy,IT,39,utility,USD,0.03,2026-10-01,")
	known := scenario.New(ratecards.Evolve).When(imports(first)).
		Then(t, italy(first, 1, utility(30_000)), italy(first, 0, utility(20_000))) // the newest first
	known.When(imports(first)).Then(t)
	known.When(imports(file(t, "Italy,IT,39,utility,USD,0.03,2026-10-01,from elsewhere"))).Then(t)

	more := file(t, "Italy,IT,39,utility,USD,0.03,2026-10-01,", "Italy,IT,39,service,USD,n/a,2026-10-01,")
	all := known.When(imports(more)).Then(t, italy(more, 0, events.Rate{Category: events.Service}))
	all.When(imports(more)).Then(t)
}

func TestWhatIsRecordedIsNeverEdited(t *testing.T) {
	t.Parallel()
	first := file(t, "Italy,IT,39,utility,USD,0.03,2026-10-01,", "Other,,,utility,USD,0.01,2026-10-01,", "Italy,IT,39,service,USD,n/a,2026-10-01,")
	known := scenario.New(ratecards.Evolve).When(imports(first)).Then(t, first[0].RateCardImported)
	for row, want := range map[string]string{
		"Italy,IT,39,utility,USD,0.04,2026-10-01,":         "line 2, rate: utility in Italy is 0.0300 from 2026-10-01 on by ratecards-USD revision 0; a published rate never changes",
		"Italy,IT,39,utility,USD,n/a,2026-10-01,":          "line 2, rate: utility in Italy is 0.0300",
		"Italy,IT,39,service,USD,0.04,2026-10-01,":         "line 2, rate: service in Italy is n/a",
		"Italy,IT;VA,39,marketing,USD,0.04,2026-10-01,":    "line 2, iso2: Italy lists VA here, and not by ratecards-USD revision 0",
		"Italy,IT,379,marketing,USD,0.04,2026-10-01,":      "line 2, calling_prefix: Italy lists 379 here",
		"Italy,,,marketing,USD,0.04,2026-10-01,":           "line 2, calling_prefix: Italy lists 39 by ratecards-USD revision 0, and not here",
		"Vatican,VA,39,marketing,USD,0.04,2026-10-01,":     "line 2, calling_prefix: 39 belongs to Italy",
		"Vatican,IT,379,marketing,USD,0.04,2026-10-01,":    "line 2, iso2: IT belongs to Italy",
		"The rest,,,marketing,USD,0.04,2026-10-01,":        "line 2, calling_prefix: the market without prefixes is Other",
		"Other,,,utility,USD,0.02,2026-10-01,and a source": "line 2, rate: utility in Other is 0.0100",
	} {
		rejection := known.When(imports(file(t, row, "Spain,ES,34,utility,USD,0.02,2026-10-01,"))).Rejected(t, "RateConflict")
		require.Equal(t, domain.Conflict, rejection.Kind)
		require.Contains(t, rejection.Detail, want)
	}
	other := file(t, "Vatican,IT;VA,39,utility,USD,0.04,2026-11-01,")
	known.When(imports(other)).Then(t, other[0].RateCardImported) // another date may say what it likes
}

func TestStateKnowsItsCards(t *testing.T) {
	t.Parallel()
	var s ratecards.State
	require.Nil(t, s.Book())
	_, found := s.Card("2026-10-01")
	require.False(t, found)
	for _, row := range []string{
		"Italy,IT,39,utility,USD,0.03,2026-10-01,", "Italy,IT,39,utility,USD,0.02,2026-07-01,", "Italy,IT,39,marketing,USD,0.07,2026-10-01,",
	} {
		decided, err := s.Import(file(t, row))
		require.NoError(t, err)
		for _, event := range decided {
			s = ratecards.Evolve(s, event)
		}
	}
	at, found := s.Card("2026-10-01")
	require.True(t, found)
	require.Equal(t, events.Ref{Stream: "ratecards-USD", Revision: 2}, at)
	rate, found := s.Book().Rate("Italy", events.Utility, "2026-10-05")
	require.True(t, found)
	require.Equal(t, pricing.Rate{Micros: 30_000, Card: events.Ref{Stream: "ratecards-USD"}, From: "2026-10-01"}, rate)
}

func TestNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "ratecards-USD", ratecards.Stream("USD"))
	require.Equal(t, "rates-awaited-USD", ratecards.AwaitedStream("USD"))
}
