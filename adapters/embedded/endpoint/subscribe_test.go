package endpoint_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/events"
	"daybook/events/id"
)

// feed is a subscription by the bare stub.
type feed struct {
	t    require.TestingT
	call streams.Streams_ReadClient
	stop context.CancelFunc
}

// subscribe starts a subscription, which begins with its confirmation.
func (l *lab) subscribe(request *streams.ReadReq) *feed {
	l.Helper()
	ctx, cancel := context.WithCancel(l.Context())
	l.Cleanup(cancel)
	call, err := l.stub.Read(ctx, request)
	require.NoError(l, err)
	f := &feed{l, call, cancel}
	require.NotEmpty(l, f.next().GetConfirmation().GetSubscriptionId())
	return f
}

func (f *feed) next() *streams.ReadResp {
	reply, err := f.call.Recv()
	require.NoError(f.t, err)
	return reply
}

// wants reads exactly these events.
func (f *feed) wants(ids ...id.Event) {
	for _, want := range ids {
		require.Equal(f.t, want, eventID(f.t, f.next()))
	}
}

func (f *feed) wantsCaughtUp() {
	reply := f.next()
	require.NotNil(f.t, reply.GetCaughtUp(), "%v", reply)
}

func (f *feed) wantsCheckpoint() events.Position {
	reply := f.next()
	require.NotNil(f.t, reply.GetCheckpoint(), "%v", reply)
	require.Equal(f.t, reply.GetCheckpoint().GetCommitPosition(), reply.GetCheckpoint().GetPreparePosition())
	return events.Position(reply.GetCheckpoint().GetCommitPosition())
}

func (f *feed) wantsEnd(code codes.Code) {
	reply, err := f.call.Recv()
	require.Equal(f.t, code, status.Code(err), "%v %v", reply, err)
}

// TestSubscriptionsStartAfterWhatTheyName reads the past, learns once that it is over, and goes on with the present.
func TestSubscriptionsStartAfterWhatTheyName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request func(records []events.Record) *streams.ReadReq
		skipped int // of the log, whose record 0 is not in the stream
	}{
		"StreamFromTheStart":       {func([]events.Record) *streams.ReadReq { return of("s", start, forever) }, 1},
		"StreamAfterTheFirst":      {func([]events.Record) *streams.ReadReq { return of("s", 0, forever) }, 2},
		"StreamAfterTheLast":       {func([]events.Record) *streams.ReadReq { return of("s", 4, forever) }, 6},
		"StreamFromTheEnd":         {func([]events.Record) *streams.ReadReq { return of("s", end, forever) }, 6},
		"StreamFromTheEndAsNumber": {func([]events.Record) *streams.ReadReq { return of("s", endAsNumber, forever) }, 6},
		"LogFromTheStart":          {func([]events.Record) *streams.ReadReq { return log(start, forever) }, 0},
		"LogAfterZero":             {func([]events.Record) *streams.ReadReq { return log(0, forever) }, 0},
		"LogAfterARecord":          {func(r []events.Record) *streams.ReadReq { return log(int64(r[2].Position), forever) }, 3},
		"LogAfterAPlaceBetween":    {func(r []events.Record) *streams.ReadReq { return log(int64(r[2].Position)+1, forever) }, 3},
		"LogFromTheEnd":            {func([]events.Record) *streams.ReadReq { return log(end, forever) }, 6},
		"LogFromTheEndAsNumber":    {func([]events.Record) *streams.ReadReq { return log(endAsNumber, forever) }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.write("s", 5)
			records := l.records()
			f := l.subscribe(c.request(records))
			f.wants(idsOf(records)[c.skipped:]...)
			f.wantsCaughtUp()
			for i := range 3 {
				f.wants(l.write("s", i+1)...)
			}
		})
	}
}

// TestSubscriptionsBeyondTheEndSkip starts after events that are still to come.
func TestSubscriptionsBeyondTheEndSkip(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("s", 2)
	beyond := l.records()[2].Position + 200
	stream, whole := l.subscribe(of("s", 3, forever)), l.subscribe(log(int64(beyond), forever))
	stream.wantsCaughtUp()
	whole.wantsCaughtUp()
	ids := l.write("s", 20)
	stream.wants(ids[2:]...)
	skipped := slices.IndexFunc(l.records(), func(r events.Record) bool { return r.Position > beyond })
	require.Greater(t, skipped, 4)
	whole.wants(idsOf(l.records())[skipped:]...)
}

func TestSubscriptionsWaitForStreamsToCome(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("deleted", 3)
	l.delete("deleted")
	l.describe("empty", `{"$maxCount":5}`)
	for _, stream := range []string{"missing", "deleted", "empty"} {
		for _, from := range []int64{start, end} {
			f := l.subscribe(of(stream, from, forever))
			f.wantsCaughtUp()
			l.write("other", 1)
			ids := l.write(stream, 2)
			f.wants(ids...)
			l.delete(stream)
			f.wants(l.write(stream, 1)...)
			l.delete(stream)
		}
	}
}

// TestSubscriptionsSeeThePastAsReadsDo hides the past that metadata hides. What comes later is delivered as it comes.
func TestSubscriptionsSeeThePastAsReadsDo(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ids := l.write("s", 5)
	l.describe("s", `{"$maxCount":2}`)
	f := l.subscribe(of("s", start, forever))
	f.wants(ids[3:]...)
	f.wantsCaughtUp()
	f.wants(l.write("s", 4)...)
	l.describe("s", `{"$tb":100}`)
	f.wants(l.write("s", 1)...)
	f = l.subscribe(of("s", start, forever))
	f.wantsCaughtUp()
	f.wants(l.write("s", 1)...)

	f = l.subscribe(of("$$s", start, forever))
	require.Equal(t, uint64(1), f.next().GetEvent().GetEvent().GetStreamRevision(), "the newest metadata only")
	f.wantsCaughtUp()
}

func TestTombstonesEndSubscriptions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("s", 1)
	live, ahead := l.subscribe(of("s", end, forever)), l.subscribe(of("s", math.MaxInt64, forever))
	live.wantsCaughtUp()
	ahead.wantsCaughtUp()
	l.tombstone("s")
	for _, f := range []*feed{live, ahead} {
		tombstone := f.next().GetEvent().GetEvent()
		require.Equal(t, "$streamDeleted", tombstone.GetMetadata()["type"])
		require.Equal(t, uint64(math.MaxInt64), tombstone.GetStreamRevision())
		f.wantsEnd(codes.FailedPrecondition)
		require.Equal(t, []string{"stream-deleted"}, f.call.Trailer().Get("exception"))
		require.Equal(t, []string{"s"}, f.call.Trailer().Get("stream-name"))
	}
	for _, from := range []int64{start, 0, 7, end} {
		f := l.subscribe(of("s", from, forever))
		f.wantsEnd(codes.FailedPrecondition)
		require.Equal(t, []string{"stream-deleted"}, f.call.Trailer().Get("exception"))
	}
}

// The metadata of a stream is gone with it.
func TestTombstonesEndSubscriptionsOfMetadata(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("s", 1)
	l.describe("s", `{"$maxCount":5}`)
	f := l.subscribe(of("$$s", start, forever))
	f.next()
	f.wantsCaughtUp()
	l.tombstone("t")
	l.tombstone("s")
	f.wantsEnd(codes.FailedPrecondition)
	require.Equal(t, []string{"stream-deleted"}, f.call.Trailer().Get("exception"))
	require.Equal(t, []string{"$$s"}, f.call.Trailer().Get("stream-name"))
	l.subscribe(of("$$s", start, forever)).wantsEnd(codes.FailedPrecondition)
}

func TestSubscriptionsResolveLinks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	targets := l.write("target", 2)
	l.append("links", linkTo("1@target"))
	feeds := []*feed{
		l.subscribe(of("links", start, forever, resolving)),
		l.subscribe(log(start, forever, resolving, onType(1000, "$>"))),
		l.subscribe(log(start, forever, resolving, onStream(1000, "links"))),
	}
	for _, f := range feeds {
		f.wants(targets[1])
	}
	l.append("links", linkTo("0@target"))
	for _, f := range feeds {
		for {
			reply := f.next()
			if event := reply.GetEvent(); event != nil {
				require.Equal(t, targets[0], eventID(t, reply))
				require.Equal(t, "$>", event.GetLink().GetMetadata()["type"])
				require.Equal(t, event.GetLink().GetCommitPosition(), event.GetCommitPosition())
				break
			}
		}
	}
}

func TestSubscriptionsHideBookkeeping(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("$epoch-information", 2)
	f := l.subscribe(log(start, forever, onStream(1000, "$")))
	require.Equal(t, l.records()[2].Position, f.wantsCheckpoint(), "hidden records count as well")
	f.wantsCaughtUp()
	l.write("$epoch-information", 1)
	f.wants(l.write("$shown", 1)...)
}

func TestSubscriptionsSendIDsInTheFormAskedFor(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	numbers, text := l.subscribe(log(end, forever)), l.subscribe(log(end, forever, stringIDs))
	numbers.wantsCaughtUp()
	text.wantsCaughtUp()
	for _, want := range l.write("s", 3) {
		numbers.wants(want)
		require.Equal(t, want.String(), text.next().GetEvent().GetEvent().GetId().GetString_())
	}
}

func TestSubscriptionsByTheOfficialClient(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ids := l.write("s", 3)
	stream, err := l.client.SubscribeToStream(t.Context(), "s", esdb.SubscribeToStreamOptions{From: esdb.Start{}})
	require.NoError(t, err)
	filtered, err := l.client.SubscribeToAll(t.Context(), esdb.SubscribeToAllOptions{
		From: esdb.Start{}, Filter: esdb.ExcludeSystemEventsFilter(),
	})
	require.NoError(t, err)
	for _, subscription := range []*esdb.Subscription{stream, filtered} {
		var got []id.Event
		for caughtUp := false; !caughtUp || len(got) < 5; {
			event := subscription.Recv()
			require.Nil(t, event.SubscriptionDropped)
			if event.CaughtUp != nil {
				require.False(t, caughtUp, "told twice")
				caughtUp = true
				require.GreaterOrEqual(t, len(got), 3)
				if subscription == stream {
					ids = append(ids, l.write("s", 2)...)
				}
			}
			if event.EventAppeared != nil && event.EventAppeared.OriginalEvent().StreamID == "s" {
				got = append(got, id.Event{UUID: event.EventAppeared.OriginalEvent().EventID})
			}
		}
		require.Equal(t, ids, got)
		require.NoError(t, subscription.Close())
	}
}

func TestShutdownEndsSubscriptions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("s", 1)
	idle, filtered, stream := l.subscribe(log(end, forever)), l.subscribe(log(end, forever, onType(1, "x"))), l.subscribe(of("s", end, forever))
	l.server.Shutdown(t.Context())
	for _, f := range []*feed{idle, filtered, stream} {
		f.wantsCaughtUp()
		f.wantsEnd(codes.Canceled)
	}
}

func TestClosingTheStoreEndsSubscriptions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := l.subscribe(log(end, forever))
	f.wantsCaughtUp()
	require.NoError(t, l.store.Close())
	f.wantsEnd(codes.Canceled)
	_, err := l.read(log(start))
	require.Equal(t, codes.Unavailable, status.Code(err))
}

// TestDeadlinesEndSubscriptions: a client may give up by itself.
func TestDeadlinesEndSubscriptions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	call, err := l.stub.Read(ctx, log(end, forever))
	require.NoError(t, err)
	for err == nil {
		_, err = call.Recv()
	}
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
}
