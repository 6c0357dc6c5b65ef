package endpoint

import (
	"encoding/binary"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"daybook/events"
)

// frame is an encoded ReadResp. It never changes once it is made, so any number of calls may send the same one.
type frame struct{ buffers mem.BufferSlice }

// codec is gRPC's codec for protocol buffers, except that it sends a frame as it is.
type codec struct{ encoding.CodecV2 }

// Marshal returns what goes over the wire.
func (c codec) Marshal(message any) (mem.BufferSlice, error) {
	if f, ok := message.(*frame); ok {
		return f.buffers, nil
	}
	return c.CodecV2.Marshal(message)
}

// idForm is how a call wants to see event ids.
type idForm uint8

const (
	structuredIDs idForm = iota // two 64-bit numbers
	stringIDs                   // canonical lower-case text
	idForms
)

// What contentType says of a record.
const (
	contentJSON   = "application/json"
	contentBinary = "application/octet-stream"
)

// Field numbers of event_store.client.streams.ReadResp, and of what it holds.
const (
	respEvent = 1

	replyEvent  = 1
	replyLink   = 2
	replyCommit = 3

	recordedID             = 1
	recordedStream         = 2
	recordedRevision       = 3
	recordedPrepare        = 4
	recordedCommit         = 5
	recordedMetadata       = 6
	recordedCustomMetadata = 7
	recordedData           = 8

	uuidStructured   = 1
	uuidString       = 2
	uuidMost         = 1
	uuidLeast        = 2
	streamIdentifier = 3
	mapKey           = 1
	mapValue         = 2
)

// encodings remembers the last events of the log as they are sent, so that each is encoded once in each form, however
// many subscriptions send it.
type encodings struct {
	mu    sync.RWMutex
	known map[events.Position]*sharedEvent
	order []events.Position // of what is known, roughly that of the log
}

// sharedEvent is one event in the forms that were asked for so far.
type sharedEvent struct {
	once [idForms]sync.Once
	wire [idForms]*frame
}

// of returns the message that carries an event.
func (e *encodings) of(event *events.Record, form idForm) *frame {
	e.mu.RLock()
	known := e.known[event.Position]
	e.mu.RUnlock()
	if known == nil {
		known = e.add(event.Position)
	}
	known.once[form].Do(func() { known.wire[form] = encodeEvent(event, nil, form) })
	return known.wire[form]
}

// add makes room for an event and forgets those that lie more than nearBytes before it: whoever comes for them now is
// too far behind to share anything.
func (e *encodings) add(position events.Position) *sharedEvent {
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.known[position]; known != nil {
		return known
	}
	if e.known == nil {
		e.known = map[events.Position]*sharedEvent{}
	}
	gone := 0
	for gone < len(e.order) && e.order[gone]+nearBytes < position {
		delete(e.known, e.order[gone])
		gone++
	}
	added := &sharedEvent{}
	e.known[position], e.order = added, append(e.order[gone:], position)
	return added
}

// encodeEvent makes the ReadResp that carries an event, the link through which it was found, or both. One of them may be
// nil. The position is that of the link, if there is one: it is where the reader stands in the log.
func encodeEvent(event, link *events.Record, form idForm) *frame {
	var scratch [1024]byte
	position := event
	var eventHead, linkHead, heads []byte
	heads = scratch[:0]
	if event != nil {
		heads = appendHead(heads, event, form)
		eventHead = heads
	}
	if link != nil {
		position = link
		heads = appendHead(heads, link, form)
		linkHead = heads[len(eventHead):]
	}
	eventSize, linkSize := recordedSize(eventHead, event), recordedSize(linkHead, link)
	size := optionalSize(event, eventSize) + optionalSize(link, linkSize) +
		protowire.SizeTag(replyCommit) + protowire.SizeVarint(uint64(position.Position))

	b := make([]byte, 0, protowire.SizeTag(respEvent)+protowire.SizeBytes(size))
	b = appendPrefix(b, respEvent, size)
	b = appendRecorded(b, replyEvent, eventHead, event, eventSize)
	b = appendRecorded(b, replyLink, linkHead, link, linkSize)
	b = protowire.AppendTag(b, replyCommit, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(position.Position))
	return &frame{mem.BufferSlice{mem.SliceBuffer(b)}}
}

// appendHead adds the fields of a RecordedEvent that are small: all but the two that the application chose.
func appendHead(b []byte, r *events.Record, form idForm) []byte {
	b = appendID(b, r.ID.UUID, form)
	b = appendPrefix(b, recordedStream, protowire.SizeTag(streamIdentifier)+protowire.SizeBytes(len(r.Stream)))
	b = appendText(b, streamIdentifier, r.Stream)
	b = appendNumber(b, recordedRevision, r.Revision)
	b = appendNumber(b, recordedPrepare, uint64(r.Position))
	b = appendNumber(b, recordedCommit, uint64(r.Position))
	b = appendMetadata(b, "content-type", contentType(r))
	var digits [20]byte
	ticks := strconv.AppendInt(digits[:0], r.Created.UnixNano()/100, 10) // of 100 ns since 1970: clients parse it or exit
	b = appendMetadata(b, "created", ticks)
	return appendMetadata(b, "type", eventType(r))
}

func contentType(r *events.Record) string {
	if r.Binary {
		return contentBinary
	}
	return contentJSON
}

// eventType is the record's type as protocol buffers can say it: what is not UTF-8 would make the whole reply unreadable.
func eventType(r *events.Record) string {
	if utf8.ValidString(r.Type) {
		return r.Type
	}
	return strings.ToValidUTF8(r.Type, string(utf8.RuneError))
}

func appendID(b []byte, id uuid.UUID, form idForm) []byte {
	if form == stringIDs {
		const length = 36
		b = appendPrefix(b, recordedID, protowire.SizeTag(uuidString)+protowire.SizeBytes(length))
		return appendText(b, uuidString, id.String())
	}
	most, least := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	inner := numberSize(uuidMost, most) + numberSize(uuidLeast, least)
	b = appendPrefix(b, recordedID, protowire.SizeTag(uuidStructured)+protowire.SizeBytes(inner))
	b = appendPrefix(b, uuidStructured, inner)
	b = appendNumber(b, uuidMost, most)
	return appendNumber(b, uuidLeast, least)
}

// appendMetadata adds one entry of the metadata map.
func appendMetadata[T ~string | ~[]byte](b []byte, key string, value T) []byte {
	inner := protowire.SizeTag(mapKey) + protowire.SizeBytes(len(key)) +
		protowire.SizeTag(mapValue) + protowire.SizeBytes(len(value))
	b = appendPrefix(b, recordedMetadata, inner)
	return appendText(appendText(b, mapKey, key), mapValue, value)
}

// recordedSize is the size of a RecordedEvent whose small fields are encoded already.
func recordedSize(head []byte, r *events.Record) int {
	if r == nil {
		return 0
	}
	return len(head) + bytesSize(recordedCustomMetadata, r.Metadata) + bytesSize(recordedData, r.Data)
}

// optionalSize is the size of a field that holds a RecordedEvent, or of nothing.
func optionalSize(r *events.Record, size int) int {
	if r == nil {
		return 0
	}
	return protowire.SizeTag(replyEvent) + protowire.SizeBytes(size)
}

func appendRecorded(b []byte, field protowire.Number, head []byte, r *events.Record, size int) []byte {
	if r == nil {
		return b
	}
	b = append(appendPrefix(b, field, size), head...)
	b = appendBytes(b, recordedCustomMetadata, r.Metadata)
	return appendBytes(b, recordedData, r.Data)
}

// appendPrefix begins a message of a known size.
func appendPrefix(b []byte, field protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(size))
}

// appendText adds a field, even if it is empty.
func appendText[T ~string | ~[]byte](b []byte, field protowire.Number, text T) []byte {
	return append(appendPrefix(b, field, len(text)), text...)
}

// bytesSize and appendBytes leave out what is empty, and numberSize and appendNumber what is 0, as proto3 does.
func bytesSize(field protowire.Number, content []byte) int {
	if len(content) == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeBytes(len(content))
}

func appendBytes(b []byte, field protowire.Number, content []byte) []byte {
	if len(content) == 0 {
		return b
	}
	return appendText(b, field, content)
}

func numberSize(field protowire.Number, n uint64) int {
	if n == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeVarint(n)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}
