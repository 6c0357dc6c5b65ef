package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

// patience is how long a subscription may take to yield what is known to be there, on a machine that is busy.
const patience = 2 * time.Minute

// patient is a context for a subscription that must not wait for ever for what has got lost.
func (s *suite) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.Context(), patience)
}

// follow subscribes until it has seen n records of the streams, checking what holds of every batch.
func (s *suite) follow(after events.Position, limit, n int, streams ...string) ([]events.Record, error) {
	ctx, cancel := s.patient()
	defer cancel()
	var seen []events.Record
	last := events.Start
	for batch, err := range s.store.SubscribeAll(ctx, after, limit) {
		if err != nil {
			return seen, err
		}
		if len(batch) == 0 || len(batch) > limit {
			return seen, errors.New("a batch is empty or over the limit")
		}
		for _, r := range batch {
			if r.Position <= last {
				return seen, errors.New("positions do not rise")
			}
			last = r.Position
		}
		if seen = append(seen, of(streams, batch)...); len(seen) >= n {
			return seen, nil
		}
	}
	return seen, fmt.Errorf("the subscription ended after %d of %d records", len(seen), n)
}

// A subscription that starts in the middle of a backlog, while writers go on, sees every record exactly once and in the
// order of the log.
func (s *suite) subscriptionHasNoGapAndNoRepeat() {
	const writers, appends = 8, 50
	streams, errs := make([]string, writers), make([]error, writers)
	before := s.head()
	var running sync.WaitGroup
	for w := range writers {
		streams[w] = s.stream()
		s.append(streams[w], events.NoStream, some(20)...)
		running.Go(func() {
			for a := 0; a < appends && errs[w] == nil; a++ {
				_, errs[w] = s.store.Append(s.Context(), streams[w], events.Any, some(1+a%3))
			}
		})
	}
	total := 0
	for a := range appends {
		total += writers * (1 + a%3)
	}
	seen, err := s.follow(before, 7, total+writers*20, streams...)
	running.Wait()
	require.NoError(s, err)
	require.NoError(s, errors.Join(errs...))
	require.Equal(s, s.readAll(before, streams...), seen)
}

func (s *suite) subscriptionStartsAfterThePosition() {
	stream, before := s.stream(), s.head()
	s.append(stream, events.NoStream, some(5)...)
	all := s.readAll(before, stream)
	for i, r := range all[:4] {
		seen, err := s.follow(r.Position, 100, 4-i, stream)
		require.NoError(s, err)
		require.Equal(s, all[i+1:], seen)
	}
}

// subscriptionWakesUp appends one event at a time, each only after the one before has arrived: so every one of them
// finds the subscription waiting, or about to.
func (s *suite) subscriptionWakesUp() {
	stream := s.stream()
	ctx, cancel := s.patient()
	defer cancel()
	next, stop := iter.Pull2(s.store.SubscribeAll(ctx, s.head(), 10))
	defer stop()
	for range 50 {
		e := event("wake")
		s.append(stream, events.Any, e)
		for arrived := false; !arrived; {
			batch, err, ok := next()
			require.True(s, ok)
			require.NoError(s, err)
			for _, r := range of([]string{stream}, batch) {
				require.Equal(s, e.ID, r.ID)
				arrived = true
			}
		}
	}
}

func (s *suite) subscriptionKeepsToTheLimit() {
	stream, before := s.stream(), s.head()
	s.append(stream, events.NoStream, some(100)...)
	for _, limit := range []int{1, 3, 64, 1000} {
		seen, err := s.follow(before, limit, 100, stream)
		require.NoError(s, err)
		require.Len(s, seen, 100)
	}
}

func (s *suite) subscriptionEndsWithItsContext() {
	ctx, cancel := s.patient()
	defer cancel()
	ended := make(chan error, 1)
	reached := make(chan struct{})
	stream, before := s.stream(), s.head()
	s.append(stream, events.NoStream, some(1)...)
	go func() {
		arrived := false
		for batch, err := range s.store.SubscribeAll(ctx, before, 10) {
			if err != nil {
				ended <- err
				return
			}
			if !arrived && len(of([]string{stream}, batch)) > 0 {
				arrived = true
				close(reached)
			}
		}
		ended <- nil
	}()
	select {
	case <-reached: // it has caught up: it waits, or soon will
	case err := <-ended:
		require.Fail(s, "the subscription ended before it saw the event", "%v", err)
	}
	cancel()
	require.NoError(s, <-ended, "the end of the context is no error")

	for range s.store.SubscribeAll(ctx, events.Start, 10) {
		s.Error("a subscription yields though its context was done before")
	}
}

func (s *suite) manySubscriptionsSeeTheSame() {
	const subscribers, appends = 32, 30
	stream, before := s.stream(), s.head()
	seen, errs := make([][]events.Record, subscribers), make([]error, subscribers)
	var running sync.WaitGroup
	for i := range subscribers {
		running.Go(func() {
			seen[i], errs[i] = s.follow(before, 1+i, 2*appends, stream)
		})
	}
	want := []id.Event{}
	for range appends {
		proposed := some(2)
		s.append(stream, events.Any, proposed...)
		want = append(want, idsOf(proposed)...)
	}
	running.Wait()
	require.NoError(s, errors.Join(errs...))
	for _, records := range seen {
		require.Equal(s, want, recordIDs(records))
	}
}
