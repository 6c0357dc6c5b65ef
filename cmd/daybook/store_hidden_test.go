package main_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/postgres/pgtest"
	"daybook/events"
	"daybook/events/id"
)

// TestHiddenStreamsAreToldOfAStore that others have written to: served to Daybook, and in its own data folder afterwards.
func TestHiddenStreamsAreToldOfAStore(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	written, err := embedded.Open(filepath.Join(data, "store"))
	require.NoError(t, err)
	for _, stream := range []string{"$$gone", "$$kept", "$$$stats"} {
		place(t, written, stream, events.Proposed{ID: id.New[id.Event](), Type: "$metadata", Data: []byte(`{"$maxCount":5}`)})
	}
	place(t, written, "$$kept", events.Proposed{ID: id.New[id.Event](), Type: "$metadata", Data: []byte(`{}`)})
	_, err = written.Tombstone(t.Context(), "gone", events.Any)
	require.NoError(t, err)
	require.NoError(t, written.Close())

	environment := []string{
		"DAYBOOK_LISTEN=127.0.0.1:0", "DAYBOOK_STORE_LISTEN=off", "DATABASE_URL=" + pgtest.Database(t), "DAYBOOK_DATA=" + data,
	}
	store := serveStore(t, "127.0.0.1:0", data)
	requireToldOnce(t, append(environment, "DAYBOOK_EVENTSTORE="+store.base))
	store.stop(t)
	requireToldOnce(t, append(environment, "DAYBOOK_EVENTSTORE="))
}

func requireToldOnce(t *testing.T, environment []string) {
	t.Helper()
	server := serve(t, environment...)
	for !strings.Contains(readiness(t, server.base), `"hidden_streams":1`) {
		require.NoError(t, t.Context().Err())
	}
	server.stop(t)
	const told = `stream=gone rule="is deleted for good (tombstone)" do="do not scavenge`
	require.Equal(t, 1, strings.Count(server.stderr.String(), told), server.stderr.String())
	require.Equal(t, 1, strings.Count(server.stderr.String(), "are hidden or deleted"), server.stderr.String())
}

func readiness(t *testing.T, base string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/readyz", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return string(text)
}
