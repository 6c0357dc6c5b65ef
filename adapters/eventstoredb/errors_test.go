package eventstoredb_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/eventstoredb"
	"daybook/events"
	"daybook/events/id"
)

func TestInvalidAppendsAreRefusedHere(t *testing.T) {
	t.Parallel()
	server := serve(t)
	store := open(t, server.address)
	for _, test := range []struct {
		stream   string
		expected events.Expected
		change   func(*events.Proposed)
		reason   string
	}{
		{"", events.Any, nil, "reserved"},
		{"$all", events.Any, nil, "reserved"},
		{"$$", events.Any, nil, "reserved"},
		{"stream", -3, nil, "-3 is not an expectation"},
		{"stream", -5, nil, "-5 is not an expectation"},
		{"stream", events.Any, func(e *events.Proposed) { e.ID = id.Event{} }, "event 1 lacks an id or a type"},
		{"stream", events.Any, func(e *events.Proposed) { e.Type = "" }, "event 1 lacks an id or a type"},
		{"stream", events.Any, func(e *events.Proposed) { e.Type = "\xff" }, "the type of event 1 is not UTF-8"},
	} {
		proposed := some(2)
		if test.change != nil {
			test.change(&proposed[1])
		}
		_, err := store.Append(t.Context(), test.stream, test.expected, proposed)
		invalid, ok := errors.AsType[*eventstoredb.InvalidError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, test.stream, invalid.Stream)
		require.ErrorContains(t, err, test.reason)
	}
	require.Len(t, server.log(events.Start), 1, "the store's identity is all there is")
}

func TestDeletedStreams(t *testing.T) {
	t.Parallel()
	server := serve(t)
	store := open(t, server.address)
	for _, stream := range []string{"soft", "for ever"} {
		_, err := store.Append(t.Context(), stream, events.NoStream, some(2))
		require.NoError(t, err)
	}
	_, err := server.inner.Delete(t.Context(), "soft", events.Any)
	require.NoError(t, err)
	_, err = server.inner.Tombstone(t.Context(), "for ever", events.Any)
	require.NoError(t, err)

	for _, err := range []error{
		second(store.Append(t.Context(), "for ever", events.Any, some(1))),
		second(store.Append(t.Context(), "for ever", events.Exactly(1), some(1))),
		second(store.Append(t.Context(), "for ever", events.Any, nil)),
		second(store.Append(t.Context(), "soft", events.StreamExists, some(1))),
		second(first(store.ReadStream(t.Context(), "for ever", 0))),
	} {
		deleted, ok := errors.AsType[*eventstoredb.DeletedError](err)
		require.True(t, ok, "%v", err)
		require.Contains(t, []string{"soft", "for ever"}, deleted.Stream)
	}
	_, found, err := store.ReadLast(t.Context(), "soft")
	require.NoError(t, err)
	require.False(t, found)
	at, err := store.Append(t.Context(), "soft", events.Any, some(1))
	require.NoError(t, err)
	require.EqualValues(t, 2, at.Revision, "a stream that comes back goes on counting")
}

func TestTooLargeAppends(t *testing.T) {
	t.Parallel()
	server := serve(t)
	store := open(t, server.address)
	for _, size := range []int{1<<20 + 1, 5 << 20, 20 << 20} {
		big := some(2)
		big[1].Data, big[1].Metadata = bytes.Repeat([]byte(" "), size-10), []byte("0123456789")
		_, err := store.Append(t.Context(), "stream", events.Any, big)
		large, ok := errors.AsType[*eventstoredb.TooLargeError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, size+len(big[0].Data)+4*len("Noted"), large.Size)
		if size < 16<<20 { // beyond that the message is refused before anybody looks at it
			require.Equal(t, 1<<20, large.Limit)
		}
	}
	require.Empty(t, server.stream("stream"))
}

// A server may refuse an append before it has arrived, and then the official client does not say why.
func TestRefusedBeforeItHasArrived(t *testing.T) {
	t.Parallel()
	long := some(40)
	for i := range long {
		long[i].Data = bytes.Repeat([]byte(" "), 100<<10)
	}
	for name, test := range map[string]struct {
		refuse func(call grpc.ServerStream) error
		want   any
	}{
		"too large": {func(call grpc.ServerStream) error {
			call.SetTrailer(metadata.Pairs("exception", "maximum-append-size-exceeded", "maximum-append-size", "1048576"))
			return status.Error(codes.InvalidArgument, "Maximum Append Size of 1048576 Exceeded.")
		}, new(*eventstoredb.TooLargeError)},
		"deleted": {func(call grpc.ServerStream) error {
			call.SetTrailer(metadata.Pairs("exception", "stream-deleted", "stream-name", "stream"))
			return status.Error(codes.FailedPrecondition, "Event stream 'stream' is deleted.")
		}, new(*eventstoredb.DeletedError)},
		"denied": {func(call grpc.ServerStream) error {
			call.SetTrailer(metadata.Pairs("exception", "access-denied"))
			return status.Error(codes.PermissionDenied, "Access Denied")
		}, new(*eventstoredb.AccessError)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t)
			var probes atomic.Int64
			node := join(t, server, func(n *node) {
				n.whole = func(call streams.Streams_AppendServer) error {
					options, err := call.Recv()
					if err != nil {
						return err
					}
					if _, err := call.Recv(); name == "too large" && errors.Is(err, io.EOF) {
						probes.Add(1)
						if options.GetOptions().GetNoStream() == nil {
							return status.Error(codes.Internal, "this would be a write")
						}
						return call.SendAndClose(answer(&streams.AppendResp_Success{
							CurrentRevisionOption: &streams.AppendResp_Success_NoStream{NoStream: &shared.Empty{}},
						}))
					}
					return test.refuse(call)
				}
			})
			store := open(t, node.address)
			_, err := store.Append(t.Context(), "stream", events.Any, long)
			require.ErrorAs(t, err, test.want)
			require.Empty(t, server.stream("stream"))
			require.Equal(t, name == "too large", probes.Load() > 0, "there is nothing else to learn from")
		})
	}
}

func answer(success *streams.AppendResp_Success) *streams.AppendResp {
	return &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: success}}
}

// An append of nothing asks what is refused: to EventStoreDB one that is taken is a write, which revives a stream.
func TestAnAppendOfNothingIsNeverTaken(t *testing.T) {
	t.Parallel()
	server := serve(t)
	var others atomic.Int64
	node := join(t, server, func(n *node) {
		n.whole = func(call streams.Streams_AppendServer) error {
			options, err := call.Recv()
			switch {
			case options.GetOptions().GetStreamExists() != nil:
				call.SetTrailer(metadata.Pairs("exception", "stream-deleted", "stream-name", "stream"))
				return status.Error(codes.FailedPrecondition, "Event stream 'stream' is deleted.")
			case options.GetOptions().GetNoStream() == nil:
				others.Add(1)
			}
			return errors.Join(err, call.SendAndClose(&streams.AppendResp{
				Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: &streams.AppendResp_WrongExpectedVersion{
					CurrentRevisionOption: &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: 1},
				}},
			}))
		}
	})
	_, err := server.inner.Append(t.Context(), "stream", events.Any, some(2))
	require.NoError(t, err)
	_, err = server.inner.Delete(t.Context(), "stream", events.Any)
	require.NoError(t, err)
	store := open(t, node.address)
	for _, expected := range []events.Expected{events.Any, 1} {
		at, err := store.Append(t.Context(), "stream", expected, nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, at.Revision)
	}
	_, err = store.Append(t.Context(), "stream", events.StreamExists, nil)
	_, gone := errors.AsType[*eventstoredb.DeletedError](err)
	require.True(t, gone, "%v", err)
	_, err = store.Append(t.Context(), "stream", 0, nil)
	conflict, ok := errors.AsType[*events.WrongRevisionError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, events.Exactly(1), conflict.Actual)
	require.Zero(t, others.Load())
}

// EventStoreDB answers a repeat without its position when it cannot read the events again.
func TestARepeatWithoutPosition(t *testing.T) {
	t.Parallel()
	server, proposed := serve(t), some(3)
	node := join(t, server, func(n *node) {
		n.whole = func(call streams.Streams_AppendServer) error {
			for range 4 {
				if _, err := call.Recv(); err != nil {
					return err
				}
			}
			return call.SendAndClose(answer(&streams.AppendResp_Success{
				CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: 2},
				PositionOption:        &streams.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}},
			}))
		}
	})
	want, err := server.inner.Append(t.Context(), "stream", events.NoStream, proposed)
	require.NoError(t, err)
	store := open(t, node.address)
	at, err := store.Append(t.Context(), "stream", events.NoStream, proposed)
	require.NoError(t, err)
	require.Equal(t, want, at)
	_, err = server.inner.Delete(t.Context(), "stream", events.Any)
	require.NoError(t, err)
	_, err = store.Append(t.Context(), "stream", events.NoStream, proposed)
	hidden, ok := errors.AsType[*eventstoredb.HiddenError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, eventstoredb.HiddenError{Stream: "stream", Revision: 2}, *hidden)
}

// What no server should say ends in an error, not in a panic.
func TestServersThatTalkNonsense(t *testing.T) {
	t.Parallel()
	nonsense := func(content *streams.ReadResp) func(*streams.ReadReq, streams.Streams_ReadServer) (bool, error) {
		return func(request *streams.ReadReq, call streams.Streams_ReadServer) (bool, error) {
			if string(request.GetOptions().GetStream().GetStreamIdentifier().GetStreamName()) == events.StoreStream {
				return false, nil
			}
			return true, call.Send(content)
		}
	}
	for name, content := range map[string]*streams.ReadResp{
		"another message": {Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}},
		"nothing":         {},
		"no event":        {Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := join(t, serve(t), func(n *node) {
				n.read = nonsense(content)
				n.before = func(_ int64, call grpc.ServerStream) error {
					call.SetTrailer(metadata.Pairs("exception", "stream-deleted"))
					return status.Error(codes.FailedPrecondition, "without a name")
				}
			})
			store := open(t, node.address, eventstoredb.Patience(20*time.Millisecond))
			for _, err := range []error{
				second(store.Append(t.Context(), "stream", events.Any, some(1))),
				second(store.Head(t.Context())),
				second(first(store.ReadStream(t.Context(), "stream", 0))),
			} {
				_, ok := errors.AsType[*eventstoredb.UnavailableError](err)
				require.True(t, ok, "%v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			for range store.SubscribeAll(ctx, events.Start, 1) {
				require.Fail(t, "there is nothing to yield")
			}
		})
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	server := serve(t, func(config *endpoint.Config) {
		config.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS12}
		config.Users = map[string]string{"admin": "secret", "ops": "other"}
	})
	address := func(user string) string { return "esdb://" + user + server.address + "?tlsVerifyCert=false" }
	for _, user := range []string{"", "admin:wrong@", "nobody:secret@"} {
		_, err := eventstoredb.Open(t.Context(), address(user), quick()...)
		denied, ok := errors.AsType[*eventstoredb.AccessError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "reading the store's identity", denied.Doing)
	}
	admin, err := eventstoredb.Open(t.Context(), address("admin:secret@"), quick()...)
	require.NoError(t, err)
	defer func() { require.NoError(t, admin.Close()) }()
	_, err = admin.Append(t.Context(), "$system", events.Any, some(1))
	require.NoError(t, err)

	ops, err := eventstoredb.Open(t.Context(), address("ops:other@"), quick()...)
	require.NoError(t, err)
	defer func() { require.NoError(t, ops.Close()) }()
	require.Equal(t, admin.ID(), ops.ID())
	for _, err := range []error{
		second(ops.Append(t.Context(), "$system", events.Any, some(1))),
		second(first(ops.ReadStream(t.Context(), "$system", 0))),
	} {
		_, ok := errors.AsType[*eventstoredb.AccessError](err)
		require.True(t, ok, "%v", err)
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
