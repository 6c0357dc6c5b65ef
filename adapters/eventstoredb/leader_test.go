package eventstoredb_test

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daybook/adapters/eventstoredb"
	"daybook/events"
)

// cluster is two nodes with the same data, of which one leads. As in EventStoreDB, the other one refuses what demands the
// leader, passes on what else is appended, and answers other reads itself.
func cluster(t *testing.T, server *server) (nodes [2]*node, leading *atomic.Int64) {
	t.Helper()
	leading = &atomic.Int64{}
	for i := range nodes {
		nodes[i] = join(t, server, func(n *node) {
			n.leader = func() *node { return nodes[leading.Load()] }
			leads := func(call grpc.ServerStream) error {
				demands, _ := metadata.FromIncomingContext(call.Context())
				leader := n.leader()
				if leader == n || len(demands.Get("requires-leader")) == 0 {
					return nil
				}
				return notLeader(call, leader)
			}
			n.before = func(_ int64, call grpc.ServerStream) error {
				err := leads(call)
				if err == nil && n.leader() != n {
					n.stale.Add(1)
				}
				return err
			}
			n.read = func(request *streams.ReadReq, call streams.Streams_ReadServer) (bool, error) {
				err := leads(call)
				if err == nil && n.leader() != n && request.GetOptions().GetSubscription() == nil {
					n.stale.Add(1)
				}
				return false, err
			}
		})
	}
	return nodes, leading
}

// Nothing is asked of a follower, whose answers may be old, unless the connection string prefers one.
func TestOnlyTheLeaderIsAsked(t *testing.T) {
	t.Parallel()
	server := serve(t)
	nodes, leading := cluster(t, server)
	stale := func() int64 { return nodes[0].stale.Load() + nodes[1].stale.Load() }
	store := open(t, nodes[0].address)
	follow := func(store *eventstoredb.Store) {
		for range 10 {
			at, err := store.Append(t.Context(), "stream", events.Any, some(1))
			require.NoError(t, err)
			head, err := store.Head(t.Context())
			require.NoError(t, err)
			require.Equal(t, at.Position, head)
			_, err = first(store.ReadStream(t.Context(), "stream", 0))
			require.NoError(t, err)
		}
	}
	for leader := range int64(3) {
		leading.Store(leader % 2)
		follow(store)
	}
	require.Zero(t, stale())

	indifferent, err := eventstoredb.Open(t.Context(), plain(nodes[1].address)+"&nodePreference=follower", quick()...)
	require.NoError(t, err)
	defer func() { require.NoError(t, indifferent.Close()) }()
	follow(indifferent)
	require.GreaterOrEqual(t, stale(), int64(30))
}

// A line that is in use while the leader changes does not serve the next call with the former leader.
func TestALineInUseWhileTheLeaderChanges(t *testing.T) {
	t.Parallel()
	server := serve(t)
	for range 20 {
		large := some(1)
		large[0].Data = bytes.Repeat([]byte(" "), 1000<<10)
		_, err := server.inner.Append(t.Context(), "long", events.Any, large)
		require.NoError(t, err)
	}
	nodes, leading := cluster(t, server)
	var late atomic.Int64 // calls of the former leader, which does not know that it is one
	unaware := nodes[0].read
	nodes[0].read = func(request *streams.ReadReq, call streams.Streams_ReadServer) (bool, error) {
		if leading.Load() != 0 {
			late.Add(1)
			return false, nil
		}
		return unaware(request, call)
	}
	store := open(t, nodes[0].address+","+nodes[1].address)
	changed := false
	for _, err := range store.ReadStream(t.Context(), "long", 0) {
		require.NoError(t, err)
		if !changed {
			changed = true
			for leader := range int64(2) {
				leading.Store(leader)
				_, err := store.Append(t.Context(), "other", events.Any, some(1))
				require.NoError(t, err)
			}
		}
	}
	seen := late.Load() // the read itself may have gone on
	for range 5 {
		_, err := store.Head(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, seen, late.Load())
}

// The leader changes: a node that is asked and does not lead says who does, and appends go there. Subscriptions stay.
func TestTheLeaderChanges(t *testing.T) {
	t.Parallel()
	server := serve(t)
	nodes, leading := cluster(t, server)
	for name, addresses := range map[string]string{
		"one address": nodes[0].address,
		"gossip":      nodes[0].address + "," + nodes[1].address,
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, addresses)
			before, err := store.Head(t.Context())
			require.NoError(t, err)
			var written []events.Proposed
			for i := range 60 {
				if i%20 == 10 {
					leading.Store(1 - leading.Load())
				}
				proposed := some(1 + i%3)
				_, err := store.Append(t.Context(), name, events.Expected(len(written)-1), proposed)
				require.NoError(t, err)
				written = append(written, proposed...)
			}
			require.Equal(t, ids(written), server.stream(name))
			seen, err := follow(t, store, before, 10, len(written))
			require.NoError(t, err)
			require.Equal(t, places(server.log(before)), places(seen))
		})
	}
	require.Positive(t, nodes[0].appends.Load())
	require.Positive(t, nodes[1].appends.Load())
}

// Many appends at once find out about the new leader, each from a line of its own.
func TestTheLeaderChangesUnderLoad(t *testing.T) {
	t.Parallel()
	server := serve(t)
	nodes, leading := cluster(t, server)
	store := open(t, nodes[0].address)
	for round := range 4 {
		var all []<-chan outcome
		for range 30 {
			all = append(all, appending(t.Context(), store, "stream", events.Any, some(2)))
		}
		leading.Store(int64(1 - round%2))
		for _, done := range all {
			require.NoError(t, (<-done).err)
		}
	}
	require.Len(t, server.stream("stream"), 4*30*2)
}

// A node that ends subscriptions and reads, in whatever way, is asked again.
func TestANodeThatEndsWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	server := serve(t)
	for range 20 {
		_, err := server.inner.Append(t.Context(), "stream", events.Any, some(5))
		require.NoError(t, err)
	}
	var calls atomic.Int64
	node := join(t, server, func(n *node) {
		n.read = func(request *streams.ReadReq, call streams.Streams_ReadServer) (bool, error) {
			if request.GetOptions().GetSubscription() == nil {
				return false, nil
			}
			return true, passOn(n, request, call, 7, ends(calls.Add(1)))
		}
	})
	store := open(t, node.address)
	seen, err := follow(t, store, events.Start, 3, 100)
	require.NoError(t, err)
	require.Equal(t, places(server.log(events.Start)), places(seen))
	require.Greater(t, calls.Load(), int64(10))
}

// ends are the ways in which the nth call may be cut off.
func ends(nth int64) error {
	all := []error{
		nil,
		status.Error(codes.Unavailable, "Server Is Not Ready"),
		status.Error(codes.Canceled, "shutting down"),
		status.Error(codes.Internal, "RST_STREAM"),
		status.Error(codes.Aborted, "Operation timed out"),
		status.Error(codes.Unknown, "Unexpected ReadAllResult"),
	}
	return all[nth%int64(len(all))]
}

// passOn passes the first n answers on and ends the call.
func passOn(n *node, request *streams.ReadReq, call streams.Streams_ReadServer, answers int, end error) error {
	onward, err := n.streams.Read(call.Context(), request)
	for err == nil && answers > 0 {
		var response *streams.ReadResp
		if response, err = onward.Recv(); err == nil {
			err = call.Send(response)
		}
		answers--
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return end
	}
}
