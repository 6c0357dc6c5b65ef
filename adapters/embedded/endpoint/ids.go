package endpoint

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"
)

// parseID reads an id in either of its forms. The nil UUID is no id.
func parseID(from *shared.UUID) (uuid.UUID, error) {
	var parsed uuid.UUID
	switch value := from.GetValue().(type) {
	case *shared.UUID_Structured_:
		binary.BigEndian.PutUint64(parsed[:8], uint64(value.Structured.GetMostSignificantBits()))
		binary.BigEndian.PutUint64(parsed[8:], uint64(value.Structured.GetLeastSignificantBits()))
	case *shared.UUID_String_:
		var err error
		if parsed, err = uuid.Parse(value.String_); err != nil || len(value.String_) != 36 {
			return uuid.UUID{}, invalid("%q is not a UUID", value.String_)
		}
	default:
		return uuid.UUID{}, invalid("an id is neither structured nor a string")
	}
	if parsed == uuid.Nil {
		return uuid.UUID{}, invalid("an id is the nil UUID")
	}
	return parsed, nil
}

// streamName reads the name of a stream. It has to be there and to be UTF-8; what names may be written to is the
// store's decision.
func streamName(from *shared.StreamIdentifier) (string, error) {
	name := from.GetStreamName()
	switch {
	case len(name) == 0:
		return "", invalid("the stream's name is missing")
	case !utf8.Valid(name):
		return "", invalid("the stream's name %q is not UTF-8", name)
	}
	return string(name), nil
}
