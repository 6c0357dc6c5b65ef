package projections

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"daybook/events"
	"daybook/events/id"
)

// Log is what the engine asks of the event store. Events reach projections through the Subscriber.
type Log interface {
	Head(ctx context.Context) (events.Position, error)
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
	ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error]
}

// Config is what an engine works with. Pool, Subscriber, Log and Now are needed; the rest has defaults.
type Config struct {
	// Pool leads to the read models. Its search path finds the infrastructure tables (checkpoints, projections). One
	// connection per projection is in use while a batch commits.
	Pool *pgxpool.Pool
	// Subscriber delivers batches; see Batch for what it owes. Run closes it.
	Subscriber message.Subscriber
	Log        Log
	Now        func() time.Time
	Logger     *slog.Logger // nil: silent

	Process string        // what operators call this process; it need not be unique
	TTL     time.Duration // after this a silent process has lost its leases; 10 s
	Beat    time.Duration // how often builds are looked after; 1 s
	Keep    time.Duration // how long a build that was live stays and can be put back; 1 h
	Audit   time.Duration // how often each live build is verified: samples, and slowly what no sample proves; 0: never
	Confirm bool          // a new version goes live only when it is told to, even if the live one cannot be read here

	Observe func(Committed)      // hears of every batch that is committed, in turn for each build; nil: nobody
	Tracer  trace.TracerProvider // gets a span for every batch; nil: nobody
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.TTL <= 0 {
		c.TTL = 10 * time.Second
	}
	if c.Beat <= 0 {
		c.Beat = time.Second
	}
	if c.Keep <= 0 {
		c.Keep = time.Hour
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider()
	}
}

// Engine runs projections.
//
// Exactly once: the rows of a batch and the step of the checkpoint are one transaction, and the step is a
// compare-and-set of store id, position and epoch. So a batch that was applied is never applied again, by this process
// or another, whatever crashed in between; several engines on one database share the work by leases, a build each, and
// take over from one another.
//
// Never skipped: a batch that fails (handler, panic, constraint, connection) is rolled back and delivered again, after
// growing pauses, for as long as it takes; or what fails of it is parked, see Park. Status says what is wrong.
//
// Never over another history: a checkpoint of another store, one beyond the store's head, or one whose last event the
// store does not hold at the same place, stops its projection until the right store is back.
type Engine struct {
	cfg      Config
	tracer   trace.Tracer
	holder   string // of leases: one life of one process
	versions []version
	names    []string         // of versions,
	numbers  []int            // and their numbers, as parameters of queries
	marks    map[string]*mark // by name
	watch    watch

	mu       sync.Mutex
	crew     []*worker // one for each build, in the order of registration
	prepared atomic.Bool
	woken    chan struct{}
	looking  chan struct{}        // held by what compares or makes builds on demand: one at a time, see look
	viewing  func() chan struct{} // held by each View until it is closed
}

// version is one that this process can project and read.
type version struct {
	*Projection // as it was checked; builds have their own

	define Definition
}

// NewEngine checks the definitions. It touches neither database nor log: see Prepare and Run.
func NewEngine(cfg Config, definitions ...Definition) (*Engine, error) {
	if cfg.Pool == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("projection engine: Pool, Log and Now are needed")
	}
	cfg.setDefaults()
	e := &Engine{
		cfg: cfg, tracer: cfg.Tracer.Tracer("daybook/projections"), holder: strings.TrimSpace(cfg.Process + " " + rand.Text()),
		marks: map[string]*mark{}, woken: make(chan struct{}, 1), looking: make(chan struct{}, 1),
	}
	e.viewing = sync.OnceValue(func() chan struct{} { return make(chan struct{}, views(cfg.Pool.Config().MaxConns)) })
	var errs []error
	known := map[string]bool{}
	for i, define := range append(definitions[:len(definitions):len(definitions)], head) {
		p, err := define.begin(i + 1)
		errs = append(errs, err)
		if p == nil {
			continue
		}
		if known[p.Schema()] {
			errs = append(errs, &MisuseError{p.Schema(), "it is registered twice"})
		}
		known[p.Schema()] = true
		e.versions, e.names, e.numbers = append(e.versions, version{p, define}), append(e.names, p.name), append(e.numbers, p.version)
		if e.marks[p.name] == nil {
			e.marks[p.name] = newMark()
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return e, nil
}

// headName names the follower that only counts: it handles nothing and has no tables, so it is never far from the
// head, and its count of events tells how many the others still have before them.
const headName = "head"

// Reserved is the name that no projection can have: it is that of the follower.
const Reserved = headName

func head() *Projection { return &Projection{name: headName, version: 1, build: 1} }

// Run projects until ctx ends; then the batch at work commits or rolls back, and Run returns nil. It prepares first,
// waiting for Postgres and the store if they are away; a mistake in a definition is returned as a *MisuseError. An
// engine runs once.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.prepareSometime(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 2 * patience}, watermill.NopLogger{})
	if err != nil {
		return fmt.Errorf("making a router: %w", err)
	}
	defer e.leave(ctx)
	tending, stop := context.WithCancel(ctx)
	var tended sync.WaitGroup
	defer tended.Wait()
	defer stop()
	for _, w := range e.workers() {
		if err = w.join(tending, router); err != nil {
			return err
		}
	}
	tended.Go(func() { e.keepLeases(tending, e.holder) })
	tended.Go(func() {
		select {
		case <-router.Running():
			e.tend(tending, router)
		case <-tending.Done():
		}
	})
	tended.Go(func() { e.audit(tending) })
	if err = router.Run(ctx); err != nil {
		return fmt.Errorf("running projections: %w", err)
	}
	if ctx.Err() == nil {
		return errors.New("running projections: the subscriber ended")
	}
	return nil
}

// tend takes builds through their lives, each by itself: one that takes long holds up no other.
func (e *Engine) tend(ctx context.Context, router *message.Router) {
	beat := time.NewTicker(e.cfg.Beat)
	defer beat.Stop()
	var tending sync.WaitGroup
	defer tending.Wait()
	for {
		select {
		case <-beat.C:
		case <-e.woken:
		case <-ctx.Done():
			return
		}
		e.lookAfter(ctx, func() error { return e.follow(ctx, router) })
		for _, w := range e.workers() {
			if w.tended.CompareAndSwap(false, true) {
				tending.Go(func() {
					defer w.tended.Store(false)
					e.lookAfter(ctx, func() error { return w.tend(ctx) })
				})
			}
		}
		e.lookAfter(ctx, func() error { return errors.Join(e.dropFound(ctx, expired), e.dropFound(ctx, abandoned)) })
	}
}

func (e *Engine) lookAfter(ctx context.Context, do func() error) {
	if err := guarded(do); err != nil && ctx.Err() == nil {
		e.cfg.Logger.WarnContext(ctx, "looking after projections, trying again", "error", err)
	}
}

// wake lets the engine look after its builds now.
func (e *Engine) wake() {
	select {
	case e.woken <- struct{}{}:
	default:
	}
}

func (e *Engine) leave(ctx context.Context) {
	for _, w := range e.workers() {
		w.leave()
	}
	e.releaseLeases(ctx)
}

func (e *Engine) workers() []*worker {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.crew)
}

// worker returns the one that projects into a physical schema; nil if there is none.
func (e *Engine) worker(schema string) *worker {
	for _, w := range e.workers() {
		if w.p.Schema() == schema {
			return w
		}
	}
	return nil
}

// patience bounds what still has to be said to Postgres after ctx has ended.
const patience = 10 * time.Second

// prepareSometime prepares until it works or cannot.
func (e *Engine) prepareSometime(ctx context.Context) error {
	for {
		err := e.Prepare(ctx)
		if _, hopeless := errors.AsType[*MisuseError](err); err == nil || hopeless {
			return err
		}
		e.cfg.Logger.WarnContext(ctx, "preparing projections, trying again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// start answers a batch subscriber, once this process has the lease; see Start.
func (e *Engine) start(ctx context.Context, topic string) (events.Position, error) {
	w := e.worker(topic)
	if w == nil {
		return events.Start, fmt.Errorf("no projection has the topic %q", topic)
	}
	for {
		at, err := w.resume(ctx)
		if _, held := errors.AsType[*heldError](err); !held {
			return at, err
		}
		e.untilFree(ctx)
	}
}

// storeID reads the identity of the store, without which a position means nothing.
func (e *Engine) storeID(ctx context.Context) (id.Store, error) {
	store, err := events.StoreIdentity(e.cfg.Log.ReadStream(ctx, events.StoreStream, 0))
	if ctx.Err() != nil {
		return id.Store{}, ctx.Err()
	}
	return store, err
}
