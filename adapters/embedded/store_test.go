package embedded_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
)

func TestReopenKeepsEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var before []events.Record
	var repeat []events.Proposed
	for round := range 3 {
		store, err := embedded.Open(dir)
		require.NoError(t, err)
		all := readAll(t, store, events.Start)
		if round > 0 {
			require.Equal(t, before, all)
		}
		head, err := store.Head(t.Context())
		require.NoError(t, err)
		if round > 0 {
			require.Equal(t, all[len(all)-1].Position, head)
			// A repeat at an exact revision is recognised for ever.
			at, err := store.Append(t.Context(), "a", events.NoStream, repeat)
			require.NoError(t, err)
			require.Equal(t, events.Appended{Revision: 2, Position: all[3].Position}, at)
		} else {
			repeat = notes(3)
			_, err = store.Append(t.Context(), "a", events.NoStream, repeat)
			require.NoError(t, err)
		}
		at, err := store.Append(t.Context(), "b", events.Expected(300*round-1), notes(300))
		require.NoError(t, err)
		require.Greater(t, at.Position, head)
		before = readAll(t, store, events.Start)
		require.NoError(t, store.Close())
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	store, err := embedded.Open(dir, embedded.Clock(func() time.Time { return now }))
	require.NoError(t, err)
	first := readAll(t, store, events.Start)
	require.Len(t, first, 1)
	require.Equal(t, events.StoreStream, first[0].Stream)
	require.Equal(t, uint64(0), first[0].Revision)
	require.True(t, now.Equal(first[0].Created))
	envelope, err := events.DecodeEnvelope(first[0].Metadata)
	require.NoError(t, err)
	require.True(t, now.Equal(envelope.RecordedAt))
	event, err := events.Decode(first[0].Type, envelope.Version, first[0].Data)
	require.NoError(t, err)
	require.Equal(t, events.StoreCreated{StoreID: store.ID()}, event)
	require.False(t, store.ID().IsZero())
	require.NoError(t, store.Close())

	again, other := open(t, dir), open(t, t.TempDir())
	require.Equal(t, store.ID(), again.ID())
	require.NotEqual(t, store.ID(), other.ID())
	require.Equal(t, first, readAll(t, again, events.Start))
}

func TestPositionsAreNotDense(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), embedded.InMemory())
	_, err := store.Append(t.Context(), "s", events.NoStream, notes(3))
	require.NoError(t, err)
	all := readAll(t, store, events.Start)
	for i, r := range all[1:] {
		require.Greater(t, r.Position, all[i].Position+1)
	}
}

// TestAppendsOfNearlyNothing: an append is also limited by what it takes in the log, where each event has its stream's
// name, and in the index, where it has it again.
func TestAppendsOfNearlyNothing(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), embedded.InMemory())
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	empty := make([]events.Proposed, embedded.DefaultMaxAppendBytes/8)
	for i := range empty {
		empty[i] = events.Proposed{ID: note().ID, Type: "a"}
	}
	_, err = store.Append(t.Context(), "$$"+strings.Repeat("x", 1024), events.Any, empty)
	large, ok := errors.AsType[*embedded.TooLargeError](err)
	require.True(t, ok, err)
	require.True(t, large.Stored)
	require.Greater(t, large.Size, large.Limit)
	require.Equal(t, 16*embedded.DefaultMaxAppendBytes, large.Limit)
	after, err := store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, after)

	_, err = store.Append(t.Context(), "s", events.Any, empty[:1<<16])
	require.NoError(t, err, "as many as anybody could mean to write")
	after, err = store.Head(t.Context())
	require.NoError(t, err)
	require.Less(t, after, head+16*embedded.DefaultMaxAppendBytes)
}

func TestRefusedAppends(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), embedded.InMemory(), embedded.MaxAppendBytes(1000))
	e := events.Proposed{ID: note().ID, Type: "0123456789", Data: make([]byte, 950), Metadata: make([]byte, 30)}
	_, err := store.Append(t.Context(), "s", events.Any, []events.Proposed{e})
	require.NoError(t, err, "exactly the limit")
	for _, test := range []struct {
		stream   string
		expected events.Expected
		change   func(*events.Proposed)
		want     any
	}{
		{"s", events.Any, func(e *events.Proposed) { e.Data = make([]byte, 951) }, new(*embedded.TooLargeError)},
		{"s", events.Any, func(e *events.Proposed) { e.Type += "0" }, new(*embedded.TooLargeError)},
		{"s", events.Any, func(e *events.Proposed) { e.Type = "" }, new(*embedded.InvalidError)},
		{"s", events.Any, func(e *events.Proposed) { *e = events.Proposed{Type: "T"} }, new(*embedded.InvalidError)},
		{"s", -3, func(*events.Proposed) {}, new(*embedded.InvalidError)},
		{"", events.Any, func(*events.Proposed) {}, new(*embedded.InvalidError)},
		{"$all", events.Any, func(*events.Proposed) {}, new(*embedded.InvalidError)},
		{"$$", events.Any, func(*events.Proposed) {}, new(*embedded.InvalidError)},
		{strings.Repeat("n", 1025), events.Any, func(*events.Proposed) {}, new(*embedded.InvalidError)},
	} {
		changed := e
		test.change(&changed)
		_, err := store.Append(t.Context(), test.stream, test.expected, []events.Proposed{changed})
		require.ErrorAs(t, err, test.want)
	}
	require.Len(t, readAll(t, store, events.Start), 2)
	_, err = store.Append(t.Context(), strings.Repeat("n", 1024), events.NoStream, []events.Proposed{e})
	require.NoError(t, err, "the longest name")
	_, found, err := store.ReadLast(t.Context(), strings.Repeat("n", 1024))
	require.NoError(t, err)
	require.True(t, found)
	_, found, err = store.ReadLast(t.Context(), strings.Repeat("n", 1025))
	require.NoError(t, err)
	require.False(t, found, "no stream has a longer name")
}

// More streams and ids than are remembered: the ends of forgotten streams are found again, and repeats by id are
// recognised as far back as promised.
func TestBoundedMemory(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), embedded.InMemory())
	const streams = 1<<16 + 500
	first := notes(2)
	_, err := store.Append(t.Context(), "stream-0", events.Any, first)
	require.NoError(t, err)
	var writers sync.WaitGroup
	for w := range 64 {
		writers.Go(func() {
			for i := 1 + w; i < streams; i += 64 {
				if _, err := store.Append(t.Context(), fmt.Sprintf("stream-%d", i), events.NoStream, notes(1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	recent := notes(1)
	at, err := store.Append(t.Context(), "stream-0", events.Exactly(1), recent)
	require.NoError(t, err)
	again, err := store.Append(t.Context(), "stream-0", events.Any, recent)
	require.NoError(t, err)
	require.Equal(t, at, again, "a recent repeat is recognised")
	again, err = store.Append(t.Context(), "stream-0", events.Any, first)
	require.NoError(t, err)
	require.Equal(t, uint64(4), again.Revision, "an old one is not, unless it names its revision")
	again, err = store.Append(t.Context(), "stream-0", events.NoStream, first)
	require.NoError(t, err)
	require.Equal(t, uint64(1), again.Revision)
}

// Close answers what is queued, refuses what comes later, ends subscriptions, and leaves no goroutine.
func TestClose(t *testing.T) {
	t.Parallel()
	mark := t.TempDir() // goroutines inherit labels, so the store's can be told from others'
	pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), pprof.Labels("store", mark)))
	g := newGate()
	store, err := embedded.Open("store", embedded.FileSystem(walFS{vfs.NewMem(), g.pass}))
	require.NoError(t, err)
	require.Contains(t, goroutines(t), mark, "the check below sees the store's goroutines")
	subscribed := make(chan error, 1)
	go func() {
		var last error
		for _, last = range store.SubscribeAll(t.Context(), events.Start, 10) {
			continue
		}
		subscribed <- last
	}()
	g.closed.Store(true)
	var answers [8]chan error
	for i := range answers {
		answers[i] = make(chan error, 1)
		watched := watchedContext{t.Context(), make(chan struct{}, 1)}
		go func() {
			_, err := store.Append(watched, "s", events.Any, notes(1))
			answers[i] <- err
		}()
		<-watched.watched // it is queued
	}
	<-g.arrived
	closed := make(chan error, 1)
	go func() { closed <- store.Close() }()
	require.Empty(t, closed)
	g.open()
	require.NoError(t, <-closed)
	for _, answer := range answers {
		require.NoError(t, <-answer, "it was queued before Close")
	}
	require.ErrorIs(t, <-subscribed, embedded.ErrClosed)
	require.NoError(t, store.Close(), "closing twice is one closing")

	_, err = store.Append(t.Context(), "s", events.Any, notes(1))
	require.ErrorIs(t, err, embedded.ErrClosed)
	_, err = store.Head(t.Context())
	require.ErrorIs(t, err, embedded.ErrClosed)
	_, _, err = store.ReadLast(t.Context(), "s")
	require.ErrorIs(t, err, embedded.ErrClosed)
	for _, err := range store.ReadAll(t.Context(), events.Start) {
		require.ErrorIs(t, err, embedded.ErrClosed)
	}
	for _, err := range store.ReadStream(t.Context(), "s", 0) {
		require.ErrorIs(t, err, embedded.ErrClosed)
	}
	pprof.SetGoroutineLabels(t.Context()) // this one is not the store's
	require.Eventually(t, func() bool { return !strings.Contains(goroutines(t), mark) },
		time.Minute, time.Millisecond, "every goroutine of the store ends")
}

// A subscription that waits at the head is woken by Close.
func TestCloseEndsWaitingSubscriptions(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), embedded.InMemory())
	next, stop := iter.Pull2(store.SubscribeAll(t.Context(), events.Start, 10))
	defer stop()
	_, err, ok := next()
	require.True(t, ok)
	require.NoError(t, err)
	closed := make(chan error, 1)
	go func() { closed <- store.Close() }()
	_, err, ok = next()
	require.True(t, ok)
	require.ErrorIs(t, err, embedded.ErrClosed)
	require.NoError(t, <-closed)
}

// goroutines lists all goroutines with their labels.
func goroutines(t *testing.T) string {
	t.Helper()
	var list bytes.Buffer
	require.NoError(t, pprof.Lookup("goroutine").WriteTo(&list, 1))
	return list.String()
}

func TestOtherFormatsAreRefused(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string]map[string]string{
		"daybook-log-99": {"\x00format": "daybook-log-99"},
		"":               {"something": "else"},
	} {
		dir := t.TempDir()
		db, err := pebble.Open(dir, &pebble.Options{})
		require.NoError(t, err)
		for key, value := range entries {
			require.NoError(t, db.Set([]byte(key), []byte(value), pebble.Sync))
		}
		require.NoError(t, db.Close())
		for range 2 { // the lock is given back
			_, err = embedded.Open(dir)
			var format *embedded.FormatError
			require.ErrorAs(t, err, &format)
			require.Equal(t, embedded.FormatError{Dir: dir, Found: name}, *format)
		}
	}
}

func TestOpenErrorsNameTheDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := embedded.Open(file)
	require.ErrorContains(t, err, file)
	_, err = embedded.Open(filepath.Join(file, "below"))
	require.ErrorContains(t, err, file)

	dir := t.TempDir()
	open(t, dir)
	_, err = embedded.Open(dir)
	var inUse *embedded.InUseError
	require.ErrorAs(t, err, &inUse)
}
