package projections_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
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
	h.status(engine, "sample", projections.StatePaused)

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

// TestReadersAreSentToWhatTheyWaitedFor: another process lets a build go live, and that stands still, while the one before
// goes on here.
func TestReadersAreSentToWhatTheyWaitedFor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	reader, _ := h.run(h.pool, sample) // it has sample_v1
	h.wait(reader, "sample", h.append(5))
	other, _ := h.run(h.pool, sample)
	schema := h.rebuilt(other)
	require.NoError(t, other.GoLive(t.Context(), "sample"))
	h.exec("ALTER TABLE " + schema + ".devices ADD CONSTRAINT narrow CHECK (name <> 'poison') NOT VALID")
	last := h.record("devices-1", events.DeviceLinked{DeviceID: device(77), Name: "poison"})
	poisoned := func(schema string) int {
		return len(h.rows("SELECT FROM " + schema + ".devices WHERE name = 'poison'"))
	}
	require.Eventually(t, func() bool { return poisoned("sample_v1") == 1 }, 30*time.Second, 5*time.Millisecond)

	bounded, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := reader.Read(bounded, "sample", last)
	late, ok := errors.AsType[*projections.WaitError](err)
	require.True(t, ok, "%v", err)
	require.Less(t, late.Position, last)
	h.exec("ALTER TABLE " + schema + ".devices DROP CONSTRAINT narrow")
	read, err := reader.Read(t.Context(), "sample", last)
	require.NoError(t, err)
	require.Equal(t, projections.Readable{Projection: "sample", Schema: schema, Position: last}, read)
	require.Equal(t, 1, poisoned(schema))
}

// TestAWaitTellsTheTroubleOfWhatIsRead, not that of a build beside it.
func TestAWaitTellsTheTroubleOfWhatIsRead(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(5))
	schema := h.rebuilt(engine)
	h.exec("ALTER TABLE " + schema + ".devices ADD CONSTRAINT narrow CHECK (name <> 'poison') NOT VALID")
	h.wait(engine, "sample", h.record("devices-1", events.DeviceLinked{DeviceID: device(77), Name: "poison"}))
	h.status(engine, "sample", projections.StatePaused)
	release := h.holding("sample_v1")
	defer release()
	bounded, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	late, ok := errors.AsType[*projections.WaitError](engine.WaitFor(bounded, "sample", h.append(1)))
	require.True(t, ok)
	require.NoError(t, late.Trouble)
}

// TestAnOutageIsToldOnceByThoseWhoWait, who look every moment.
func TestAnOutageIsToldOnceByThoseWhoWait(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()))
	var away atomic.Bool
	var lost, answered atomic.Int64
	told := h.hears()
	reader := h.engine(h.wired(t, func([]byte) bool {
		if away.Load() {
			lost.Add(1)
		} else {
			answered.Add(1)
		}
		return away.Load()
	}), sample)
	h.log = nil
	last := h.append(5)
	read := make(chan error, 1)
	go func() { read <- reader.WaitFor(t.Context(), "sample", last) }()
	again := func(n *atomic.Int64) {
		before := n.Load()
		require.Eventually(t, func() bool { return n.Load() > before+5 }, 30*time.Second, 5*time.Millisecond)
	}
	for range 2 {
		again(&answered)
		away.Store(true)
		again(&lost)
		away.Store(false)
	}
	again(&answered)
	h.run(h.pool, sample)
	require.NoError(t, <-read)
	require.Equal(t, 2, strings.Count(told.String(), "looking for progress of other processes"), told.String())
}
