package watermill

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sort"
	"sync"

	"daybook/events"
	"daybook/projections"
)

// Log is what the subscriber asks of the event store.
type Log interface {
	// SubscribeAll yields batches: as many records as are there now, at most limit, never none; it blocks at the head.
	SubscribeAll(ctx context.Context, after events.Position, limit int) iter.Seq2[[]events.Record, error]
}

// chunk is a decoded stretch of the log. It is shared, and never changes.
type chunk struct {
	after, last events.Position
	events      []*projections.Recorded
	bytes       int
}

// reader reads and decodes the log once for all subscriptions that are near one another. What was read lately is kept,
// so a subscription a little behind finds it there; subscriptions at the same place wait for the same read. Memory is
// bounded: the chunks kept, and one parked read per subscription.
type reader struct {
	log        Log
	limit      int
	chunkBytes int
	keepBytes  int

	mu        sync.Mutex
	recent    []*chunk                          // oldest first
	kept      int                               // bytes of recent
	reading   map[events.Position]chan struct{} // closed when a read from there ends
	parked    []*pull
	followers int
}

func newReader(cfg Config) *reader {
	return &reader{
		log: cfg.Log, limit: cfg.Events, chunkBytes: cfg.Bytes, keepBytes: cfg.Bytes,
		reading: map[events.Position]chan struct{}{},
	}
}

// keepChunks bounds the chunks kept when they are small, which they are at the head.
const keepChunks = 16

// follow hands chunk after chunk to put, until put refuses, ctx ends, or the log fails.
func (r *reader) follow(ctx context.Context, after events.Position, put func(context.Context, *chunk) bool) error {
	for {
		c, err := r.next(ctx, after)
		if err != nil {
			return err
		}
		if !put(ctx, c) {
			return ctx.Err()
		}
		after = c.last
	}
}

// next returns the chunk that begins after a position: a kept one, or one being read for another, or one it reads.
func (r *reader) next(ctx context.Context, after events.Position) (*chunk, error) {
	for {
		r.mu.Lock()
		if c := r.find(after); c != nil {
			unused := r.unpark(after)
			r.mu.Unlock()
			unused.end()
			return c, nil
		}
		if busy, ok := r.reading[after]; ok {
			r.mu.Unlock()
			select {
			case <-busy:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		done := make(chan struct{})
		r.reading[after] = done
		p := r.unpark(after)
		r.mu.Unlock()

		c, err := r.read(ctx, p, after)
		r.mu.Lock()
		delete(r.reading, after)
		if err == nil {
			r.keep(c)
		}
		r.mu.Unlock()
		close(done)
		return c, err
	}
}

// read takes the next chunk off a pull, a new one if none was parked here, and parks it for whoever is next.
func (r *reader) read(ctx context.Context, p *pull, after events.Position) (*chunk, error) {
	if p == nil {
		p = newPull(r.log, after, r.limit)
	}
	c, err := p.next(ctx, r.chunkBytes)
	if err != nil {
		p.end()
		return nil, err
	}
	r.mu.Lock()
	surplus := r.park(p)
	r.mu.Unlock()
	surplus.end()
	return c, nil
}

// find looks for a kept chunk that goes on after a position, and cuts off what lies before it.
func (r *reader) find(after events.Position) *chunk {
	for i := len(r.recent) - 1; i >= 0; i-- {
		c := r.recent[i]
		switch {
		case c.after == after:
			return c
		case c.after < after && after < c.last:
			from := sort.Search(len(c.events), func(i int) bool { return c.events[i].Position > after })
			return &chunk{after, c.last, c.events[from:], c.bytes}
		}
	}
	return nil
}

func (r *reader) keep(c *chunk) {
	r.recent = append(r.recent, c)
	r.kept += c.bytes
	for len(r.recent) > keepChunks || r.kept > r.keepBytes && len(r.recent) > 1 {
		r.kept -= r.recent[0].bytes
		r.recent[0] = nil
		r.recent = r.recent[1:]
	}
}

// park keeps a pull for the next reader at its place. The one that must go is returned.
func (r *reader) park(p *pull) (surplus *pull) {
	if surplus = r.unpark(p.at); surplus == nil && len(r.parked) > 0 && len(r.parked) >= r.followers {
		surplus, r.parked = r.parked[0], r.parked[1:]
	}
	r.parked = append(r.parked, p)
	return surplus
}

// unpark takes the pull that stands at a position, if there is one.
func (r *reader) unpark(at events.Position) *pull {
	for i, p := range r.parked {
		if p.at == at {
			r.parked = append(r.parked[:i], r.parked[i+1:]...)
			return p
		}
	}
	return nil
}

// join and leave count the subscriptions; the last one to leave ends all reading and forgets what was kept.
func (r *reader) join() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followers++
}

func (r *reader) leave() {
	r.mu.Lock()
	r.followers--
	var surplus []*pull
	if n := len(r.parked) - r.followers; n > 0 {
		surplus, r.parked = r.parked[:n:n], r.parked[n:]
	}
	if r.followers == 0 {
		r.recent, r.kept = nil, 0
	}
	r.mu.Unlock()
	for _, p := range surplus {
		p.end()
	}
}

// pull is one subscription to the log, taken from step by step, by one goroutine at a time.
type pull struct {
	at     events.Position // where its next chunk begins
	cancel context.CancelFunc
	step   func() ([]events.Record, error, bool)
	stop   func()
	rest   []events.Record // read, and too many bytes for the last chunk
}

func newPull(log Log, after events.Position, limit int) *pull {
	ctx, cancel := context.WithCancel(context.Background())
	step, stop := iter.Pull2(log.SubscribeAll(ctx, after, limit))
	return &pull{at: after, cancel: cancel, step: step, stop: stop}
}

var errEnded = errors.New("the log's subscription ended")

// next returns the next chunk, blocking at the head. When ctx ends meanwhile the pull is of no more use.
func (p *pull) next(ctx context.Context, limit int) (*chunk, error) {
	if len(p.rest) == 0 {
		unhook := context.AfterFunc(ctx, p.cancel)
		records, err, ok := p.step()
		interrupted := !unhook()
		switch {
		case interrupted:
			return nil, ctx.Err()
		case err != nil:
			return nil, fmt.Errorf("reading the log after position %d: %w", p.at, err)
		case !ok || len(records) == 0:
			return nil, errEnded
		}
		p.rest = records
	}
	n, bytes := 0, 0
	for n < len(p.rest) {
		size := len(p.rest[n].Data) + len(p.rest[n].Metadata)
		if n > 0 && bytes+size > limit {
			break
		}
		bytes += size
		n++
	}
	c := &chunk{after: p.at, last: p.rest[n-1].Position, events: projections.Decode(p.rest[:n]), bytes: bytes}
	p.at, p.rest = c.last, p.rest[n:]
	return c, nil
}

// end gives the subscription back. A nil pull needs nothing.
func (p *pull) end() {
	if p != nil {
		p.cancel()
		p.stop()
	}
}
