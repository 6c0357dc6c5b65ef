package watermill_test

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/embedded"
	"daybook/adapters/storetest"
	"daybook/adapters/watermill"
	"daybook/events"
)

// stored returns what a stream holds.
func stored(t require.TestingT, s storetest.Store, stream string) (records []events.Record) {
	for r, err := range s.ReadStream(context.Background(), stream, 0) {
		require.NoError(t, err)
		records = append(records, r)
	}
	return records
}

// TestAMessageComesBackAsItWasPublished, and again when it is passed on as it came.
func TestAMessageComesBackAsItWasPublished(t *testing.T) {
	t.Parallel()
	s := storetest.Lend(t)
	publisher := watermill.NewPublisher(s)
	reader := newReader(s)
	first := receive(t, reader.Events(new(watermill.Memory)), "first")
	second := receive(t, reader.Events(new(watermill.Memory)), "second")
	rapid.Check(t, func(rt *rapid.T) {
		sent := message.NewMessage(wm.NewUUID(), rapid.SliceOf(rapid.Byte()).Draw(rt, "payload"))
		sent.Metadata = rapid.MapOf(rapid.String(), rapid.String()).Draw(rt, "metadata")
		delete(sent.Metadata, watermill.KeyType)
		want := watermill.DefaultType
		if rapid.Bool().Draw(rt, "typed") {
			want = "Noted"
			sent.Metadata.Set(watermill.KeyType, want)
		}
		require.NoError(rt, publisher.Publish("first", sent))
		got := <-first
		require.NoError(rt, publisher.Publish("second", got.Copy()))
		got.Ack()
		got = <-second
		got.Ack()
		require.Equal(rt, want, got.Metadata.Get(watermill.KeyType))
		require.Equal(rt, "second", got.Metadata.Get(watermill.KeyStream))
		for _, m := range []*message.Message{sent, got} {
			for _, key := range []string{watermill.KeyType, watermill.KeyStream, watermill.KeyRevision, watermill.KeyPosition} {
				delete(m.Metadata, key)
			}
		}
		require.Truef(rt, sent.Equals(got), "sent %v, got %v", sent, got)
	})
}

func TestDataIsMarkedAsWhatItIs(t *testing.T) {
	t.Parallel()
	s := storetest.Lend(t)
	for _, payload := range []string{`{"a":1}`, `17`, ``, `x`, `{"a":1`} {
		require.NoError(t, watermill.NewPublisher(s).Publish("a", message.NewMessage(wm.NewUUID(), []byte(payload))))
	}
	var binary []bool
	for _, r := range stored(t, s, "a") {
		binary = append(binary, r.Binary)
		require.Empty(t, r.Metadata)
	}
	require.Equal(t, []bool{false, false, true, true, true}, binary)
}

func TestWhatCannotBePublishedIsRefusedWhole(t *testing.T) {
	t.Parallel()
	s := storetest.Lend(t)
	before, err := s.Head(t.Context())
	require.NoError(t, err)
	publisher := watermill.NewPublisher(s)
	with := func(uuid, key, value string) *message.Message {
		m := message.NewMessage(uuid, nil)
		m.Metadata.Set(key, value)
		return m
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	const uuid = "0199a2f6-7d3c-7d07-8d2f-6f1f43f0a1b5"
	for _, c := range []struct {
		topic   string
		message *message.Message
		want    string
	}{
		{"", with(uuid, "a", "b"), `"": the name is empty`},
		{"$settings", with(uuid, "a", "b"), `"$settings": names that begin with $ are the store's own`},
		{watermill.All, with(uuid, "a", "b"), `"$all": names that begin with $ are the store's own`},
		{"t", with("", "a", "b"), `t: message 1: "" is not a UUID`},
		{"t", with("17", "a", "b"), `t: message 1: "17" is not a UUID`},
		{"t", with("00000000-0000-0000-0000-000000000000", "a", "b"), `t: message 1: the UUID is nil`},
		{"t", with(uuid, watermill.KeyType, "$metadata"), `t: message 1: $type: "$metadata": names that begin with $`},
		{"t", with(uuid, "a", "\xff"), `t: message 1: metadata "a": JSON cannot hold`},
		{"t", with(uuid, "\xff", ""), `t: message 1: metadata "\xff": JSON cannot hold`},
	} {
		err := publisher.Publish(c.topic, message.NewMessage(wm.NewUUID(), nil), c.message)
		require.ErrorContains(t, err, "publishing to "+c.want)
	}
	err = publisher.Publish("t", message.NewMessageWithContext(ended, uuid, nil))
	require.ErrorIs(t, err, context.Canceled)
	err = publisher.Publish("t", message.NewMessage(wm.NewUUID(), nil), message.NewMessage(uuid, make([]byte, embedded.DefaultMaxAppendBytes)))
	require.ErrorContains(t, err, "publishing to t: ", "the store refuses what is too large")
	require.NoError(t, publisher.Publish("t"))
	require.NoError(t, publisher.Close())
	require.NoError(t, publisher.Close())
	require.ErrorContains(t, publisher.Publish("t", message.NewMessage(uuid, nil)), "the publisher is closed")
	after, err := s.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after, "nothing was written")
}

func TestARepeatOfPublishingIsRecognised(t *testing.T) {
	t.Parallel()
	s := storetest.Lend(t)
	publisher := watermill.NewPublisher(s)
	a, b := message.NewMessage(wm.NewUUID(), nil), message.NewMessage(wm.NewUUID(), nil)
	require.NoError(t, publisher.Publish("t", a, b))
	require.NoError(t, publisher.Publish("t", a.Copy(), b.Copy()))
	require.NoError(t, publisher.Publish("t", b))
	records := stored(t, s, "t")
	require.Len(t, records, 2)
	require.Equal(t, []string{a.UUID, b.UUID}, []string{records[0].ID.String(), records[1].ID.String()})
}

func TestCloseWaitsForWhatIsBeingPublished(t *testing.T) {
	t.Parallel()
	var publisher *watermill.Publisher
	closed := make(chan error, 1)
	publisher = watermill.NewPublisher(appendFunc(func() {
		go func() { closed <- publisher.Close() }()
		for range 1000 {
			runtime.Gosched()
		}
		require.Empty(t, closed)
	}))
	require.NoError(t, publisher.Publish("t", message.NewMessage(wm.NewUUID(), nil)))
	require.NoError(t, <-closed)
}

// appendFunc is a store that only calls it.
type appendFunc func()

func (f appendFunc) Append(context.Context, string, events.Expected, []events.Proposed) (events.Appended, error) {
	f()
	return events.Appended{}, nil
}

// TestARouterPassesEventsOnOnceAndInOrder puts Watermill's router between two streams. Its handler fails now and then.
func TestARouterPassesEventsOnOnceAndInOrder(t *testing.T) {
	t.Parallel()
	const n = 200
	s := storetest.Lend(t)
	note(t, s, "in", 0, n)
	router, err := message.NewRouter(message.RouterConfig{}, wm.NopLogger{})
	require.NoError(t, err)
	failed := map[string]bool{}
	router.AddHandler("copy", "in", newReader(s).Events(new(watermill.Memory)), "out", watermill.NewPublisher(s),
		func(m *message.Message) ([]*message.Message, error) {
			if i, _ := strconv.Atoi(string(m.Payload)); i%7 == 0 && !failed[m.UUID] {
				failed[m.UUID] = true
				return nil, errAway
			}
			return []*message.Message{m.Copy()}, nil
		})
	ended := make(chan error, 1)
	go func() { ended <- router.Run(t.Context()) }()
	require.Eventually(t, func() bool { return len(stored(t, s, "out")) == n }, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, router.Close())
	require.NoError(t, <-ended)
	in, out := stored(t, s, "in"), stored(t, s, "out")
	require.True(t, slices.EqualFunc(in, out, func(a, b events.Record) bool {
		return a.ID == b.ID && a.Type == b.Type && string(a.Data) == string(b.Data) && string(a.Metadata) == string(b.Metadata)
	}))
}
