package endpoint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
)

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
