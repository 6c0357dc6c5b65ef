package projections_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
)

func TestWaitingEndsAtItsBoundAndSaysWhy(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := sample()
	projections.On(p, func(events.PremiumSubscribed, projections.At) error { return errors.New("out of luck") })
	engine, _ := h.run(h.pool, always(p))
	before := h.append(1)
	h.wait(engine, "sample", before)
	poison := h.record("account-1", events.PremiumSubscribed{})
	h.status(engine, "sample", projections.StateRetrying)

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := engine.WaitFor(ctx, "sample", poison)
	late, ok := errors.AsType[*projections.WaitError](err)
	require.True(t, ok)
	require.Equal(t, before, late.Position)
	require.Equal(t, late.Wanted, poison)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "PremiumSubscribed at account-1@0: out of luck")
	require.ErrorContains(t, engine.WaitFor(t.Context(), "nobody", 1), "no such projection")
}

func TestWaitersWakeForOtherProcesses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()))
	reader := h.engine(h.pool, sample)
	last := h.append(5)
	woken := make(chan error, 1)
	go func() { woken <- reader.WaitFor(t.Context(), "sample", last) }()
	h.run(h.pool, sample)
	require.NoError(t, <-woken)
}

func TestAdvancedTellsOfEveryCommit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine := h.engine(h.pool, sample)
	require.NoError(t, engine.Prepare(t.Context()))
	require.Nil(t, engine.Advanced("nobody"))
	advanced := engine.Advanced("sample")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	for range 5 {
		last := h.append(3)
		for seen := events.Start; seen < last; {
			<-advanced
			advanced = engine.Advanced("sample")
			status, err := engine.Status(t.Context())
			require.NoError(t, err)
			seen = status[0].Position
		}
	}
	cancel()
	require.NoError(t, <-ended)
}

func TestLagIsCountedInEventsAndSeconds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p := sample()
	held, release := make(chan struct{}), make(chan struct{})
	projections.On(p, func(events.PremiumSubscribed, projections.At) error {
		close(held)
		<-release
		return nil
	})
	engine, _ := h.run(h.pool, always(p))
	h.wait(engine, "sample", h.append(4))
	status, err := engine.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, status, 1, "the head follower is the engine's own")
	require.Equal(t, projections.Lag{}, status[0].Lag)
	require.EqualValues(t, 5, status[0].Events)
	require.True(t, status[0].Live())

	h.record("account-1", events.PremiumSubscribed{})
	<-held
	last := h.append(20)
	h.wait(engine, "head", last)
	status, err = engine.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, projections.Lag{Events: 21, Seconds: time.Hour.Seconds()}, status[0].Lag)
	require.Equal(t, "sample_v1", status[0].Schema)
	close(release)
	h.wait(engine, "sample", last)
}
