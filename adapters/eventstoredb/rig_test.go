package eventstoredb_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/adapters/eventstoredb"
	"daybook/adapters/storetest"
	"daybook/events"
	"daybook/events/id"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Store {
		t.Helper()
		return open(t, serve(t).address)
	})
}

// server is an embedded store behind its endpoint. It keeps its data and its port over restarts.
type server struct {
	t       *testing.T
	dir     string
	address string
	inner   *embedded.Store
	config  endpoint.Config

	stop func()
}

func serve(t *testing.T, changes ...func(*endpoint.Config)) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), address: "127.0.0.1:0"}
	for _, change := range changes {
		change(&s.config)
	}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *server) start() {
	s.t.Helper()
	var err error
	s.inner, err = embedded.Open(s.dir)
	require.NoError(s.t, err)
	s.config.Store = s.inner
	front, err := endpoint.New(s.config)
	require.NoError(s.t, err)
	listener := listen(s.t, s.address)
	s.address = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- front.Serve(listener) }()
	s.stop = func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		front.Shutdown(now)
		require.NoError(s.t, <-served)
		require.NoError(s.t, s.inner.Close())
		s.stop = func() {}
	}
}

func (s *server) restart() {
	s.t.Helper()
	s.stop()
	s.start()
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	return listener
}

// free returns an address where nobody listens.
func free(t *testing.T) string {
	t.Helper()
	listener := listen(t, "127.0.0.1:0")
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

func plain(addresses string) string { return "esdb://" + addresses + "?tls=false" }

// open opens a store that is quick to try again, and closes it when the test ends.
func open(t *testing.T, addresses string, opts ...eventstoredb.Option) *eventstoredb.Store {
	t.Helper()
	store, err := eventstoredb.Open(t.Context(), plain(addresses), append(quick(), opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func quick() []eventstoredb.Option {
	return []eventstoredb.Option{
		eventstoredb.Pauses(time.Millisecond, 20*time.Millisecond), eventstoredb.Patience(time.Minute),
		eventstoredb.Log(slog.New(slog.DiscardHandler)),
	}
}

func some(n int) []events.Proposed {
	proposed := make([]events.Proposed, n)
	for i := range proposed {
		proposed[i] = events.Proposed{ID: id.New[id.Event](), Type: "Noted", Data: []byte(`{"text":"some"}`)}
	}
	return proposed
}

func ids(proposed []events.Proposed) []id.Event {
	all := []id.Event{}
	for _, e := range proposed {
		all = append(all, e.ID)
	}
	return all
}

// place is what says that a record is neither missing nor repeated.
type place struct {
	stream   string
	revision uint64
	position events.Position
	id       id.Event
}

func places(records []events.Record) []place {
	all := []place{}
	for _, r := range records {
		all = append(all, place{r.Stream, r.Revision, r.Position, r.ID})
	}
	return all
}

func (s *server) log(after events.Position) []events.Record {
	s.t.Helper()
	var all []events.Record
	for r, err := range s.inner.ReadAll(s.t.Context(), after) {
		require.NoError(s.t, err)
		all = append(all, r)
	}
	return all
}

// stream returns the ids of a stream's records, whose revisions have no gaps.
func (s *server) stream(name string) []id.Event {
	s.t.Helper()
	all := []id.Event{}
	for r, err := range s.inner.ReadStream(s.t.Context(), name, 0) {
		require.NoError(s.t, err)
		require.EqualValues(s.t, len(all), r.Revision)
		all = append(all, r.ID)
	}
	return all
}

// await waits until a stream of the server holds an event.
func (s *server) await(event id.Event) {
	s.t.Helper()
	for batch, err := range s.inner.SubscribeAll(s.t.Context(), events.Start, 100) {
		require.NoError(s.t, err)
		if slices.ContainsFunc(batch, func(r events.Record) bool { return r.ID == event }) {
			return
		}
	}
}

// outcome is what became of an append.
type outcome struct {
	at  events.Appended
	err error
}

func appending(
	ctx context.Context, store storetest.Store, stream string, expected events.Expected, proposed []events.Proposed,
) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		at, err := store.Append(ctx, stream, expected, proposed)
		done <- outcome{at, err}
	}()
	return done
}
