package projectiontest

import (
	"context"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/adapters/storetest"
	"daybook/events"
	"daybook/projections"
)

// scripted is a batch subscriber that cuts the log as its script says. Other topics get nothing.
type scripted struct {
	script

	t      testing.TB
	store  storetest.LentStore
	topic  string
	active sync.WaitGroup
}

// Subscribe delivers until the log is at its end; then it waits for ctx.
func (s *scripted) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	s.active.Go(func() {
		defer close(out)
		if topic == s.topic {
			s.deliver(ctx, out)
		}
		<-ctx.Done()
	})
	return out, nil
}

// Close waits for what ctx has ended.
func (s *scripted) Close() error {
	s.active.Wait()
	return nil
}

func (s *scripted) deliver(ctx context.Context, out chan<- *message.Message) {
	start, err := projections.StartOf(ctx)
	if err != nil {
		s.t.Error(err)
		return
	}
	for ctx.Err() == nil {
		after, err := start(ctx, s.topic)
		if err != nil {
			continue // a connection that broke is replaced at once
		}
		for {
			b := s.cut(ctx, after)
			if b == nil {
				return
			}
			if !send(ctx, out, b) {
				break
			}
			if s.twice && send(ctx, out, b) {
				s.t.Errorf("the events after %d up to %d were taken twice", b.After, b.Last)
			}
			after = b.Last
		}
	}
}

// cut reads the next batch; nil at the end of the log.
func (s *scripted) cut(ctx context.Context, after events.Position) *projections.Batch {
	size := s.size()
	var records []events.Record
	for r, err := range s.store.ReadAll(ctx, after) {
		if err != nil || len(records) == size {
			break
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil
	}
	return &projections.Batch{After: after, Last: records[len(records)-1].Position, Events: projections.Decode(records)}
}

func send(ctx context.Context, out chan<- *message.Message, b *projections.Batch) (taken bool) {
	msg := message.NewMessageWithContext(projections.WithBatch(ctx, b), "", nil)
	select {
	case out <- msg:
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
