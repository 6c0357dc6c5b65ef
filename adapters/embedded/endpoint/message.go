package endpoint

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"daybook/events"
)

// message is one message of an append. An event as clients write it is taken apart by hand, which makes less garbage.
// All else, and so whatever is to be refused, goes through the generated code.
type message struct {
	event events.Proposed
	other *streams.AppendReq // nil: it is the event
}

// appendCodec also reads messages of appends.
type appendCodec struct{ codec }

// Unmarshal reads what came over the wire.
func (c appendCodec) Unmarshal(data mem.BufferSlice, into any) error {
	m, ok := into.(*message)
	if !ok {
		return c.codec.Unmarshal(data, into)
	}
	wire := data.Materialize() // a copy: the event may keep it
	*m = message{}
	if m.event, ok = readEvent(wire); ok {
		return nil
	}
	m.other = &streams.AppendReq{}
	return proto.Unmarshal(wire, m.other)
}

// Field numbers of event_store.client.streams.AppendReq, and of what it holds.
const (
	appendProposed = 2

	proposedID             = 1
	proposedMetadata       = 2
	proposedCustomMetadata = 3
	proposedData           = 4
)

// readEvent reads a message that is one complete event. False is no error: the generated code has the last word.
func readEvent(wire []byte) (e events.Proposed, ok bool) {
	field, body, rest := nextField(wire)
	if field != appendProposed || len(rest) > 0 {
		return e, false
	}
	contentType := ""
	for seen := 0; len(body) > 0; {
		var value []byte
		field, value, body = nextField(body)
		if field == 0 || field != proposedMetadata && seen&(1<<field) != 0 {
			return e, false
		}
		seen |= 1 << field
		switch field {
		case proposedID:
			e.ID.UUID, ok = readID(value)
		case proposedMetadata:
			ok = readProperty(value, &e.Type, &contentType)
		case proposedCustomMetadata:
			e.Metadata, ok = value, true
		case proposedData:
			e.Data, ok = value, true
		default:
			ok = false
		}
		if !ok {
			return e, false
		}
	}
	e.Binary = contentType != contentJSON
	return e, !e.ID.IsZero() && e.Type != "" && contentType != ""
}

// nextField takes the next field off a message. Field 0 says that it is none that is read here.
func nextField(wire []byte) (field protowire.Number, value, rest []byte) {
	field, kind, n := protowire.ConsumeTag(wire)
	if n < 0 || kind != protowire.BytesType || field > proposedData {
		return 0, nil, nil
	}
	value, m := protowire.ConsumeBytes(wire[n:])
	if m < 0 {
		return 0, nil, nil
	}
	return field, value[:len(value):len(value)], wire[n+m:]
}

// readProperty reads an entry of the metadata.
func readProperty(wire []byte, kind, contentType *string) bool {
	field, key, rest := nextField(wire)
	if field != mapKey {
		return false
	}
	field, value, rest := nextField(rest)
	if field != mapValue || len(rest) > 0 || !utf8.Valid(value) {
		return false
	}
	switch string(key) {
	case "type":
		*kind = string(value)
	case "content-type":
		*contentType = contentBinary
		if string(value) == contentJSON {
			*contentType = contentJSON
		}
		return len(value) > 0
	default:
		return false
	}
	return true
}

// readID reads an id in either form.
func readID(wire []byte) (id uuid.UUID, ok bool) {
	field, value, rest := nextField(wire)
	switch {
	case len(rest) > 0:
		return id, false
	case field == uuidString && len(value) == 36:
		id, err := uuid.ParseBytes(value)
		return id, err == nil
	case field != uuidStructured:
		return id, false
	}
	var most, least uint64
	for len(value) > 0 {
		field, kind, n := protowire.ConsumeTag(value)
		if n < 0 || kind != protowire.VarintType {
			return id, false
		}
		half, m := protowire.ConsumeVarint(value[n:])
		if m < 0 {
			return id, false
		}
		switch value = value[n+m:]; field {
		case uuidMost:
			most = half
		case uuidLeast:
			least = half
		default:
			return id, false
		}
	}
	binary.BigEndian.PutUint64(id[:8], most)
	binary.BigEndian.PutUint64(id[8:], least)
	return id, true
}
