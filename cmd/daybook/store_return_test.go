package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStoreMovesAndReturns goes the way that the guide describes with what is there by default: a private Postgres and the
// master key in the data folder. Verbs find the store of a running Daybook by its note, whatever listens elsewhere.
func TestStoreMovesAndReturns(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	environment := []string{"DAYBOOK_LISTEN=127.0.0.1:0", "DAYBOOK_STORE_LISTEN=127.0.0.1:0", "DAYBOOK_DATA=" + data, "DATABASE_URL=", "DAYBOOK_EVENTSTORE="}
	m := &move{environment: append(environment, "DAYBOOK_ADMIN_TOKEN="+adminToken)}
	first := serve(t, m.environment...)
	said, err := daybook(t.Context(), t, environment, "store", "stat")
	require.NoError(t, err, said)
	require.Contains(t, said, "open\n")
	first.stop(t)

	server := serveStore(t, "127.0.0.1:0", t.TempDir())
	defer server.stop(t)
	said, err = daybook(t.Context(), t, environment, "store", "copy", data, server.base)
	require.NoError(t, err, said)
	m.goOn(t, "DAYBOOK_EVENTSTORE="+server.base)
	said, err = daybook(t.Context(), t, environment, "store", "unseal", data)
	require.Error(t, err)
	require.Contains(t, said, "the read models go on in store "+storeAt(t, server.base).String())

	returned := filepath.Join(data, "returned")
	said, err = daybook(t.Context(), t, environment, "store", "copy", server.base, returned)
	require.NoError(t, err, said)
	require.NoError(t, os.Rename(filepath.Join(data, "store"), filepath.Join(data, "store.sealed")))
	require.NoError(t, os.Rename(filepath.Join(returned, "store"), filepath.Join(data, "store")))
	m.goOn(t)
}
