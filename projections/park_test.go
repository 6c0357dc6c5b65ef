package projections_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// The ward keeps devices apart: what goes wrong with one does not hold up the others. The handler fails at the name "sick",
// and the database refuses the name "refused", over the steps: what a Patch table gets is merged within a batch, and shows
// no single event.
const wardSchema = `
	CREATE TABLE devices (device_id uuid PRIMARY KEY, name text);
	CREATE TABLE counts (name text PRIMARY KEY, n bigint NOT NULL);
	CREATE TABLE steps (stream text, revision bigint, device_id uuid, name text CHECK (name <> 'refused'), PRIMARY KEY (stream, revision))`

type wardDevice struct {
	DeviceID id.Device `db:"device_id,partition"`
	Name     *string   `db:"name"`
}

type wardCount struct {
	Name string `db:"name,key"`
	N    int64  `db:"n"`
}

type wardStep struct {
	Stream   string    `db:"stream"`
	Revision uint64    `db:"revision"`
	DeviceID id.Device `db:"device_id"`
	Name     string    `db:"name"`
}

var errSick = errors.New("the device is sick")

// ward parks by device, for as long as it is not healed. Devices that are renamed "sick" fail in the handler.
func ward(healed *atomic.Bool) projections.Definition { return wardVersion(1, healed) }

func wardVersion(version int, healed *atomic.Bool) projections.Definition {
	return func() *projections.Projection {
		p := projections.New("sample", version, wardSchema)
		devices := projections.Patch[wardDevice](p, "devices")
		counts := projections.Sum[wardCount](p, "counts")
		steps := projections.Append[wardStep](p, "steps")
		step := func(device id.Device, name string, at projections.At) error {
			if name == "sick" && !healed.Load() {
				return errSick
			}
			return errors.Join(
				devices.Set(wardDevice{DeviceID: device, Name: &name}), counts.Add(wardCount{name, 1}),
				steps.Add(wardStep{at.Stream, at.Revision, device, name}))
		}
		projections.On(p, func(e events.DeviceLinked, at projections.At) error { return step(e.DeviceID, e.Name, at) })
		projections.On(p, func(e events.DeviceRenamed, at projections.At) error { return step(e.DeviceID, e.Name, at) })
		parkByDevice(p)
		return p
	}
}

func parkByDevice(p *projections.Projection) {
	projections.Park(p, "devices", func(at projections.At) (string, bool) {
		event, err := at.Decode()
		switch e := event.(type) {
		case events.DeviceLinked:
			return e.DeviceID.String(), err == nil
		case events.DeviceRenamed:
			return e.DeviceID.String(), err == nil
		}
		return "", false
	})
}

func (h *house) rename(n int, name string) events.Position {
	h.t.Helper()
	return h.record(fmt.Sprintf("devices-%d", n%7), events.DeviceRenamed{DeviceID: device(n), Name: name})
}

// parked waits until so many partitions wait, and none is still to be tried.
func (h *house) parked(engine *projections.Engine, n int) (list []projections.Parked) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		var err error
		list, err = engine.Parked(h.t.Context(), "sample")
		for _, p := range list {
			err = errors.Join(err, map[bool]error{true: errSick}[p.Wanted])
		}
		return err == nil && len(list) == n
	}, 30*time.Second, 5*time.Millisecond)
	return list
}

func TestOneSickPartitionDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	for name, sickness := range map[string]string{"InTheHandler": "sick", "InTheDatabase": "refused"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.beat = 10 * time.Millisecond
			var healed atomic.Bool
			h.append(30)
			h.rename(4, sickness)
			h.rename(5, "well")
			last := h.rename(4, "better") // waits behind the one before
			engine, stop := h.run(h.pool, ward(&healed))
			h.wait(engine, "sample", last)
			h.record("account-1", events.PremiumSubscribed{}) // is nothing to it, and belongs nowhere
			h.wait(engine, "sample", h.rename(6, "well"))

			list := h.parked(engine, 1)
			require.Equal(t, device(4).String(), list[0].Key)
			require.Equal(t, 2, list[0].Events)
			require.Equal(t, projections.Place{Stream: "devices-4", Revision: list[0].First.Revision}, list[0].First)
			require.Equal(t, "DeviceRenamed", list[0].Type)
			require.Contains(t, list[0].Cause, fmt.Sprintf("DeviceRenamed at devices-4@%d: ", list[0].First.Revision))
			status, err := engine.Status(t.Context())
			require.NoError(t, err)
			require.Equal(t, &projections.ParkedCounts{Partitions: 1, Events: 2}, status[0].Parked)
			blast, err := engine.Blast(t.Context(), "sample_v1")
			require.NoError(t, err)
			require.Equal(t, "1 of 30 devices", blast.String())
			require.Empty(t, h.rows("SELECT FROM sample_v1.steps WHERE name IN ('sick', 'refused', 'better')"))
			require.Empty(t, h.rows("SELECT FROM sample_v1.counts WHERE name IN ('sick', 'refused', 'better')"))

			require.NoError(t, engine.Retry(t.Context(), "sample_v1", list[0].Key)) // nothing has changed
			require.Greater(t, h.parked(engine, 1)[0].Tries, 1)

			healed.Store(true)
			h.exec("ALTER TABLE sample_v1.steps DROP CONSTRAINT steps_name_check")
			stop()
			again, _ := h.run(h.pool, ward(&healed)) // a new binary tries again by itself
			h.parked(again, 0)
			require.Len(t, h.rows("SELECT FROM sample_v1.devices WHERE name = 'better'"), 1)
			require.Len(t, h.rows("SELECT FROM sample_v1.counts WHERE name IN ('sick', 'refused', 'better') AND n = 1"), 2)
			h.wait(again, "sample", h.rename(4, "gone on"))
			require.Empty(t, h.rows("SELECT FROM parked_events"))
		})
	}
}

func TestASkippedEventLetsTheOthersThrough(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	h.append(10)
	h.rename(3, "sick")
	h.rename(3, "better")
	last := h.rename(3, "sick")
	h.wait(engine, "sample", last)
	waits := h.parked(engine, 1)[0]
	skip := func(event projections.Place, reason string) error {
		return engine.Skip(t.Context(), "sample_v1", waits.Key, event, reason)
	}
	require.ErrorContains(t, skip(waits.First, " "), "skipping an event needs a reason")
	second := waits.First
	second.Revision++
	require.ErrorContains(t, skip(second, "because"), "is not what is waited for")
	require.ErrorContains(t, engine.Retry(t.Context(), "sample_v1", "nobody"), `nothing is parked there under "nobody"`)

	require.NoError(t, skip(waits.First, "told twice"))
	require.Eventually(t, func() bool { // it fails at the next one: nothing behind the first goes through before
		list := h.parked(engine, 1)
		return list[0].First.Revision > waits.First.Revision && strings.Contains(list[0].Cause, fmt.Sprintf("@%d: ", list[0].First.Revision+1))
	}, 30*time.Second, 5*time.Millisecond)
	healed.Store(true)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", ""))
	h.parked(engine, 0)
	require.Len(t, h.rows("SELECT FROM sample_v1.steps WHERE name = 'sick'"), 1)
	skipped, err := engine.Skipped(t.Context(), "sample")
	require.NoError(t, err)
	require.Len(t, skipped, 1)
	require.Equal(t, waits.First, skipped[0].Event)
	require.Equal(t, "told twice", skipped[0].Reason)
	status, err := engine.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, &projections.ParkedCounts{}, status[0].Parked, "what was skipped does not wait")
}

// TestWhatCannotBeReadPauses stores an event of which nothing tells whose it is.
func TestWhatCannotBeReadPauses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	before := h.append(3)
	h.append(2)
	bad, err := h.store.Append(t.Context(), "devices-1", events.Any, []events.Proposed{
		{ID: id.New[id.Event](), Type: "DeviceRenamed", Data: []byte("no JSON"), Metadata: []byte("{}")},
	})
	require.NoError(t, err)
	h.append(2)
	h.wait(engine, "sample", before+1)
	status := h.status(engine, "sample", projections.StatePaused)
	require.Contains(t, status.Error, "DeviceRenamed at devices-1@")
	require.Less(t, status.Position, bad.Position, "what comes before it is projected")
}

func TestTooMuchTroubleIsNotOneEventsFault(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat, h.limit = 10*time.Millisecond, 200
	var healed atomic.Bool
	h.append(3)
	for range 1030 {
		h.rename(2, "sick")
	}
	engine, _ := h.run(h.pool, ward(&healed))
	status := h.status(engine, "sample", projections.StatePaused)
	require.Contains(t, status.Error, "1024 events of one of the devices are parked already")
	require.Len(t, h.rows("SELECT FROM parked_events"), 1024)
	healed.Store(true)
	require.Eventually(t, func() bool { // asked while it stands
		return engine.Retry(t.Context(), "sample_v1", device(2).String()) != nil
	}, 30*time.Second, 5*time.Millisecond)
	h.parked(engine, 0)
	h.wait(engine, "sample", h.append(1))
	require.Len(t, h.rows("SELECT FROM sample_v1.steps WHERE name = 'sick'"), 1030)
}

func TestTooMuchTroubleIsNotManyPartitionsFault(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.limit = 200
	var healed atomic.Bool
	for n := range 1026 {
		h.rename(n, "sick")
	}
	engine, _ := h.run(h.pool, ward(&healed))
	require.Contains(t, h.status(engine, "sample", projections.StatePaused).Error, "1024 devices are parked already")
	require.Len(t, h.rows("SELECT FROM parked_keys"), 1024)
	healed.Store(true) // those that wait have to be asked for, the others go on
	h.wait(engine, "sample", h.rename(2000, "well"))
	require.Len(t, h.rows("SELECT FROM parked_keys"), 1024)
	require.Len(t, h.rows("SELECT FROM sample_v1.steps"), 3)
}

// TestAPauseStandsAtTheEvent lets the database refuse one of many events of a batch.
func TestAPauseStandsAtTheEvent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	require.NoError(t, h.engine(h.pool, sample).Prepare(t.Context()))
	h.exec("ALTER TABLE sample_v1.devices ADD CONSTRAINT narrow CHECK (name <> 'too wide')")
	before := h.append(17)
	h.record("devices-1", events.DeviceLinked{DeviceID: device(999), Name: "too wide"})
	last := h.append(15)
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", before)
	status := h.status(engine, "sample", projections.StatePaused)
	require.Contains(t, status.Error, "projection sample_v1: DeviceLinked at devices-1@")
	require.Contains(t, status.Error, "narrow")
	require.Equal(t, before, status.Position)
	require.Len(t, h.rows("SELECT FROM sample_v1.devices"), 17)
	h.exec("ALTER TABLE sample_v1.devices DROP CONSTRAINT narrow")
	h.wait(engine, "sample", last)
	h.consistent("sample_v1", sample)
}

// TestParkingIsTheSameInTheEnd compares what was parked here and there, and retried, with what never was.
func TestParkingIsTheSameInTheEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 5 * time.Millisecond
	told := h.hears()
	var sick, healed atomic.Bool
	healed.Store(true)
	engine, stop := h.run(h.pool, ward(&sick))
	h.append(12)
	rapid.Check(t, func(rt *rapid.T) {
		sick.Store(false)
		var last events.Position
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, 12), 1, 30).Draw(rt, "devices") {
			last = h.rename(n, rapid.SampledFrom([]string{"sick", "well", "better"}).Draw(rt, "name"))
		}
		h.wait(engine, "sample", last)
		sick.Store(true)
		_ = engine.Retry(t.Context(), "sample_v1", "")
		h.parked(engine, 0)
	})
	stop()
	require.NotContains(t, told.String(), "rolled back", "what waits is known, and what does not wait any more")
	h.consistent("sample_v1", ward(&healed))
}

// away is a log from which the streams of devices cannot be read for a while.
type away struct {
	projections.Log

	is    atomic.Bool
	asked atomic.Int64
}

func (a *away) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	if a.is.Load() && strings.HasPrefix(stream, "devices-") {
		a.asked.Add(1)
		return func(yield func(events.Record, error) bool) { yield(events.Record{}, events.ErrUnavailable) }
	}
	return a.Log.ReadStream(ctx, stream, from)
}

func TestARetryIsNotLostWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	log := &away{Log: h.store}
	h.source = log
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	h.append(5)
	h.wait(engine, "sample", h.rename(3, "sick"))
	tries := h.parked(engine, 1)[0].Tries
	healed.Store(true)
	log.is.Store(true)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", ""))
	require.Eventually(t, func() bool { return log.asked.Load() > 2 }, 30*time.Second, 5*time.Millisecond)
	list, err := engine.Parked(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, tries, list[0].Tries)
	log.is.Store(false)
	h.parked(engine, 0)
}
