package events

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"daybook/events/id"
)

// Position is the place of a record in the whole log ($all). Positions are greater than 0 and strictly increasing in
// append order; they are not dense. A position is valid only together with the store id it came from: durable
// references are (stream, revision).
type Position uint64

// Start is before every record.
const Start Position = 0

// Expected is what an append demands of the stream's last revision: an exact revision (≥ 0) or one of the constants.
type Expected int64

// Expectations that are not an exact revision. The numbers are EventStoreDB's.
const (
	NoStream     Expected = -1 // the stream has no events
	Any          Expected = -2 // no demand
	StreamExists Expected = -4 // the stream has events
)

// Exactly demands that the stream's last event has this revision.
func Exactly(revision uint64) Expected { return Expected(revision) }

// String names the expectation for error texts.
func (e Expected) String() string {
	switch e {
	case NoStream:
		return "no stream"
	case Any:
		return "any"
	case StreamExists:
		return "stream exists"
	default:
		return fmt.Sprintf("revision %d", int64(e))
	}
}

// Proposed is an event on its way into a store. ID makes a repeat of the same append recognisable.
type Proposed struct {
	ID       id.Event
	Type     string // stored name
	Data     []byte
	Metadata []byte // the encoded Envelope
	Binary   bool   // Data is not JSON (content type application/octet-stream)
}

// Record is an event as a store gives it back. The bytes are exactly those that were appended. Records belong to the
// caller: no store reuses their memory.
type Record struct {
	Stream   string
	Revision uint64   // 0, 1, 2, … within the stream
	Position Position // within the log
	ID       id.Event
	Type     string
	Data     []byte
	Metadata []byte
	Binary   bool
	Created  time.Time // the store's clock; for our time of recording see Envelope.RecordedAt
}

// SystemStream tells the streams that a store keeps for itself, by their names.
func SystemStream(name string) bool { return strings.HasPrefix(name, "$") }

// System tells the store's own events: those in its own streams, and in others those of its own types, such as the
// tombstone of a stream. Neither projections nor policies see or count them.
func (r *Record) System() bool { return SystemStream(r.Stream) || strings.HasPrefix(r.Type, "$") }

// Appended is where an append ended: the revision and position of its last event.
// An append that was recognised as a repeat reports where it first landed.
type Appended struct {
	Revision uint64
	Position Position
}

// ErrUnavailable and ErrAnotherStore are what errors of event stores that are elsewhere are in the sense of errors.Is: no
// server gives an answer, and whether an append was written may not be known; or one does that is not the store that was
// opened.
var (
	ErrUnavailable  = errors.New("the event store is unavailable")
	ErrAnotherStore = errors.New("another event store answers")
)

// WrongRevisionError says that a stream was not where an append expected it. Nothing was written.
type WrongRevisionError struct {
	Stream   string
	Expected Expected
	Actual   Expected // an exact revision, or NoStream
}

func (e *WrongRevisionError) Error() string {
	return fmt.Sprintf("stream %s is at %s, expected %s", e.Stream, e.Actual, e.Expected)
}
