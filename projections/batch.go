package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
// type, whose name begins with "$".
func Decode(records []events.Record) []*Recorded {
	slab := make([]Recorded, len(records))
	out := make([]*Recorded, 0, len(records))
	for i := range records {
		if strings.HasPrefix(records[i].Type, "$") || strings.HasPrefix(records[i].Stream, "$") {
			continue
		}
		r := &slab[i]
		r.Record = records[i]
		r.Envelope, r.Foreign = decodeEnvelope(r.Metadata)
		out = append(out, r)
	}
	return out
}

// Batch is a stretch of the log without holes: every event after After, up to and including Last. It is what one
// message of a batch subscriber carries, and what one transaction projects.
//
// A batch subscriber owes the engine: a first batch that begins where its [Guide] says; then each batch beginning where
// the one before ended; no batch before the one before it is acknowledged; and after a Nack, a pause and Guide.Start again.
type Batch struct {
	After  events.Position
	Last   events.Position
	Events []*Recorded // without the store's own; may be empty, and still moves the checkpoint
}

type contextKey int

const (
	keyBatch contextKey = iota
	keyEngine
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

// Guide is what a batch subscriber may ask the engine. The engine puts itself into the context of its subscriptions.
type Guide interface {
	// Start says where a topic goes on: after this position. It fails for as long as Postgres, or the store, is away
	// or is not the right one; the subscriber asks again, later and later.
	Start(ctx context.Context, topic string) (events.Position, error)
	// Announce tells of events that are about to be delivered, so that they can be decoded while others commit.
	Announce(topic string, coming []*Recorded)
}

// WithGuide puts a guide into the context of a subscription.
func WithGuide(ctx context.Context, g Guide) context.Context {
	return context.WithValue(ctx, keyEngine, g)
}

// GuideOf returns the guide of a subscription's context.
func GuideOf(ctx context.Context) (Guide, error) {
	if g, ok := ctx.Value(keyEngine).(Guide); ok {
		return g, nil
	}
	return nil, errNoGuide
}

var errNoGuide = errors.New("the subscription's context comes from no projection engine")
