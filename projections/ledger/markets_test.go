package ledger_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/pricing"
	"daybook/projections/ledger"
)

// marketsRefused tells whether the import of rate cards refuses markets for their names.
func marketsRefused(t require.TestingT, names ...string) bool {
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	require.NoError(t, w.Write([]string{"market", "iso2", "calling_prefix", "category", "currency", "rate", "effective_from", "source"}))
	for i, name := range names {
		letter := string(rune('A' + i))
		require.NoError(t, w.Write([]string{name, "A" + letter, "3" + string(rune('0'+i)), "utility", "EUR", "1", "2026-10-01", ""}))
	}
	w.Flush()
	_, err := pricing.ParseCards(&file)
	bad, refused := errors.AsType[*pricing.FileError](err)
	if !refused {
		require.NoError(t, err)
		return false
	}
	return slices.ContainsFunc(bad.Lines, func(l pricing.LineError) bool { return l.Field == "market" })
}

// No two markets of a currency's cards share an account, and none has that of unknown markets: the import refuses exactly
// those names with which they would.
func TestEveryMarketOfACardHasItsOwnAccount(t *testing.T) {
	t.Parallel()
	cards, err := pricing.ParseCards(strings.NewReader(pricing.ReferenceCards))
	require.NoError(t, err)
	owners := map[string]string{}
	for _, card := range cards {
		for _, m := range card.Markets {
			segment := string(card.Currency) + ledger.Market(m.Market)
			require.NotEqual(t, ledger.Market(""), ledger.Market(m.Market))
			require.Contains(t, []string{"", m.Market}, owners[segment])
			owners[segment] = m.Market
		}
	}
	parts := rapid.SampledFrom([]string{
		"a", "A", "z", "0", "9", "_", "-", " & ", "'", "é", "É", "ß", "İ", "i", "I", "ж", "unresolved", "Unresolved",
	})
	name := rapid.Map(rapid.SliceOfN(parts, 1, 4), func(all []string) string { return strings.TrimSpace(strings.Join(all, "")) })
	rapid.Check(t, func(t *rapid.T) {
		a, b := name.Draw(t, "a market"), name.Draw(t, "another")
		unknown := ledger.Market(a) == ledger.Market("") || ledger.Market(b) == ledger.Market("")
		require.Equal(t, unknown || a != b && ledger.Market(a) == ledger.Market(b), marketsRefused(t, a, b))
	})
}
