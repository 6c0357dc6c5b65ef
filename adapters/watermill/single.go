package watermill

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/events"
	"daybook/projections"
)

// Checkpoints remember how far each topic was acknowledged. One value of them is one consumer group: subscribers with
// the same checkpoints go on where the others were, subscribers with their own get everything for themselves. A position
// means nothing without its store, so durable checkpoints keep the store's id beside it.
type Checkpoints interface {
	// Load returns the position after which a topic goes on; events.Start for a topic that was never saved. It fails for
	// as long as this cannot be known, or is of another store; the subscriber asks again, later and later.
	Load(ctx context.Context, topic string) (events.Position, error)
	// Save remembers that a topic was acknowledged up to a position. An earlier position than the one it holds changes
	// nothing: of subscribers that share checkpoints the slower one must not take the faster one back.
	Save(ctx context.Context, topic string, at events.Position) error
}

// Subscriber implements message.Subscriber with a message per event.
//
// A topic is a stream, or All, the whole log; what begins with "$" is the store's own and never delivered. Messages come
// in the order of the log, each when the one before was acknowledged and the checkpoint saved, and once or more: again
// after a Nack, and after a crash, or a Save that failed, between the two. An Ack that came before Close, or before the
// subscription's context ended, is still saved. Subscribers that share checkpoints do not share work: each delivers all
// that comes after the checkpoint as it was when it began.
//
// A message has the event's id, its data, and its metadata with the Key… of its place; RecordOf has the event itself.
type Subscriber struct {
	*subscriber

	checkpoints Checkpoints
}

var _ message.Subscriber = (*Subscriber)(nil)

// Events makes a subscriber whose messages are single events. Close it, or end every subscription's context, to end its
// goroutines.
func (r *Reader) Events(checkpoints Checkpoints) *Subscriber {
	return &Subscriber{newSubscriber(r), checkpoints}
}

// Subscribe returns at once; the first message comes when checkpoints and log can be asked. The channel is closed when
// ctx ends or the subscriber is closed. The only errors are a topic that no event can have, and a closed subscriber.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if topic != All {
		if err := checkTopic(topic); err != nil {
			return nil, fmt.Errorf("subscribing to %q: %w", topic, err)
		}
	}
	return s.subscribe(ctx, topic, s.checkpoints.Load, (&singly{checkpoints: s.checkpoints}).take)
}

// singly delivers the events of one subscription's topic one by one.
type singly struct {
	checkpoints Checkpoints
	passed      int // batches since the last save
}

// passOver is how many batches without an event of the topic may go by before the checkpoint moves over them. At the
// head of the log batches are small, and saving after each would cost more than reading some of them again.
const passOver = 16

func (y *singly) take(ctx context.Context, s *subscription, b *projections.Batch) error {
	for _, r := range b.Events {
		if s.topic != All && s.topic != r.Stream {
			continue
		}
		if err := s.deliver(context.WithValue(ctx, recordKey{}, r), newMessage(r)); err != nil {
			return err
		}
		if err := y.save(ctx, s, r.Position); err != nil {
			return err
		}
	}
	if y.passed++; y.passed > passOver {
		return y.save(ctx, s, b.Last)
	}
	return nil
}

// saveTimeout bounds a save, which goes on when the subscription ends meanwhile.
const saveTimeout = 5 * time.Second

func (y *singly) save(ctx context.Context, s *subscription, at events.Position) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err := y.checkpoints.Save(ctx, s.topic, at); err != nil {
		return fmt.Errorf("saving the checkpoint of %s: %w", s.topic, err)
	}
	y.passed = 0
	s.pauses.reset()
	return nil
}
