// Package watermill brings the event store to Watermill: a Subscriber whose messages are batches.
//
// One message is as many events as are there now, up to a limit, with the decoded batch in its context
// (projections.BatchOf). Watermill's router starts a goroutine per message, so order rests on this package: a message is
// delivered only when the one before it was acknowledged. Meanwhile the next events are already read. After a Nack the
// subscription pauses, longer each time, and begins again where the engine says (projections.Start). For that reason
// the Retry, PoisonQueue, Timeout and Deduplicator middlewares have no place on its handlers.
package watermill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/projections"
)

// Config tunes a BatchSubscriber. Only Log is needed.
type Config struct {
	Log      Log
	Events   int           // most events in a batch; 1,000
	Bytes    int           // most bytes of data and metadata in a batch, unless one event is larger; 4 MiB
	MinPause time.Duration // after the first failure in a row; 50 ms
	MaxPause time.Duration // pauses double up to this; 5 s
	Logger   *slog.Logger  // nil: silent
}

// BatchSubscriber implements message.Subscriber. A topic is the projections' topic; every topic is the whole log.
// Subscriptions share reading and decoding while they are near one another.
type BatchSubscriber struct {
	cfg    Config
	reader *reader
	ctx    context.Context //nolint:containedctx // the life of the subscriber, which Watermill ends by Close
	cancel context.CancelFunc

	mu            sync.Mutex // guards closing against subscribing
	subscriptions sync.WaitGroup
}

var _ message.Subscriber = (*BatchSubscriber)(nil)

// NewBatchSubscriber makes a subscriber of a log. Close it, or end every subscription's context, to end its goroutines.
func NewBatchSubscriber(cfg Config) *BatchSubscriber {
	setDefault(&cfg.Events, 1000)
	setDefault(&cfg.Bytes, 4<<20)
	setDefault(&cfg.MinPause, 50*time.Millisecond)
	setDefault(&cfg.MaxPause, 5*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &BatchSubscriber{cfg: cfg, reader: newReader(cfg), ctx: ctx, cancel: cancel}
}

func setDefault[N int | time.Duration](value *N, otherwise N) {
	if *value <= 0 {
		*value = otherwise
	}
}

// errClosed says that the subscriber was closed.
var errClosed = errors.New("the batch subscriber is closed")

// Subscribe returns at once; the first batch comes when the engine and the log can be asked. The channel is closed when
// ctx ends or the subscriber is closed.
func (s *BatchSubscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	start, err := projections.StartOf(ctx)
	if err != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", topic, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, errClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	out := make(chan *message.Message)
	s.reader.join()
	s.subscriptions.Go(func() {
		defer close(out)
		defer s.reader.leave()
		defer cancel()
		defer stop()
		(&subscription{s, start, topic, out, pauses{min: s.cfg.MinPause, max: s.cfg.MaxPause}}).run(ctx)
	})
	return out, nil
}

// Close ends all subscriptions and waits for their goroutines. It may be called again.
func (s *BatchSubscriber) Close() error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.subscriptions.Wait()
	return nil
}

// subscription is one topic's delivery.
type subscription struct {
	subscriber *BatchSubscriber
	start      projections.Start
	topic      string
	out        chan<- *message.Message
	pauses     pauses
}

func (s *subscription) run(ctx context.Context) {
	for {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		s.subscriber.cfg.Logger.DebugContext(ctx, "subscription pauses", "topic", s.topic, "error", err)
		if !s.pauses.wait(ctx) {
			return
		}
	}
}

// errNacked says that a batch was not taken.
var errNacked = errors.New("the batch was not acknowledged")

// follow delivers from where the engine says, until something fails.
func (s *subscription) follow(ctx context.Context) error {
	after, err := s.start(ctx, s.topic)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	next := newHandover(s.subscriber.cfg)
	var reading sync.WaitGroup
	reading.Go(func() { next.end(s.subscriber.reader.follow(ctx, after, next.put)) })
	defer reading.Wait()
	defer cancel()
	for {
		batch, err := next.take(ctx)
		if err != nil {
			return err
		}
		if !s.deliver(ctx, batch) {
			return errNacked
		}
		s.pauses.reset()
	}
}

// deliver sends one batch and waits for what becomes of it.
func (s *subscription) deliver(ctx context.Context, b *projections.Batch) (acknowledged bool) {
	messageCtx, cancel := context.WithCancel(projections.WithBatch(ctx, b))
	defer cancel()
	after, last := strconv.FormatUint(uint64(b.After), 10), strconv.FormatUint(uint64(b.Last), 10)
	msg := message.NewMessageWithContext(messageCtx, after+"-"+last, nil)
	msg.Metadata.Set("after", after)
	msg.Metadata.Set("last", last)
	msg.Metadata.Set("events", strconv.Itoa(len(b.Events)))
	select {
	case s.out <- msg:
	case <-ctx.Done():
		return false
	}
	select {
	case <-msg.Acked():
		return true
	case <-msg.Nacked():
		return false
	case <-ctx.Done():
		return false
	}
}

// pauses grow by doubling, each with up to half of it taken off at random, so that workers that failed together do not
// come back together.
type pauses struct{ min, max, last time.Duration }

func (p *pauses) reset() { p.last = 0 }

// wait pauses; false means that ctx ended.
func (p *pauses) wait(ctx context.Context) bool {
	p.last = min(max(2*p.last, p.min), p.max)
	timer := time.NewTimer(p.last - rand.N(p.last/2+1)) //nolint:gosec // spreads load, guards nothing
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
