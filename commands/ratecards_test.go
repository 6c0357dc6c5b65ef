package commands_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain/pricing"
	"daybook/domain/ratecards"
)

func TestTheReferenceFileImports(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	imported, err := h.ImportRateCards(t.Context(), api, []byte(pricing.ReferenceCards))
	require.NoError(t, err)
	require.Len(t, imported.Cards, 9)
	rates := 0
	for _, c := range imported.Cards {
		require.True(t, c.New)
		rates += c.Rates
	}
	require.Equal(t, 956, rates)
	require.Len(t, read(t, store, ratecards.Stream("USD")), 6)
	require.Equal(t, read(t, store, ratecards.Stream("USD"))[5].Position, imported.Position)
}
