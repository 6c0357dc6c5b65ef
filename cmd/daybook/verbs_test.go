package main_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

// TestVerbsWorkWithAndWithoutAServer asks the same of a running server and of the data folder alone.
func TestVerbsWorkWithAndWithoutAServer(t *testing.T) {
	// The token is the one that the server makes and keeps in the data folder.
	environment := append(newBook(t, t.TempDir()).environment(), "DATABASE_URL="+pgtest.Database(t))
	server := serve(t, environment...)
	token := strings.Fields(server.printed.String())[2] // Admin token: …
	registered, err := client.New(server.base, token).RegisterAccount(t.Context(), api.RegisterAccount{
		Name: "Verb Test", Kind: "app", Country: "IT", Currency: "EUR", Timezone: "Europe/Rome", WABAID: "1",
		Numbers: []api.Number{{PhoneNumberID: "1", DisplayPhoneNumber: "390655500100"}},
	})
	require.NoError(t, err)

	running := append(environment, "DAYBOOK_URL="+server.base) //nolint:gocritic // a longer copy is wanted
	listed, err := daybook(t.Context(), t, running, "audit", "ls", "--wait-for", registered.Token)
	require.NoError(t, err, listed)
	require.Equal(t, 6, strings.Count(listed, "\n"), listed) // the head, the store, its vault, two claims, the account
	require.Contains(t, listed, "AccountRegistered")
	projections, err := daybook(t.Context(), t, running, "projection", "ls", "--wait-for", registered.Token)
	require.NoError(t, err, projections)
	require.Regexp(t, `audit +audit_v1 +live +running +\d+ +5 +0 events`, projections)
	said, err := daybook(t.Context(), t, running, "projection", "ls", "--wait-for=")
	require.Error(t, err)
	require.Contains(t, said, "query.wait_for: expected a value")
	server.stop(t)

	refused, err := daybook(t.Context(), t, running, "audit", "ls")
	require.Error(t, err)
	require.Contains(t, refused, "no server answers at DAYBOOK_URL")
	alone, err := daybook(t.Context(), t, environment, "audit", "ls")
	require.NoError(t, err, alone)
	require.Equal(t, listed, alone)
}

func TestVerbsSayWhatIsWrong(t *testing.T) {
	nowhere := []string{"DAYBOOK_LISTEN=127.0.0.1:1", "DAYBOOK_DATA=" + t.TempDir() + "/none"}
	for _, c := range []struct{ arguments, want string }{
		{"audit ls", "there is no data in"},
		{"audit ls --account x", `"--account" flag: "x" is not a UUID`},
		{"audit ls --from yesterday", `"--from" flag: expected an RFC 3339 instant`},
		{"audit ls --limit 0", `"--limit" flag: expected a number between 1 and 1000`},
		{"quarantine redrive x", `ITEM: "x" is not a UUID`},
		{"audit sl", "unknown command"},
	} {
		said, err := daybook(t.Context(), t, nowhere, strings.Fields(c.arguments)...)
		require.Error(t, err, c.arguments)
		require.Contains(t, said, c.want)
	}
}
