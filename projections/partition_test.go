package projections_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// byKey parks by what a function says of an event, and keys its rows by device.
func byKey(key func(projections.At) (string, bool)) projections.Definition {
	return func() *projections.Projection {
		p := projections.New("sample", 1, wardSchema)
		devices := projections.Patch[wardDevice](p, "devices")
		projections.On(p, func(e events.DeviceLinked, _ projections.At) error {
			return devices.Set(wardDevice{e.DeviceID, &e.Name})
		})
		projections.On(p, func(e events.DeviceRenamed, _ projections.At) error {
			return devices.Clear(wardDevice{DeviceID: e.DeviceID}, "name")
		})
		projections.On(p, func(e events.DeviceUnlinked, _ projections.At) error {
			return devices.Remove(wardDevice{DeviceID: e.DeviceID})
		})
		projections.Park(p, "devices", key)
		return p
	}
}

func TestAProjectionThatParksConforms(t *testing.T) {
	t.Parallel()
	type stream struct {
		Name string `db:"name,partition"`
		Last *int64 `db:"last"`
	}
	projectiontest.Conformance(t, func() *projections.Projection {
		p := projections.New("sample", 1, "CREATE TABLE streams (name text PRIMARY KEY, last bigint)")
		streams := projections.Patch[stream](p, "streams")
		projections.On(p, func(_ events.DeviceLinked, at projections.At) error {
			return streams.Set(stream{at.Stream, new(int64(at.Revision))})
		})
		projections.Park(p, "streams", projections.ByStream)
		return p
	}, func(s *projectiontest.Scenario) {
		for n := range 20 {
			s.Given(fmt.Sprintf("devices-%d", n%3), events.DeviceLinked{DeviceID: device(n), Name: "a"})
		}
	})
}

func TestAnEventThatWritesToAnotherPartitionFails(t *testing.T) {
	t.Parallel()
	for name, event := range map[string]events.Event{
		"Set":    events.DeviceLinked{DeviceID: device(1), Name: "a"},
		"Clear":  events.DeviceRenamed{DeviceID: device(1), Name: "a"},
		"Remove": events.DeviceUnlinked{DeviceID: device(1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.beat = 10 * time.Millisecond
			engine, _ := h.run(h.pool, byKey(projections.ByStream))
			h.record(device(2).String(), events.DeviceLinked{DeviceID: device(2), Name: "b"})
			h.wait(engine, "sample", h.record("s-1", event))
			waits := h.parked(engine, 1)[0]
			require.Equal(t, "s-1", waits.Key)
			require.Contains(t, waits.Cause, fmt.Sprintf(`table devices: field DeviceID for column device_id: the row belongs to %q and the event to "s-1"`,
				device(1)))
			require.Len(t, h.rows("SELECT FROM sample_v1.devices"), 1)
		})
	}
}

// TestPartitionsAreComparedAsText keeps rows by the devices' names, and by numbers.
func TestPartitionsAreComparedAsText(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	type named struct {
		Name string     `db:"name,partition"`
		ID   *id.Device `db:"id"`
	}
	type numbered struct {
		N    int32   `db:"n,partition"`
		Name *string `db:"name"`
	}
	engine, _ := h.run(h.pool, func() *projections.Projection {
		p := projections.New("sample", 1, "CREATE TABLE names (name text PRIMARY KEY, id uuid); CREATE TABLE numbers (n integer PRIMARY KEY, name text)")
		names, numbers := projections.Patch[named](p, "names"), projections.Patch[numbered](p, "numbers")
		projections.On(p, func(e events.DeviceLinked, at projections.At) error {
			if at.Revision%2 == 0 {
				return names.Set(named{e.Name, &e.DeviceID})
			}
			return numbers.Set(numbered{-300, &e.Name})
		})
		projections.Park(p, "names", func(at projections.At) (string, bool) {
			event, err := at.Decode()
			e, ok := event.(events.DeviceLinked)
			return e.Name, ok && err == nil
		})
		return p
	})
	var last events.Position
	for _, name := range []string{"Mario", "-300", "+1", "300"} { // the last one is a number, and the row's is another
		last = h.record("devices-1", events.DeviceLinked{DeviceID: device(1), Name: name})
	}
	h.wait(engine, "sample", last)
	require.Contains(t, h.parked(engine, 1)[0].Cause, `table numbers: field N for column n: the row belongs to "-300" and the event to "300"`)
	require.Len(t, h.rows("SELECT FROM sample_v1.names"), 2)
	require.Len(t, h.rows("SELECT FROM sample_v1.numbers"), 1)
}

func TestWhatNamesNoPartitionIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	type at struct {
		At   time.Time `db:"at,partition"`
		Name *string   `db:"name"`
	}
	err := h.engine(h.pool, func() *projections.Projection {
		p := fitting("CREATE TABLE times (at timestamptz PRIMARY KEY, name text)")
		projections.Patch[at](p, "times")
		projections.Park(p, "moments", projections.ByStream)
		return p
	}).Prepare(t.Context())
	require.ErrorContains(t, err, "table times: field At: column at: a partition is a uuid, a text or an integer, not timestamp with time zone")
}

func TestWithoutAPartitionAProjectionPauses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key  func(projections.At) (string, bool)
		says string
	}{
		"Panic":   {func(projections.At) (string, bool) { panic("out of luck") }, "which of the devices it belongs to panicked: out of luck"},
		"Empty":   {func(projections.At) (string, bool) { return "", true }, "nothing tells which of the devices it belongs to"},
		"Unknown": {func(projections.At) (string, bool) { return "a", false }, "nothing tells which of the devices it belongs to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			engine, _ := h.run(h.pool, func() *projections.Projection {
				p := byKey(c.key)()
				projections.On(p, func(events.PremiumSubscribed, projections.At) error { return errSick }) // it writes nothing
				return p
			})
			h.record("account-1", events.PremiumSubscribed{})
			status := h.status(engine, "sample", projections.StatePaused)
			require.Contains(t, status.Error, "PremiumSubscribed at account-1@0: "+errSick.Error()+"; it is not parked: ")
			require.Contains(t, status.Error, c.says)
			require.Empty(t, h.rows("SELECT FROM parked_keys"))
		})
	}
}

func TestARowWithoutAPartitionIsNotWritten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine, _ := h.run(h.pool, byKey(func(projections.At) (string, bool) { return "", false }))
	h.append(1)
	status := h.status(engine, "sample", projections.StatePaused)
	require.Contains(t, status.Error, "table devices: field DeviceID for column device_id: nothing tells which of the devices it belongs to")
	require.NotContains(t, status.Error, "it is not parked", "it is said once")
}
