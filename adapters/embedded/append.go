package embedded

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"daybook/events"
)

// Append writes events to the end of a stream, in order and side by side, and returns when they are on disk.
//
// The stream has to be where expected says, or the error is *events.WrongRevisionError and nothing is written. Metadata
// alone is enough for StreamExists. An
// append that is already there is recognised by its event ids and answered with where it landed: at an exact revision
// (or NoStream) for ever; with Any or StreamExists as long as the ids are among the last few ten thousand written since
// the store was opened. No events means only the check; the answer is the stream's end, or zero if it has no events.
//
// A tombstoned stream takes nothing (*DeletedError). A soft-deleted one goes on after its last revision, whether expected
// names that, or NoStream, or Any (StreamExists is a *DeletedError); a $metadata record that shows it from there on follows
// in the same commit. Metadata written to a soft-deleted stream brings it back empty, in the same way.
//
// A context that ends while the append waits in the queue takes it out: nothing is written, and the error is the
// context's. One that ends later is too late; Append then still returns what became of the append, which takes no
// longer than two syncs. Other errors: *InvalidError, *TooLargeError, ErrClosed (none of them wrote anything), ErrFailed.
// The caller may use the memory of proposed again after Append has returned.
func (s *Store) Append(
	ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
) (events.Appended, error) {
	if err := s.validate(stream, expected, proposed); err != nil {
		return events.Appended{}, err
	}
	return s.submit(ctx, &request{stream: stream, expected: expected, proposed: proposed})
}

// submit queues a request and waits for what becomes of it.
func (s *Store) submit(ctx context.Context, r *request) (events.Appended, error) {
	r.done = make(chan struct{}, 1)
	if err := ctx.Err(); err != nil {
		return events.Appended{}, r.unwritten(err)
	}
	if !s.queue.add(r) {
		return events.Appended{}, r.unwritten(ErrClosed)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.abandon() {
			return events.Appended{}, r.unwritten(ctx.Err())
		}
		<-r.done
	}
	return r.appended, r.err
}

func (s *Store) validate(stream string, expected events.Expected, proposed []events.Proposed) error {
	if err := checkTarget(stream, expected); err != nil {
		return err
	}
	size, stored := 0, len(proposed)*storedOverhead(stream)
	for i := range proposed {
		e := &proposed[i]
		if e.ID.IsZero() || e.Type == "" {
			return &InvalidError{stream, fmt.Sprintf("event %d lacks an id or a type", i)}
		}
		size += len(e.Data) + len(e.Metadata) + 2*len(e.Type)
		stored += len(e.Data) + len(e.Metadata) + len(e.Type)
	}
	if size > s.options.maxAppendBytes {
		return &TooLargeError{Stream: stream, Size: size, Limit: s.options.maxAppendBytes}
	}
	if limit := s.options.maxStoredBytes(); stored > limit {
		return &TooLargeError{Stream: stream, Size: stored, Limit: limit, Stored: true}
	}
	return nil
}

// Check returns the error of an append that can never be taken, whatever the store holds: *InvalidError or
// *TooLargeError. It writes nothing.
func (s *Store) Check(stream string, expected events.Expected, proposed []events.Proposed) error {
	return s.validate(stream, expected, proposed)
}

func checkTarget(stream string, expected events.Expected) error {
	switch {
	case stream == "" || stream == "$all" || stream == metadataPrefix:
		return &InvalidError{stream, "the name is reserved"}
	case nameTooLong(stream):
		return &InvalidError{stream[:64] + "…", fmt.Sprintf("the name is longer than %d bytes", maxStreamName)}
	case expected < 0 && expected != events.NoStream && expected != events.Any && expected != events.StreamExists:
		return &InvalidError{stream, fmt.Sprintf("%d is not an expectation", expected)}
	}
	return nil
}

// action is what a request asks for.
type action int

const (
	appending   action = iota
	deleting           // of the one event proposed, into the metadata stream
	tombstoning        // of the one event proposed, at the last of all revisions
)

func (a action) String() string { return [...]string{"appending to", "deleting", "tombstoning"}[a] }

// request is one append on its way through the queue, or a delete, which is one in disguise. Either its caller abandons
// it or the committer claims it.
type request struct {
	action   action
	stream   string
	expected events.Expected
	proposed []events.Proposed

	owned   atomic.Bool // set by whoever comes first
	claimed bool        // it was the committer, who alone looks here

	appended events.Appended // set before done
	err      error
	done     chan struct{}
}

// claim takes the request for the committer, for good: from then on its memory may be read. False means abandoned.
func (r *request) claim() bool {
	r.claimed = r.claimed || r.owned.CompareAndSwap(false, true)
	return r.claimed
}

func (r *request) abandon() bool { return r.owned.CompareAndSwap(false, true) }

func (r *request) unwritten(cause error) error {
	return fmt.Errorf("%s %s: %w", r.action, r.stream, cause)
}

// queue holds the appends that wait for the committer, in order of arrival.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	closed  bool
	filled  chan struct{} // holds a token after something changed
}

func newQueue() *queue { return &queue{filled: make(chan struct{}, 1)} }

// add is false after close.
func (q *queue) add(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.waiting = append(q.waiting, r)
	q.signal()
	return true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

func (q *queue) length() (n int, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), q.closed
}

// settle waits until the queue holds something or is closed; false means closed and empty. Then it gives way for a
// moment to the writers that the last commit has answered: those who have more to write come right back, and one sync
// for all of them is worth more than an early one for the first.
func (q *queue) settle(answered int) bool {
	n, closed := q.length()
	for n == 0 && !closed {
		<-q.filled
		n, closed = q.length()
	}
	for start := time.Now(); n < answered && !closed && time.Since(start) < maxSettle; n, closed = q.length() {
		runtime.Gosched()
	}
	return n > 0
}

// maxSettle is less than a sync takes on a fast disk.
const maxSettle = 100 * time.Microsecond

// take appends all that waits to pending.
func (q *queue) take(pending []*request) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	pending = append(pending, q.waiting...)
	clear(q.waiting)
	q.waiting = q.waiting[:0]
	return pending
}
