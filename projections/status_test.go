package projections_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
)

// TestStatusOfARebuild follows one from its first moment, when nobody works on it yet, until it is gone.
func TestStatusOfARebuild(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = time.Hour // nothing happens but what the test asks for
	held, reached, release := make(chan struct{}), make(chan struct{}, 1), make(chan struct{})
	stuck := func() *projections.Projection {
		p := sample()
		projections.On(p, func(events.PremiumSubscribed, projections.At) error {
			select {
			case <-held:
				reached <- struct{}{}
				<-release
			default:
			}
			return nil
		})
		return p
	}
	engine, stop := h.run(h.pool, stuck)
	h.append(30)
	h.record("account-1", events.PremiumSubscribed{})
	last := h.append(9)
	h.wait(engine, "sample", last)
	h.wait(engine, "head", last)
	close(held)
	stop()
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	all, err := engine.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2, "one that was just begun is told too")
	require.True(t, all[0].Live())
	require.Nil(t, all[0].Progress)
	require.Nil(t, all[0].Parked, "it pauses")
	require.Equal(t, schema, all[1].Schema)
	require.Equal(t, 2, all[1].Build)
	require.Equal(t, projections.PhaseReplaying, all[1].Phase)
	require.Equal(t, projections.StateStopped, all[1].State)
	require.Equal(t, projections.Progress{}, *all[1].Progress)
	require.Empty(t, all[1].Holder)

	again, _ := h.run(h.pool, stuck)
	select {
	case <-reached: // the batch with the 31st event is stuck
	case <-time.After(30 * time.Second):
		require.Fail(t, "nothing is replayed")
	}
	all, err = again.Status(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, all[1].Events, int64(21))
	require.LessOrEqual(t, all[1].Events, int64(30))
	require.InDelta(t, float64(all[1].Events)/41, all[1].Progress.Done, 1e-9)
	require.True(t, all[1].Here)
	require.NotEmpty(t, all[1].Holder)
	other, err := engine.Status(t.Context())
	require.NoError(t, err)
	require.False(t, other[1].Here)
	require.Equal(t, all[1].Holder, other[1].Holder)
	close(release)

	_, err = again.Abort(t.Context(), "sample")
	require.NoError(t, err)
	all, err = again.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestWhatHasAnUnknownNameIsSaidToBeUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine := h.engine(h.pool, sample)
	_, rebuild := engine.Rebuild(t.Context(), "nobody")
	_, abort := engine.Abort(t.Context(), "nobody")
	_, verify := engine.Verify(t.Context(), "nobody", projections.VerifyOptions{})
	var unready *projections.UnreadyError
	_, before := engine.Verify(t.Context(), "sample", projections.VerifyOptions{})
	require.ErrorAs(t, before, &unready, "it has no build yet")
	_, head := engine.Verify(t.Context(), "head", projections.VerifyOptions{})
	for _, err := range []error{rebuild, abort, verify, head, engine.GoLive(t.Context(), "nobody"), engine.GoBack(t.Context(), "head")} {
		var unknown *projections.UnknownError
		require.ErrorAs(t, err, &unknown)
		require.ErrorContains(t, err, "there is no such projection")
	}
}
