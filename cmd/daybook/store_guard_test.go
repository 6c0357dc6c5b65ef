package main_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/events/id"
)

// A copy that cannot be made leaves everything as it was: the source open, and no new folder.
func TestStoreCopyTouchesNothingWhenItCannotBeMade(t *testing.T) {
	t.Parallel()
	data, place := library(t), t.TempDir()
	to := filepath.Join(place, "new", "folder")
	for want, arguments := range map[string][]string{
		"is neither a connection string":         {data, "esdb:127.0.0.1:2113?tls=false"},
		"is neither a connection":                {data, "http://x"},
		"--database: ":                           {data, to, "--database", "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"},
		"FROM and TO are the same store":         {data, data},
		"FROM and TO are the same store, in":     {data, filepath.Join(data, "store")},
		"is not empty: it holds VaultBound":      {data, library(t)},
		"FROM " + to + ": there is no event sto": {to, filepath.Join(place, "other")},
	} {
		said, err := daybook(t.Context(), t, []string{"DAYBOOK_DATA=" + t.TempDir()}, append([]string{"store", "copy"}, arguments...)...)
		require.Error(t, err, want)
		require.Contains(t, said, want)
		requireState(t, data, `open\n`)
	}
	left, err := os.ReadDir(place)
	require.NoError(t, err)
	require.Empty(t, left)
}

// From a store that may only be read nothing can be copied, because it cannot be sealed.
func TestStoreCopyFromAReadOnlyStore(t *testing.T) {
	t.Parallel()
	source, err := embedded.Open(t.TempDir(), embedded.InMemory())
	require.NoError(t, err)
	defer func() { require.NoError(t, source.Close()) }()
	server, err := endpoint.New(endpoint.Config{Store: source, ReadOnly: true})
	require.NoError(t, err)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		server.Shutdown(t.Context())
		require.NoError(t, <-served)
	}()
	place := t.TempDir()
	said, err := daybook(t.Context(), t, nil, "store", "copy", "--database", "none",
		"esdb://"+listener.Addr().String()+"?tls=false", filepath.Join(place, "new"))
	require.Error(t, err)
	require.Contains(t, said, "access denied")
	left, err := os.ReadDir(place)
	require.NoError(t, err)
	require.Empty(t, left, "what was made for the copy is gone again")
}

// What somebody works on is not copied, and what the read models have left is not opened again.
func TestStoreCopyAndUnsealLookAtTheDatabase(t *testing.T) {
	t.Parallel()
	server := serveStore(t, "127.0.0.1:0", library(t))
	defer server.stop(t)
	url := pgtest.Database(t)
	pool, err := postgres.Open(t.Context(), url)
	require.NoError(t, err)
	defer pool.Close()
	from := storeAt(t, server.base)
	execute(t, pool, `INSERT INTO policies (policy, shard, epoch, store_id, position, updated_at) VALUES
		('theirs', 0, 1, $1, 0, now()), ('ours', 1, 1, $2, 0, now())`, id.New[id.Store](), from)
	execute(t, pool, "INSERT INTO policies (policy, shard, epoch) VALUES ('ours', 0, 1)") // nobody has saved a checkpoint yet
	execute(t, pool, `UPDATE policies SET holder = 'somebody', expires_at = now() + interval '1 hour' WHERE shard = 0`)
	to := filepath.Join(t.TempDir(), "to")
	run := func(arguments ...string) (string, error) {
		return daybook(t.Context(), t, []string{"DATABASE_URL=" + url}, append([]string{"store"}, arguments...)...)
	}
	said, err := run("copy", server.base, to)
	require.Error(t, err)
	require.Contains(t, said, "a running Daybook holds policies over store "+from.String()+" (somebody)")
	requireState(t, server.base, `open\n`)
	require.NoDirExists(t, to)

	execute(t, pool, "UPDATE policies SET expires_at = now() WHERE policy = 'ours' AND shard = 0")
	said, err = run("copy", server.base, to)
	require.NoError(t, err, said)
	require.Contains(t, said, "1 shards of policies")
	execute(t, pool, "DELETE FROM policies WHERE policy = 'theirs'")
	said, err = run("unseal", server.base)
	require.Error(t, err)
	require.Contains(t, said, "the read models go on in store "+storeAt(t, to).String())
	requireState(t, server.base, `sealed\n`)
	said, err = run("unseal", server.base, "--database", "postgres://nobody@127.0.0.1:1/none?connect_timeout=1")
	require.Error(t, err)
	require.Contains(t, said, "--database: ")
	said, err = daybook(t.Context(), t, []string{"DATABASE_URL=postgres://nobody@127.0.0.1:1/none?connect_timeout=1"}, "store", "unseal", server.base)
	require.Error(t, err)
	require.Contains(t, said, "it cannot be told where the read models are built from")
	requireState(t, server.base, `sealed\n`)

	back := filepath.Join(t.TempDir(), "back") // what it advises
	said, err = run("copy", to, back)
	require.NoError(t, err, said)
	said, err = run("unseal", "--database", "none", server.base)
	require.NoError(t, err, said)
	requireState(t, server.base, `open\n`)
}

func execute(t *testing.T, pool *pgxpool.Pool, statement string, arguments ...any) {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement, arguments...)
	require.NoError(t, err)
}

// requireState looks at what stat says of a store.
func requireState(t *testing.T, address, want string) {
	t.Helper()
	said, err := daybook(t.Context(), t, nil, "store", "stat", "--store", address)
	require.NoError(t, err, said)
	require.Regexp(t, `(?m)^state +`+want, said)
}

func storeAt(t *testing.T, address string) id.Store {
	t.Helper()
	said, err := daybook(t.Context(), t, nil, "store", "stat", "--store", address)
	require.NoError(t, err, said)
	var text string
	_, err = fmt.Sscanf(said, "store %s", &text)
	require.NoError(t, err)
	known, err := id.Parse[id.Store](text)
	require.NoError(t, err)
	return known
}
