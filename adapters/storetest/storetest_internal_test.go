package storetest

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
)

// lossy never yields anything to its subscribers.
type lossy struct{ Store }

func (lossy) SubscribeAll(ctx context.Context, _ events.Position, _ int) iter.Seq2[[]events.Record, error] {
	return func(func([]events.Record, error) bool) { <-ctx.Done() }
}

// A store that loses an event fails the suite; it does not keep it from ending.
func TestLostEventsEndTheSuite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		seen, err := (&suite{T: t, store: lossy{}}).follow(events.Start, 10, 1, "s")
		require.ErrorContains(t, err, "the subscription ended after 0 of 1")
		require.Empty(t, seen)
		require.Equal(t, patience, time.Since(started))
	})
}

// forgetful is a store that does not look up what metadata hides, as EventStoreDB does not: it answers repeats of that
// without a position.
type forgetful struct {
	Store

	deleted map[string]bool
	written map[string]events.Position // the last of each stream
}

func (f *forgetful) Append(
	ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
) (events.Appended, error) {
	at, err := f.Store.Append(ctx, stream, expected, proposed)
	switch {
	case err != nil || len(proposed) == 0:
	case string(proposed[0].Data) == deletion:
		f.deleted[stream] = true
	case f.deleted["$$"+stream] && at.Position <= f.written[stream]:
		at.Position = events.Start
	default:
		f.written[stream] = at.Position
	}
	return at, err
}

// Such a store passes.
func TestRepeatsOfWhatIsHiddenNeedNoPosition(t *testing.T) {
	t.Parallel()
	store := &forgetful{LendEmbedded(t), map[string]bool{}, map[string]events.Position{}}
	(&suite{T: t, store: store}).deletedStreamsRefuse()
}
