package watermill_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/watermill"
	"daybook/events"
	"daybook/projections"
)

// book is a log in memory that can fail and counts what is read. Positions have gaps.
type book struct {
	mu      sync.Mutex
	records []events.Record
	grown   chan struct{}
	fail    atomic.Pointer[error]
	read    atomic.Int64 // records handed out
	opened  atomic.Int64 // subscriptions
}

func newBook(n int) *book {
	b := &book{grown: make(chan struct{})}
	b.append(n, 10)
	return b
}

func (b *book) append(n, size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range n {
		p := events.Position(len(b.records)*3 + 7)
		b.records = append(b.records, events.Record{Stream: "s", Position: p, Type: "T", Data: make([]byte, size)})
	}
	close(b.grown)
	b.grown = make(chan struct{})
}

func (b *book) after(p events.Position, limit int) ([]events.Record, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, r := range b.records {
		if r.Position > p {
			return b.records[i:min(i+limit, len(b.records))], nil
		}
	}
	return nil, b.grown
}

func (b *book) SubscribeAll(ctx context.Context, after events.Position, limit int) iter.Seq2[[]events.Record, error] {
	b.opened.Add(1)
	return func(yield func([]events.Record, error) bool) {
		for ctx.Err() == nil {
			if err := b.fail.Load(); err != nil {
				yield(nil, *err)
				return
			}
			records, grown := b.after(after, limit)
			if len(records) == 0 {
				select {
				case <-grown:
				case <-ctx.Done():
				}
				continue
			}
			b.read.Add(int64(len(records)))
			if !yield(records, nil) {
				return
			}
			after = records[len(records)-1].Position
		}
	}
}

// desk is the engine's side: it says where topics go on.
type desk struct {
	mu   sync.Mutex
	at   map[string]events.Position
	fail error
}

func (d *desk) start(_ context.Context, topic string) (events.Position, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at[topic], d.fail
}

func (d *desk) advance(topic string, p events.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at[topic] = p
}

func subscribe(t require.TestingT, ctx context.Context, s message.Subscriber, d *desk, topic string) <-chan *message.Message { //nolint:revive // t first, as everywhere in tests
	messages, err := s.Subscribe(projections.WithStart(ctx, d.start), topic)
	require.NoError(t, err)
	return messages
}

func batch(t require.TestingT, m *message.Message) *projections.Batch {
	b, ok := projections.BatchOf(m.Context())
	require.True(t, ok)
	return b
}

func fast(log watermill.Log) watermill.Config {
	return watermill.Config{Log: log, MinPause: time.Microsecond, MaxPause: time.Millisecond}
}

func newSubscriber(t *testing.T, cfg watermill.Config) (*watermill.BatchSubscriber, *desk) {
	t.Helper()
	s := watermill.NewBatchSubscriber(cfg)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, &desk{at: map[string]events.Position{}}
}

func TestTheNextBatchWaitsForTheAckAndGrowsMeanwhile(t *testing.T) {
	t.Parallel()
	log := newBook(3)
	s, d := newSubscriber(t, fast(log))
	messages := subscribe(t, t.Context(), s, d, "a")
	first := <-messages
	require.Len(t, batch(t, first).Events, 3)
	require.Equal(t, "3", first.Metadata.Get("events"))
	for range 4 {
		log.append(5, 10)
	}
	require.Eventually(t, func() bool { return log.read.Load() == 23 }, 10*time.Second, time.Millisecond)
	select {
	case <-messages:
		t.Fatal("delivered before the acknowledgement")
	default:
	}
	require.True(t, first.Ack())
	<-first.Context().Done()
	second := batch(t, <-messages)
	require.Equal(t, batch(t, first).Last, second.After)
	require.Len(t, second.Events, 20, "what came meanwhile is one batch")
}

func TestBatchesAreLimitedByCountAndBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ events, bytes, want int }{{4, 1 << 20, 4}, {100, 55, 5}, {100, 5, 1}} {
		log := newBook(40)
		cfg := fast(log)
		cfg.Events, cfg.Bytes = c.events, c.bytes
		s, d := newSubscriber(t, cfg)
		messages := subscribe(t, t.Context(), s, d, "a")
		for seen := 0; seen < 40; {
			m := <-messages
			n := len(batch(t, m).Events)
			require.LessOrEqual(t, n, c.want)
			seen += n
			m.Ack()
		}
	}
}

func TestANackBeginsAgainWhereTheEngineSays(t *testing.T) {
	t.Parallel()
	log := newBook(30)
	cfg := fast(log)
	cfg.Events = 10
	s, d := newSubscriber(t, cfg)
	messages := subscribe(t, t.Context(), s, d, "a")
	m := <-messages
	m.Nack()
	m = <-messages
	require.Equal(t, events.Start, batch(t, m).After, "delivered again")
	d.advance("a", batch(t, m).Events[4].Position) // another worker was here
	m.Nack()
	m = <-messages
	require.Equal(t, d.at["a"], batch(t, m).After)
	require.Greater(t, batch(t, m).Events[0].Position, d.at["a"])
}

func TestFailuresOfLogAndEngineAreWaitedOut(t *testing.T) {
	t.Parallel()
	log := newBook(3)
	broken := errors.New("broken")
	log.fail.Store(&broken)
	s, d := newSubscriber(t, fast(log))
	d.fail = broken
	messages := subscribe(t, t.Context(), s, d, "a")
	d.mu.Lock()
	d.fail = nil
	d.mu.Unlock()
	require.Eventually(t, func() bool { return log.opened.Load() > 3 }, 10*time.Second, time.Millisecond)
	log.fail.Store(nil)
	require.Len(t, batch(t, <-messages).Events, 3)
}

func TestNeighboursShareReadingAndDecoding(t *testing.T) {
	t.Parallel()
	log := newBook(1000)
	cfg := fast(log)
	cfg.Events = 100
	s, d := newSubscriber(t, cfg)
	topics := []string{"a", "b", "c"}
	var channels []<-chan *message.Message
	for _, topic := range topics {
		channels = append(channels, subscribe(t, t.Context(), s, d, topic))
	}
	var first *projections.Recorded
	for round := range 10 {
		for i := range topics {
			m := <-channels[i]
			r := batch(t, m).Events[0]
			if i == 0 {
				first = r
			}
			require.Samef(t, first, r, "round %d", round)
			defer m.Ack()
			if round < 9 {
				m.Ack()
			}
		}
	}
	require.EqualValues(t, 1000, log.read.Load())
	require.EqualValues(t, 1, log.opened.Load())
}

// TestWhatSomebodyIsOnTheWayToIsKept lets one follower of the head read many small chunks while another, far back, is some
// batches behind its neighbour.
func TestWhatSomebodyIsOnTheWayToIsKept(t *testing.T) {
	t.Parallel()
	log := newBook(200)
	cfg := fast(log)
	cfg.Events = 10
	s, d := newSubscriber(t, cfg)
	end := log.records[199].Position
	d.advance("head", end)
	first, second := subscribe(t, t.Context(), s, d, "first"), subscribe(t, t.Context(), s, d, "second")
	head := subscribe(t, t.Context(), s, d, "head")
	slow := <-second
	for range 8 {
		(<-first).Ack()
	}
	for range 100 {
		log.append(1, 10)
		(<-head).Ack()
	}
	slow.Ack()
	for range 7 {
		(<-second).Ack()
	}
	for _, messages := range []<-chan *message.Message{first, second} {
		for last := events.Start; last < end; {
			m := <-messages
			last = batch(t, m).Last
			m.Ack()
		}
	}
	require.LessOrEqual(t, log.read.Load(), int64(200+100+50), "nothing is read twice but what follows the first 200")
}

// TestEveryFollowerSeesTheWholeLogInOrder lets followers of any pace refuse batches at random, stop, and start elsewhere.
func TestEveryFollowerSeesTheWholeLogInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		log := newBook(rapid.IntRange(0, 200).Draw(rt, "before"))
		cfg := fast(log)
		cfg.Events, cfg.Bytes = rapid.IntRange(1, 30).Draw(rt, "limit"), 10*rapid.IntRange(1, 60).Draw(rt, "bytes")
		s := watermill.NewBatchSubscriber(cfg)
		d := &desk{at: map[string]events.Position{}}
		later := rapid.IntRange(1, 100).Draw(rt, "later")
		var followers sync.WaitGroup
		failures := make([]error, 3)
		whole := len(log.records) + later
		for i := range failures {
			refuse := rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 1, 2}), 5, 20).Draw(rt, "refuse")
			topic := strconv.Itoa(i)
			messages := subscribe(rt, t.Context(), s, d, topic)
			followers.Go(func() { failures[i] = follow(messages, d, topic, append(refuse, 0), whole) })
		}
		for range later {
			log.append(1, 10)
		}
		followers.Wait()
		require.NoError(rt, s.Close())
		require.NoError(rt, errors.Join(failures...))
	})
}

// follow takes n events and complains of holes, repeats and disorder. Code 1 refuses a batch; code 2 takes half of it
// and refuses it, as if another worker had come so far.
func follow(messages <-chan *message.Message, d *desk, topic string, refuse []int, n int) error {
	at, seen := events.Start, 0
	for turn := 0; seen < n; turn++ {
		m := <-messages
		b, ok := projections.BatchOf(m.Context())
		if !ok || b.After != at {
			return fmt.Errorf("follower %s stands at %d and got a batch after %d", topic, at, b.After)
		}
		taken := b.Events
		switch refuse[turn%len(refuse)] {
		case 1:
			taken = nil
		case 2:
			taken = taken[:len(taken)/2]
		}
		for _, r := range taken {
			if want := events.Position(seen*3 + 7); r.Position != want {
				return fmt.Errorf("follower %s got position %d, wanted %d", topic, r.Position, want)
			}
			at = r.Position
			seen++
		}
		d.advance(topic, at)
		if len(taken) == len(b.Events) {
			m.Ack()
		} else {
			m.Nack()
		}
	}
	return nil
}

// TestNothingIsLeftRunning is not parallel: it counts goroutines.
func TestNothingIsLeftRunning(t *testing.T) { //nolint:paralleltest // see above
	before := runtime.NumGoroutine()
	ends := []func(message.Subscriber, context.CancelFunc){
		func(s message.Subscriber, _ context.CancelFunc) { require.NoError(t, s.Close()) },
		func(_ message.Subscriber, cancel context.CancelFunc) { cancel() },
	}
	for n := range 12 { // one that each round leaves would show
		end := ends[n%2]
		log := newBook(50)
		cfg := fast(log)
		cfg.Events = 10
		batches := watermill.NewBatchSubscriber(cfg)
		s := []message.Subscriber{batches, watermill.NewReader(cfg).Events(new(watermill.Memory))}[n/2%2]
		d := &desk{at: map[string]events.Position{"ahead": log.records[49].Position}}
		ctx, cancel := context.WithCancel(t.Context())
		unread, held, ahead := subscribe(t, ctx, s, d, "s"), subscribe(t, ctx, s, d, "s"), subscribe(t, ctx, s, d, "ahead")
		<-held
		end(s, cancel)
		for _, messages := range []<-chan *message.Message{unread, held, ahead} {
			for range messages {
			}
		}
		require.NoError(t, s.Close())
		_, err := s.Subscribe(projections.WithStart(t.Context(), d.start), "late")
		require.ErrorContains(t, err, "closed")
		_, err = batches.Subscribe(t.Context(), "lost")
		require.ErrorContains(t, err, "no projection engine")
		cancel()
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, time.Millisecond)
}
