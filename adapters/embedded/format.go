package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"daybook/events"
	"daybook/events/id"
)

// storeFormat names the layout below. A store with another name is refused.
const storeFormat = "daybook-log-1"

// Keys. The first byte says what a key is; numbers are big-endian, so that Pebble's order is theirs.
//
//	0x00 "format"                              → storeFormat
//	0x01 position:8                            → record
//	0x02 length:2 stream revision:8            → position:8
//	0x03 length:2 stream                       → nothing: the stream has metadata or a tombstone
//
// The length keeps the entries of one stream together whatever bytes its name has. A revision of 2^63-1 is free for a
// tombstone; metadata streams are streams like any other.
const (
	spaceMeta  = 0x00
	spaceLog   = 0x01
	spaceIndex = 0x02
	spaceMarks = 0x03

	logKeySize = 1 + 8
)

// maxStreamName is the longest stream name in bytes; it keeps index keys small, here and in read models. Metadata streams
// may be longer by their prefix, so that every stream can have one.
const maxStreamName = 1024

func nameTooLong(stream string) bool {
	described, _ := describedBy(stream)
	return len(described) > maxStreamName
}

func formatKey() []byte { return append([]byte{spaceMeta}, "format"...) }

func logKey(p events.Position) []byte { return appendLogKey(make([]byte, 0, logKeySize), p) }

func appendLogKey(b []byte, p events.Position) []byte {
	return binary.BigEndian.AppendUint64(append(b, spaceLog), uint64(p))
}

func indexKeySize(stream string) int { return 1 + 2 + len(stream) + 8 }

func indexKey(stream string, revision uint64) []byte {
	return appendIndexKey(make([]byte, 0, indexKeySize(stream)), stream, revision)
}

func appendIndexKey(b []byte, stream string, revision uint64) []byte {
	b = binary.BigEndian.AppendUint16(append(b, spaceIndex), uint16(len(stream)))
	return binary.BigEndian.AppendUint64(append(b, stream...), revision)
}

func markKeySize(stream string) int { return 1 + 2 + len(stream) }

func markKey(stream string) []byte {
	b := append(make([]byte, 0, markKeySize(stream)), spaceMarks)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(stream))), stream...)
}

// markedBy reads the stream out of a mark's key.
func markedBy(key []byte) string { return string(key[markKeySize(""):]) }

// indexEnd is after every entry of the stream.
func indexEnd(stream string) []byte { return indexKey(stream, math.MaxUint64) }

// indexRevision reads the revision out of an index key.
func indexRevision(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// A record, version 1:
//
//	version:1 flags:1 created:8 (Unix nanoseconds) event id:16 revision:uvarint
//	length of stream, type, metadata: 3 × uvarint
//	stream type metadata data
const (
	recordVersion = 1
	flagBinary    = 1 << 0

	fixedSize = 1 + 1 + 8 + 16
)

var errRecord = errors.New("malformed record")

// recordSize is the exact number of bytes that appendRecord adds.
func recordSize(stream string, revision uint64, e *events.Proposed) int {
	return fixedSize + uvarintSize(revision) +
		uvarintSize(uint64(len(stream))) + uvarintSize(uint64(len(e.Type))) + uvarintSize(uint64(len(e.Metadata))) +
		len(stream) + len(e.Type) + len(e.Metadata) + len(e.Data)
}

// storedOverhead is what the log and its index hold of an event beside type, metadata and data, at most: both keys, the
// fixed part and five numbers of the record, the position, the lengths that Pebble adds, and the stream's name twice.
func storedOverhead(stream string) int {
	return logKeySize + fixedSize + 4*binary.MaxVarintLen64 + indexKeySize("") + 8 + 4*binary.MaxVarintLen32 + 2*len(stream)
}

func appendRecord(b []byte, stream string, revision uint64, e *events.Proposed, created time.Time) []byte {
	var flags byte
	if e.Binary {
		flags |= flagBinary
	}
	b = append(b, recordVersion, flags)
	b = binary.BigEndian.AppendUint64(b, uint64(created.UnixNano()))
	b = append(b, e.ID.UUID[:]...)
	b = binary.AppendUvarint(b, revision)
	b = binary.AppendUvarint(b, uint64(len(stream)))
	b = binary.AppendUvarint(b, uint64(len(e.Type)))
	b = binary.AppendUvarint(b, uint64(len(e.Metadata)))
	b = append(b, stream...)
	b = append(b, e.Type...)
	b = append(b, e.Metadata...)
	return append(b, e.Data...)
}

func uvarintSize(n uint64) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// decodeRecord reads a stored record. Its bytes are copied once, into the arena.
func decodeRecord(a *arena, p events.Position, value []byte) (events.Record, error) {
	if len(value) < fixedSize || value[0] != recordVersion {
		return events.Record{}, fmt.Errorf("record at position %d: %w", p, errRecord)
	}
	rest := value[fixedSize:]
	var numbers [4]uint64 // revision, then the lengths of stream, type and metadata
	for i := range numbers {
		n, size := binary.Uvarint(rest)
		if size <= 0 {
			return events.Record{}, fmt.Errorf("record at position %d: %w", p, errRecord)
		}
		numbers[i], rest = n, rest[size:]
	}
	left, end := uint64(len(rest)), uint64(0)
	for _, length := range numbers[1:] {
		if length > left-end {
			return events.Record{}, fmt.Errorf("record at position %d: %w", p, errRecord)
		}
		end += length
	}
	stream, named := numbers[1], numbers[1]+numbers[2]
	names, body := a.text(rest[:named]), a.bytes(rest[named:])
	metadata := numbers[3]
	return events.Record{
		Stream:   names[:stream],
		Type:     names[stream:],
		Revision: numbers[0],
		Position: p,
		ID:       recordID(value),
		Metadata: body[:metadata:metadata],
		Data:     body[metadata:],
		Binary:   value[1]&flagBinary != 0,
		Created:  time.Unix(0, int64(binary.BigEndian.Uint64(value[2:]))).UTC(),
	}, nil
}

// recordID reads the event id out of a record that is at least fixedSize long.
func recordID(value []byte) id.Event { return id.Event{UUID: uuid.UUID(value[10:fixedSize])} }

// arena hands out memory for the records of one read, many from one allocation. It never takes any back.
type arena struct {
	free  []byte
	names strings.Builder
	step  int // size of the last block
}

// Blocks start small, for streams of a few events, and double up to a size that still does not keep much alive when a
// caller holds on to a single record.
const (
	arenaFirst = 2 << 10
	arenaMost  = 64 << 10
)

func (a *arena) bytes(b []byte) []byte {
	if len(b) > len(a.free) {
		a.step = min(max(2*a.step, arenaFirst), arenaMost)
		a.free = make([]byte, max(a.step, len(b)))
	}
	n := copy(a.free, b)
	taken := a.free[:n:n]
	a.free = a.free[n:]
	return taken
}

// text returns b as a string. Growing in steps, never in place, keeps the builder from copying what it already holds.
func (a *arena) text(b []byte) string {
	if a.names.Cap()-a.names.Len() < len(b) {
		size := min(max(2*a.names.Cap(), arenaFirst/8), arenaMost/8)
		a.names = strings.Builder{}
		a.names.Grow(max(size, len(b)))
	}
	from := a.names.Len()
	a.names.Write(b)
	return a.names.String()[from:]
}
