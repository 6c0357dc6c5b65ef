package storecopy

import (
	"context"
	"fmt"
	"iter"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// State is what a store says of itself in its own stream, events.StoreStream.
type State struct {
	ID         id.Store
	Last       uint64 // revision of the stream's last event
	Sealed     bool
	SealedAt   events.Position // of the seal in force
	Begun      *events.CopyBegun
	Finished   *events.CopyFinished
	FinishedAt events.Position
}

// Unfinished says that the store holds a part of another one's history.
func (s *State) Unfinished() bool { return s.Begun != nil && s.Finished == nil }

// Usable is an error for a store that must not be worked with: a sealed one, or an unfinished copy. It is a
// *RefusedError, and says what to do.
func (s *State) Usable() error {
	switch {
	case s.Sealed:
		return refuse("store %s is sealed: its history goes on in a copy. Use that one; or, if the move was called off, "+
			"open this one again with `daybook store unseal ADDRESS`", s.ID)
	case s.Unfinished():
		return refuse("store %s is an unfinished copy of store %s: run `daybook store copy FROM TO` again", s.ID, s.Begun.From)
	}
	return nil
}

// StreamReader reads streams.
type StreamReader interface {
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
}

// ReadState reads a store's own stream.
func ReadState(ctx context.Context, store StreamReader) (State, error) {
	var s State
	for r, err := range store.ReadStream(ctx, events.StoreStream, 0) {
		if err != nil {
			return State{}, fmt.Errorf("reading %s: %w", events.StoreStream, err)
		}
		s.Last = r.Revision
		if !mark(r.Type) {
			continue
		}
		e, _, err := events.DecodeRecord(r)
		if err != nil {
			return State{}, fmt.Errorf("reading %s@%d: %w", r.Stream, r.Revision, err)
		}
		s.apply(e, r.Position)
	}
	if ctx.Err() != nil {
		return State{}, ctx.Err()
	}
	if s.ID.IsZero() {
		return State{}, fmt.Errorf("the store has no identity: stream %s holds no StoreCreated", events.StoreStream)
	}
	return s, nil
}

func (s *State) apply(e events.Event, at events.Position) {
	switch e := e.(type) {
	case events.StoreCreated:
		s.ID = e.StoreID
	case events.StoreSealed:
		s.Sealed, s.SealedAt = true, at
	case events.StoreUnsealed:
		s.Sealed, s.SealedAt = false, events.Start
	case events.CopyBegun:
		s.Begun = &e
	case events.CopyFinished:
		s.Finished, s.FinishedAt = &e, at
	}
}

// mark tells whether a type says something of a store rather than of what it holds.
func mark(name string) bool {
	switch name {
	case events.NameOf[events.StoreCreated](), events.NameOf[events.StoreSealed](), events.NameOf[events.StoreUnsealed](),
		events.NameOf[events.CopyBegun](), events.NameOf[events.CopyFinished]():
		return true
	}
	return false
}

// Seal ends the history of a store, unless it is sealed.
func Seal(ctx context.Context, store Store, now time.Time) error {
	return turn(ctx, store, now, true, events.StoreSealed{})
}

// Unseal opens a sealed store again.
func Unseal(ctx context.Context, store Store, now time.Time) error {
	return turn(ctx, store, now, false, events.StoreUnsealed{})
}

func turn(ctx context.Context, store Store, now time.Time, sealed bool, by events.Event) error {
	s, err := ReadState(ctx, store)
	if err != nil || s.Sealed == sealed {
		return err
	}
	proposed, err := encode(now, by, id.New[id.Event]())
	if err != nil {
		return err
	}
	if _, err = store.Append(ctx, events.StoreStream, events.Exactly(s.Last), []events.Proposed{proposed}); err != nil {
		return fmt.Errorf("writing %s: %w", proposed.Type, err)
	}
	return nil
}

// encode makes an event of the operator's.
func encode(now time.Time, e events.Event, eventID id.Event) (events.Proposed, error) {
	now = now.UTC()
	return events.Encode(eventID, e, events.Envelope{OccurredAt: now, RecordedAt: now, Actor: "cli:store", Source: "cli"})
}
