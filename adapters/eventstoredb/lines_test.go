package eventstoredb_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

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

// At most 32 calls of a kind are with the server at once. The next one comes when one of them ends; calls of the other
// kind do not wait for that.
func TestCallsTakeTurns(t *testing.T) {
	t.Parallel()
	const most, calls = 32, 64
	read := func(store *eventstoredb.Store, stream string) error {
		if _, err := first(store.ReadStream(t.Context(), stream, 0)); !errors.Is(err, io.EOF) {
			return err
		}
		return nil
	}
	write := func(store *eventstoredb.Store, stream string) error {
		return second(store.Append(t.Context(), stream, events.Any, some(1)))
	}
	for name, kind := range map[string]struct {
		detain        func(n *node, hold func(context.Context))
		held, another func(store *eventstoredb.Store, stream string) error
	}{
		"bounded reads": {func(n *node, hold func(context.Context)) {
			n.read = func(request *streams.ReadReq, call streams.Streams_ReadServer) (bool, error) {
				if string(request.GetOptions().GetStream().GetStreamIdentifier().GetStreamName()) == "held" {
					hold(call.Context())
				}
				return false, nil
			}
		}, read, write},
		"short calls": {func(n *node, hold func(context.Context)) {
			n.before = func(_ int64, call grpc.ServerStream) error {
				hold(call.Context())
				return nil
			}
		}, write, read},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, ended, goOn := make(chan struct{}, calls), make(chan error, calls), make(chan struct{})
			release := sync.OnceFunc(func() { close(goOn) })
			defer release() // or else a test that fails waits for them
			node := join(t, serve(t), func(n *node) {
				kind.detain(n, func(ctx context.Context) {
					arrived <- struct{}{}
					select {
					case <-goOn:
					case <-ctx.Done():
					}
				})
			})
			store, err := eventstoredb.Open(t.Context(), plain(node.address)+"&defaultDeadline=60000", quick()...)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, store.Close()) })
			for range calls {
				go func() { ended <- kind.held(store, "held") }()
			}
			for range most {
				<-arrived
			}
			for range 50 { // others have time enough to come, too
				require.NoError(t, kind.another(store, "other"))
			}
			require.Empty(t, arrived)
			for range calls - most {
				goOn <- struct{}{}
				<-arrived
			}
			release()
			for range calls {
				require.NoError(t, <-ended)
			}
		})
	}
}
