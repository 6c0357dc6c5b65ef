package watermill

import (
	"context"
	"iter"
	"log/slog"
	"sort"
	"sync"
	"time"

	"daybook/events"
	"daybook/projections"
)

// Log is what a reader asks of the event store.
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

// Config tunes a reader and its subscribers. Only Log is needed.
type Config struct {
	Log      Log
	Events   int           // most events in a batch; 1,000
	Bytes    int           // most bytes of data and metadata in a batch, unless one event is larger; 4 MiB
	MinPause time.Duration // after the first failure in a row; 50 ms
	MaxPause time.Duration // pauses double up to this; 5 s
	Logger   *slog.Logger  // nil: silent
}

func setDefault[N int | time.Duration](value *N, otherwise N) {
	if *value <= 0 {
		*value = otherwise
	}
}

// Reader reads and decodes the log once for all subscriptions that are near one another, of whichever subscriber. What
// was read lately is kept, so a subscription a little behind finds it there; subscriptions at the same place wait for
// the same read. Memory is bounded: the chunks kept, and one parked read per subscription. A reader without
// subscriptions holds nothing, so there is nothing to close.
type Reader struct {
	cfg Config

	mu        sync.Mutex
	recent    []*chunk                          // oldest first
	kept      int                               // bytes of recent
	reading   map[events.Position]chan struct{} // closed when a read from there ends
	parked    []*pull
	followers int
}

// NewReader makes the reader of a log.
func NewReader(cfg Config) *Reader {
	setDefault(&cfg.Events, 1000)
	setDefault(&cfg.Bytes, 4<<20)
	setDefault(&cfg.MinPause, 50*time.Millisecond)
	setDefault(&cfg.MaxPause, 5*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Reader{cfg: cfg, reading: map[events.Position]chan struct{}{}}
}

// keepChunks bounds the chunks kept when they are small, which they are at the head.
const keepChunks = 16

// follow hands chunk after chunk to put, until put refuses, ctx ends, or the log fails.
func (r *Reader) follow(ctx context.Context, after events.Position, put func(context.Context, *chunk) bool) error {
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
func (r *Reader) next(ctx context.Context, after events.Position) (*chunk, error) {
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
func (r *Reader) read(ctx context.Context, p *pull, after events.Position) (*chunk, error) {
	if p == nil {
		p = newPull(r.cfg.Log, after, r.cfg.Events)
	}
	c, err := p.next(ctx, r.cfg.Bytes)
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
func (r *Reader) find(after events.Position) *chunk {
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

func (r *Reader) keep(c *chunk) {
	r.recent = append(r.recent, c)
	r.kept += c.bytes
	for len(r.recent) > keepChunks || r.kept > r.cfg.Bytes && len(r.recent) > 1 {
		r.kept -= r.recent[0].bytes
		r.recent[0] = nil
		r.recent = r.recent[1:]
	}
}

// park keeps a pull for the next reader at its place. The one that must go is returned.
func (r *Reader) park(p *pull) (surplus *pull) {
	if surplus = r.unpark(p.at); surplus == nil && len(r.parked) > 0 && len(r.parked) >= r.followers {
		surplus, r.parked = r.parked[0], r.parked[1:]
	}
	r.parked = append(r.parked, p)
	return surplus
}

// unpark takes the pull that stands at a position, if there is one.
func (r *Reader) unpark(at events.Position) *pull {
	for i, p := range r.parked {
		if p.at == at {
			r.parked = append(r.parked[:i], r.parked[i+1:]...)
			return p
		}
	}
	return nil
}

// join and leave count the subscriptions; the last one to leave ends all reading and forgets what was kept.
func (r *Reader) join() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followers++
}

func (r *Reader) leave() {
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
