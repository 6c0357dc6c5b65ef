package projections_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	wm "github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"daybook/adapters/watermill"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

type statedDevice struct {
	DeviceID id.Device `db:"device_id,key"`
	State    *string   `db:"state"`
}

// stated has a type of its own, whose number is another one in each build.
func stated() *projections.Projection {
	p := projections.New("sample", 1, `CREATE TYPE state AS ENUM ('linked', 'gone');
		CREATE TABLE devices (device_id uuid PRIMARY KEY, state state)`)
	devices := projections.Patch[statedDevice](p, "devices")
	projections.On(p, func(e events.DeviceLinked, _ projections.At) error {
		return devices.Set(statedDevice{e.DeviceID, new("linked")})
	})
	return p
}

// TestConnectionsDoNotMeetABuildTwice: they keep statements by their text, and with them types that are gone.
func TestConnectionsDoNotMeetABuildTwice(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine, _ := h.run(h.pool, stated)
	h.wait(engine, "sample", h.append(20))
	for range 3 {
		v, err := engine.Verify(t.Context(), "sample", projections.VerifyOptions{})
		require.NoError(t, err)
		require.True(t, v.Clean())
		require.EqualValues(t, 20, v.Rows)
	}
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, "sample_v1_b5", schema)
}

type namedDevice struct {
	DeviceID id.Device `db:"device_id,key"`
	Name     *string   `db:"name"`
}

// named has one column, which may be the one of the rows.
func named(column string) projections.Definition {
	return func() *projections.Projection {
		p := projections.New("sample", 1, "CREATE TABLE devices (device_id uuid PRIMARY KEY, "+column+")")
		devices := projections.Patch[namedDevice](p, "devices")
		projections.On(p, func(e events.DeviceLinked, _ projections.At) error {
			return devices.Set(namedDevice{e.DeviceID, &e.Name})
		})
		return p
	}
}

// TestAMistakeBeforeTheFirstEventNeedsNoVersion corrects schema.sql twice: tables that do not fit were never made, and
// those that do were made in vain.
func TestAMistakeBeforeTheFirstEventNeedsNoVersion(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	require.ErrorContains(t, h.engine(h.pool, named("label text")).Prepare(t.Context()), "table devices: field Name: there is no column name")
	require.Empty(t, h.rows("SELECT FROM projections WHERE name = 'sample'"))
	require.Empty(t, h.rows("SELECT FROM pg_namespace WHERE nspname LIKE 'sample%'"))

	older := h.engine(h.pool, named("name varchar(1)"))
	require.NoError(t, older.Prepare(t.Context()))
	require.NoError(t, h.engine(h.pool, named("name text")).Prepare(t.Context()))
	require.Equal(t, "sample_v1_b2", h.live(older), "the name of what was removed does not come again")
	require.Empty(t, h.rows("SELECT FROM pg_namespace WHERE nspname = 'sample_v1'"))
	h.start(older)
	last := h.append(3)
	require.Eventually(t, func() bool {
		all, err := older.Status(t.Context())
		return err == nil && len(all) == 1 && all[0].State == projections.StateStopped
	}, 30*time.Second, 5*time.Millisecond, "whoever knows the mistake does not project into what replaced it")

	engine, stop := h.run(h.pool, named("name text"))
	h.wait(engine, "sample", last)
	stop()
	require.Len(t, h.rows("SELECT FROM sample_v1_b2.devices"), 3)
	require.ErrorContains(t, h.engine(h.pool, named("name varchar(9)")).Prepare(t.Context()), "Give it version 2")
	require.Len(t, h.rows("SELECT FROM sample_v1_b2.devices"), 3)
}

// moody is a subscriber that cannot subscribe to one topic for a while.
type moody struct {
	wm.Subscriber

	topic string
	left  atomic.Int64 // how often it still fails
}

func (m *moody) Subscribe(ctx context.Context, topic string) (<-chan *wm.Message, error) {
	if topic == m.topic && m.left.Add(-1) >= 0 {
		return nil, errors.New("not in the mood")
	}
	return m.Subscriber.Subscribe(ctx, topic)
}

func TestASubscriptionThatFailsIsMadeLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	subscriber := &moody{topic: "sample_v1_b2", Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: h.store, MinPause: time.Millisecond})}
	subscriber.left.Store(1 << 40)
	engine, err := projections.NewEngine(projections.Config{
		Pool: h.pool, Log: h.store, Subscriber: subscriber, Beat: 10 * time.Millisecond,
		Now: func() time.Time { return projectiontest.Epoch.Add(time.Hour) },
	}, sample)
	require.NoError(t, err)
	stop := h.start(engine)
	h.wait(engine, "sample", h.append(3))
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, subscriber.topic, schema)
	require.Eventually(t, func() bool { return subscriber.left.Load() < 1<<40-2 }, 30*time.Second, time.Millisecond, "it is tried again")
	subscriber.left.Store(0)
	h.phase(schema, projections.PhaseReady)

	stop()
}

func TestABuildThatNobodyCouldSubscribeToIsRemoved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	subscriber := &moody{topic: "sample_v1_b2", Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: h.store, MinPause: time.Millisecond})}
	subscriber.left.Store(1 << 40)
	engine, err := projections.NewEngine(projections.Config{
		Pool: h.pool, Log: h.store, Subscriber: subscriber, Beat: 10 * time.Millisecond, Now: time.Now,
	}, sample)
	require.NoError(t, err)
	h.start(engine)
	h.wait(engine, "sample", h.append(3))
	_, err = engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return subscriber.left.Load() < 1<<40 }, 30*time.Second, time.Millisecond)
	_, err = engine.Abort(t.Context(), "sample")
	require.NoError(t, err)
	h.rebuilt(engine)
}

func TestAnEngineWhoseSubscriberFailsAtFirstSaysSo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	subscriber := &moody{topic: "sample_v1", Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: h.store})}
	subscriber.left.Store(1)
	engine, err := projections.NewEngine(projections.Config{Pool: h.pool, Log: h.store, Subscriber: subscriber, Now: time.Now}, sample)
	require.NoError(t, err)
	require.EqualError(t, engine.Run(t.Context()), "subscribing to the log for projection sample_v1: not in the mood")
	require.NoError(t, subscriber.Close())
}

// TestWhoReadsABuildHoldsUpNobodyElse: a build whose time is up, and that somebody still reads, is removed when that is over.
func TestWhoReadsABuildHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(5))
	h.rebuilt(engine)
	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	reader, err := h.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = reader.Exec(t.Context(), "SELECT FROM sample_v1.trail")
	require.NoError(t, err)
	h.exec("UPDATE projections SET changed_at = changed_at - interval '2 hours' WHERE phase = 'retired'")
	require.Eventually(t, func() bool {
		return len(h.rows("SELECT FROM pg_stat_activity WHERE query LIKE 'DROP SCHEMA%' AND wait_event_type = 'Lock'")) > 0
	}, 30*time.Second, 5*time.Millisecond)

	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()), "another process starts")
	h.rebuilt(engine)

	require.NoError(t, reader.Rollback(t.Context()))
	h.phase("sample_v1", "")
}

// another projection than the sample.
func another() *projections.Projection {
	p := projections.New("another", 1, sampleSchema)
	sampleState(p)
	return p
}

// TestABuildOfWhichAnIndexIsMadeIsRemovedLater, and whoever asks is told.
func TestABuildOfWhichAnIndexIsMadeIsRemovedLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, slowIndex, another)
	h.wait(engine, "sample", h.append(5))
	schema, goOn := h.stopAtIndex(engine)

	_, err := engine.Abort(t.Context(), "sample")
	require.ErrorContains(t, err, "is in use")
	other, err := engine.Rebuild(t.Context(), "another")
	require.NoError(t, err)
	h.phase(other, projections.PhaseReady) // the life of other builds goes on

	goOn()
	h.phase(schema, projections.PhaseReady)
	_, err = engine.Abort(t.Context(), "sample")
	require.NoError(t, err)
}
