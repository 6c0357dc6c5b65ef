package endpoint_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

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

// TestCheckpointsKeepStep lets filtered subscriptions loose on a random log: checkpoints rise, lie at every so many
// records and where the past ends, and never overtake an event.
func TestCheckpointsKeepStep(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	rapid.Check(t, func(rt *rapid.T) {
		past, present := rapid.IntRange(0, 30).Draw(rt, "past"), rapid.IntRange(1, 30).Draw(rt, "present")
		window := rapid.Uint32Range(1, 12).Draw(rt, "window")
		from, err := l.store.Head(t.Context())
		require.NoError(rt, err)
		for range past {
			l.write(draw(rt), 1)
		}
		f := l.subscribe(log(int64(from), forever, onStream(window, "wanted")))
		defer f.stop()
		var got []string
		take := func(until string) {
			for len(got) == 0 || got[len(got)-1] != until {
				got = append(got, describe(f.next()))
			}
		}
		take("caught up")
		for range present {
			l.write(draw(rt), 1)
		}
		take(l.write("wanted", 1)[0].String())
		require.Equal(rt, expectedFeed(l.recordsAfter(from), past, int(window)), got)
	})
}

func draw(t *rapid.T) string {
	return rapid.SampledFrom([]string{"wanted-1", "wanted-2", "other", "$system"}).Draw(t, "stream")
}

func describe(reply *streams.ReadResp) string {
	switch {
	case reply.GetEvent() != nil:
		parsed, _ := esdb.ParseUUIDFromInt64(reply.GetEvent().GetEvent().GetId().GetStructured().GetMostSignificantBits(),
			reply.GetEvent().GetEvent().GetId().GetStructured().GetLeastSignificantBits())
		return parsed.String()
	case reply.GetCheckpoint() != nil:
		return fmt.Sprint("checkpoint ", reply.GetCheckpoint().GetCommitPosition())
	case reply.GetCaughtUp() != nil:
		return "caught up"
	default:
		return reply.String()
	}
}

// expectedFeed is what a subscription to streams that begin with "wanted" has to send, up to the last record.
func expectedFeed(records []events.Record, past, window int) (want []string) {
	checkpointed := -1
	if past == 0 {
		want = append(want, "caught up")
	}
	for i, r := range records {
		if strings.HasPrefix(r.Stream, "wanted") {
			want = append(want, r.ID.String())
		}
		if i == len(records)-1 {
			break // it is where the test stops to look
		}
		if (i+1)%window == 0 {
			want, checkpointed = append(want, fmt.Sprint("checkpoint ", r.Position)), i
		}
		if i == past-1 {
			if checkpointed < i {
				want = append(want, fmt.Sprint("checkpoint ", r.Position))
			}
			want = append(want, "caught up")
		}
	}
	return want
}

// TestFilteredFromTheEndHasNoCheckpointToTell: there is no position yet.
func TestFilteredFromTheEndHasNoCheckpointToTell(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("s", 5)
	f := l.subscribe(log(end, forever, onType(2, "Noted")))
	f.wantsCaughtUp()
	ids := l.write("s", 3)
	f.wants(ids[:2]...)
	require.Equal(t, l.records()[7].Position, f.wantsCheckpoint())
	f.wants(ids[2:]...)
}

// TestNothingIsLostOrRepeatedAtTheSeam starts subscriptions while writers are at work.
func TestNothingIsLostOrRepeatedAtTheSeam(t *testing.T) {
	t.Parallel()
	const writers, appends = 4, 60
	l := newLab(t)
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for range appends {
				_, err := l.store.Append(t.Context(), fmt.Sprint("s", w), events.Any, some(2))
				require.NoError(t, err)
			}
		})
	}
	for i := range 32 {
		stream := fmt.Sprint("s", i%writers)
		request, total := log(start, forever), 1+2*writers*appends
		if i%2 == 1 {
			request, total = of(stream, start, forever), 2*appends
		}
		f := l.subscribe(request)
		reading.Go(func() { require.Equal(t, uint64(2*appends), f.wantsInOrder(t, total)[stream]) })
	}
	writing.Wait()
	reading.Wait()
}

// TestNothingIsLostWhileAStreamGrows starts subscriptions at the end of a stream that somebody appends to.
func TestNothingIsLostWhileAStreamGrows(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("s", 1)
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for ctx.Err() == nil {
			_, _ = l.store.Append(ctx, "s", events.Any, some(1))
		}
	})
	defer writing.Wait()
	defer cancel()
	for range 150 {
		last, _, err := l.store.ReadLast(ctx, "s")
		require.NoError(t, err)
		f := l.subscribe(of("s", int64(last.Revision), forever))
		require.Equal(t, last.Revision+1+20, f.wantsInOrder(t, 20)["s"])
		f.stop()
	}
}

// wantsInOrder reads so many events: in the order of the log, the revisions of each stream without gaps, and at most
// one caught_up among them. It returns which revision of each stream would be next.
func (f *feed) wantsInOrder(t *testing.T, total int) map[string]uint64 {
	t.Helper()
	var last uint64
	caughtUp := 0
	next := map[string]uint64{}
	for seen := 0; seen < total; {
		reply := f.next()
		if reply.GetCaughtUp() != nil {
			caughtUp++
			continue
		}
		event := reply.GetEvent()
		require.NotNil(t, event, "%v", reply)
		require.Greater(t, event.GetCommitPosition(), last)
		stream, revision := string(event.GetEvent().GetStreamIdentifier().GetStreamName()), event.GetEvent().GetStreamRevision()
		if due, known := next[stream]; known {
			require.Equal(t, due, revision, stream)
		}
		last, next[stream] = event.GetCommitPosition(), revision+1
		seen++
	}
	require.LessOrEqual(t, caughtUp, 1)
	return next
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
