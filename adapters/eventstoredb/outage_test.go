package eventstoredb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/adapters/eventstoredb"
	"daybook/events"
)

// The append is written, the answer is lost, and the server restarts: it has forgotten the ids that it remembers of
// appends with Any and StreamExists. Whatever was expected, the append is there once and answered with where it landed.
func TestAnAnswerLostBeforeARestart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		expected events.Expected
		existing int
	}{
		{events.Any, 0},
		{events.Any, 3},
		{events.StreamExists, 3},
		{events.NoStream, 0},
		{events.Exactly(2), 3},
	} {
		for _, others := range []int{0, 2} { // appended by somebody else meanwhile
			t.Run(fmt.Sprintf("%s of %d, then %d", test.expected, test.existing, others), func(t *testing.T) {
				t.Parallel()
				server := serve(t)
				network := through(t, server.address)
				store := open(t, network.address)
				before, lost, after := some(test.existing), some(3), some(others)
				_, err := server.inner.Append(t.Context(), "stream", events.Any, before)
				require.NoError(t, err)

				require.NoError(t, second(store.Head(t.Context())), "now there is a line")
				network.swallow()
				done := appending(t.Context(), store, "stream", test.expected, lost)
				server.await(lost[2].ID)
				server.restart()
				_, err = server.inner.Append(t.Context(), "stream", events.Any, after)
				require.NoError(t, err)
				network.cut()

				got := <-done
				require.NoError(t, got.err)
				require.Equal(t, ids(append(append(before, lost...), after...)), server.stream("stream"))
				require.EqualValues(t, test.existing+2, got.at.Revision)
				last, found, err := server.inner.ReadLast(t.Context(), "stream")
				require.NoError(t, err)
				require.True(t, found)
				if others == 0 {
					require.Equal(t, last.Position, got.at.Position)
				} else {
					require.Less(t, got.at.Position, last.Position)
				}
			})
		}
	}
}

// The answer is lost and the append is not there yet. It arrives just when it is made again, at a server that forgets its
// ids in the same moment.
func TestAnAppendThatArrivesLate(t *testing.T) {
	t.Parallel()
	server, proposed := serve(t), some(2)
	node := join(t, server, func(n *node) {
		n.before = func(nth int64, call grpc.ServerStream) error {
			switch nth {
			case 1:
				return status.Error(codes.Aborted, "nobody knows")
			case 2:
				_, err := server.inner.Append(call.Context(), "stream", events.Any, proposed)
				server.restart()
				return errors.Join(err, n.reconnect(call.Context()))
			default:
				return nil
			}
		}
	})
	_, err := server.inner.Append(t.Context(), "stream", events.Any, some(1))
	require.NoError(t, err)
	at, err := open(t, node.address).Append(t.Context(), "stream", events.Any, proposed)
	require.NoError(t, err)
	require.EqualValues(t, 2, at.Revision)
	require.Equal(t, ids(proposed), server.stream("stream")[1:])
}

// The answer is lost, and others append all the time: there is no end of the stream to make it at. It gets in at last, or
// it is not known whether it will; it is never made where the lost attempt could follow.
func TestARepeatThatIsOvertaken(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]int64{"at last": 10, "for ever": math.MaxInt64} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, proposed := serve(t), some(2)
			node := join(t, server, func(n *node) {
				n.before = func(nth int64, call grpc.ServerStream) error {
					switch {
					case nth == 1:
						return status.Error(codes.Aborted, "nobody knows")
					case nth > last:
						return nil
					}
					_, err := server.inner.Append(call.Context(), "stream", events.Any, some(1))
					return err
				}
			})
			_, err := server.inner.Append(t.Context(), "stream", events.Any, some(1))
			require.NoError(t, err)
			patience := eventstoredb.Patience(time.Minute)
			if name == "for ever" {
				patience = eventstoredb.Patience(200 * time.Millisecond)
			}
			at, err := open(t, node.address, patience).Append(t.Context(), "stream", events.Any, proposed)
			landed := server.stream("stream")
			if name == "at last" {
				require.NoError(t, err)
				require.EqualValues(t, len(landed)-1, at.Revision)
				require.Equal(t, ids(proposed), landed[at.Revision-1:])
				return
			}
			unavailable, ok := errors.AsType[*eventstoredb.UnavailableError](err)
			require.True(t, ok, "%v", err)
			require.True(t, unavailable.Unknown)
			require.NotContains(t, landed, proposed[0].ID)
		})
	}
}

// A server that says UNAVAILABLE, before or after it has written, is asked again.
func TestUnavailableIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, expected := range []events.Expected{events.NoStream, events.Any} {
		t.Run(expected.String(), func(t *testing.T) {
			t.Parallel()
			server, proposed := serve(t), some(3)
			node := join(t, server, func(n *node) {
				n.before = func(nth int64, _ grpc.ServerStream) error {
					if nth < 4 {
						return status.Error(codes.Unavailable, "Server Is Not Ready")
					}
					return nil
				}
				n.after = func(nth int64) error {
					if nth < 6 {
						return status.Error(codes.Unavailable, "Server Is Too Busy")
					}
					return nil
				}
			})
			store := open(t, node.address)
			at, err := store.Append(t.Context(), "stream", expected, proposed)
			require.NoError(t, err)
			require.EqualValues(t, 2, at.Revision)
			require.Equal(t, ids(proposed), server.stream("stream"))
		})
	}
}

// The server is restarted on its data while everybody works.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	const writers, appends, restarts = 4, 60, 3
	server := serve(t)
	store := open(t, server.address)
	idle := open(t, server.address) // has a connection that nobody uses while it dies
	written := make([][]events.Proposed, writers)
	errs := make([]error, writers+1)
	var running sync.WaitGroup
	half := make(chan struct{}, writers*restarts)
	for w := range writers {
		running.Go(func() {
			for a := 0; a < appends && errs[w] == nil; a++ {
				proposed := some(1 + a%3)
				_, errs[w] = store.Append(t.Context(), fmt.Sprint("writer-", w), events.Any, proposed)
				written[w] = append(written[w], proposed...)
				if (a+1)%(appends/(restarts+1)) == 0 && a+1 < appends {
					half <- struct{}{}
				}
			}
		})
	}
	var seen []events.Record
	running.Go(func() { seen, errs[writers] = follow(t, store, events.Start, 20, writers*appends*2) })
	for range restarts {
		for range writers {
			<-half
		}
		server.restart()
	}
	running.Wait()
	require.NoError(t, errors.Join(errs...))
	for w := range writers {
		require.Equal(t, ids(written[w]), server.stream(fmt.Sprint("writer-", w)))
	}
	require.Equal(t, places(server.log(events.Start)), places(seen))
	head, err := idle.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, seen[len(seen)-1].Position, head)
}

// When nobody answers for too long, the error says so, and whether something may have been written.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	server := serve(t)
	network := through(t, server.address)
	store := open(t, network.address, eventstoredb.Patience(50*time.Millisecond))
	network.refuse()

	for _, err := range []error{
		second(store.Append(t.Context(), "stream", events.Any, some(1))),
		second(store.Head(t.Context())),
		second(first(store.ReadStream(t.Context(), "stream", 0))),
		second(first(store.ReadAll(t.Context(), 0))),
	} {
		unavailable, ok := errors.AsType[*eventstoredb.UnavailableError](err)
		require.True(t, ok, "%v", err)
		require.False(t, unavailable.Unknown && unavailable.Doing != "appending to stream", "reads write nothing")
	}
	_, err := eventstoredb.Open(t.Context(), plain(free(t)), append(quick(), eventstoredb.Patience(0))...)
	unavailable, ok := errors.AsType[*eventstoredb.UnavailableError](err)
	require.True(t, ok, "%v", err)
	require.False(t, unavailable.Unknown)
}

func second[T any](_ T, err error) error { return err }

func first(records iter.Seq2[events.Record, error]) (events.Record, error) {
	for r, err := range records {
		return r, err
	}
	return events.Record{}, io.EOF
}

// An append that is on its way when its context ends may or may not be written, and the error says that.
func TestAContextThatEndsOnTheWay(t *testing.T) {
	t.Parallel()
	server := serve(t)
	network := through(t, server.address)
	store := open(t, network.address)
	require.NoError(t, second(store.Head(t.Context())), "now there is a line")
	network.swallow()
	ctx, cancel := context.WithCancel(t.Context())
	proposed := some(1)
	done := appending(ctx, store, "stream", events.Any, proposed)
	server.await(proposed[0].ID)
	cancel()
	got := <-done
	require.ErrorIs(t, got.err, context.Canceled)
	unavailable, ok := errors.AsType[*eventstoredb.UnavailableError](got.err)
	require.True(t, ok, "%v", got.err)
	require.True(t, unavailable.Unknown)

	_, err := store.Append(ctx, "stream", events.Any, some(1))
	require.ErrorIs(t, err, context.Canceled)
	_, ok = errors.AsType[*eventstoredb.UnavailableError](err)
	require.False(t, ok, "nothing was on its way")
	_, err = first(store.ReadAll(ctx, events.Start))
	require.ErrorIs(t, err, context.Canceled)
	_, ok = errors.AsType[*eventstoredb.UnavailableError](err)
	require.False(t, ok, "it was the caller who gave up")
	network.cut()
}
