// Package storecopy moves the history of one event store into another, event by event, and proves that it arrived.
//
// What is copied: every event of every stream whose name does not begin with "$", in the order of the log, with its id,
// type, data and metadata byte for byte. Of the stores' own stream, events.StoreStream, the identity, the seals and the
// marks of copies stay behind: they are about a store and not about the business. So in every stream but that one an
// event has the same revision at both places.
//
// A copy may be interrupted at any moment, by whatever means, and run again: what the target holds is compared with the
// source from the first event on, and copying goes on where it ends. The source is sealed first and the target says that
// it is not whole, so that neither is used meanwhile.
package storecopy

import (
	"context"
	"fmt"
	"iter"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// Store is what copying asks of an event store.
type Store interface {
	ID() id.Store
	Append(
		ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
	) (events.Appended, error)
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
	ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error]
}

// Config says what to copy where. From, To and Now are needed.
type Config struct {
	From, To Store
	Now      func() time.Time
	// AppendBytes is how much one append may hold, counted as data, metadata and twice the type of each event.
	// 0: DefaultAppendBytes. When the target refuses less, less is sent.
	AppendBytes int
	// TooLarge tells whether an append was refused for its size. Nil: none ever is.
	TooLarge func(error) bool
	// Translate is told where each event was and is, before the copy is declared finished. It must not keep what it did
	// when the places end with an error: then the stores differ. Nil: nobody wants to know.
	Translate func(ctx context.Context, move Move) error
	// Progress is told after every event. Nil: nobody wants to know.
	Progress func(Progress)
}

// DefaultAppendBytes is EventStoreDB's limit of one append, unless its operator set another.
const DefaultAppendBytes = 1 << 20

// Progress is how far a phase has come.
type Progress struct {
	Phase  Phase
	Events uint64          // passed in this phase
	At, Of events.Position // of the source
}

// Phase is what a copy is at.
type Phase string

// The phases, in order. Checking is short for a new copy and long for one that is taken up again.
const (
	Checking  Phase = "checking"
	Copying   Phase = "copying"
	Comparing Phase = "comparing"
)

// Move is a finished copy: every event that was counted and is not the stores' own, in log order. The places are to be
// read once. Their error says that the stores differ or cannot be read.
type Move struct {
	From, To id.Store
	Places   iter.Seq2[Place, error]
}

// Place is where an event was and is. Stream and revision are the same in both stores.
type Place struct {
	From, To events.Position
	Stream   string
	Revision uint64
	Event    id.Event
	Counted  uint64 // how many events the target holds up to here, without those that are the database's ("$")
}

// Result is what was copied, as read back from the target and compared.
type Result struct {
	Events  uint64
	Streams int
	Digest  string // as events.CopyFinished says
	Before  bool   // the copy was finished already; it was only compared again
}

// Run copies, or goes on with a copy that was interrupted, or compares one that is finished. The target has to be empty
// or begun by a copy from the same source; errors are *RefusedError, *DifferenceError, *OversizedError, and those of the
// stores.
func Run(ctx context.Context, cfg Config) (Result, error) {
	c, err := prepare(ctx, cfg)
	if err != nil {
		return Result{}, err
	}
	if c.to.Finished == nil {
		if err := c.transfer(ctx); err != nil {
			return Result{}, err
		}
	}
	result, err := c.verify(ctx)
	if err != nil {
		return Result{}, err
	}
	return result, c.finish(ctx, &result)
}

// copying is one run.
type copying struct {
	Config

	from, to State
}

// prepare seals the source and marks the target, unless that was done before.
func prepare(ctx context.Context, cfg Config) (*copying, error) {
	if cfg.AppendBytes == 0 {
		cfg.AppendBytes = DefaultAppendBytes
	}
	c := &copying{Config: cfg}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	var err error
	if c.from, err = ReadState(ctx, c.From); err != nil {
		return nil, fmt.Errorf("reading the source: %w", err)
	}
	if c.to, err = ReadState(ctx, c.To); err != nil {
		return nil, fmt.Errorf("reading the target: %w", err)
	}
	if err = c.allowed(ctx); err != nil {
		return nil, err
	}
	if !c.from.Sealed {
		if err = Seal(ctx, c.From, c.Now()); err != nil {
			return nil, err
		}
		if c.from, err = ReadState(ctx, c.From); err != nil {
			return nil, fmt.Errorf("reading the source: %w", err)
		}
	}
	if c.to.Begun == nil {
		if err = c.begin(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// allowed tells why the one store cannot be copied into the other.
func (c *copying) allowed(ctx context.Context) error {
	switch {
	case c.from.ID == c.to.ID:
		return refuse("source and target are the same store, %s", c.from.ID)
	case c.from.Unfinished():
		return refuse("the source %s is itself an unfinished copy, of store %s", c.from.ID, c.from.Begun.From)
	case c.to.Sealed:
		return refuse("the target %s is sealed: its own history went elsewhere", c.to.ID)
	case c.to.Begun != nil && c.to.Begun.From != c.from.ID:
		return refuse("the target %s is a copy of store %s, and the source is %s", c.to.ID, c.to.Begun.From, c.from.ID)
	case c.to.Finished != nil && !c.from.Sealed:
		return refuse("the copy of store %s in %s was finished, and the source was unsealed afterwards: nothing is added to a finished copy. "+
			"Copy to another empty store", c.from.ID, c.to.ID)
	case c.to.Begun != nil:
		return nil
	}
	for r, err := range c.To.ReadAll(ctx, events.Start) {
		if err != nil {
			return fmt.Errorf("reading the target: %w", err)
		}
		if !r.System() && (r.Stream != events.StoreStream || r.Revision > 0) {
			return refuse("the target %s is not empty: it holds %s as %s@%d", c.to.ID, r.Type, r.Stream, r.Revision)
		}
	}
	return ctx.Err()
}

func (c *copying) begin(ctx context.Context) error {
	proposed, err := encode(c.Now(), events.CopyBegun{From: c.from.ID}, id.Derive[id.Event]("copy begun", c.to.ID.String(), c.from.ID.String()))
	if err != nil {
		return err
	}
	at, err := c.To.Append(ctx, events.StoreStream, events.Exactly(c.to.Last), []events.Proposed{proposed})
	if err != nil {
		return fmt.Errorf("marking the target: %w", err)
	}
	c.to.Last, c.to.Begun = at.Revision, &events.CopyBegun{From: c.from.ID}
	return nil
}

// finish says in the target what was found to be there.
func (c *copying) finish(ctx context.Context, result *Result) error {
	finished := events.CopyFinished{From: c.from.ID, Events: result.Events, Digest: result.Digest}
	if was := c.to.Finished; was != nil {
		result.Before = true
		if *was != finished {
			return refuse("the target says that %d events with digest %s were copied, and now there are %d with %s",
				was.Events, was.Digest, finished.Events, finished.Digest)
		}
		return nil
	}
	if err := c.untouched(ctx); err != nil {
		return err
	}
	proposed, err := encode(c.Now(), finished, id.Derive[id.Event]("copy finished", c.to.ID.String(), c.from.ID.String(), finished.Digest))
	if err != nil {
		return err
	}
	if _, err = c.To.Append(ctx, events.StoreStream, events.Exactly(c.to.Last), []events.Proposed{proposed}); err != nil {
		return fmt.Errorf("marking the target as finished: %w", err)
	}
	return nil
}
