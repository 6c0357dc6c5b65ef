package eventstoredb_test

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/eventstoredb"
	"daybook/events"
)

// However many read at once, and however slowly they take what is read: connections are few, and everybody gets on, also
// who reads and appends in the middle of a read.
func TestConnectionsOfManyReads(t *testing.T) {
	t.Parallel()
	const reads = 150
	server := serve(t)
	for range 4 {
		_, err := server.inner.Append(t.Context(), "stream", events.Any, some(400))
		require.NoError(t, err)
	}
	network := through(t, server.address)
	store := open(t, network.address)
	var open []func() (events.Record, error, bool)
	for range reads {
		next, stop := iter.Pull2(store.ReadStream(t.Context(), "stream", 0))
		defer stop()
		r, err, ok := next()
		require.NoError(t, err)
		require.True(t, ok)
		require.Zero(t, r.Revision)
		open = append(open, next)
	}
	require.LessOrEqual(t, len(network.links()), 64, "two kinds of calls, 32 of each at most")
	_, err := store.Append(t.Context(), "other", events.Any, some(1))
	require.NoError(t, err)
	for _, next := range open[:10] {
		for revision := uint64(1); ; revision++ {
			r, err, ok := next()
			if !ok {
				require.EqualValues(t, 1600, revision)
				break
			}
			require.NoError(t, err)
			require.Equal(t, revision, r.Revision)
		}
	}
	require.NoError(t, store.Close())
	_, err, _ = open[20]()
	for err == nil {
		_, err, _ = open[20]()
	}
	require.ErrorIs(t, err, eventstoredb.ErrClosed)
}
