package main

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShuttingDownCutsOffWhatTakesLong and ends well, because what was cut off has ended.
func TestShuttingDownCutsOffWhatTakesLong(t *testing.T) {
	t.Parallel()
	requests, cutOff := context.WithCancel(context.Background())
	begun, ended := make(chan struct{}), make(chan error, 1)
	server := &http.Server{
		ReadHeaderTimeout: shutdownTimeout,
		BaseContext:       func(net.Listener) context.Context { return requests },
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
		}),
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { ended <- server.Serve(listener) }()
	answered := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err == nil {
			err = response.Body.Close()
		}
		answered <- err
	}()
	<-begun
	limit, over := context.WithCancel(t.Context())
	over()
	require.NoError(t, shutDown(limit, server, cutOff))
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
	require.NoError(t, <-answered)
}
