package watermill

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// All is the topic of the whole log, under the name that EventStoreDB has for it.
const All = "$all"

// Metadata of messages that is not metadata of the event. A Subscriber sets all of it. A Publisher takes the event's type
// from KeyType, where DefaultType stands for none, and stores none of it: a message that is published as it was received
// keeps its type and gets a new place.
const (
	KeyType     = "$type"
	KeyStream   = "$stream"
	KeyRevision = "$revision" // decimal, from 0
	KeyPosition = "$position" // decimal

	DefaultType = "WatermillMessage"
)

func isPlace(key, _ string) bool {
	return key == KeyType || key == KeyStream || key == KeyRevision || key == KeyPosition
}

type recordKey struct{}

// RecordOf returns the event of a Subscriber's message from the message's context, the envelope decoded where it has one
// of ours. It is shared: read only.
func RecordOf(ctx context.Context) (*projections.Recorded, bool) {
	r, ok := ctx.Value(recordKey{}).(*projections.Recorded)
	return r, ok
}

// newMessage makes the message of an event. Its memory is its own.
func newMessage(r *projections.Recorded) *message.Message {
	msg := message.NewMessage(r.ID.String(), bytes.Clone(r.Data))
	msg.Metadata = decodeMetadata(r.Metadata)
	msg.Metadata.Set(KeyType, r.Type)
	msg.Metadata.Set(KeyStream, r.Stream)
	msg.Metadata.Set(KeyRevision, strconv.FormatUint(r.Revision, 10))
	msg.Metadata.Set(KeyPosition, strconv.FormatUint(uint64(r.Position), 10))
	return msg
}

// decodeMetadata gives each field of a JSON object as text: strings as what they say, all else as the JSON it is.
// Metadata of another shape is left to RecordOf.
func decodeMetadata(stored []byte) message.Metadata {
	var fields map[string]json.RawMessage
	if json.Unmarshal(stored, &fields) != nil {
		return message.Metadata{}
	}
	metadata := make(message.Metadata, len(fields)+4)
	for key, value := range fields {
		var text string
		if value[0] != '"' || json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		metadata[key] = text
	}
	return metadata
}

// propose makes the event of a message.
func propose(msg *message.Message) (events.Proposed, error) {
	event, err := id.Parse[id.Event](msg.UUID)
	if err != nil {
		return events.Proposed{}, err
	}
	if event.IsZero() {
		return events.Proposed{}, errNilUUID
	}
	eventType := cmp.Or(msg.Metadata.Get(KeyType), DefaultType)
	if strings.HasPrefix(eventType, "$") {
		return events.Proposed{}, fmt.Errorf("%s: %q: %w", KeyType, eventType, errReserved)
	}
	metadata, err := encodeMetadata(msg.Metadata)
	if err != nil {
		return events.Proposed{}, err
	}
	return events.Proposed{
		ID: event, Type: eventType, Data: msg.Payload, Metadata: metadata, Binary: !json.Valid(msg.Payload),
	}, nil
}

var (
	errNilUUID  = errors.New("the UUID is nil")
	errEmpty    = errors.New("the name is empty")
	errReserved = errors.New("names that begin with $ are the store's own")
)

func checkTopic(topic string) error {
	switch {
	case topic == "":
		return errEmpty
	case strings.HasPrefix(topic, "$"):
		return errReserved
	default:
		return nil
	}
}

func encodeMetadata(metadata message.Metadata) ([]byte, error) {
	kept := maps.Clone(metadata)
	maps.DeleteFunc(kept, isPlace)
	if len(kept) == 0 {
		return nil, nil
	}
	for key, value := range kept {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return nil, fmt.Errorf("metadata %q: JSON cannot hold text that is not UTF-8", key)
		}
	}
	return json.Marshal(kept)
}
