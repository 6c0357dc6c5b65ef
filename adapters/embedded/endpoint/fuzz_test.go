package endpoint_test

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// raw is a codec for messages that are bytes already, whatever they say.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}

// call sends messages to a method and returns the only reply. A call that hangs fails the test.
func (r *rig) call(connection *grpc.ClientConn, method string, messages ...[]byte) (reply []byte, trailers metadata.MD, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	description := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	call, err := connection.NewStream(ctx, description, method, grpc.ForceCodecV2(raw{}))
	require.NoError(r, err)
	for _, message := range messages {
		if call.SendMsg(&message) != nil {
			break
		}
	}
	require.NoError(r, call.CloseSend())
	err = call.RecvMsg(&reply)
	if err == nil {
		var none []byte
		_ = call.RecvMsg(&none) // to the end, where the trailers are
	}
	return reply, call.Trailer(), err
}

// requireProper checks what every failed call owes its client.
func requireProper(t *testing.T, err error, trailers metadata.MD) {
	t.Helper()
	switch status.Code(err) {
	case codes.OK, codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied, codes.AlreadyExists:
	case codes.Internal:
		_, ours := trailers["exception"]
		require.True(t, ours || isUnreadable(err), err)
	default:
		require.NoError(t, err)
	}
	for name, values := range trailers {
		for _, value := range values {
			for _, c := range []byte(value) {
				require.Truef(t, 0x20 <= c && c <= 0x7e, "trailer %s: %q", name, value)
			}
		}
	}
}

// isUnreadable says that a message was no protocol buffer; that answer is gRPC's own.
func isUnreadable(err error) bool {
	text := status.Convert(err).Message()
	return strings.HasPrefix(text, "grpc: ") && strings.Contains(text, "unmarshal")
}

func marshal(t testing.TB, message proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(message)
	require.NoError(t, err)
	return b
}

// joined puts messages into one input of a fuzz target, each behind its length; split takes them apart again.
func joined(messages ...[]byte) (all []byte) {
	for _, message := range messages {
		all = append(binary.AppendUvarint(all, uint64(len(message))), message...)
	}
	return all
}

func split(all []byte) (messages [][]byte) {
	for len(all) > 0 && len(messages) < 20 {
		length, size := binary.Uvarint(all)
		all = all[max(size, 1):]
		length = min(length, uint64(len(all)))
		messages, all = append(messages, all[:length]), all[length:]
	}
	return messages
}

// FuzzAppend sends any messages as an append. Whatever comes back is proper, and a success is in the store.
func FuzzAppend(f *testing.F) {
	r := serve(f, nil)
	connection := r.dial()
	valid := marshal(f, event(nil))
	f.Add(joined(marshal(f, opening(nil)), valid))
	f.Add(joined(marshal(f, to("$$orders")), valid, valid))
	f.Add(joined(marshal(f, at(1<<63))))
	f.Add(joined(marshal(f, at(0)), valid))
	f.Add(joined(valid, marshal(f, opening(nil))))
	f.Add(joined(marshal(f, to("\xff"))))
	f.Add(joined(marshal(f, opening(nil)), []byte{0x12, 0x00}, nil, []byte{0xff}))
	f.Fuzz(func(t *testing.T, input []byte) {
		r := &rig{TB: t, store: r.store}
		messages := split(input)
		before, err := r.store.Head(t.Context())
		require.NoError(t, err)
		reply, trailers, err := r.call(connection, streams.Streams_Append_FullMethodName, messages...)
		requireProper(t, err, trailers)
		after, headErr := r.store.Head(t.Context())
		require.NoError(t, headErr)
		var said streams.AppendResp
		if err == nil {
			require.NoError(t, proto.Unmarshal(reply, &said))
		}
		success := said.GetSuccess()
		if success == nil {
			require.Equal(t, before, after, "what failed wrote something")
			return
		}
		require.LessOrEqual(t, success.GetPosition().GetCommitPosition(), uint64(after))
		requireStored(t, r, messages[0], success)
	})
}

// requireStored checks a reply against the stream that the append named.
func requireStored(t *testing.T, r *rig, first []byte, said *streams.AppendResp_Success) {
	t.Helper()
	var asked streams.AppendReq
	require.NoError(t, proto.Unmarshal(first, &asked))
	stream := string(asked.GetOptions().GetStreamIdentifier().GetStreamName())
	for record, err := range r.store.ReadStream(t.Context(), stream, said.GetCurrentRevision()) {
		require.NoError(t, err)
		require.Equal(t, uint64(record.Position), said.GetPosition().GetCommitPosition())
		return
	}
	require.NotNil(t, said.GetNoStream())
}

// FuzzRequest sends any message to the calls that take one and write: delete, tombstone, and create of a group.
func FuzzRequest(f *testing.F) {
	r := serve(f, nil)
	connection := r.dial()
	methods := []string{
		streams.Streams_Delete_FullMethodName,
		streams.Streams_Tombstone_FullMethodName,
		persistent.PersistentSubscriptions_Create_FullMethodName,
	}
	f.Add(uint8(0), marshal(f, &streams.DeleteReq{Options: &streams.DeleteReq_Options{
		StreamIdentifier: named("naïve"), ExpectedStreamRevision: &streams.DeleteReq_Options_Revision{Revision: 1},
	}}))
	f.Add(uint8(1), marshal(f, &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{
		StreamIdentifier: named("gone%\n"), ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}},
	}}))
	f.Add(uint8(2), marshal(f, group(nil)))
	f.Add(uint8(2), marshal(f, groupOfAll(&persistent.CreateReq_AllOptions_FilterOptions_Expression{Regex: "^[^$].*"})))
	f.Fuzz(func(t *testing.T, method uint8, message []byte) {
		r := &rig{TB: t, store: r.store}
		_, trailers, err := r.call(connection, methods[int(method)%len(methods)], message)
		requireProper(t, err, trailers)
		_, headErr := r.store.Head(t.Context())
		require.NoError(t, headErr)
	})
}
