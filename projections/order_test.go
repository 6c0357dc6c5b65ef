package projections_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

type footnote struct {
	Stream   string  `db:"stream,key"`
	Revision uint64  `db:"revision,key"`
	Note     *string `db:"note"`
}

// TestRowsMayReferToTablesDefinedBefore: also where those get so many rows that they go by COPY.
func TestRowsMayReferToTablesDefinedBefore(t *testing.T) {
	t.Parallel()
	type entry struct {
		Stream   string `db:"stream"`
		Revision uint64 `db:"revision"`
		N        int    `db:"n"`
	}
	s := projectiontest.For(t, func() *projections.Projection {
		p := projections.New("notes", 1, `CREATE TABLE entries (stream text, revision bigint, n int, PRIMARY KEY (stream, revision, n));
			CREATE TABLE counts (name text PRIMARY KEY, n bigint NOT NULL);
			CREATE TABLE notes (stream text, revision bigint, note text REFERENCES counts, PRIMARY KEY (stream, revision),
				first int DEFAULT 0, FOREIGN KEY (stream, revision, first) REFERENCES entries)`)
		entries, counts := projections.Append[entry](p, "entries"), projections.Sum[wardCount](p, "counts")
		notes := projections.Patch[footnote](p, "notes")
		projections.On(p, func(e events.DeviceLinked, at projections.At) error {
			for n := range 40 {
				if err := entries.Add(entry{at.Stream, at.Revision, n}); err != nil {
					return err
				}
			}
			if err := counts.Add(wardCount{e.Name, 1}); err != nil {
				return err
			}
			return notes.Set(footnote{at.Stream, at.Revision, &e.Name})
		})
		return p
	})
	for n := range 3 {
		s.Given("devices-1", events.DeviceLinked{DeviceID: device(n), Name: fmt.Sprint("device ", n%2)})
	}
	s.Then("SELECT note, n FROM notes JOIN counts ON note = name ORDER BY revision", "device 0 | 2", "device 1 | 1", "device 0 | 2").
		Then("SELECT count(*) FROM entries", "120")
}

// TestConstraintsJudgeRowsAsTheyBecome: what is added to a sum, or set of a row that is there, need not satisfy them by
// itself.
func TestConstraintsJudgeRowsAsTheyBecome(t *testing.T) {
	t.Parallel()
	for name, together := range map[string]bool{"Together": true, "OneByOne": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := projectiontest.For(t, func() *projections.Projection {
				p := projections.New("sample", 1, `CREATE TABLE counts (name text PRIMARY KEY, n bigint NOT NULL CHECK (n >= 0));
					CREATE TABLE devices (device_id uuid PRIMARY KEY, name text, linked_at timestamptz, renames int,
						CHECK (name <> 'done' OR linked_at IS NOT NULL), CHECK (linked_at IS NOT NULL))`)
				counts, devices := projections.Sum[wardCount](p, "counts"), projections.Patch[deviceRow](p, "devices")
				projections.On(p, func(e events.DeviceLinked, at projections.At) error {
					if err := counts.Add(wardCount{"all", 5}); err != nil {
						return err
					}
					return devices.Set(deviceRow{DeviceID: e.DeviceID, Name: &e.Name, LinkedAt: &at.Envelope.RecordedAt})
				})
				projections.On(p, func(e events.DeviceRenamed, _ projections.At) error {
					if err := counts.Add(wardCount{"all", -1}); err != nil {
						return err
					}
					return devices.Set(deviceRow{DeviceID: e.DeviceID, Name: &e.Name})
				})
				return p
			})
			s.Given("devices-1", events.DeviceLinked{DeviceID: device(1), Name: "new"})
			if !together {
				s.Settle()
			}
			s.Given("devices-1", events.DeviceRenamed{DeviceID: device(1), Name: "done"}, events.DeviceRenamed{DeviceID: device(1), Name: "done"}).
				Then("SELECT name FROM devices", "done").Then("SELECT n FROM counts", "3")
		})
	}
}

// TestSumsThatAreJudgedAreAddedToInRounds: no statement has a key twice, however many keys and rounds there are.
func TestSumsThatAreJudgedAreAddedToInRounds(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, func() *projections.Projection {
		p := projections.New("sample", 1, "CREATE TABLE counts (name text PRIMARY KEY, n bigint NOT NULL CHECK (n >= 0))")
		counts := projections.Sum[wardCount](p, "counts")
		projections.On(p, func(events.DeviceLinked, projections.At) error {
			return errors.Join(counts.Add(wardCount{"b", 1}), counts.Add(wardCount{"a", 2}), counts.Add(wardCount{"c", 3}))
		})
		return p
	})
	for n := range 3 {
		s.Given("devices-1", events.DeviceLinked{DeviceID: device(n), Name: "new"})
	}
	s.Then("SELECT name, n FROM counts ORDER BY name", "a | 6", "b | 3", "c | 9")
}

// takenNames parks by device, each of which has a name that no other one has.
func takenNames() *projections.Projection {
	p := projections.New("sample", 1, "CREATE TABLE devices (device_id uuid PRIMARY KEY, name text UNIQUE)")
	devices := projections.Patch[wardDevice](p, "devices")
	set := func(device id.Device, name string) error { return devices.Set(wardDevice{device, &name}) }
	projections.On(p, func(e events.DeviceLinked, _ projections.At) error { return set(e.DeviceID, e.Name) })
	projections.On(p, func(e events.DeviceRenamed, _ projections.At) error { return set(e.DeviceID, e.Name) })
	parkByDevice(p)
	return p
}

// TestARefusalInVainComesOnce: what is written together looked to the constraint as if the row were new, which no event was
// to blame for. Batches after that show it rows as they become, and are written together again.
func TestARefusalInVainComesOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var singly atomic.Int64
	engine, _ := h.run(h.wired(t, func(sent []byte) bool {
		singly.Add(int64(bytes.Count(sent, []byte("LOCK TABLE"))))
		return false
	}), func() *projections.Projection {
		p := projections.New("sample", 1, `CREATE TABLE devices (device_id uuid PRIMARY KEY, name text, linked_at timestamptz, renames int,
			CHECK (name IS NOT NULL))`)
		devices := projections.Patch[deviceRow](p, "devices")
		projections.On(p, func(e events.DeviceLinked, _ projections.At) error {
			return devices.Set(deviceRow{DeviceID: e.DeviceID, Name: &e.Name})
		})
		projections.On(p, func(e events.DeviceRenamed, _ projections.At) error {
			return devices.Set(deviceRow{DeviceID: e.DeviceID, Renames: new(1)})
		})
		return p
	})
	h.wait(engine, "sample", h.append(3))
	require.Zero(t, singly.Load())
	h.wait(engine, "sample", h.rename(1, "a"))
	once := singly.Load()
	require.Positive(t, once)
	h.wait(engine, "sample", h.rename(2, "b"))
	require.Equal(t, once, singly.Load())
	require.Len(t, h.rows("SELECT FROM sample_v1.devices WHERE renames = 1"), 2)
}

func TestAUniqueValueMovesFromOneKeyToAnother(t *testing.T) {
	t.Parallel()
	for _, other := range []int{0, 2} { // its key is before, or after
		s := projectiontest.For(t, takenNames).
			Given("devices", events.DeviceLinked{DeviceID: device(1), Name: "Help desk"}, events.DeviceLinked{DeviceID: device(other), Name: "Till"})
		s.Settle()
		s.Given("devices", events.DeviceRenamed{DeviceID: device(1), Name: "Office"}, events.DeviceRenamed{DeviceID: device(other), Name: "Help desk"}).
			Then("SELECT name FROM devices ORDER BY name", "Help desk", "Office")
		require.Empty(t, s.Parked())
	}
}

// TestWhoComesFirstKeepsAUniqueValue: that the name becomes free later does not help an event that took it before.
func TestWhoComesFirstKeepsAUniqueValue(t *testing.T) {
	t.Parallel()
	for _, other := range []int{0, 2} {
		s := projectiontest.For(t, takenNames).
			Given("devices", events.DeviceLinked{DeviceID: device(1), Name: "Help desk"}, events.DeviceLinked{DeviceID: device(other), Name: "Till"})
		s.Settle()
		s.Given("devices", events.DeviceRenamed{DeviceID: device(other), Name: "Help desk"}, events.DeviceRenamed{DeviceID: device(1), Name: "Office"}).
			Then("SELECT name FROM devices ORDER BY name", "Office", "Till")
		require.Len(t, s.Parked(), 1)
		require.Equal(t, device(other).String(), s.Parked()[0].Key)
	}
}

// TestEveryEventIsJudged: also one that the next event of the same batch makes good.
func TestEveryEventIsJudged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ schema, wrong, right string }{
		"Check":   {"name text CHECK (name <> 'wrong')", "wrong", "right"},
		"Length":  {"name varchar(6)", "too long", "short"},
		"Removed": {"name text CHECK (name <> 'wrong')", "wrong", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := projectiontest.For(t, func() *projections.Projection {
				p := projections.New("sample", 1, "CREATE TABLE devices (device_id uuid PRIMARY KEY, linked_at timestamptz, renames int, "+c.schema+")")
				devices := projections.Patch[deviceRow](p, "devices")
				projections.On(p, func(e events.DeviceRenamed, _ projections.At) error {
					return devices.Set(deviceRow{DeviceID: e.DeviceID, Name: &e.Name})
				})
				projections.On(p, func(e events.DeviceUnlinked, _ projections.At) error {
					return devices.Remove(deviceRow{DeviceID: e.DeviceID})
				})
				return p
			})
			s.Given("devices", events.DeviceRenamed{DeviceID: device(1), Name: c.wrong})
			if c.right == "" {
				s.Given("devices", events.DeviceUnlinked{DeviceID: device(1)})
			} else {
				s.Given("devices", events.DeviceRenamed{DeviceID: device(1), Name: c.right})
			}
			require.Contains(t, s.Refused(), "DeviceRenamed at devices@0")
		})
	}
}
