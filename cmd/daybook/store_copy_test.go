package main_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/eventstoredb"
	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/cmd/daybook/storecopy"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections/messages"
)

// TestStoreCopyThereAndBack moves the demo business and a crowd of other events from a folder to a server and back to a
// folder, killing the verb now and then. Nothing is lost or doubled, and Daybook goes on in each place: its projections
// with the rows that they have, which in the end equal a rebuild from the last store.
func TestStoreCopyThereAndBack(t *testing.T) {
	wanted := 20_000
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		wanted = 200_000
	}
	home, back, databaseURL := t.TempDir(), t.TempDir(), pgtest.Database(t)
	m := &move{databaseURL: databaseURL, environment: []string{
		"DAYBOOK_LISTEN=127.0.0.1:0", "DAYBOOK_STORE_LISTEN=off", "DATABASE_URL=" + databaseURL, "DAYBOOK_ADMIN_TOKEN=" + adminToken,
		"DAYBOOK_VAULT_KEY=" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))),
	}}
	reached := func(line string) (string, bool) { return strings.CutPrefix(line, "Daybook serves on ") }
	launch(t, append(m.environment, "DAYBOOK_DATA="+home), reached, "serve", "--demo").stop(t)
	fill(t, home, wanted/2)
	m.goOn(t, "DAYBOOK_DATA="+home)
	fill(t, home, wanted) // the second half nobody has read yet
	before := m.rows(t)

	server := serveStore(t, "127.0.0.1:0", t.TempDir())
	there := m.copyWithKills(t, home, server.base, 4, wanted/8)
	require.GreaterOrEqual(t, there.events, wanted-1, "all but the store's own first")
	require.Equal(t, before, m.rows(t), "no read model was built anew")
	m.refused(t, "is sealed", "DAYBOOK_DATA="+home)
	m.goOn(t, "DAYBOOK_EVENTSTORE="+server.base, "DAYBOOK_DATA="+t.TempDir())

	again, err := daybook(t.Context(), t, m.environment, "store", "copy", home, server.base)
	require.NoError(t, err, again)
	require.Contains(t, again, "compared again: "+there.said)
	require.Contains(t, again, "read models: none are built from store")

	copyInPart(t, server.base, back)
	m.refused(t, "unfinished copy", "DAYBOOK_DATA="+back)
	returned := m.copyWithKills(t, server.base, back, 2, wanted/8)
	require.Equal(t, there.said, returned.said, "the same count, streams and digest")
	server.stop(t)
	m.goOn(t, "DAYBOOK_DATA="+back)
	requireEqualRebuild(t, (&book{data: back}).open(t), databaseURL)
}

// move is what is moved around.
type move struct {
	environment []string
	databaseURL string
}

// goOn runs Daybook until its read models have everything.
func (m *move) goOn(t *testing.T, environment ...string) {
	t.Helper()
	server := serve(t, append(slices.Clone(m.environment), environment...)...)
	asked := client.New(server.base, adminToken)
	for range 2 { // policies may add to it
		state, err := asked.Projections(t.Context())
		require.NoError(t, err)
		head := state.Head
		state, err = patiently(func() (api.Projections, error) { return asked.Projections(t.Context(), client.WaitFor(head)) })
		require.NoError(t, err)
		for _, p := range state.Projections {
			require.Equal(t, "running", p.State, p.Reason)
			require.Zero(t, p.LagEvents)
		}
	}
	server.stop(t)
}

// refused tries to run Daybook where it must not.
func (m *move) refused(t *testing.T, why string, environment ...string) {
	t.Helper()
	said, err := daybook(t.Context(), t, append(slices.Clone(m.environment), environment...), "serve")
	require.Error(t, err)
	require.Contains(t, said, why)
}

// rows tells rows of read models that were never written again: Postgres notes which transaction made one.
func (m *move) rows(t *testing.T) (made []string) {
	t.Helper()
	pool, err := postgres.Connect(t.Context(), m.databaseURL)
	require.NoError(t, err)
	defer pool.Close()
	for _, query := range []string{
		"SELECT created_at::text FROM projections ORDER BY name",
		"SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY message_id)) FROM " + messages.Define().Schema() + ".messages",
	} {
		rows, err := pool.Query(t.Context(), query)
		require.NoError(t, err)
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			made = append(made, line)
		}
		require.NoError(t, rows.Err())
	}
	return made
}

// copied is what a copy that came to its end said.
type copied struct {
	said   string
	events int
}

// copyWithKills runs the verb and kills it a few times, after some milliseconds at most, then lets it finish.
func (m *move) copyWithKills(t *testing.T, from, to string, kills, milliseconds int) (c copied) {
	t.Helper()
	killed := 0
	for n := range kills { // the first one early, so that it comes in time on a fast machine, too
		if m.copyUntilKilled(t, from, to, 100+rand.IntN(1+milliseconds*n/kills)) {
			killed++
		}
	}
	require.Positive(t, killed, "it was always faster")
	said, err := daybook(t.Context(), t, m.environment, "store", "copy", from, to)
	require.NoError(t, err, said)
	found := regexp.MustCompile(`^(?:copied and compared|compared again): ((\d+) events of \d+ streams, digest [0-9a-f]{64})\n`).FindStringSubmatch(said)
	require.NotNil(t, found, said)
	c.said = found[1]
	_, err = fmt.Sscan(found[2], &c.events)
	require.NoError(t, err)
	return c
}

// copyUntilKilled kills the verb after some milliseconds; false when it was faster.
func (m *move) copyUntilKilled(t *testing.T, from, to string, milliseconds int) bool {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(milliseconds)*time.Millisecond)
	defer cancel()
	command := exec.CommandContext(ctx, path, "store", "copy", from, to) // the context's end is a kill -9
	command.Env = append(os.Environ(), m.environment...)
	output, err := command.CombinedOutput()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		require.Equal(t, -1, exit.ExitCode(), "%s", output)
	} else {
		require.NoError(t, err)
	}
	return err != nil
}

// copyInPart begins a copy from a server to a data folder.
func copyInPart(t *testing.T, connection, data string) {
	t.Helper()
	from, err := eventstoredb.Open(t.Context(), connection)
	require.NoError(t, err)
	defer func() { require.NoError(t, from.Close()) }()
	to, err := embedded.Open(data + "/store")
	require.NoError(t, err)
	defer func() { require.NoError(t, to.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = storecopy.Run(ctx, storecopy.Config{From: from, To: to, Now: time.Now, Progress: func(at storecopy.Progress) {
		if at.Events >= 100 {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
}

// fill adds events to the store of a data folder until it holds so many.
func fill(t *testing.T, data string, wanted int) {
	t.Helper()
	store, err := embedded.Open(data + "/store")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	held := 0
	for _, err := range store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		held++
	}
	require.Less(t, held, wanted)
	account := id.New[id.Account]()
	for held < wanted {
		batch := make([]events.Proposed, min(1+rand.IntN(20), wanted-held))
		for i := range batch {
			batch[i], err = events.Encode(id.New[id.Event](), events.TermsAccepted{AccountID: account, TermsVersion: strconv.Itoa(held + i)},
				events.Envelope{Account: account, OccurredAt: time.Now().UTC(), RecordedAt: time.Now().UTC(), Actor: "test:fill", Source: "test"})
			require.NoError(t, err)
		}
		_, err = store.Append(t.Context(), fmt.Sprintf("filling-%d", rand.IntN(500)), events.Any, batch)
		require.NoError(t, err)
		held += len(batch)
	}
}
