package main_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/web/client"
)

// TestProjectionsAreBuiltAgainFromTheCommandLine goes the whole way, with a server and, at the end, without.
func TestProjectionsAreBuiltAgainFromTheCommandLine(t *testing.T) {
	environment := append(newBook(t, t.TempDir()).environment(), "DATABASE_URL="+pgtest.Database(t),
		"DAYBOOK_ADMIN_TOKEN="+adminToken, "DAYBOOK_PROCESS=blue")
	server := serve(t, environment...)
	running := append(environment, "DAYBOOK_URL="+server.base) //nolint:gocritic // a longer copy is wanted
	run := func(arguments string) string {
		printed, err := daybook(t.Context(), t, running, strings.Fields(arguments)...)
		require.NoError(t, err, printed)
		return printed
	}
	refused := func(arguments, want string) {
		said, err := daybook(t.Context(), t, running, strings.Fields(arguments)...)
		var ended *exec.ExitError
		require.ErrorAs(t, err, &ended)
		require.Equal(t, 1, ended.ExitCode())
		require.Contains(t, said, want)
	}
	state, err := client.New(server.base, adminToken).Projections(t.Context())
	require.NoError(t, err)
	head := strconv.FormatUint(uint64(state.Head), 10)
	require.Regexp(t, `\nrouting +routing_v2 +live +running +\d+ +\d+ +0 events, 0\.0 s +blue …\w{4} +\n`, run("projection ls --wait-for "+head))
	require.Equal(t, "routing_v2_b2 is ready; to let it be read: daybook projection go-live routing\n", run("projection rebuild routing --wait"))
	require.Regexp(t, `\nrouting_v2_b2 +ready +running .*\n\nrouting_v2_b2 can go live: daybook projection go-live routing\n$`,
		run("projection status routing"))
	refused("projection rebuild routing", "OutOfOrder: projection routing: build routing_v2_b2 is under way: let it go live, or abort it first")
	require.Equal(t, "routing_v2_b2 is live\n", run("projection go-live routing"))
	require.Regexp(t, `routing_v2 +retired `, run("projection status"))
	require.Equal(t, "routing_v2 is live\n", run("projection go-back routing"))
	require.Regexp(t, `^As of position \d+, routing_v2 and routing_v2_b3 are equal\n[^$]*\nrouting_v2_b3 is live\n$`, run("projection rebuild routing --go-live"))
	require.Regexp(t, `^routing_v2_b4 is being built while Daybook serves: see daybook projection status routing\n$`, run("projection rebuild routing"))
	require.Equal(t, "routing_v2_b4 was removed\n", run("projection abort routing"))
	refused("projection abort routing", "OutOfOrder: projection routing: no rebuild is under way")
	refused("projection go-live routing", "OutOfOrder: projection routing: no rebuild is under way")
	refused("projection rebuild nobody", "ProjectionUnknown: there is no projection of this name")
	refused("projection status nobody", `there is no projection "nobody"`)
	refused("projection rebuild", "accepts 1 arg(s), received 0")
	server.stop(t)

	alone, err := daybook(t.Context(), t, environment, "projection", "rebuild", "ledger", "--go-live")
	require.NoError(t, err, alone)
	require.Regexp(t, `^As of position \d+, ledger_v1 and ledger_v1_b2 are equal\n[^$]*\nledger_v1_b2 is live\n$`, alone)
	listed, err := daybook(t.Context(), t, environment, "projection", "ls")
	require.NoError(t, err, listed)
	require.Regexp(t, `ledger +ledger_v1_b2 +live `, listed)
	require.Less(t, len(strings.Split(listed, "\n")[1]), 120, "it fits a screen")
}
