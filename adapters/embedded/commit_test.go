package embedded

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

// A fault of the committer ends writing, not the process: the store stays readable and can be closed.
func TestFaultsOfTheCommitterEndWriting(t *testing.T) {
	t.Parallel()
	s, err := Open("store", InMemory(), Log(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	s.committer.decider = nil // the committer waits for its queue, and finds out
	for range 2 {
		_, err = s.Append(t.Context(), "s", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "T"}})
		require.ErrorIs(t, err, ErrFailed)
	}
	_, found, err := s.ReadLast(t.Context(), events.StoreStream)
	require.NoError(t, err)
	require.True(t, found)
	require.NoError(t, s.Close())
}
