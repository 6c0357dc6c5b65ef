package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/events"
)

const (
	// maxFlowBytes bounds what a flow holds, and so what one batch of a subscription holds, however large events are.
	maxFlowBytes = 16 << 20

	readAhead = 256 // records that a bounded read holds for its caller

	// stalled is how long a bounded read keeps its line while its caller does not take what there is. A caller may
	// well be making other calls meanwhile: none of them waits for this one's line.
	stalled = 50 * time.Millisecond
)

// flow holds the records that have arrived and that the caller has not taken yet. One goroutine puts, which owns the
// line; another takes. What does not fit waits on the wire, and then at the server.
type flow struct {
	limit   int
	forever bool // put waits for ever

	mu      sync.Mutex
	records []events.Record
	bytes   int
	reached bool // nothing more is there for now, of which the caller has not been told yet
	over    bool
	err     error // of the end

	filled  chan struct{} // holds a token after a put or the end
	drained chan struct{} // holds a token after a take
}

func newFlow(limit int, forever bool) *flow {
	return &flow{limit: max(limit, 1), forever: forever, filled: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// errFull says that a record found no room for a while, and was not put.
var errFull = errors.New("the caller does not take what has been read")

// put waits until there is room.
func (f *flow) put(ctx context.Context, record events.Record) error {
	size := len(record.Data) + len(record.Metadata)
	var patience <-chan time.Time
	for !f.add(record, size) {
		if patience == nil && !f.forever {
			patience = time.After(stalled)
		}
		select {
		case <-f.drained:
		case <-patience:
			return errFull
		case <-ctx.Done():
			return ended(ctx)
		}
	}
	signal(f.filled)
	return nil
}

// room waits until the flow is empty.
func (f *flow) room(ctx context.Context) error {
	for !f.empty() {
		select {
		case <-f.drained:
		case <-ctx.Done():
			return ended(ctx)
		}
	}
	return nil
}

func (f *flow) empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.records) == 0
}

func (f *flow) add(record events.Record, size int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.records); n > 0 && (n >= f.limit || f.bytes+size > maxFlowBytes) {
		return false
	}
	f.records, f.bytes = append(f.records, record), f.bytes+size
	return true
}

// reach has the caller told, after what has been put, that nothing more is there for now.
func (f *flow) reach() {
	f.mu.Lock()
	f.reached = true
	f.mu.Unlock()
	signal(f.filled)
}

func (f *flow) end(err error) {
	f.mu.Lock()
	f.over, f.err = true, err
	f.mu.Unlock()
	signal(f.filled)
}

// take waits for records and returns all there are: never more than the limit. Empty ones are what reach has told, and nil
// means that the flow has ended.
func (f *flow) take() ([]events.Record, error) {
	for {
		f.mu.Lock()
		records, reached, over, err := f.records, f.reached, f.over, f.err
		f.records, f.bytes = nil, 0
		f.reached = reached && len(records) > 0
		f.mu.Unlock()
		switch {
		case len(records) > 0:
			signal(f.drained)
			return records, nil
		case reached:
			return []events.Record{}, nil
		case over:
			return nil, err
		}
		<-f.filled
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// source returns the next event on one connection; io.EOF when there are no more.
type source func() (*esdb.ResolvedEvent, error)

// errEnough ends a source before its end.
var errEnough = errors.New("enough")

// reading is what is read, and how patiently.
type reading struct {
	doing  string
	stream string
	tries  tries
	failed func(err error) // hears of every lost connection; may be nil
}

// again reports whether to go on after an error, and waits before.
func (r *reading) again(ctx context.Context, err error) bool {
	if ctx.Err() != nil || !transient(err) {
		return false
	}
	if r.failed != nil {
		r.failed(err)
	}
	return r.tries.again(ctx, r.doing, err)
}

// outcome is what the caller gets to know in the end.
func (r *reading) outcome(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", r.doing, ended(ctx))
	case transient(err):
		return &UnavailableError{Doing: r.doing, Cause: err}
	default:
		return explain(r.doing, r.stream, err)
	}
}

// receive takes records from one connection after another until a source ends. open starts where the last one stopped;
// put knows which records are new and says so to r.tries: only they are progress.
func (s *Store) receive(
	ctx context.Context, r *reading, f *flow,
	open func(context.Context, *esdb.Client) (source, error), put func(events.Record) error,
) error {
	for {
		err := s.pour(ctx, r, open, put)
		if errors.Is(err, errFull) {
			if err = f.room(ctx); err == nil {
				continue
			}
		}
		if err == nil || !r.again(ctx, err) {
			return r.outcome(ctx, err)
		}
	}
}

// pour takes records from one connection until the source ends, or (errFull) nobody wants more.
func (s *Store) pour(
	ctx context.Context, r *reading,
	open func(context.Context, *esdb.Client) (source, error), put func(events.Record) error,
) error {
	full := false
	call := func(ctx context.Context, client *esdb.Client) error {
		next, err := open(ctx, client)
		for err == nil {
			err = transfer(next, put)
		}
		full = errors.Is(err, errFull)
		if full || errors.Is(err, io.EOF) || errors.Is(err, errEnough) {
			return nil
		}
		return err
	}
	var err error
	if r.tries.forever {
		err = s.lines.use(ctx, ctx, call)
	} else {
		err = s.lines.useInTurn(ctx, ctx, s.lines.long, call)
	}
	if err == nil && full {
		return errFull
	}
	return err
}

func transfer(next source, put func(events.Record) error) error {
	resolved, err := next()
	if err != nil {
		return err
	}
	record, err := toRecord(resolved)
	if err != nil {
		return err
	}
	return put(record)
}

// batches runs a goroutine that fills a flow, and yields what has arrived, batch by batch. The goroutine has ended when
// the caller's loop has.
func (s *Store) batches(
	ctx context.Context, limit int, r reading, fill func(context.Context, *reading, *flow) error,
) iter.Seq2[[]events.Record, error] {
	return func(yield func([]events.Record, error) bool) {
		if !s.begin() {
			yield(nil, fmt.Errorf("%s: %w", r.doing, ErrClosed))
			return
		}
		r := r // each loop over the sequence is a call of its own
		r.tries.options = &s.options
		ctx, stop := s.untilClosed(ctx)
		f, done := newFlow(limit, r.tries.forever), make(chan struct{})
		go func() {
			defer s.working.Done()
			defer close(done)
			f.end(fill(ctx, &r, f))
		}()
		defer func() {
			stop()
			<-done
		}()
		for {
			records, err := f.take()
			if ctx.Err() != nil {
				records, err = nil, r.outcome(ctx, ctx.Err())
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if records == nil || !yield(records, nil) {
				return
			}
		}
	}
}

// oneByOne is batches for bounded reads.
func (s *Store) oneByOne(
	ctx context.Context, r reading, fill func(context.Context, *reading, *flow) error,
) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		for records, err := range s.batches(ctx, readAhead, r, fill) {
			if err != nil {
				yield(events.Record{}, err)
				return
			}
			for _, record := range records {
				if !yield(record, nil) {
					return
				}
			}
		}
	}
}
