package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
)

func TestTheChartSaysWhatMayBePosted(t *testing.T) {
	t.Parallel()
	for _, good := range [][2]string{
		{"cost:messages:utility:rest-of-central-eastern-europe", "EUR"},
		{"cost:messages:authentication_international:north-america", "USD"},
		{"provider:whatsapp:payable", "COP"},
		{"usage:messages:service:italy:allowance", "MSG.service"},
		{"usage:pending:marketing", "MSG.marketing"},
		{"usage:world", "MSG.utility"},
	} {
		require.NoError(t, allowed(good[0], good[1]))
	}
	for bad, want := range map[[2]string]string{
		{"cost:messages:utility:italy", "MSG.utility"}:            `account "cost:messages:utility:italy" of the chart does not hold "MSG.utility"`,
		{"cost:messages:utility:italy", "eur"}:                    `does not hold "eur"`,
		{"cost:messages:utility:italy", ""}:                       `does not hold ""`,
		{"usage:messages:utility:italy:free", "EUR"}:              `does not hold "EUR"`,
		{"usage:messages:utility:italy:free", "MSG.service"}:      `does not hold "MSG.service"`,
		{"usage:messages:utility:italy:maybe", "MSG.utility"}:     `account "usage:messages:utility:italy:maybe" is not in the chart of accounts`,
		{"usage:messages:utility:italy:free:more", "MSG.utility"}: "is not in the chart",
		{"x:usage:messages:utility:italy:free", "MSG.utility"}:    "is not in the chart",
		{"cost:messages:utility:Italy", "EUR"}:                    "is not in the chart",
		{"cost:messages:utility:-italy", "EUR"}:                   "is not in the chart",
		{"cost:messages::italy", "EUR"}:                           "is not in the chart",
		{"cost:messages:utility", "EUR"}:                          "is not in the chart",
		{"cost:messages:utility:italy\n", "EUR"}:                  "is not in the chart",
		{"provider:whatsapp:suspense", "EUR"}:                     "is not in the chart",
		{"", "EUR"}:                                               "is not in the chart",
		{"usage:world", "MSG."}:                                   "does not hold",
	} {
		require.ErrorContains(t, allowed(bad[0], bad[1]), want)
	}
}

// Whatever the platform, or a card, calls a category or a market, there is an account for it.
func TestEveryNameHasAnAccount(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Rest of Central & Eastern Europe": "rest-of-central-eastern-europe",
		"North America":                    "north-america",
		"Côte d'Ivoire":                    "c-te-d-ivoire",
		" -- Other -- ":                    "other",
		"a_b":                              "a-b",
		"":                                 "unresolved",
		"&":                                "unresolved",
	} {
		require.Equal(t, want, market(name))
	}
	require.Equal(t, "authentication_international", category("authentication_international"))
	require.Equal(t, "unknown", category(""))
	rapid.Check(t, func(t *rapid.T) {
		c := events.Charge{
			Category: events.Category(rapid.String().Draw(t, "category")), Market: rapid.String().Draw(t, "market"),
			Basis: events.BasisRegular,
		}
		counted, err := usage(c)
		require.NoError(t, err)
		require.NoError(t, allowed(counted, messages(c.Category)))
		require.NoError(t, allowed(cost(c), "EUR"))
		require.NoError(t, allowed(pending(c.Category), messages(c.Category)))
		require.NoError(t, allowed(world, messages(c.Category)))
	})
}
