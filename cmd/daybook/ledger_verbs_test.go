package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/domain/pricing"
	"daybook/events/id"
)

// TestRatesAndLedgerFromTheCommandLine publishes rates and reads what a delivery cost.
func TestRatesAndLedgerFromTheCommandLine(t *testing.T) {
	environment := append(newBook(t, t.TempDir()).environment(), "DATABASE_URL="+pgtest.Database(t),
		"DAYBOOK_ADMIN_TOKEN="+adminToken, "DAYBOOK_WHATSAPP_APP_SECRET="+appSecret)
	server := serve(t, environment...)
	environment = append(environment, "DAYBOOK_URL="+server.base)
	run := func(arguments ...string) string {
		printed, err := daybook(t.Context(), t, environment, arguments...)
		require.NoError(t, err, printed)
		return printed
	}
	imported := run("rates", "import", written(t, pricing.ReferenceCards))
	require.Regexp(t, `EUR +2026-07-01 +\d+ +123 +ratecards-EUR@0 +new\n`, imported)
	require.Regexp(t, `\nPosition: \d+@[0-9a-f-]{36}\n$`, imported)
	require.Regexp(t, `EUR .* known\n`, run("rates", "import", written(t, pricing.ReferenceCards)))

	account := deliveredOnce(t, server.base)
	state, err := client.New(server.base, adminToken).Projections(t.Context())
	require.NoError(t, err)
	head := strconv.FormatUint(uint64(state.Head), 10)
	require.Equal(t, strings.Join([]string{
		"LEDGER ACCOUNT                           BALANCE  ASSET        POSTINGS",
		"cost:messages:utility:italy             0.024800  EUR          1",
		"provider:whatsapp:payable              -0.024800  EUR          1",
		"usage:messages:utility:italy:billable          1  MSG.utility  1",
		"usage:world                                   -1  MSG.utility  1", "",
	}, "\n"), run("ledger", "balances", "--account", account.String(), "--wait-for", head))
	require.Equal(t, 1, strings.Count(run("ledger", "balances", "--account", account.String(), "--as-of", "2026-10-05T10:42:07Z"), "\n"))
	entries := run("ledger", "entries", "--account", account.String(), "--from", "2026-10-05T10:42:07Z", "--limit", "4")
	require.Equal(t, 5, strings.Count(entries, "\n"), entries)
	require.Regexp(t, `\d+ +2026-10-05T10:42:07Z  20\S+Z  provider:whatsapp:payable +-0\.024800  EUR +charge +[0-9a-f-]{36}  billing-[0-9a-f-]{36}-2026-10@\d+\.\d\n`, entries)
	require.Regexp(t, `(?m)^rating +running`, run("projection", "ls", "--wait-for", head))

	said, err := daybook(t.Context(), t, environment, "rates", "import", written(t, strings.ReplaceAll(pricing.ReferenceCards, "0.0248", "free")))
	require.Error(t, err)
	require.Greater(t, strings.Count(said, ", rate: "), 1, "every bad line: %s", said)
	require.Contains(t, said, "daybook: RateCardInvalid: line ")
	server.stop(t)
}

// written is a file with this content.
func written(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cards.csv")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// deliveredOnce sets a business up and lets one utility message reach a customer in Italy.
func deliveredOnce(t *testing.T, base string) id.Account {
	t.Helper()
	ctx, server := t.Context(), client.New(base, adminToken)
	account, device := newBusiness(t, server, "app", "EUR")
	queued, err := server.SendMessage(ctx, account, api.SendMessage{
		DeviceID: device, To: "+393900000001", Type: "template", Category: "utility", Template: &api.Template{Name: "order", Language: "it"},
	})
	require.NoError(t, err)
	_, err = server.AcceptMessage(ctx, account, queued.ID, "wamid.SENT1")
	require.NoError(t, err)
	at := time.Date(2026, 10, 5, 10, 42, 7, 0, time.UTC)
	status := map[string]string{"id": "wamid.SENT1", "status": "delivered", "timestamp": strconv.FormatInt(at.Unix(), 10), "recipient_id": "393900000001"}
	change := map[string]any{"field": "messages", "value": map[string]any{
		"metadata": map[string]string{"phone_number_id": "900555000111222", "display_phone_number": "390655500100"}, "statuses": []any{status},
	}}
	body, err := json.Marshal(map[string]any{
		"object": "whatsapp_business_account", "entry": []any{map[string]any{"id": "1", "changes": []any{change}}},
	})
	require.NoError(t, err)
	require.True(t, deliver(ctx, base, delivery{body: body}), string(body))
	return account
}

func TestLedgerVerbsSayWhatIsWrong(t *testing.T) {
	nowhere := []string{"DAYBOOK_LISTEN=127.0.0.1:1", "DAYBOOK_DATA=" + t.TempDir() + "/none"}
	const account = "--account 0192d3a4-7c5e-7b7e-9f51-3a1c5f2f7a10"
	for _, c := range []struct{ arguments, want string }{
		{"ledger balances", "daybook: --account is required"},
		{"ledger entries", "daybook: --account is required"},
		{"ledger entries --account=", `"--account" flag: "" is not a UUID`},
		{"ledger entries --account x", `"--account" flag: "x" is not a UUID`},
		{"ledger entries --limit 0 " + account, `"--limit" flag: expected a number between 1 and 1000`},
		{"ledger entries --limit 1001 " + account, `"--limit" flag: expected a number between 1 and 1000`},
		{"ledger entries --to later " + account, `"--to" flag: expected an RFC 3339 instant`},
		{"ledger entries --from= " + account, `"--from" flag: expected an RFC 3339 instant`},
		{"ledger entries --from 0001-01-01T00:00:00Z " + account, `"--from" flag: expected an instant of the years 1970 to 9999`},
		{"ledger balances --as-of now " + account, `"--as-of" flag: expected an RFC 3339 instant`},
		{"ledger balances --as-of 0001-01-01T00:00:00Z " + account, `"--as-of" flag: expected an instant of the years 1970 to 9999`},
		{"ledger balances " + account, "there is no data in"},
		{"rates import /nowhere/cards.csv", "FILE: open /nowhere/cards.csv: no such file"},
		{"rates import", "accepts 1 arg"},
	} {
		said, err := daybook(t.Context(), t, nowhere, strings.Fields(c.arguments)...)
		require.Error(t, err, c.arguments)
		require.Contains(t, said, c.want)
	}
}
