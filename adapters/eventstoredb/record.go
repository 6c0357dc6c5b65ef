package eventstoredb

import (
	"errors"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/events"
	"daybook/events/id"
)

// toRecord takes an event from the wire. Links are never resolved: a link is a record like any other.
func toRecord(resolved *esdb.ResolvedEvent) (events.Record, error) {
	e := resolved.OriginalEvent()
	if e == nil {
		return events.Record{}, errors.New("the server sent an event without content")
	}
	return events.Record{
		Stream:   e.StreamID,
		Revision: e.EventNumber,
		Position: events.Position(e.Position.Commit),
		ID:       id.Event{UUID: e.EventID},
		Type:     e.EventType,
		Data:     e.Data,
		Metadata: e.UserMetadata,
		Binary:   e.ContentType != "application/json",
		Created:  e.CreatedDate,
	}, nil
}

func toEventData(proposed []events.Proposed) []esdb.EventData {
	data := make([]esdb.EventData, len(proposed))
	for i, e := range proposed {
		data[i] = esdb.EventData{
			EventID: e.ID.UUID, EventType: e.Type, ContentType: esdb.ContentTypeJson, Data: e.Data, Metadata: e.Metadata,
		}
		if e.Binary {
			data[i].ContentType = esdb.ContentTypeBinary
		}
	}
	return data
}

func toExpectedRevision(expected events.Expected) esdb.ExpectedRevision {
	switch expected {
	case events.NoStream:
		return esdb.NoStream{}
	case events.Any:
		return esdb.Any{}
	case events.StreamExists:
		return esdb.StreamExists{}
	default:
		return esdb.Revision(uint64(expected))
	}
}

// toAllPosition names the record at a position, or the beginning. EventStoreDB tells commit and prepare positions apart;
// for everything it has written since version 21 they are the same.
func toAllPosition(position events.Position) esdb.AllPosition {
	if position == events.Start {
		return esdb.Start{}
	}
	return esdb.Position{Commit: uint64(position), Prepare: uint64(position)}
}
