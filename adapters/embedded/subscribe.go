package embedded

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"daybook/events"
)

// maxBatchBytes bounds what one batch of a subscription holds in memory, however large its events are.
const maxBatchBytes = 16 << 20

// SubscribeAll yields the records after a position, in log order, and then those that are appended, for as long as ctx
// lives. A batch is what is there at that moment, at most limit records (and about 16 MiB); it is never empty and never
// waits to be full. There is one cursor over the log and no buffer of its own: no gap, no repeat, and a slow caller costs
// nothing. Near the head, all subscriptions read the log together.
//
// It ends silently when ctx is done, and with an error when the log cannot be read or the store is closed (ErrClosed).
func (s *Store) SubscribeAll(
	ctx context.Context, after events.Position, limit int,
) iter.Seq2[[]events.Record, error] {
	return s.subscribe(ctx, after, limit, nil)
}

// subscribe is SubscribeAll for the records that are picked: nil picks all.
func (s *Store) subscribe(
	ctx context.Context, after events.Position, limit int, picks func(*events.Record) bool,
) iter.Seq2[[]events.Record, error] {
	return func(yield func([]events.Record, error) bool) {
		for at := after; ctx.Err() == nil; {
			head, advanced := s.head.watch()
			if at >= head {
				select {
				case <-ctx.Done():
				case <-s.closing:
					yield(nil, ErrClosed)
					return
				case <-advanced:
				}
				continue
			}
			records, shared, err := s.following(at, head, max(limit, 1), maxBatchBytes)
			if err != nil {
				yield(nil, fmt.Errorf("reading the log: %w", err))
				return
			}
			at = records[len(records)-1].Position
			records = picked(records, picks)
			if shared {
				records = own(records)
			}
			if len(records) > 0 && !yield(records, nil) {
				return
			}
		}
	}
}

// picked returns the records that are picked. It changes nothing: they may be shared.
func picked(records []events.Record, picks func(*events.Record) bool) (some []events.Record) {
	if picks == nil {
		return records
	}
	for i := range records {
		if picks(&records[i]) {
			some = append(some, records[i])
		}
	}
	return some
}

// Watch returns the head, and a channel that is closed once it has moved on from there. It is not closed by Close: wait
// for Closing too.
func (s *Store) Watch() (head events.Position, moved <-chan struct{}) { return s.head.watch() }

// Closing is closed when the store begins to close: whoever waits for the head to move has to stop.
func (s *Store) Closing() <-chan struct{} { return s.closing }

// frontier is the last position on disk, and the bell that rings when it moves.
type frontier struct {
	mu       sync.Mutex
	position events.Position
	bell     chan struct{} // closed at the next advance; nil while nobody listens
}

func (f *frontier) now() events.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.position
}

// watch returns the position and a channel that is closed once it has moved on from there.
func (f *frontier) watch() (events.Position, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bell == nil {
		f.bell = make(chan struct{})
	}
	return f.position, f.bell
}

func (f *frontier) advance(to events.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if to == f.position {
		return
	}
	f.position = to
	if f.bell != nil {
		close(f.bell)
		f.bell = nil
	}
}
