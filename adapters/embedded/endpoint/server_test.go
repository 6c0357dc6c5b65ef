package endpoint_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
)

func subscribe(ctx context.Context, t testing.TB, client streams.StreamsClient) streams.Streams_ReadClient {
	t.Helper()
	subscription, err := client.Read(ctx, &streams.ReadReq{Options: &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
			AllOption: &streams.ReadReq_Options_AllOptions_End{End: &shared.Empty{}},
		}},
		CountOption:  &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}},
		FilterOption: &streams.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}},
		UuidOption: &streams.ReadReq_Options_UUIDOption{
			Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}},
		},
	}})
	require.NoError(t, err)
	confirmation, err := subscription.Recv()
	require.NoError(t, err)
	require.NotEmpty(t, confirmation.GetConfirmation().GetSubscriptionId())
	return subscription
}

func TestShutdownEndsSubscriptionsAndLetsAppendsFinish(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	client := streams.NewStreamsClient(r.dial())
	subscription := subscribe(t.Context(), t, client)
	call, err := client.Append(t.Context())
	require.NoError(t, err)
	require.NoError(t, call.Send(opening(nil)))
	require.NoError(t, call.Send(event(nil)))
	_, err = serverfeatures.NewServerFeaturesClient(r.dial()).GetSupportedMethods(t.Context(), &shared.Empty{})
	require.NoError(t, err) // so the append has arrived, too

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.server.Shutdown(t.Context())
	}()
	for err == nil {
		_, err = subscription.Recv()
	}
	require.Equal(t, codes.Canceled, status.Code(err), err)
	require.NoError(t, call.Send(event(nil)))
	reply, err := call.CloseAndRecv()
	require.NoError(t, err)
	require.Equal(t, uint64(1), reply.GetSuccess().GetCurrentRevision())
	<-ended
	require.Len(t, r.stored("orders"), 2, "the store is still open")
	shutdown(t, r) // twice is once
}

func TestShutdownCutsOffWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	call, err := streams.NewStreamsClient(r.dial()).Append(t.Context())
	require.NoError(t, err)
	require.NoError(t, call.Send(opening(nil)))
	require.NoError(t, call.Send(event(nil)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.server.Shutdown(ctx)
	_, err = call.CloseAndRecv()
	require.Error(t, err)
	require.Empty(t, r.stored("orders"))
}

func TestServeAfterShutdownReturnsAtOnce(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	shutdown(t, r)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, r.server.Serve(listener))
	_, err = listener.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// counting counts the connections that were accepted.
type counting struct {
	net.Listener

	accepted atomic.Int32
}

func (c *counting) Accept() (net.Conn, error) {
	connection, err := c.Listener.Accept()
	if err == nil {
		c.accepted.Add(1)
	}
	return connection, err
}

// TestClientsThatPingAreKept: both official clients ping every ten seconds, with and without a call, and gRPC's servers
// hang up on such clients unless told otherwise. An hour passes here, but not for anybody outside.
func TestClientsThatPingAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, err := embedded.Open("store", embedded.InMemory())
		require.NoError(t, err)
		server, err := endpoint.New(endpoint.Config{Store: store})
		require.NoError(t, err)
		pipe := bufconn.Listen(1 << 16)
		listener := &counting{Listener: pipe}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		connect := func() *grpc.ClientConn {
			connection, err := grpc.NewClient("passthrough:///store",
				grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }),
				grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithIdleTimeout(0),
				grpc.WithKeepaliveParams(keepalive.ClientParameters{
					Time: 10 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
				}))
			require.NoError(t, err)
			return connection
		}
		idle, busy := connect(), connect()
		features := serverfeatures.NewServerFeaturesClient(idle)
		_, err = features.GetSupportedMethods(t.Context(), &shared.Empty{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		subscription := subscribe(ctx, t, streams.NewStreamsClient(busy))
		received := make(chan error, 1)
		go func() {
			for {
				message, err := subscription.Recv()
				if err != nil || message.GetEvent() != nil {
					received <- err
					return
				}
			}
		}()

		<-time.After(time.Hour)
		_, err = features.GetSupportedMethods(t.Context(), &shared.Empty{})
		require.NoError(t, err)
		require.NoError(t, server.Boot(t.Context()))
		require.NoError(t, <-received)
		require.Equal(t, int32(2), listener.accepted.Load(), "nobody had to connect again")

		cancel()
		require.NoError(t, idle.Close())
		require.NoError(t, busy.Close())
		server.Shutdown(t.Context())
		require.NoError(t, <-served)
		require.NoError(t, store.Close())
	})
}

// TestWhatIsNotGRPCIsHungUpOn, and others are served all the same.
func TestWhatIsNotGRPCIsHungUpOn(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*rig{"insecure": serve(t, nil), "TLS": serveTLS(t, nil)} {
		for _, greeting := range []string{
			"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n",
			"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x09\x09\x09\x09\x09\x09garbage after the preface",
			"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a broken handshake",
			string(make([]byte, 1<<16)),
		} {
			dialer := &net.Dialer{}
			connection, err := dialer.DialContext(t.Context(), "tcp", r.address)
			require.NoError(t, err)
			_, _ = io.WriteString(connection, greeting) // the server may hang up in the middle
			_ = connection.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, connection)
			require.NoError(t, connection.Close())
		}
		_, err := serverfeatures.NewServerFeaturesClient(r.dial()).GetSupportedMethods(t.Context(), &shared.Empty{})
		require.NoError(t, err, name)
	}
}

// TestTLSNegotiatesHTTP2: clients refuse servers that do not.
func TestTLSNegotiatesHTTP2(t *testing.T) {
	t.Parallel()
	r := serveTLS(t, nil)
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: r.trusted, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}}
	connection, err := dialer.DialContext(t.Context(), "tcp", r.address)
	require.NoError(t, err)
	require.Equal(t, "h2", connection.(*tls.Conn).ConnectionState().NegotiatedProtocol)
	require.NoError(t, connection.Close())
}
