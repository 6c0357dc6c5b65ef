package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"daybook/events/id"
)

// Envelope is what is known about an event besides what happened. It is stored as the event's metadata.
type Envelope struct {
	// Version is the schema version of the data.
	Version int `json:"version"`
	// Account is the business whose books the event belongs to; zero for the installation's own events.
	Account id.Account `json:"account,omitzero"`
	// OccurredAt is the world's clock: the platform's timestamp, or the moment a command was given.
	OccurredAt time.Time `json:"occurred_at"`
	// RecordedAt is our clock when the event was decided. It travels with the event when a store is copied.
	RecordedAt time.Time `json:"recorded_at"`
	// Actor is who caused the event.
	Actor Actor `json:"actor"`
	// Source is the way in: "api", "webhook", "cli", "policy:NAME".
	Source string `json:"source"`
	// Correlation groups everything that one request or delivery caused; Causation is the event or command before this
	// one. The names are EventStoreDB's convention, which its by-correlation tools read.
	Correlation id.Trace `json:"$correlationId,omitzero"`
	Causation   string   `json:"$causationId,omitempty"`
	// Command and Digest identify the request that was decided, so that a repeat of it is recognised in the fold.
	// The digest covers clear fields only.
	Command id.Command `json:"command,omitzero"`
	Digest  string     `json:"digest,omitempty"`
}

// Actor is who did something, as kind and name: "api:admin", "platform:whatsapp", "policy:redrive"; with a
// key to the API, whose it is and which: "user:ID/key:ID".
type Actor string

// EncodeEnvelope returns the metadata bytes.
func EncodeEnvelope(e Envelope) ([]byte, error) {
	if !plain(&e.OccurredAt, &e.RecordedAt) {
		return json.Marshal(e)
	}
	return appendEnvelope(make([]byte, 0, roomyEnvelope), &e), nil
}

// DecodeEnvelope reads a record's metadata. Foreign events may have none or another shape, told by the version that
// every envelope of ours carries: that is an error here, and the reader decides what it means.
func DecodeEnvelope(metadata []byte) (Envelope, error) {
	e, ok := scanEnvelope(metadata)
	if !ok {
		e = Envelope{}
		if err := jsonv2.Unmarshal(metadata, &e); err != nil {
			return Envelope{}, fmt.Errorf("decoding envelope: %w", err)
		}
	}
	if e.Version < 1 {
		return Envelope{}, fmt.Errorf("decoding envelope: %w", errNoVersion)
	}
	return e, nil
}

var errNoVersion = errors.New("no schema version")
