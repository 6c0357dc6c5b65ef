package endpoint_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/events"
)

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
