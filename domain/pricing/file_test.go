package pricing_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/money"
)

func TestParseCards(t *testing.T) {
	t.Parallel()
	const header = "market,iso2,calling_prefix,category,currency,rate,effective_from,source"
	rows := []string{
		`Other,,,utility,USD,0.0077,2026-10-01,"card, page 2"`,
		`North America,US;CA,1;1,utility,USD,0.0034,2026-10-01,card`,
		``,
		`North America,CA;US,1,marketing,USD,n/a,2026-10-01,`,
		`North America,CA;US,1,marketing,USD,n/a,2026-10-01,the same again`,
		`Other,,,utility,EUR,12,2026-07-01,`,
	}
	text := header + "\n" + strings.Join(rows, "\n")
	sum := func(text string) string { s := sha256.Sum256([]byte(text)); return hex.EncodeToString(s[:]) }
	want := func(text string) []pricing.Card {
		return []pricing.Card{
			{RateCardImported: events.RateCardImported{
				Currency: "EUR", EffectiveFrom: "2026-07-01", FileSHA256: sum(text),
				Markets: []events.MarketRates{{Market: "Other", Rates: []events.Rate{{Category: events.Utility, Micros: new(int64(12_000_000))}}}},
			}, Lines: [][]int{{7}}},
			{RateCardImported: events.RateCardImported{
				Currency: "USD", EffectiveFrom: "2026-10-01", FileSHA256: sum(text), Sources: []string{"card, page 2", "card"},
				Markets: []events.MarketRates{
					{Market: "Other", Rates: []events.Rate{{Category: events.Utility, Micros: new(int64(7_700))}}},
					{
						Market: "North America", Countries: []string{"CA", "US"}, Prefixes: []string{"1"},
						Rates: []events.Rate{{Category: events.Utility, Micros: new(int64(3_400))}, {Category: events.Marketing}},
					},
				},
			}, Lines: [][]int{{2}, {3, 5}}},
		}
	}
	for name, text := range map[string]string{
		"LF": text, "CRLF": strings.ReplaceAll(text, "\n", "\r\n"), "BOM": "\ufeff" + text, "newline at the end": text + "\n",
	} {
		require.Equal(t, want(text), cards(t, text), name)
	}
	turned := cards(t, "source,rate,effective_from,currency,category,calling_prefix,iso2,market\n,0.1,2026-10-01,USD,utility,39,IT,Italy")
	require.Equal(t, "Italy", turned[0].Markets[0].Market, "columns may come in any order")
}

func TestTheReferenceFile(t *testing.T) {
	t.Parallel()
	all := cards(t, pricing.ReferenceCards)
	require.Len(t, all, 9)
	rates := 0
	for _, card := range all {
		rates += card.Rates()
	}
	require.Equal(t, 956, rates)
	newest := all[len(all)-1]
	require.EqualValues(t, "USD", newest.Currency)
	require.EqualValues(t, "2026-10-01", newest.EffectiveFrom)
	require.Len(t, newest.Markets, 47)
}

func TestEveryBadLineIsNamed(t *testing.T) {
	t.Parallel()
	_, err := pricing.ParseCards(strings.NewReader(file(
		"Italy,IT,39,utility,USD,0.03,2026-10-01,",
		",IT,39,utility,USD,0.03,2026-10-01,",
		"It\aaly,it,039,Utility,usd,0,2026-02-30,\x00",
		"Spain,ES;,34;,utility,USD,-0.01,2026-10-01,",
		"Spain,ES,12345678,utility,USD,0.0000001,01/10/2026,",
		"Spain,ES,34,utility,USD,100000.01,1999-10-01,",
		"Spain,ES,34,utility,USD,0,03,2026-10-01,",
		`Sp"ain,ES,34,utility,USD,0.03,2026-10-01,`,
		"Italy,IT,39,utility,USD,0.04,2026-10-01,",
		"Italy,IT;VA,379,marketing,USD,0.03,2026-10-01,",
		"Spain,ES;IT,34;39,utility,USD,0.03,2026-10-01,",
		"Other,,,utility,USD,0.01,2026-10-01,",
		"All others,,,utility,USD,0.01,2026-10-01,",
		"Malta,MT,,utility,USD,0.01,2026-10-01,",
		"Malta,,356,utility,USD,1e3,2026-10-01,",
		" Malta,MT,356,utility,USD,0.01,2026-10-01,\xff",
	)))
	var bad *pricing.FileError
	require.ErrorAs(t, err, &bad)
	require.False(t, bad.Conflict)
	var named []string
	for _, l := range bad.Lines {
		named = append(named, fmt.Sprintf("%d %s", l.Line, l.Field))
	}
	require.Equal(t, []string{
		"3 market",
		"4 market", "4 iso2", "4 calling_prefix", "4 category", "4 currency", "4 rate", "4 effective_from", "4 source",
		"5 iso2", "5 calling_prefix", "5 rate",
		"6 calling_prefix", "6 rate", "6 effective_from",
		"7 rate", "7 effective_from",
		"8 ", "9 ",
		"10 rate",
		"11 iso2", "11 calling_prefix",
		"12 iso2", "12 calling_prefix",
		"14 calling_prefix", "15 calling_prefix", "16 rate",
		"17 market", "17 source",
	}, named, err)
	require.Contains(t, err.Error(), `line 10, rate: utility in Italy is 0.0300 from 2026-10-01 on by line 2; a published rate never changes`)
	require.Contains(t, err.Error(), `line 12, iso2: IT belongs to Italy by line 2`)
	require.Contains(t, err.Error(), `line 11, iso2: Italy lists VA here, and not by line 2`)
	require.Contains(t, err.Error(), `line 8: it has 9 fields, the header has 8`)
	require.Contains(t, err.Error(), `line 14, calling_prefix: the market without prefixes is Other by line 13`)

	rejection, ok := errors.AsType[*domain.Rejection](err)
	require.True(t, ok)
	require.Equal(t, domain.Invalid, rejection.Kind)
	require.Equal(t, "RateCardInvalid", rejection.Code)
}

// A market has its own account in the ledger, which is named after it.
func TestMarketsThatTheLedgerCouldNotTellApart(t *testing.T) {
	t.Parallel()
	row := func(market, code, currency, from string) string {
		return fmt.Sprintf("%s,%s,%d,utility,%s,0.03,%s,", market, code, 100+int(code[1]), currency, from)
	}
	_, err := pricing.ParseCards(strings.NewReader(file(
		row("Rest of Asia", "AA", "USD", "2026-10-01"),
		row("REST OF ASIA", "AB", "USD", "2026-10-01"),
		row("Rest-of  Asia!", "AC", "USD", "2027-01-01"), // also of another date
		row("Rest of Asia", "AA", "USD", "2027-01-01"),
		row("Rest of Asia 2", "AD", "USD", "2026-10-01"),
		row("rest of asia", "AE", "EUR", "2026-10-01"), // the cards of another currency are of other books
		row("Ελλάδα", "AF", "USD", "2026-10-01"),
		row("& (c)", "AG", "USD", "2026-10-01"),
		row("Unresolved.", "AH", "USD", "2026-10-01"),
	)))
	var bad *pricing.FileError
	require.ErrorAs(t, err, &bad)
	var named []string
	for _, l := range bad.Lines {
		require.Equal(t, "market", l.Field)
		named = append(named, l.String())
	}
	const rule = " would be one account of the ledger: names must differ in more than capitals and punctuation"
	require.Equal(t, []string{
		"line 3, market: REST OF ASIA and Rest of Asia by line 2" + rule,
		"line 4, market: Rest-of  Asia! and Rest of Asia by line 2" + rule,
		"line 8, market: must have one of the letters and digits a–z, A–Z, 0–9: the ledger names an account by them",
		`line 10, market: must not be "unresolved": so the ledger calls the market of those whose market is unknown`,
	}, named)
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	row := "Italy,IT,39,utility,USD,0.03,2026-10-01,"
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "the file: it holds no rate"},
		"header only":       {file() + "\n", "the file: it holds no rate"},
		"column missing":    {strings.Replace(file(row), ",source", "", 1), "line 1: columns that are missing: source"},
		"column unknown":    {strings.Replace(file(row), ",source", ",Source", 1), `line 1: columns that do not belong here: "Source"`},
		"column twice":      {strings.Replace(file(row), ",source", ",source,rate", 1), "line 1: columns that come twice: rate"},
		"semicolons":        {strings.ReplaceAll(file(row), ",", ";"), "line 1: columns that are missing: market, iso2"},
		"header is no CSV":  {`"market`, "line 1: extraneous or missing"},
		"a quote that runs": {file(row, `"Spain,ES`, row), "line 3: extraneous or missing"},
		"countries alone":   {file("Italy,IT,,utility,USD,0.03,2026-10-01,"), "line 2, calling_prefix: countries and prefixes come together"},
		"prefixes alone":    {file("Italy,,39,utility,USD,0.03,2026-10-01,"), "line 2, calling_prefix: countries and prefixes come together"},
		"too large":         {file(row) + strings.Repeat("\n", pricing.MaxFileBytes), "the file: it is larger than 8388608 bytes"},
	} {
		_, err := pricing.ParseCards(strings.NewReader(c.text))
		require.ErrorContains(t, err, c.want, name)
		var bad *pricing.FileError
		require.ErrorAs(t, err, &bad, name)
	}
	_, err := pricing.ParseCards(iotest.ErrReader(iotest.ErrTimeout))
	require.ErrorIs(t, err, iotest.ErrTimeout)
}

func TestLimitsOfAFile(t *testing.T) {
	t.Parallel()
	rows := make([]string, 0, 100_001)
	for range 1_234 {
		rows = append(rows, "Italy,IT,39,utility,USD,0,2026-10-01,")
	}
	_, err := pricing.ParseCards(strings.NewReader(file(rows...)))
	var bad *pricing.FileError
	require.ErrorAs(t, err, &bad)
	require.Len(t, bad.Lines, 1_000)
	require.Equal(t, 234, bad.More)
	require.True(t, strings.HasSuffix(err.Error(), "\nand 234 more"))

	rows = rows[:0]
	for range 100_001 {
		rows = append(rows, "Italy,IT,39,utility,USD,1,2026-10-01,")
	}
	require.Len(t, cards(t, file(rows[:100_000]...)), 1)
	_, err = pricing.ParseCards(strings.NewReader(file(rows...)))
	require.ErrorContains(t, err, "line 100002: a file holds at most 100000 rates")

	rows = rows[:0]
	for i := range 4_000 {
		n := strconv.Itoa(1_000_000 + i)
		rows = append(rows, n+strings.Repeat("x", 90)+","+string([]byte{'A' + byte(i/26%26), 'A' + byte(i%26)})+","+n+
			",utility,USD,1,"+fmt.Sprintf("20%02d-01-01", i/500)+",")
	}
	require.Len(t, cards(t, file(rows[:2_000]...)), 4)
	_, err = pricing.ParseCards(strings.NewReader(file(rows...)))
	require.ErrorContains(t, err, "line 2, currency: the cards of USD take")
}

// render writes cards as a file.
func render(t testing.TB, all []pricing.Card) string {
	t.Helper()
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	require.NoError(t, w.Write(strings.Split(file(), ",")))
	for _, card := range all {
		sources := card.Sources
		for _, m := range card.Markets {
			for _, r := range m.Rates {
				rate, source := "n/a", ""
				if r.Micros != nil {
					rate = money.Amount{Micros: *r.Micros}.String()
				}
				if len(sources) > 0 {
					source, sources = sources[0], sources[1:]
				}
				require.NoError(t, w.Write([]string{
					m.Market, strings.Join(m.Countries, ";"), strings.Join(m.Prefixes, ";"), string(r.Category), string(card.Currency),
					rate, string(card.EffectiveFrom), source,
				}))
			}
		}
	}
	w.Flush()
	require.NoError(t, w.Error())
	return b.String()
}

// contents drops what follows from the bytes of a file and not from its meaning.
func contents(all []pricing.Card) []events.RateCardImported {
	var list []events.RateCardImported
	for _, card := range all {
		card.FileSHA256 = ""
		list = append(list, card.RateCardImported)
	}
	return list
}

// FuzzParseCards: whatever the bytes, there are good cards or a FileError, and good cards written out are read as the
// same cards.
func FuzzParseCards(f *testing.F) {
	f.Add([]byte(pricing.ReferenceCards[:300]))
	f.Add([]byte(file("Italy,IT,39,utility,USD,0.03,2026-10-01,x", "Other,,,utility,USD,n/a,2026-10-01,\"y\"\"\"")))
	f.Add([]byte("\ufeff" + file("\"I\nt\",IT;VA,39;39,service,EUR,1,2026-10-01,", `Côte d'Ivoire,CI,225,utility,EUR,.1,2026-10-01,`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := pricing.ParseCards(bytes.NewReader(text))
		if err != nil {
			var bad *pricing.FileError
			require.ErrorAs(t, err, &bad)
			require.NotEmpty(t, bad.Lines)
			require.Empty(t, all)
			return
		}
		require.NotEmpty(t, all)
		again, err := pricing.ParseCards(strings.NewReader(render(t, all)))
		require.NoError(t, err)
		require.Equal(t, contents(all), contents(again))
	})
}
