package endpoint

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"

	"daybook/events"
)

// streamService is the service Streams. BatchAppend is not there.
type streamService struct {
	streams.UnimplementedStreamsServer

	server *Server
}

// Read is a bounded read or a subscription.
func (s streamService) Read(request *streams.ReadReq, call streams.Streams_ReadServer) error {
	return s.server.Read(request, call)
}

// options is what appends, deletes and tombstones have in common.
type options interface {
	GetStreamIdentifier() *shared.StreamIdentifier
	GetRevision() uint64
	GetNoStream() *shared.Empty
	GetAny() *shared.Empty
	GetStreamExists() *shared.Empty
}

// target reads which stream a call is about and what it expects of it, and checks that the client may write there.
// exact says that the expectation is a revision: 0 cannot be told from none otherwise.
func (s *Server) target(ctx context.Context, from options, exact bool) (string, events.Expected, error) {
	stream, err := streamName(from.GetStreamIdentifier())
	if err != nil {
		return "", 0, err
	}
	if stream == allStream {
		return "", 0, denied("nobody may write to $all")
	}
	if err := s.permitWrite(ctx, stream); err != nil {
		return "", 0, err
	}
	switch {
	case exact && from.GetRevision() > math.MaxInt64:
		return "", 0, invalid("revision %d is beyond the last that a stream can have", from.GetRevision())
	case exact:
		return stream, events.Exactly(from.GetRevision()), nil
	case from.GetNoStream() != nil:
		return stream, events.NoStream, nil
	case from.GetAny() != nil:
		return stream, events.Any, nil
	case from.GetStreamExists() != nil:
		return stream, events.StreamExists, nil
	}
	return "", 0, invalid("the expected revision is missing")
}

// wrongRevision is the answer to a delete or a tombstone; an append says it in its reply.
func wrongRevision(conflict *events.WrongRevisionError) error {
	actual := ""
	if conflict.Actual >= 0 {
		actual = strconv.FormatInt(int64(conflict.Actual), 10)
	}
	return problem(codes.FailedPrecondition, wrongVersion,
		fmt.Sprintf("Append failed due to WrongExpectedVersion. Stream: %s, Expected version: %d, Actual version: %d",
			conflict.Stream, conflict.Expected, conflict.Actual),
		"stream-name", conflict.Stream, "expected-version", strconv.FormatInt(int64(conflict.Expected), 10),
		"actual-version", actual)
}
