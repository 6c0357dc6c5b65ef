package storetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/eventstoredb"
	"daybook/events/id"
)

// LentStore is an open store of one test's own.
type LentStore interface {
	Store

	ID() id.Store
	Close() error // closing twice is one closing
}

// TB is the test that borrows: a *testing.T or *testing.B, or a *rapid.T.
type TB interface {
	require.TestingT
	Helper()
	Context() context.Context
	Cleanup(f func())
}

// Lend opens the store on which the application is tested: LendEmbedded, or LendRemote when the environment says so
// (Remote). It is closed when the test ends, unless the test closes it before.
func Lend(t TB, opts ...embedded.Option) LentStore {
	t.Helper()
	if Remote(t) {
		return LendRemote(t, opts...)
	}
	return LendEmbedded(t, opts...)
}

// Remote tells whether the application is tested on EventStoreDB's protocol: DAYBOOK_TEST_STORE=eventstoredb.
func Remote(t TB) bool {
	t.Helper()
	kind := os.Getenv("DAYBOOK_TEST_STORE")
	require.Containsf(t, []string{"", "embedded", "eventstoredb"}, kind, "DAYBOOK_TEST_STORE is %q", kind)
	return kind == "eventstoredb"
}

// LendEmbedded opens an embedded store in memory.
func LendEmbedded(t TB, opts ...embedded.Option) *embedded.Store {
	t.Helper()
	store, err := embedded.Open("lent", append([]embedded.Option{embedded.InMemory()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// LendRemote opens an embedded store in memory, serves it on a loopback port with the system events of a new
// EventStoreDB, and lends what the official client makes of that.
func LendRemote(t TB, opts ...embedded.Option) LentStore {
	t.Helper()
	connection, stop := Serve(t, LendEmbedded(t, opts...))
	client, err := eventstoredb.Open(t.Context(), connection)
	require.NoError(t, err)
	lent := &remote{client, sync.OnceValue(func() error {
		defer stop()
		return client.Close()
	})}
	t.Cleanup(func() { require.NoError(t, lent.Close()) })
	return lent
}

type remote struct {
	*eventstoredb.Store

	close func() error
}

func (r *remote) Close() error { return r.close() }

// Serve serves a store on a loopback port without TLS until stop is called or the test ends, and says how to connect.
func Serve(t TB, store *embedded.Store) (connection string, stop func()) {
	t.Helper()
	server, err := endpoint.New(endpoint.Config{Store: store})
	require.NoError(t, err)
	require.NoError(t, server.Boot(t.Context()))
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop = sync.OnceFunc(func() {
		server.Shutdown(context.Background())
		require.NoError(t, <-served)
	})
	t.Cleanup(stop)
	return fmt.Sprintf("esdb://%s?tls=false", listener.Addr()), stop
}
