package watermill_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/storetest"
	"daybook/adapters/watermill"
	"daybook/events"
	"daybook/events/id"
)

// note appends n events, whose data is their number, and returns where the last one is.
func note(t require.TestingT, s storetest.Store, stream string, from, n int) events.Position {
	proposed := make([]events.Proposed, n)
	for i := range proposed {
		proposed[i] = events.Proposed{ID: id.New[id.Event](), Type: "Noted", Data: []byte(strconv.Itoa(from + i))}
	}
	at, err := s.Append(context.Background(), stream, events.Any, proposed)
	require.NoError(t, err)
	return at.Position
}

// receive subscribes for as long as the test runs.
func receive(t *testing.T, s *watermill.Subscriber, topic string) <-chan *message.Message {
	t.Helper()
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	messages, err := s.Subscribe(t.Context(), topic)
	require.NoError(t, err)
	return messages
}

func TestStreamsAreTopicsAndAllIsTheLog(t *testing.T) {
	t.Parallel()
	s := storetest.Lend(t)
	note(t, s, "$settings", 0, 1)
	note(t, s, "a", 0, 1)
	note(t, s, "b", 1, 1)
	_, err := s.Append(t.Context(), "a", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "$noted"}})
	require.NoError(t, err)
	note(t, s, "a", 2, 1)
	reader := newReader(s)
	for topic, want := range map[string][]string{
		"a": {"a@0=0", "a@2=2"}, "b": {"b@0=1"}, watermill.All: {events.StoreStream + "@0=", "a@0=0", "b@0=1", "a@2=2"},
	} {
		messages := receive(t, reader.Events(new(watermill.Memory)), topic)
		for i, text := range want {
			m := <-messages
			r, ok := watermill.RecordOf(m.Context())
			require.True(t, ok)
			require.Equal(t, r.ID.String(), m.UUID)
			require.Equal(t, []string{r.Stream, strconv.FormatUint(r.Revision, 10), strconv.FormatUint(uint64(r.Position), 10), r.Type},
				[]string{m.Metadata.Get(watermill.KeyStream), m.Metadata.Get(watermill.KeyRevision), m.Metadata.Get(watermill.KeyPosition), m.Metadata.Get(watermill.KeyType)})
			if r.Stream == events.StoreStream {
				m.Payload = nil
			}
			require.Equalf(t, text, fmt.Sprintf("%s@%d=%s", r.Stream, r.Revision, m.Payload), "message %d of %s", i, topic)
			m.Ack()
		}
	}
	for _, topic := range []string{"", "$settings", "$ce-a"} {
		_, err := reader.Events(new(watermill.Memory)).Subscribe(t.Context(), topic)
		require.ErrorContains(t, err, strconv.Quote(topic)+": ")
	}
}

func TestAnEnvelopeIsMetadata(t *testing.T) {
	t.Parallel()
	s := storetest.Lend(t)
	at := time.Date(2026, 10, 1, 9, 30, 0, 0, time.UTC)
	envelope := events.Envelope{Version: 1, OccurredAt: at, RecordedAt: at, Actor: "api:admin", Source: "<cli>", Causation: `a"b`}
	store := s.ID()
	proposed, err := events.Encode(id.New[id.Event](), events.StoreCreated{StoreID: store}, envelope)
	require.NoError(t, err)
	_, err = s.Append(t.Context(), "other", events.NoStream, []events.Proposed{proposed})
	require.NoError(t, err)
	m := <-receive(t, newReader(s).Events(new(watermill.Memory)), "other")
	position := m.Metadata.Get(watermill.KeyPosition)
	require.Equal(t, message.Metadata{
		"version": "1", "occurred_at": "2026-10-01T09:30:00Z", "recorded_at": "2026-10-01T09:30:00Z",
		"actor": "api:admin", "source": "<cli>", "$causationId": `a"b`,
		watermill.KeyType: "StoreCreated", watermill.KeyStream: "other", watermill.KeyRevision: "0", watermill.KeyPosition: position,
	}, m.Metadata)
	require.JSONEq(t, `{"store_id":"`+store.String()+`"}`, string(m.Payload))
	r, _ := watermill.RecordOf(m.Context())
	require.Equal(t, envelope, r.Envelope)
}

// TestWhatAMessageHoldsIsItsOwn: handlers may do with a message what they like, others share the event.
func TestWhatAMessageHoldsIsItsOwn(t *testing.T) {
	t.Parallel()
	s := storetest.Lend(t)
	note(t, s, "a", 5, 1)
	reader := newReader(s)
	batches := reader.Batches()
	t.Cleanup(func() { require.NoError(t, batches.Close()) })
	for range 2 {
		m := <-receive(t, reader.Events(new(watermill.Memory)), "a")
		require.Equal(t, "5", string(m.Payload))
		m.Payload[0] = 'x'
		clear(m.Metadata)
		single, _ := watermill.RecordOf(m.Context())
		whole := batch(t, <-subscribe(t, t.Context(), batches, &desk{}, "p"))
		require.Same(t, whole.Events[len(whole.Events)-1], single, "read and decoded once for both subscribers")
	}
}

// TestAnAckBeforeTheEndCounts ends a subscription right after the Ack, and goes on with another one.
func TestAnAckBeforeTheEndCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rounds = 100
		log, checkpoints := newBook(rounds), new(fickle)
		for round := range rounds {
			subscriber := watermill.NewReader(fast(log)).Events(checkpoints)
			ctx, cancel := context.WithCancel(t.Context())
			messages, err := subscriber.Subscribe(ctx, "s")
			require.NoError(t, err)
			synctest.Wait() // the message is on offer, so the end may come before its sender goes on
			m := <-messages
			r, _ := watermill.RecordOf(m.Context())
			require.Equal(t, log.records[round].Position, r.Position)
			m.Ack()
			if round%2 == 0 {
				cancel()
			}
			require.NoError(t, subscriber.Close())
			cancel()
		}
	})
}

// TestPausesGrowUntilSomethingIsTaken, for both subscribers.
func TestPausesGrowUntilSomethingIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := watermill.NewReader(watermill.Config{Log: newBook(9), Events: 3, MinPause: time.Second, MaxPause: 20 * time.Second})
		for _, s := range []message.Subscriber{reader.Batches(), reader.Events(new(watermill.Memory))} {
			d := &desk{at: map[string]events.Position{}}
			messages := subscribe(t, t.Context(), s, d, "s")
			begun := time.Now()
			waited := func() time.Duration { defer func() { begun = time.Now() }(); return time.Since(begun) }
			for _, most := range []time.Duration{0, 1, 2, 4, 8, 16, 20, 20} {
				m := <-messages
				require.InDelta(t, 0.75*float64(most), waited().Seconds(), 0.25*float64(most))
				m.Nack()
			}
			(<-messages).Ack()
			waited()
			(<-messages).Nack()
			require.Zero(t, waited())
			<-messages
			require.LessOrEqual(t, waited(), time.Second)
			require.NoError(t, s.Close())
		}
	})
}

// fickle checkpoints fail as often as they are told to, and when they are called too late.
type fickle struct {
	watermill.Memory

	mu          sync.Mutex
	loads, save int // failures to come
	saved       []events.Position
}

var errAway = errors.New("the database is away")

func (f *fickle) Load(ctx context.Context, topic string) (events.Position, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loads--; f.loads >= 0 {
		return 0, errAway
	}
	return f.Memory.Load(ctx, topic)
}

func (f *fickle) Save(ctx context.Context, topic string, at events.Position) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.save--; f.save >= 0 || ctx.Err() != nil {
		return errAway
	}
	f.saved = append(f.saved, at)
	return f.Memory.Save(ctx, topic, at)
}

func (f *fickle) saves() []events.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.saved
}

func TestFailingCheckpointsAreWaitedOut(t *testing.T) {
	t.Parallel()
	s := storetest.Lend(t)
	last := note(t, s, "a", 0, 3)
	checkpoints := &fickle{loads: 3, save: 2}
	messages := receive(t, newReader(s).Events(checkpoints), "a")
	for _, want := range []string{"0", "0", "0", "1", "2"} {
		m := <-messages
		require.Equal(t, want, string(m.Payload), "what was not saved comes again")
		m.Ack()
	}
	require.Eventually(t, func() bool { return len(checkpoints.saves()) == 3 }, 10*time.Second, time.Millisecond)
	require.Equal(t, last, checkpoints.saves()[2])
}

// TestTheCheckpointPassesOverOtherStreams, but rarely: it must neither stay behind for ever nor cost a save per batch.
func TestTheCheckpointPassesOverOtherStreams(t *testing.T) {
	t.Parallel()
	log, checkpoints := newBook(1000), &fickle{}
	cfg := fast(log)
	cfg.Events = 10
	receive(t, watermill.NewReader(cfg).Events(checkpoints), "quiet")
	require.Eventually(t, func() bool { return len(checkpoints.saves()) == 5 }, 10*time.Second, time.Millisecond)
	at, err := checkpoints.Load(t.Context(), "quiet")
	require.NoError(t, err)
	require.Equal(t, log.records[5*17*10-1].Position, at)
}

func TestSharedCheckpointsNeverGoBack(t *testing.T) {
	t.Parallel()
	checkpoints := new(watermill.Memory)
	for _, at := range []events.Position{7, 3, 9, 8} {
		require.NoError(t, checkpoints.Save(t.Context(), "a", at))
	}
	at, err := checkpoints.Load(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, events.Position(9), at)
	at, err = checkpoints.Load(t.Context(), "b")
	require.NoError(t, err)
	require.Equal(t, events.Start, at)
}

// TestEverySubscriberSeesItsTopicInOrder lets subscribers, two of them in one group, refuse messages, and end and begin
// anew, at random. No message may come before those before it were acknowledged by the group, and none be left out.
func TestEverySubscriberSeesItsTopicInOrder(t *testing.T) {
	t.Parallel()
	s := storetest.Lend(t)
	rapid.Check(t, func(rt *rapid.T) {
		const n = 40
		groups := []*group{newGroup(n, 1), newGroup(n, 1), newGroup(n, 2)}
		groups[1].topic = groups[0].topic
		head, err := s.Head(t.Context())
		require.NoError(rt, err)
		for i := range n {
			note(rt, s, groups[0].topic, i, 1)
			note(rt, s, groups[2].topic, i, 1)
		}
		cfg := fast(s)
		cfg.Events = rapid.IntRange(1, 30).Draw(rt, "limit")
		reader := watermill.NewReader(cfg)
		failures := make([]error, 4)
		var readers sync.WaitGroup
		for i := range failures {
			g := groups[min(i, 2)]
			require.NoError(rt, g.Save(t.Context(), g.topic, head))
			script := rapid.SliceOfN(rapid.SampledFrom([]action{ack, ack, ack, nack, end, ackAndEnd}), 5, 20).Draw(rt, "script")
			readers.Go(func() { failures[i] = g.play(reader, append(script, ack)) })
		}
		readers.Wait()
		require.NoError(rt, errors.Join(failures...))
	})
}

type action int

const (
	ack action = iota
	nack
	end
	ackAndEnd
)

// group is checkpoints, and what is known of the messages that were taken under them.
type group struct {
	watermill.Memory

	topic         string
	size, members int

	mu    sync.Mutex
	acked int // so many messages, from the first on
	all   context.Context
	done  context.CancelFunc
}

func newGroup(size, members int) *group {
	g := &group{topic: wm.NewUUID(), size: size, members: members}
	g.all, g.done = context.WithCancel(context.Background())
	return g
}

// play takes messages until the group has taken all, doing with each what the script says.
func (g *group) play(reader *watermill.Reader, script []action) error {
	for turn := 0; ; {
		subscriber := reader.Events(g)
		messages, err := subscriber.Subscribe(g.all, g.topic)
		if err != nil {
			return err
		}
		for m := range messages {
			does := script[turn%len(script)]
			turn++
			if err := g.take(m, does); err != nil {
				return errors.Join(err, subscriber.Close())
			}
			if does == end || does == ackAndEnd {
				break
			}
		}
		if err := subscriber.Close(); err != nil || g.all.Err() != nil {
			return err
		}
	}
}

// take complains of a message whose turn it is not.
func (g *group) take(m *message.Message, does action) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	number, err := strconv.Atoi(string(m.Payload))
	if err != nil || number > g.acked || number < g.acked && g.members == 1 {
		return fmt.Errorf("got message %s when %d were acknowledged", m.Payload, g.acked)
	}
	if does == nack {
		m.Nack()
	}
	if does == ack || does == ackAndEnd {
		g.acked = max(g.acked, number+1)
		m.Ack()
	}
	if g.acked == g.size {
		g.done()
	}
	return nil
}

// FuzzForeignMetadata delivers events whose metadata anybody wrote.
func FuzzForeignMetadata(f *testing.F) {
	for _, metadata := range []string{``, `null`, `[]`, `{"a":"b","c":{"d":[1,null]},"$type":"x"}`, `{"a":"\ud800"}`, "{\"\xff\":\"\xfe\"}", `{"a":`, `{"a":1,"a":"2"}`} {
		f.Add([]byte(metadata))
	}
	f.Fuzz(func(t *testing.T, metadata []byte) {
		log := newBook(0)
		log.records = append(log.records, events.Record{Stream: "s", Position: 7, Type: "T", Metadata: metadata})
		m := <-receive(t, watermill.NewReader(fast(log)).Events(new(watermill.Memory)), "s")
		require.Equal(t, "T", m.Metadata.Get(watermill.KeyType))
		r, ok := watermill.RecordOf(m.Context())
		require.True(t, ok)
		require.Equal(t, metadata, r.Metadata)
		m.Ack()
	})
}
