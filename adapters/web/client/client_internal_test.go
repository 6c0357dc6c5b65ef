package client

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCallsThatMayTakeLongAreNotTimed gives all others no time at all.
func TestCallsThatMayTakeLongAreNotTimed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	t.Cleanup(server.Close)
	c := New(server.URL, "t")
	require.Equal(t, time.Minute, c.http.Timeout)
	c.http.Timeout = time.Nanosecond
	_, err := c.Projections(t.Context())
	require.ErrorContains(t, err, "Client.Timeout exceeded")
	_, err = c.DiffBuilds(t.Context(), "audit")
	require.NoError(t, err)
	_, err = c.VerifyProjection(t.Context(), "audit", 0)
	require.NoError(t, err)
}
