package watermill

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/events"
)

// Appender is what a Publisher asks of the event store.
type Appender interface {
	Append(
		ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
	) (events.Appended, error)
}

// Publisher implements message.Publisher: a topic is a stream, a message an event of it. Daybook's own streams are for
// commands to write: what is published there goes past their decisions.
//
// A message's UUID becomes the event's id, its payload the data, its metadata a JSON object of strings, see KeyType.
// Data is marked as JSON when it is.
type Publisher struct {
	store Appender

	publishing sync.RWMutex // held for reading by each Publish
	closed     bool         // under publishing
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher makes a publisher to a store, which it does not close.
func NewPublisher(store Appender) *Publisher { return &Publisher{store: store} }

var errPublisherClosed = errors.New("the publisher is closed")

// Publish appends the messages to the end of the stream, side by side, in one append: all or none. It returns when they
// are stored; it waits under the context of the first. A repeat after an error is recognised by the UUIDs for as long as
// the store remembers them, which is not for ever.
//
// Nothing was written when the topic is empty, the topic or a type begins with "$", a UUID is none, metadata is not UTF-8,
// or the publisher is closed. Other errors are the store's, wrapped.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	p.publishing.RLock()
	defer p.publishing.RUnlock()
	if p.closed {
		return fmt.Errorf("publishing to %s: %w", topic, errPublisherClosed)
	}
	if err := checkTopic(topic); err != nil {
		return fmt.Errorf("publishing to %q: %w", topic, err)
	}
	if len(messages) == 0 {
		return nil
	}
	proposed := make([]events.Proposed, len(messages))
	for i, msg := range messages {
		var err error
		if proposed[i], err = propose(msg); err != nil {
			return fmt.Errorf("publishing to %s: message %d: %w", topic, i, err)
		}
	}
	if _, err := p.store.Append(messages[0].Context(), topic, events.Any, proposed); err != nil {
		return fmt.Errorf("publishing to %s: %w", topic, err)
	}
	return nil
}

// Close waits for what is being published and refuses what comes later. It may be called again.
func (p *Publisher) Close() error {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	p.closed = true
	return nil
}
