package endpoint

import (
	"context"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

// endless is a client that never stops sending events.
type endless struct {
	streams.Streams_AppendServer

	ctx  context.Context
	to   string // the stream that it names first
	sent int    // bytes
}

func (e *endless) Context() context.Context { return e.ctx }

func (e *endless) RecvMsg(into any) error {
	const size = 100_000
	if e.to != "" {
		options := &streams.AppendReq_Options{
			StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte(e.to)},
			ExpectedStreamRevision: &streams.AppendReq_Options_Any{Any: &shared.Empty{}},
		}
		*into.(*message) = message{other: &streams.AppendReq{Content: &streams.AppendReq_Options_{Options: options}}}
		e.to = ""
		return nil
	}
	*into.(*message) = message{event: events.Proposed{ID: id.Event{UUID: uuid.New()}, Type: "Noted", Data: make([]byte, size)}}
	e.sent += size
	return nil
}

// TestEndlessAppendsAreNotKept: a client must not be able to fill the memory with an append that never ends.
func TestEndlessAppendsAreNotKept(t *testing.T) {
	t.Parallel()
	store, err := embedded.Open(t.TempDir(), embedded.InMemory(), embedded.MaxAppendBytes(8<<20))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	server, err := New(Config{Store: store})
	require.NoError(t, err)
	call := &endless{ctx: t.Context()}
	_, _, err = server.receive(call, "orders", events.Any)
	require.Equal(t, codes.InvalidArgument, status.Code(err), err)
	require.Greater(t, call.sent, 8<<20)
	require.LessOrEqual(t, call.sent, 17<<20)

	for _, refused := range []string{"$$", strings.Repeat("x", 2000)} {
		call := &endless{ctx: t.Context(), to: refused}
		_, err = server.append(call, &arrival{})
		require.Equal(t, codes.InvalidArgument, status.Code(err), err)
		require.Zero(t, call.sent, "taken for a stream that cannot be")
		_, _, err = server.receive(call, refused, events.Any)
		require.Equal(t, codes.InvalidArgument, status.Code(err), err)
		require.LessOrEqual(t, call.sent, 2<<20)
	}
}
