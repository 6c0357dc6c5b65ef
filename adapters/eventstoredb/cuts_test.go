package eventstoredb_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/adapters/eventstoredb"
	"daybook/events"
	"daybook/events/id"
)

// Writers and subscribers work through a network that cuts their connections again and again, after any byte. In the
// end everything is there once and in order, and everybody has seen it once and in order.
func TestNothingIsLostOrRepeatedAcrossCuts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			const writers, appends, subscribers = 8, 60, 3
			server := serve(t)
			network := through(t, server.address)
			store := open(t, network.address)
			network.cut()
			network.chop(60, seed)

			written := make([][]events.Proposed, writers) // to the writer's own stream, at exact revisions
			shared := make([][]events.Proposed, writers)  // to one stream, with Any
			seen, errs := make([][]events.Record, subscribers), make([]error, writers+subscribers)
			var running sync.WaitGroup
			for w := range writers {
				running.Go(func() {
					for a := 0; a < appends && errs[w] == nil; a++ {
						mine, ours := some(1+a%5), some(1+a%3)
						own := fmt.Sprint("writer-", w)
						at, err := store.Append(t.Context(), own, events.Expected(len(written[w])-1), mine)
						written[w], shared[w] = append(written[w], mine...), append(shared[w], ours...)
						if err == nil && int(at.Revision) != len(written[w])-1 {
							err = fmt.Errorf("landed at %d", at.Revision)
						}
						_, other := store.Append(t.Context(), "shared", events.Any, ours)
						errs[w] = errors.Join(err, other)
					}
				})
			}
			total := 0
			for a := range appends {
				total += writers * (1 + a%5 + 1 + a%3)
			}
			for i := range subscribers {
				running.Go(func() { seen[i], errs[writers+i] = follow(t, store, events.Start, 1+i*50, total) })
			}
			running.Wait()
			require.NoError(t, errors.Join(errs...))
			require.GreaterOrEqual(t, network.chopped(), 20, "the test has to have cut something")

			ours := server.stream("shared")
			for w := range writers {
				require.Equal(t, ids(written[w]), server.stream(fmt.Sprint("writer-", w)))
				require.Equal(t, ids(shared[w]), slices.DeleteFunc(slices.Clone(ours), func(event id.Event) bool {
					return !slices.Contains(ids(shared[w]), event)
				}))
			}
			for _, records := range seen {
				require.Equal(t, places(server.log(events.Start)), places(records))
			}
		})
	}
}

// follow subscribes until it has seen n events that are not the store's own.
func follow(t *testing.T, store *eventstoredb.Store, after events.Position, limit, n int,
) (seen []events.Record, err error) {
	t.Helper()
	for batch, err := range store.SubscribeAll(t.Context(), after, limit) {
		if err != nil || len(batch) == 0 || len(batch) > limit {
			return seen, errors.Join(err, fmt.Errorf("a batch of %d", len(batch)))
		}
		seen = append(seen, batch...)
		for _, r := range batch {
			if r.Stream != events.StoreStream {
				n--
			}
		}
		if n <= 0 {
			return seen, nil
		}
	}
	return seen, errors.New("the subscription has ended")
}

// Bounded reads go on where they were, too.
func TestReadsGoOnAcrossCuts(t *testing.T) {
	t.Parallel()
	server := serve(t)
	for i := range 40 {
		for _, stream := range []string{"one", "other"} {
			_, err := server.inner.Append(t.Context(), stream, events.Any, some(40+i))
			require.NoError(t, err)
		}
	}
	log := server.log(events.Start)
	network := through(t, server.address)
	store := open(t, network.address)
	for seed := range uint64(6) {
		network.cut()
		network.chop(8, seed)
		after := log[seed*7].Position
		var all, one []events.Record
		for r, err := range store.ReadAll(t.Context(), after) {
			require.NoError(t, err)
			all = append(all, r)
		}
		require.Equal(t, places(log[seed*7+1:]), places(all))
		network.cut()
		network.chop(8, seed)
		for r, err := range store.ReadStream(t.Context(), "one", seed) {
			require.NoError(t, err)
			one = append(one, r)
		}
		require.Equal(t, server.stream("one")[seed:], idsOf(one))
		last, found, err := store.ReadLast(t.Context(), "other")
		require.NoError(t, err)
		require.True(t, found)
		head, err := store.Head(t.Context())
		require.NoError(t, err)
		require.Equal(t, head, last.Position)
	}
	require.Greater(t, network.chopped(), 25, "the test has to have cut something")
}

func idsOf(records []events.Record) []id.Event {
	all := []id.Event{}
	for _, r := range records {
		all = append(all, r.ID)
	}
	return all
}

// A read of the log ends at the head as it was when it began, though the connection is cut and others append meanwhile.
func TestReadAllEndsWhereTheHeadWas(t *testing.T) {
	t.Parallel()
	server := serve(t)
	for range 8 {
		large := some(1)
		large[0].Data = bytes.Repeat([]byte(" "), 1000<<10) // more than fits into all buffers on the way
		_, err := server.inner.Append(t.Context(), "stream", events.Any, large)
		require.NoError(t, err)
	}
	network := through(t, server.address)
	store := open(t, network.address)
	want := server.log(events.Start)
	var seen []events.Record
	for r, err := range store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		seen = append(seen, r)
		network.cut()
		_, err := server.inner.Append(t.Context(), "stream", events.Any, some(1))
		require.NoError(t, err)
	}
	require.Equal(t, places(want), places(seen))
}

// A read is as patient after its hundredth lost connection as after its first, as long as it gets on.
func TestReadsThatGetOnAreNeverGivenUp(t *testing.T) {
	t.Parallel()
	server := serve(t)
	_, err := server.inner.Append(t.Context(), "stream", events.Any, some(300))
	require.NoError(t, err)
	node := join(t, server, func(n *node) {
		n.read = func(request *streams.ReadReq, call streams.Streams_ReadServer) (bool, error) {
			if request.GetOptions().GetCount() <= 1 { // the head, the identity, subscriptions
				return false, nil
			}
			return true, passOn(n, request, call, 3, status.Error(codes.Unavailable, "Server Is Too Busy"))
		}
	})
	store := open(t, node.address, eventstoredb.Patience(100*time.Millisecond))
	var stream, all []events.Record
	for r, err := range store.ReadStream(t.Context(), "stream", 0) {
		require.NoError(t, err)
		stream = append(stream, r)
	}
	require.Equal(t, server.stream("stream"), idsOf(stream))
	for r, err := range store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		all = append(all, r)
	}
	require.Equal(t, places(server.log(events.Start)), places(all))
}
