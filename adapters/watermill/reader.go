package watermill

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"daybook/events"
)

// Log is what a reader asks of the event store.
type Log interface {
	// SubscribeAll yields batches: as many records as are there now, at most limit, never none; it blocks at the head.
	SubscribeAll(ctx context.Context, after events.Position, limit int) iter.Seq2[[]events.Record, error]
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

// Reader reads and decodes the log once for all subscriptions that are near one another, of whichever subscriber. Chunks are
// kept for those who are on the way to them; subscriptions at the same place wait for the same read. Memory is bounded: the
// chunks kept, and one parked read per subscription. A reader without subscriptions holds nothing, so there is nothing to
// close.
type Reader struct {
	cfg Config

	mu            sync.Mutex
	kept          chunks
	reading       map[events.Position]chan struct{} // closed when a read from there ends
	parked        []*pull
	subscriptions int
	followers     map[*follower]struct{}
}

// follower is where one subscription reads: after the chunk that it took last.
type follower struct{ at events.Position }

// NewReader makes the reader of a log.
func NewReader(cfg Config) *Reader {
	setDefault(&cfg.Events, 1000)
	setDefault(&cfg.Bytes, 4<<20)
	setDefault(&cfg.MinPause, 50*time.Millisecond)
	setDefault(&cfg.MaxPause, 5*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Reader{cfg: cfg, reading: map[events.Position]chan struct{}{}, followers: map[*follower]struct{}{}}
}

// follow hands chunk after chunk to put, until put refuses, ctx ends, or the log fails.
func (r *Reader) follow(ctx context.Context, after events.Position, put func(context.Context, *chunk) bool) error {
	f := &follower{after}
	r.move(f, after)
	defer r.forget(f)
	for {
		c, err := r.next(ctx, f.at)
		if err != nil {
			return err
		}
		if !put(ctx, c) {
			return ctx.Err()
		}
		r.move(f, c.last)
	}
}

func (r *Reader) move(f *follower, to events.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.at = to
	r.followers[f] = struct{}{}
}

func (r *Reader) forget(f *follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.followers, f)
}

// next returns the chunk that begins after a position: a kept one, or one being read for another, or one it reads.
func (r *Reader) next(ctx context.Context, after events.Position) (*chunk, error) {
	for {
		c, busy := r.look(after)
		if c != nil {
			return c, nil
		}
		if busy == nil {
			return r.lead(ctx, after)
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look returns the next chunk if it is kept, or else what to wait for before looking again; or nothing, when it is for the
// caller to read it, which it then has to do.
func (r *Reader) look(after events.Position) (c *chunk, busy <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c = r.kept.find(after); c != nil {
		return c, nil
	}
	if busy, ok := r.reading[after]; ok {
		return nil, busy
	}
	r.reading[after] = make(chan struct{})
	return nil, nil
}

// lead reads the chunk after a position for all.
func (r *Reader) lead(ctx context.Context, after events.Position) (*chunk, error) {
	c, err := r.read(ctx, after)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.kept.add(c, keepBatches*r.cfg.Bytes, r.followers)
	}
	close(r.reading[after])
	delete(r.reading, after)
	return c, err
}

// read takes the next chunk off a pull, a new one if none was parked here, and parks it for whoever is next.
func (r *Reader) read(ctx context.Context, after events.Position) (*chunk, error) {
	r.mu.Lock()
	p := r.unpark(after)
	r.mu.Unlock()
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

// park keeps a pull for the next reader at its place. The one that must go is returned.
func (r *Reader) park(p *pull) (surplus *pull) {
	if surplus = r.unpark(p.at); surplus == nil && len(r.parked) > 0 && len(r.parked) >= r.subscriptions {
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
	r.subscriptions++
}

func (r *Reader) leave() {
	r.mu.Lock()
	r.subscriptions--
	var surplus []*pull
	if n := len(r.parked) - r.subscriptions; n > 0 {
		surplus, r.parked = r.parked[:n:n], r.parked[n:]
	}
	if r.subscriptions == 0 {
		r.kept = chunks{}
	}
	r.mu.Unlock()
	for _, p := range surplus {
		p.end()
	}
}
