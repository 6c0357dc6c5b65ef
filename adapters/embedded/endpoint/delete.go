package endpoint

import (
	"context"
	"errors"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"daybook/events"
)

// remove is how the store deletes a stream, in either way.
type remove func(ctx context.Context, stream string, expected events.Expected) (events.Position, error)

// Delete hides a stream until somebody appends to it again. The reply has a position in any case: clients need it.
func (s streamService) Delete(ctx context.Context, request *streams.DeleteReq) (*streams.DeleteResp, error) {
	options := request.GetOptions()
	_, exact := options.GetExpectedStreamRevision().(*streams.DeleteReq_Options_Revision)
	at, err := s.server.remove(ctx, options, exact, s.server.store.Delete)
	if err != nil {
		return nil, err
	}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{
		Position: &streams.DeleteResp_Position{CommitPosition: uint64(at), PreparePosition: uint64(at)},
	}}, nil
}

// Tombstone ends a stream for ever.
func (s streamService) Tombstone(ctx context.Context, request *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	options := request.GetOptions()
	_, exact := options.GetExpectedStreamRevision().(*streams.TombstoneReq_Options_Revision)
	at, err := s.server.remove(ctx, options, exact, s.server.store.Tombstone)
	if err != nil {
		return nil, err
	}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{
		Position: &streams.TombstoneResp_Position{CommitPosition: uint64(at), PreparePosition: uint64(at)},
	}}, nil
}

func (s *Server) remove(ctx context.Context, from options, exact bool, do remove) (events.Position, error) {
	stream, expected, err := s.target(ctx, from, exact)
	if err != nil {
		return 0, err
	}
	at, err := do(ctx, stream, expected)
	if conflict, ok := errors.AsType[*events.WrongRevisionError](err); ok {
		return 0, wrongRevision(conflict)
	}
	return at, s.answer(err, "delete", stream)
}
