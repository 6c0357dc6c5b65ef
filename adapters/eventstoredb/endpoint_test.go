package eventstoredb_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/eventstoredb"
	"daybook/adapters/storetest"
)

// serve runs an endpoint over a store on a listener until the test ends, or stop is called.
func serve(t testing.TB, store *embedded.Store, listener net.Listener) (stop func()) {
	t.Helper()
	server, err := endpoint.New(endpoint.Config{Store: store})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop = func() {
		server.Shutdown(context.Background())
		require.NoError(t, <-served)
	}
	return stop
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	return listener
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Store {
		t.Helper()
		inner, err := embedded.Open(t.TempDir(), embedded.InMemory())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, inner.Close()) })
		listener := listen(t, "127.0.0.1:0")
		t.Cleanup(serve(t, inner, listener))
		store, err := eventstoredb.Open(t.Context(), "esdb://"+listener.Addr().String()+"?tls=false")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		return store
	})
}
