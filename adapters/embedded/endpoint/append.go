package endpoint

import (
	"errors"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

// Append writes the events of one call: options first, then one message for each event.
func (s streamService) Append(call streams.Streams_AppendServer) error {
	in, err := s.server.arrive(call.Context())
	if err != nil {
		return err
	}
	defer in.end()
	reply, err := s.server.append(call, in)
	if err != nil {
		drain(call)
		return err
	}
	return call.SendAndClose(reply)
}

// drain takes what the client still sends. Clients that cannot send to the end do not look at the status.
func drain(call streams.Streams_AppendServer) {
	var m message
	for call.RecvMsg(&m) == nil {
		m = message{} // nothing of it is kept while waiting for the next
	}
}

func (s *Server) append(call streams.Streams_AppendServer, in *arrival) (*streams.AppendResp, error) {
	var m message
	err := call.RecvMsg(&m)
	if errors.Is(err, io.EOF) {
		return nil, invalid("the append is empty: options are missing")
	}
	if err != nil {
		return nil, err
	}
	content, ok := m.other.GetContent().(*streams.AppendReq_Options_)
	if !ok {
		return nil, invalid("the first message of an append has to be its options")
	}
	_, exact := content.Options.GetExpectedStreamRevision().(*streams.AppendReq_Options_Revision)
	stream, expected, err := s.target(call.Context(), content.Options, exact)
	if err != nil {
		return nil, err
	}
	if err := s.store.Check(stream, expected, nil); err != nil {
		return nil, storeProblem(err)
	}
	proposed, held, err := s.receive(call, stream, expected)
	if err != nil {
		return nil, err
	}
	in.complete(held)
	appended, err := s.store.Append(call.Context(), stream, expected, proposed)
	if conflict, ok := errors.AsType[*events.WrongRevisionError](err); ok {
		return conflictReply(conflict), nil
	}
	if err != nil {
		return nil, s.answer(err, "append", stream)
	}
	return successReply(appended), nil
}

// receive collects the events of an append, and says about how much memory they hold. It gives up soon after they have
// become too many for the store, which alone knows its limits.
func (s *Server) receive(
	call streams.Streams_AppendServer, stream string, expected events.Expected,
) (proposed []events.Proposed, held int, err error) {
	checked := embedded.DefaultMaxAppendBytes
	for {
		var m message
		err := call.RecvMsg(&m)
		if errors.Is(err, io.EOF) {
			return proposed, held, nil
		}
		if err != nil {
			return nil, 0, err
		}
		event, err := m.proposed()
		if err != nil {
			return nil, 0, err
		}
		proposed = append(proposed, event)
		held += heldByEvent + len(event.Data) + len(event.Metadata) + len(event.Type)
		if held > checked {
			if err := s.store.Check(stream, expected, proposed); err != nil {
				return nil, 0, storeProblem(err)
			}
			checked = 2 * held
		}
	}
}

// heldByEvent is about what an event takes in memory beside its bytes.
const heldByEvent = 256

// proposed is the event that a message holds.
func (m *message) proposed() (events.Proposed, error) {
	if m.other == nil {
		return m.event, nil
	}
	content, ok := m.other.GetContent().(*streams.AppendReq_ProposedMessage_)
	if !ok {
		return events.Proposed{}, invalid("what follows the options of an append has to be events")
	}
	return proposedEvent(content.ProposedMessage)
}

func proposedEvent(message *streams.AppendReq_ProposedMessage) (events.Proposed, error) {
	eventID, err := parseID(message.GetId())
	if err != nil {
		return events.Proposed{}, err
	}
	kind, contentType := message.GetMetadata()["type"], message.GetMetadata()["content-type"]
	if kind == "" || contentType == "" {
		return events.Proposed{}, missingProperty()
	}
	return events.Proposed{
		ID:       id.Event{UUID: eventID},
		Type:     kind,
		Data:     message.GetData(),
		Metadata: message.GetCustomMetadata(),
		Binary:   contentType != contentJSON,
	}, nil
}

// successReply says where an append ended. A stream that is empty has neither a revision nor a position.
func successReply(at events.Appended) *streams.AppendResp {
	success := &streams.AppendResp_Success{}
	if at.Position == events.Start {
		success.CurrentRevisionOption = &streams.AppendResp_Success_NoStream{NoStream: &shared.Empty{}}
		success.PositionOption = &streams.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}}
	} else {
		success.CurrentRevisionOption = &streams.AppendResp_Success_CurrentRevision{CurrentRevision: at.Revision}
		success.PositionOption = &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{
			CommitPosition: uint64(at.Position), PreparePosition: uint64(at.Position),
		}}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: success}}
}

// conflictReply says what was expected and what was found, also in the fields that clients of version 20.6 read.
func conflictReply(conflict *events.WrongRevisionError) *streams.AppendResp {
	wrong := &streams.AppendResp_WrongExpectedVersion{}
	if conflict.Actual >= 0 {
		actual := uint64(conflict.Actual)
		wrong.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: actual}
		wrong.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{
			CurrentRevision_20_6_0: actual,
		}
	} else {
		wrong.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
		wrong.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_NoStream_20_6_0{
			NoStream_20_6_0: &shared.Empty{},
		}
	}
	switch conflict.Expected {
	case events.NoStream: // version 20.6 had no word for it
		wrong.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
	case events.Any:
		wrong.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
		wrong.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: &shared.Empty{}}
	case events.StreamExists:
		wrong.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{
			ExpectedStreamExists: &shared.Empty{},
		}
		wrong.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{
			StreamExists_20_6_0: &shared.Empty{},
		}
	default:
		expected := uint64(conflict.Expected)
		wrong.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: expected}
		wrong.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{
			ExpectedRevision_20_6_0: expected,
		}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: wrong}}
}
