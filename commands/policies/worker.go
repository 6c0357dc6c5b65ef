package policies

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"daybook/events"
)

// worker runs one policy in this process: work reacts, keep looks after the leases.
type worker struct {
	cfg    *Config
	policy Policy
	holder string
	tracer trace.Tracer
	rest   pauses // of work as a whole

	// Signals; each is remembered until it is looked at.
	wake chan struct{} // to work: who works on what has changed
	idle chan struct{} // to keep: everything there is was reacted to, checkpoints wait to be saved
	give chan struct{} // to keep: leases wait to be given back

	lead chan struct{} // full while a waiter looks after the progress of other processes

	mu        sync.Mutex
	running   bool
	held      map[int]*shard
	returning []Lease            // no longer worked on, not yet given back
	stop      context.CancelFunc // ends the work under way
	fuse      *time.Timer        // ends it when the leases could not be renewed again
	renewal   int                // which one the fuse belongs to
	unsaved   bool               // a shard came further since the last save began
	ill       error              // why the policy as a whole does not go on
	unheld    error              // why leases cannot be renewed
	moved     chan struct{}      // closed when a shard moves on or changes hands
	elsewhere []events.Position  // of all shards, as last read from the leases
}

// shard is a part of the work while it is held here. An epoch's shard is never used for another one.
type shard struct {
	number int
	epoch  int64

	// Under the worker's lock.
	at      Checkpoint
	settled bool  // at is of this log
	surplus bool  // to be given back
	resting bool  // after a failure
	failed  error // the last failure; nil once it is overcome

	pauses pauses
	timer  *time.Timer // ends the rest
}

func newWorker(cfg *Config, p Policy, holder string) *worker {
	signal := func() chan struct{} { return make(chan struct{}, 1) }
	return &worker{
		cfg: cfg, policy: p, holder: holder, tracer: cfg.Tracer.Tracer("daybook/commands/policies"), rest: pauses{min: cfg.MinPause, max: cfg.MaxPause},
		wake: signal(), idle: signal(), give: signal(), lead: signal(),
		held: map[int]*shard{}, moved: make(chan struct{}), stop: func() {},
	}
}

func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

func (w *worker) run(ctx context.Context) {
	w.setRunning(true)
	defer w.setRunning(false)
	var keeping sync.WaitGroup
	keeping.Go(func() { w.keep(ctx) })
	w.work(ctx)
	keeping.Wait()
	w.leave(context.WithoutCancel(ctx))
}

func (w *worker) setRunning(running bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = running
}

// work follows the log with the shards that are held and well, and starts again when these change.
func (w *worker) work(ctx context.Context) {
	for ctx.Err() == nil {
		team, term, end := w.assemble(ctx)
		if len(team) == 0 {
			select {
			case <-w.wake:
			case <-ctx.Done():
			}
			end()
			continue
		}
		err := w.follow(term, team)
		given := term.Err() != nil // whatever it was that failed then
		end()
		if err != nil && !given {
			w.setIll(err)
			w.cfg.Logger.WarnContext(ctx, "policy pauses", "policy", w.policy.Name(), "error", err)
			w.rest.wait(ctx)
		}
	}
}

// assemble returns the shards to work with, in order, and a context that ends when one of them may no longer be held.
func (w *worker) assemble(ctx context.Context) (team []*shard, term context.Context, end context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.wake: // for what is seen now
	default:
	}
	for n, s := range w.held {
		switch {
		case s.surplus:
			w.drop(n)
			w.returning = append(w.returning, s.lease())
			signal(w.give)
		case !s.resting:
			team = append(team, s)
		}
	}
	slices.SortFunc(team, func(a, b *shard) int { return a.number - b.number })
	term, w.stop = context.WithCancel(ctx)
	return team, term, w.stop
}

// follow reacts to the log from the least advanced shard on, until something changes (nil) or fails.
func (w *worker) follow(ctx context.Context, team []*shard) error {
	after, err := w.settle(ctx, team)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan *batch) // one is read and decoded ahead: the one that waits to be taken
	var failure error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(batches)
		failure = w.read(ctx, after, batches)
	})
	defer reading.Wait()
	defer cancel()
	beats, silence := w.beats()
	defer silence()
	team = w.tick(ctx, team)
	for len(team) > 0 {
		switch b, next := w.next(batches, beats); next {
		case reactNext:
			team = w.react(ctx, team, b)
		case tickNext:
			team = w.tick(ctx, team)
		case assembleNext:
			return nil
		case endNext:
			return failure
		}
	}
	return nil
}

// step is what a worker does next.
type step int

const (
	endNext      step = iota // reading has ended
	assembleNext             // somebody called
	tickNext
	reactNext // to the batch
)

// next waits for what comes next.
func (w *worker) next(batches <-chan *batch, beats <-chan time.Time) (*batch, step) {
	select {
	case <-w.wake:
		return nil, assembleNext
	default:
	}
	select {
	case <-beats: // before batches: there may be no end of them
		return nil, tickNext
	default:
	}
	select {
	case b, ok := <-batches:
		return taken(b, ok)
	default:
		w.saveSoon()
	}
	select {
	case b, ok := <-batches:
		return taken(b, ok)
	case <-beats:
		return nil, tickNext
	case <-w.wake:
		return nil, assembleNext
	}
}

func taken(b *batch, ok bool) (*batch, step) {
	if !ok {
		return nil, endNext
	}
	return b, reactNext
}

// react lets the shards react to a batch, side by side, and returns those that did. They are then past it.
func (w *worker) react(ctx context.Context, team []*shard, b *batch) []*shard {
	var working sync.WaitGroup
	slots := make(chan struct{}, w.cfg.Concurrency)
	for _, s := range team {
		inputs := b.after(s.number, w.position(s))
		if len(inputs) == 0 {
			w.advance(s, b)
			continue
		}
		slots <- struct{}{}
		working.Go(func() {
			defer func() { <-slots }()
			if err := w.reactSafely(ctx, s.number, inputs); err != nil {
				w.fail(ctx, s, err)
			} else {
				w.advance(s, b)
			}
		})
	}
	working.Wait()
	w.rest.reset()
	w.setIll(nil)
	return w.past(team, b)
}

func (w *worker) reactSafely(ctx context.Context, shard int, inputs []*Input) (err error) {
	ctx, span := w.tracer.Start(ctx, "policy.reaction", trace.WithAttributes(
		attribute.String("daybook.policy", w.policy.Name()), attribute.Int("daybook.shard", shard),
		attribute.Int64("daybook.from", int64(inputs[0].Position)), attribute.Int64("daybook.to", int64(inputs[len(inputs)-1].Position)),
		attribute.Int("daybook.events", len(inputs)),
	))
	began := time.Now()
	defer func() {
		switch {
		case err == nil:
			w.cfg.Observe(Reacted{w.policy.Name(), len(inputs), time.Since(began)})
		case ctx.Err() == nil: // what was ended did not fail
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}()
	defer caught(&err)
	return w.policy.React(ctx, shard, inputs)
}

// caught, deferred, makes a panic of the policy its error: other policies, and the process, go on.
func caught(err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("policy panicked: %v", cause)
	}
}

func (w *worker) position(s *shard) events.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.at.Position
}

// advance notes that a shard is past a batch.
func (w *worker) advance(s *shard, b *batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.failed = nil
	s.pauses.reset()
	if s.at.Position >= b.last {
		return
	}
	s.at.Position = b.last
	if b.anchor != nil {
		s.at.Anchor = b.anchor
	}
	w.unsaved = true
	w.ring()
}

// fail lets a shard rest. What failed because the work was ended is no failure.
func (w *worker) fail(ctx context.Context, s *shard, err error) {
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	pause := s.pauses.next()
	s.failed, s.resting = err, true
	s.timer = time.AfterFunc(pause, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		s.resting = false
		signal(w.wake)
	})
	w.cfg.Logger.WarnContext(ctx, "policy's shard rests", "policy", w.policy.Name(), "shard", s.number, "for", pause, "error", err)
}

// past leaves out the shards that are not past a batch: they must not get the next one.
func (w *worker) past(team []*shard, b *batch) []*shard {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(team, func(s *shard) bool { return s.at.Position < b.last })
}

func (w *worker) setIll(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ill = err
}

// saveSoon asks for checkpoints to be saved, if there is something to save.
func (w *worker) saveSoon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unsaved {
		signal(w.idle)
	}
}

// ring wakes those who wait for progress. The caller holds the lock.
func (w *worker) ring() {
	close(w.moved)
	w.moved = make(chan struct{})
}

func (s *shard) lease() Lease { return Lease{Shard: s.number, Epoch: s.epoch, Checkpoint: s.at} }

// batch is a stretch of the log, decoded and dealt out.
type batch struct {
	inputs [][]*Input      // by shard
	last   events.Position // of the stretch
	anchor *Anchor         // its last event; nil if it has none but the store's own
}

// after returns a shard's inputs that lie after a position.
func (b *batch) after(shard int, position events.Position) []*Input {
	inputs := b.inputs[shard]
	return inputs[sort.Search(len(inputs), func(i int) bool { return inputs[i].Position > position }):]
}
