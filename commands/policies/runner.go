package policies

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"daybook/events"
)

// Log is what the runner asks of the event store.
type Log interface {
	Head(ctx context.Context) (events.Position, error)
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
	// SubscribeAll yields batches: as many records as are there now, at most limit, never none; it blocks at the head.
	SubscribeAll(ctx context.Context, after events.Position, limit int) iter.Seq2[[]events.Record, error]
}

// Config is what a runner works with. Log, Leases and Now are needed; the rest has defaults.
type Config struct {
	Log    Log
	Leases Leases
	Now    func() time.Time
	Logger *slog.Logger // nil: silent

	Process string        // what operators call this process; it need not be unique
	TTL     time.Duration // after this a silent process has lost its leases; 10 s
	SaveGap time.Duration // checkpoints at the head of the log are saved at most so often; 100 ms. Under load: every TTL/3

	Beat time.Duration // how often policies that act by the clock are asked to; 100 ms

	Events      int           // most records in a batch; 8,192
	Concurrency int           // most shards of a policy that react at once; 8
	MinPause    time.Duration // after the first failure in a row; 50 ms
	MaxPause    time.Duration // pauses double up to this; 5 s

	Observe func(Reacted)        // hears of every reaction that worked, from several goroutines at once; nil: nobody
	Tracer  trace.TracerProvider // gets a span for every reaction; nil: nobody
}

// Reacted is what one call of React has dealt with.
type Reacted struct {
	Policy string
	Events int
	Took   time.Duration
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(Reacted) {}
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider()
	}
	setDefault(&c.TTL, 10*time.Second)
	setDefault(&c.SaveGap, 100*time.Millisecond)
	setDefault(&c.Beat, 100*time.Millisecond)
	setDefault(&c.Events, 8192)
	setDefault(&c.Concurrency, 8)
	setDefault(&c.MinPause, 50*time.Millisecond)
	setDefault(&c.MaxPause, 5*time.Second)
}

func setDefault[N int | time.Duration](value *N, otherwise N) {
	if *value <= 0 {
		*value = otherwise
	}
}

// Runner runs policies over the log. Several runners, in one process or many, share the work by leases.
//
// Order: a shard's inputs come in log order. Shards go on side by side, within a batch of the log at most.
//
// Never skipped: a shard whose React fails rests, longer and longer, and gets the same inputs again; the policy's other
// shards go on. What cannot be read or decoded holds up the whole policy at that place. Status says what is wrong.
//
// Never twice: that is the policy's own part, see Policy.React. The runner starts where the checkpoints say, or at 0
// when they are not of this log.
type Runner struct {
	workers []*worker
	byName  map[string]*worker
	cfg     *Config
}

// NewRunner checks the policies. It touches neither log nor leases.
func NewRunner(cfg Config, list ...Policy) (*Runner, error) {
	if cfg.Log == nil || cfg.Leases == nil || cfg.Now == nil {
		return nil, errors.New("policy runner: Log, Leases and Now are needed")
	}
	cfg.setDefaults()
	r := &Runner{byName: map[string]*worker{}, cfg: &cfg}
	holder := rand.Text()
	if cfg.Process != "" {
		holder = cfg.Process + " " + holder
	}
	for _, p := range list {
		switch name := p.Name(); {
		case name == "":
			return nil, errors.New("policy runner: a policy has no name")
		case r.byName[name] != nil:
			return nil, fmt.Errorf("policy runner: there are two policies named %q", name)
		case p.Shards() < 1:
			return nil, fmt.Errorf("policy runner: policy %s has %d shards, at least 1 is needed", name, p.Shards())
		}
		w := newWorker(&cfg, p, holder)
		r.workers = append(r.workers, w)
		r.byName[p.Name()] = w
	}
	return r, nil
}

// Run reacts until ctx ends; what is being reacted to then is given up, leases are given back, and Run returns nil. It
// waits out a log or leases that are away. A runner runs once.
func (r *Runner) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, w := range r.workers {
		running.Go(func() { w.run(ctx) })
	}
	running.Wait()
	return nil
}
