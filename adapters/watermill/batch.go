package watermill

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/projections"
)

// BatchSubscriber implements message.Subscriber with a message per batch. A topic is the projections' topic; every topic
// is the whole log. Where a topic goes on is for the projection engine to say and to remember.
type BatchSubscriber struct{ *subscriber }

var _ message.Subscriber = (*BatchSubscriber)(nil)

// NewBatchSubscriber makes a subscriber of a log that nothing else reads: see NewReader and Reader.Batches.
func NewBatchSubscriber(cfg Config) *BatchSubscriber { return NewReader(cfg).Batches() }

// Batches makes a subscriber whose messages are batches. Close it, or end every subscription's context, to end its
// goroutines.
func (r *Reader) Batches() *BatchSubscriber { return &BatchSubscriber{newSubscriber(r)} }

// Subscribe returns at once; the first batch comes when the engine and the log can be asked. The channel is closed when
// ctx ends or the subscriber is closed.
func (s *BatchSubscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	start, err := projections.StartOf(ctx)
	if err != nil {
		return nil, fmt.Errorf("subscribing to %s: %w", topic, err)
	}
	return s.subscribe(ctx, topic, start, takeWhole)
}

// takeWhole delivers a batch as one message. The engine remembers it before the Ack.
func takeWhole(ctx context.Context, s *subscription, b *projections.Batch) error {
	after, last := strconv.FormatUint(uint64(b.After), 10), strconv.FormatUint(uint64(b.Last), 10)
	msg := message.NewMessage(after+"-"+last, nil)
	msg.Metadata.Set("after", after)
	msg.Metadata.Set("last", last)
	msg.Metadata.Set("events", strconv.Itoa(len(b.Events)))
	if err := s.deliver(projections.WithBatch(ctx, b), msg); err != nil {
		return err
	}
	s.pauses.reset()
	return nil
}
