package eventstoredb_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/eventstoredb"
	"daybook/events"
)

func TestCloseEndsSubscriptions(t *testing.T) {
	t.Parallel()
	server := serve(t)
	store := open(t, server.address)
	const subscribers = 5
	ended := make(chan error, 2*subscribers)
	reached := make(chan struct{}, subscribers)
	for range subscribers {
		go func() {
			for batch, err := range store.SubscribeAll(t.Context(), events.Start, 10) {
				if err != nil {
					ended <- err
					continue
				}
				if batch[0].Stream == events.StoreStream {
					reached <- struct{}{}
				}
			}
			ended <- nil
		}()
	}
	for range subscribers {
		<-reached
	}
	require.NoError(t, store.Close())
	require.NoError(t, store.Close(), "closing twice is one closing")
	for range subscribers {
		require.ErrorIs(t, <-ended, eventstoredb.ErrClosed)
		require.NoError(t, <-ended, "that is the end of it")
	}
	for _, err := range []error{
		second(store.Append(t.Context(), "stream", events.Any, some(1))),
		second(store.Head(t.Context())),
		second(first(store.ReadStream(t.Context(), "stream", 0))),
		second(first(store.ReadAll(t.Context(), 0))),
	} {
		require.ErrorIs(t, err, eventstoredb.ErrClosed)
	}
	for _, err := range store.SubscribeAll(t.Context(), 0, 1) {
		require.ErrorIs(t, err, eventstoredb.ErrClosed)
	}
	require.Empty(t, server.stream("stream"))
}

// Close waits for nothing that waits for its caller: a reader between two records hears of it when it asks for the next.
func TestCloseBetweenTwoRecords(t *testing.T) {
	t.Parallel()
	server := serve(t)
	for range 10 {
		_, err := server.inner.Append(t.Context(), "stream", events.Any, some(100))
		require.NoError(t, err)
	}
	store := open(t, server.address)
	var last error
	read := 0
	for _, err := range store.ReadStream(t.Context(), "stream", 0) {
		last = err
		if read++; read == 1 {
			require.NoError(t, store.Close())
		}
	}
	require.ErrorIs(t, last, eventstoredb.ErrClosed)
	require.Less(t, read, 1000)
}

// A store is closed in the middle of everything, while its connections are being cut: no call hangs, and each append has
// an answer that is true.
func TestCloseWhileConnectionsAreLost(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			const writers = 32
			server := serve(t)
			network := through(t, server.address)
			store := open(t, network.address)
			network.chop(1000, seed)
			var running sync.WaitGroup
			written, unknown := make([]events.Appended, writers), make([]bool, writers)
			started := make(chan struct{}, writers)
			for w := range writers {
				running.Go(func() {
					for {
						at, err := store.Append(t.Context(), fmt.Sprint("writer-", w), events.Any, some(1))
						if err != nil {
							unavailable, ok := errors.AsType[*eventstoredb.UnavailableError](err)
							unknown[w] = ok && unavailable.Unknown
							return
						}
						written[w] = at
						select {
						case started <- struct{}{}:
						default:
						}
					}
				})
			}
			for range writers {
				<-started
			}
			require.NoError(t, store.Close())
			running.Wait()
			for w := range writers {
				there := len(server.stream(fmt.Sprint("writer-", w)))
				known := 0
				if written[w] != (events.Appended{}) {
					known = int(written[w].Revision) + 1
				}
				require.GreaterOrEqual(t, there, known)
				if !unknown[w] {
					require.Equal(t, known, there)
				}
			}
		})
	}
}
