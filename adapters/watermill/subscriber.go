package watermill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/projections"
)

// subscriber is what both subscribers are: subscriptions to one reader, and their life.
type subscriber struct {
	reader *Reader
	ctx    context.Context //nolint:containedctx // the life of the subscriber, which Watermill ends by Close
	cancel context.CancelFunc

	mu            sync.Mutex // guards closing against subscribing
	subscriptions sync.WaitGroup
}

func newSubscriber(r *Reader) *subscriber {
	ctx, cancel := context.WithCancel(context.Background())
	return &subscriber{reader: r, ctx: ctx, cancel: cancel}
}

var errClosed = errors.New("the subscriber is closed")

// subscribe begins a subscription that goes on where start says and hands batch after batch to take.
func (s *subscriber) subscribe(
	ctx context.Context, topic string, start projections.Start, take taker,
) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", topic, errClosed)
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
		pauses := pauses{min: s.reader.cfg.MinPause, max: s.reader.cfg.MaxPause}
		(&subscription{s.reader, topic, start, take, out, pauses}).run(ctx)
	})
	return out, nil
}

// Close ends all subscriptions and waits for their goroutines. It may be called again.
func (s *subscriber) Close() error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.subscriptions.Wait()
	return nil
}

// subscription is one topic's delivery.
type subscription struct {
	reader *Reader
	topic  string
	start  projections.Start
	take   taker
	out    chan<- *message.Message
	pauses pauses
}

// taker delivers what a batch holds for a topic. It returns nil when all of that is acknowledged and remembered, and
// resets the pauses whenever it got on.
type taker func(ctx context.Context, s *subscription, b *projections.Batch) error

func (s *subscription) run(ctx context.Context) {
	for {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		s.reader.cfg.Logger.DebugContext(ctx, "subscription pauses", "topic", s.topic, "error", err)
		if !s.pauses.wait(ctx) {
			return
		}
	}
}

// follow delivers from where the topic goes on, until something fails.
func (s *subscription) follow(ctx context.Context) error {
	after, err := s.start(ctx, s.topic)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	next := newHandover(s.reader.cfg)
	var reading sync.WaitGroup
	reading.Go(func() { next.end(s.reader.follow(ctx, after, next.put)) })
	defer reading.Wait()
	defer cancel()
	for {
		batch, err := next.take(ctx)
		if err != nil {
			return err
		}
		if err := s.take(ctx, s, batch); err != nil {
			return err
		}
	}
}

// errNacked says that a message was not taken.
var errNacked = errors.New("the message was not acknowledged")

// deliver sends a message and waits for what becomes of it. The message's context ends with that, or with ctx. An Ack
// that came before the end of ctx counts.
func (s *subscription) deliver(ctx context.Context, msg *message.Message) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	msg.SetContext(ctx)
	select {
	case s.out <- msg:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-msg.Acked():
		return nil
	case <-msg.Nacked():
		return errNacked
	case <-ctx.Done():
	}
	select {
	case <-msg.Acked():
		return nil
	default:
		return ctx.Err()
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
