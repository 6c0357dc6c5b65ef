package endpoint_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
)

// bubble runs a test with a stub of an endpoint, on a clock that only this test sees.
func bubble(t *testing.T, test func(*testing.T, streams.StreamsClient)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, err := embedded.Open("store", embedded.InMemory())
		require.NoError(t, err)
		server, err := endpoint.New(endpoint.Config{Store: store})
		require.NoError(t, err)
		pipe := bufconn.Listen(1 << 16)
		served := make(chan error, 1)
		go func() { served <- server.Serve(pipe) }()
		connection, err := grpc.NewClient("passthrough:///store",
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		test(t, streams.NewStreamsClient(connection))
		require.NoError(t, connection.Close())
		server.Shutdown(t.Context())
		require.NoError(t, <-served)
		require.NoError(t, store.Close())
	})
}

// begin sends an append without an end.
func begin(t *testing.T, stub streams.StreamsClient, messages ...*streams.AppendReq) streams.Streams_AppendClient {
	t.Helper()
	call, err := stub.Append(t.Context())
	require.NoError(t, err)
	for _, message := range messages {
		require.NoError(t, call.Send(message))
	}
	return call
}

// TestUnfinishedAppendsAreFew: only so many appends are listened to at once, and not for ever. Who waits meanwhile gets
// his turn. What is refused is not listened to for ever either.
func TestUnfinishedAppendsAreFew(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, stub streams.StreamsClient) {
		const all = 64
		var unfinished []streams.Streams_AppendClient
		for range all - 1 {
			unfinished = append(unfinished, begin(t, stub, to("s"), event(nil)))
		}
		unfinished = append(unfinished, begin(t, stub, to(strings.Repeat("x", 2000)), event(nil)))
		synctest.Wait()
		started := time.Now()
		<-time.After(30 * time.Second)
		reply, err := begin(t, stub, to("s"), event(nil)).CloseAndRecv()
		require.NoError(t, err)
		require.Zero(t, reply.GetSuccess().GetCurrentRevision())
		require.Equal(t, time.Minute, time.Since(started), "it had to wait for the others")
		for _, call := range unfinished[:all-1] {
			require.Equal(t, codes.DeadlineExceeded, status.Code(call.RecvMsg(&streams.AppendResp{})))
		}
		require.Error(t, unfinished[all-1].RecvMsg(&streams.AppendResp{}))
	})
}

// TestAppendsThatWaitForLongAreRefused, though it never was their turn.
func TestAppendsThatWaitForLongAreRefused(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, stub streams.StreamsClient) {
		var calls []streams.Streams_AppendClient
		for range 100 {
			calls = append(calls, begin(t, stub, to("s"), event(nil)))
		}
		for _, call := range calls {
			err := call.RecvMsg(&streams.AppendResp{})
			require.Equal(t, codes.DeadlineExceeded, status.Code(err), err)
		}
		reply, err := begin(t, stub, to("s"), event(nil)).CloseAndRecv()
		require.NoError(t, err)
		require.Zero(t, reply.GetSuccess().GetCurrentRevision())
	})
}
