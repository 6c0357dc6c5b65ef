package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"daybook/events"
)

// At is where and how an event was recorded: stream, revision, position, type, id and the stored bytes, with the
// envelope decoded.
type At struct{ *Recorded }

// Recorded is a record of the log with its envelope. It is shared by all projections of a process: read only.
type Recorded struct {
	events.Record

	Envelope events.Envelope // zero when Foreign
	Foreign  error           // why the metadata is no envelope of ours; nil when it is one

	once  sync.Once
	event events.Event
	err   error
}

// decode reads the event's data, at most once per process however many projections handle it.
func (r *Recorded) decode() (events.Event, error) {
	r.once.Do(func() {
		if r.Foreign != nil {
			r.err = fmt.Errorf("reading %s without an envelope: %w", r.Type, r.Foreign)
			return
		}
		r.event, r.err = events.Decode(r.Type, r.Envelope.Version, r.Data)
	})
	return r.event, r.err
}

// Decode reads the envelopes of records and leaves out the store's own events: those that are in a stream, or of a
// type, whose name begins with "$". Data and metadata are never nil.
func Decode(records []events.Record) []*Recorded {
	slab := make([]Recorded, len(records))
	out := make([]*Recorded, 0, len(records))
	for i := range records {
		if records[i].System() {
			continue
		}
		r := &slab[i]
		r.Record = records[i]
		r.Data, r.Metadata = present(r.Data), present(r.Metadata)
		r.Envelope, r.Foreign = events.DecodeEnvelope(r.Metadata)
		out = append(out, r)
	}
	return out
}

// present makes no bytes the same however a store gives them back: rows must not depend on the way an event was read.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Batch is a stretch of the log without holes: every event after After, up to and including Last. It is what one
// message of a batch subscriber carries, and what one transaction projects.
//
// A batch subscriber owes the engine: a first batch that begins where its [Start] says; then each batch beginning where
// the one before ended; no batch before the one before it is acknowledged; and after a Nack, a pause and Start again.
type Batch struct {
	After  events.Position
	Last   events.Position
	Events []*Recorded // without the store's own; may be empty, and still moves the checkpoint
}

type contextKey int

const (
	keyBatch contextKey = iota
	keyStart
)

// WithBatch puts a batch into a message's context.
func WithBatch(ctx context.Context, b *Batch) context.Context {
	return context.WithValue(ctx, keyBatch, b)
}

// BatchOf returns the batch of a message's context.
func BatchOf(ctx context.Context) (*Batch, bool) {
	b, ok := ctx.Value(keyBatch).(*Batch)
	return b, ok
}

// Start tells a batch subscriber where a topic goes on: after this position. It fails for as long as Postgres, or the
// store, is away or is not the right one; the subscriber asks again, later and later.
type Start func(ctx context.Context, topic string) (events.Position, error)

// WithStart puts the answer to "where does this topic go on" into the context of a subscription.
func WithStart(ctx context.Context, start Start) context.Context {
	return context.WithValue(ctx, keyStart, start)
}

// StartOf returns what the engine put into the context of a subscription.
func StartOf(ctx context.Context) (Start, error) {
	if start, ok := ctx.Value(keyStart).(Start); ok {
		return start, nil
	}
	return nil, errNoEngine
}

var errNoEngine = errors.New("the subscription's context comes from no projection engine")
