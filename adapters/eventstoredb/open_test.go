package eventstoredb_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"

	"daybook/adapters/eventstoredb"
	"daybook/events"
	"daybook/events/id"
)

func TestConnectionStrings(t *testing.T) {
	t.Parallel()
	for connection, want := range map[string]string{
		"":                                       "scheme",
		"localhost:2113":                         "scheme",
		"http://localhost:2113":                  "scheme",
		"esdb://":                                "host",
		"esdb://host:port":                       "port",
		"esdb://host:67649":                      `"host:67649" has no port`,
		"esdb://a:1,b:0,c:3":                     `"b:0" has no port`,
		"esdb://host/path":                       "path",
		"esdb://host?tsl=false":                  `unknown setting "tsl"`,
		"esdb://host?tls=maybe":                  "tls",
		"esdb://host?defaultDeadline=soon":       "defaultDeadline",
		"esdb://host?defaultDeadline=0":          "defaultDeadline",
		"esdb://host?gossipTimeout=0":            "gossipTimeout",
		"esdb://host?keepAliveInterval=-2":       "eepAliveInterval",
		"esdb://host?nodePreference=best":        "NodePreference",
		"esdb://host?userCertFile=only":          "userKeyFile",
		"esdb://host?tlsCaFile=/no/such/file":    "no such file",
		"esdb://admin:topsecret@host:port":       "port",
		"esdb://admin:topsecret@host%zz":         "escape",
		"esdb://admin:topsecret@h1:1,h2:x":       "port",
		"esdb://host?%zz":                        "settings",
		"esdb+discover://admin:topsecret@a?no=1": "unknown setting",

		"esdb://admin:topsecret?x@host:2113":    "percent-encoded", // what is in a password is not for the setting's name
		"esdb://admin:topsecret/x@host:2113":    "percent-encoded",
		"esdb://admin:topsecret#x@host:2113":    "percent-encoded",
		"esdb://admin:topsecret,x@h1:1,h2:x":    "percent-encoded",
		"esdb://admin:x%topsecret@host:2113":    "percent-encoded",
		"esdb://admin:x?topsecret@host:2113":    "percent-encoded",
		"esdb://admin:x?a=topsecret@host:2113":  "percent-encoded",
		"esdb://admin:top%2Fsecret@host?foo=1":  `unknown setting "foo"`,
		"esdb://admin:topsecret@host?nope=a%40": `unknown setting "nope"`,
	} {
		require.EqualError(t, eventstoredb.Check(connection), second(eventstoredb.Open(t.Context(), connection, quick()...)).Error())
		_, err := eventstoredb.Open(t.Context(), connection, quick()...)
		require.ErrorContains(t, err, "connection string: ", connection)
		require.ErrorContains(t, err, want, connection)
		require.NotContains(t, err.Error(), "topsecret")
	}
	require.NoError(t, eventstoredb.Check("esdb://admin:top%2Fsecret@host:2113?tls=false"))
}

func TestTheIdentityIsTheServers(t *testing.T) {
	t.Parallel()
	server := serve(t)
	require.Equal(t, server.inner.ID(), open(t, server.address).ID())
	require.Len(t, server.log(events.Start), 1)
}

// An embedded store always has an identity and EventStoreDB has none at first: so a node in front of it knows the stream
// by another name.
const otherName = "another-store"

func renamed(n *node) {
	n.rename = func(name []byte) []byte {
		if string(name) == events.StoreStream {
			return []byte(otherName)
		}
		return name
	}
}

func TestANewStoreGetsAnIdentity(t *testing.T) {
	t.Parallel()
	server := serve(t)
	node := join(t, server, renamed)
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	stores := make([]*eventstoredb.Store, 8)
	errs := make([]error, len(stores))
	var opening sync.WaitGroup
	for i := range stores {
		opening.Go(func() {
			stores[i], errs[i] = eventstoredb.Open(t.Context(), plain(node.address),
				append(quick(), eventstoredb.Clock(func() time.Time { return now }))...)
		})
	}
	opening.Wait()
	require.NoError(t, errors.Join(errs...))
	var first events.Record
	for r, err := range server.inner.ReadStream(t.Context(), otherName, 0) {
		require.NoError(t, err)
		require.Zero(t, r.Revision, "there is one identity")
		first = r
	}
	e, envelope, err := events.DecodeRecord(first)
	require.NoError(t, err)
	require.Equal(t, now, envelope.OccurredAt)
	require.Equal(t, events.Actor("system:store"), envelope.Actor)
	for _, store := range stores {
		require.Equal(t, events.StoreCreated{StoreID: store.ID()}, e)
		require.NoError(t, store.Close())
	}
}

// What is no identity is not taken for one, nor replaced.
func TestAStreamThatIsNoIdentity(t *testing.T) {
	t.Parallel()
	server := serve(t)
	node := join(t, server, renamed)
	_, err := server.inner.Append(t.Context(), otherName, events.NoStream, some(1))
	require.NoError(t, err)
	_, err = eventstoredb.Open(t.Context(), plain(node.address), quick()...)
	require.ErrorContains(t, err, "reading the store's identity")
	require.Len(t, server.stream(otherName), 1)
}

// Another store behind the same address is not taken for ours: positions of the one mean nothing in the other.
func TestAnotherStoreAtTheAddress(t *testing.T) {
	t.Parallel()
	server := serve(t)
	store := open(t, server.address)
	next := make(chan error, 2)
	go func() {
		for _, err := range store.SubscribeAll(t.Context(), events.Start, 1) {
			next <- err
		}
	}()
	require.NoError(t, <-next)
	server.stop()
	server.dir = t.TempDir()
	server.start()
	other, ok := errors.AsType[*eventstoredb.IdentityError](<-next)
	require.True(t, ok)
	require.Equal(t, eventstoredb.IdentityError{Want: store.ID(), Got: server.inner.ID()}, *other)
	_, err := store.Append(t.Context(), "stream", events.Any, some(1))
	require.ErrorAs(t, err, &other)
	require.Empty(t, server.stream("stream"))
}

// A connection that nobody uses meanwhile is not taken for one to our store.
func TestAnotherStoreBehindAnIdleLine(t *testing.T) {
	t.Parallel()
	server := serve(t)
	store := open(t, server.address)
	_, err := store.Append(t.Context(), "stream", events.Any, some(1))
	require.NoError(t, err)
	server.stop()
	server.dir = t.TempDir()
	server.start()
	_, err = store.Append(t.Context(), "stream", events.Any, some(1))
	other, ok := errors.AsType[*eventstoredb.IdentityError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, server.inner.ID(), other.Got)
	require.Empty(t, server.stream("stream"))
}

// What counts is who answers on the connection that is watched: an answer of before may have come over another one.
func TestAnotherStoreBetweenTheAnswerAndTheWatch(t *testing.T) {
	t.Parallel()
	server, another := serve(t), serve(t)
	behind := join(t, another, func(*node) {})
	node := join(t, server, func(n *node) {
		n.read = func(request *streams.ReadReq, call streams.Streams_ReadServer) (bool, error) {
			if request.GetOptions().GetSubscription() == nil {
				return false, nil
			}
			return true, passOn(behind, request, call, math.MaxInt, nil)
		}
	})
	store := open(t, node.address)
	_, err := store.Append(t.Context(), "stream", events.Any, some(1))
	other, ok := errors.AsType[*eventstoredb.IdentityError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, eventstoredb.IdentityError{Want: server.inner.ID(), Got: another.inner.ID()}, *other)
	require.Empty(t, server.stream("stream"))
}

// A follower that knows of no identity is behind, so who prefers one asks again.
func TestAFollowerThatIsBehind(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	node := join(t, serve(t), func(n *node) {
		n.rename = func(name []byte) []byte {
			if nth := asked.Add(1); nth == 2 || nth == 4 { // a question and, after the next one was answered, a watch
				return append([]byte("no-"), name...)
			}
			return name
		}
	})
	store, err := eventstoredb.Open(t.Context(), plain(node.address)+"&nodePreference=follower", quick()...)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	require.EqualValues(t, 1, asked.Load())
	_, err = store.Head(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 6, asked.Load())
}

// The store behind the address has lost its data: that is told at once, for there is nothing to wait for.
func TestAServerThatHasLostItsData(t *testing.T) {
	t.Parallel()
	server := serve(t)
	var wiped atomic.Bool
	node := join(t, server, func(n *node) {
		n.rename = func(name []byte) []byte {
			if wiped.Load() {
				return append([]byte("no-"), name...)
			}
			return name
		}
	})
	network := through(t, node.address)
	store := open(t, network.address)
	wiped.Store(true)
	network.cut()
	last := error(nil)
	for _, err := range store.SubscribeAll(t.Context(), events.Start, 1) {
		if last = err; err == nil {
			network.cut()
		}
	}
	missing, ok := errors.AsType[*eventstoredb.IdentityError](last)
	require.True(t, ok, "%v", last)
	require.Equal(t, eventstoredb.IdentityError{Want: store.ID()}, *missing)
	require.ErrorContains(t, last, "an event store without identity answers")
}

// The log hears of a lost subscription once, and of its return, and never of a password.
func TestTheLogHearsOfInterruptions(t *testing.T) {
	t.Parallel()
	server := serve(t)
	network := through(t, server.address)
	var said bytes.Buffer
	store, err := eventstoredb.Open(t.Context(), "esdb://admin:topsecret@"+network.address+"?tls=false",
		append(quick(), eventstoredb.Log(slog.New(slog.NewTextHandler(&said, nil))))...)
	require.NoError(t, err)
	arrived := make(chan id.Event)
	go func() {
		defer close(arrived)
		for batch, err := range store.SubscribeAll(t.Context(), events.Start, 1) {
			if err != nil {
				return
			}
			arrived <- batch[0].ID
		}
	}()
	<-arrived
	network.cut()
	e := some(1)
	_, err = server.inner.Append(t.Context(), "stream", events.Any, e)
	require.NoError(t, err)
	require.Equal(t, e[0].ID, <-arrived)
	require.NoError(t, store.Close())
	<-arrived
	require.Contains(t, said.String(), "no credentials are sent")
	require.NotContains(t, said.String(), "topsecret")
	require.Equal(t, 1, bytes.Count(said.Bytes(), []byte("subscription interrupted")))
	require.Equal(t, 1, bytes.Count(said.Bytes(), []byte("subscription goes on")))
}
