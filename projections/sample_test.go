package projections_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// The sample projection uses every means of the author's API: a trail of all events, devices that are renamed and
// removed, and messages whose fields come from several events.
const sampleSchema = `
	CREATE TABLE trail (
		stream text NOT NULL, revision bigint NOT NULL, position bigint NOT NULL, type text NOT NULL, event_id uuid NOT NULL,
		recorded_at timestamptz, foreign_event boolean NOT NULL, data bytea, PRIMARY KEY (stream, revision)
	);
	CREATE TABLE devices (device_id uuid PRIMARY KEY, name text, linked_at timestamptz, renames int);
	CREATE TABLE messages (
		message_id uuid, recipient_id uuid, delivered_at timestamptz, read_at timestamptz, failure text,
		PRIMARY KEY (message_id, recipient_id)
	)`

type trailRow struct {
	Stream     string          `db:"stream"`
	Revision   uint64          `db:"revision"`
	Position   events.Position `db:"position"`
	Type       string          `db:"type"`
	EventID    id.Event        `db:"event_id"`
	RecordedAt *time.Time      `db:"recorded_at"`
	Foreign    bool            `db:"foreign_event"`
	Data       []byte          `db:"data"`
}

type deviceRow struct {
	DeviceID id.Device  `db:"device_id,key"`
	Name     *string    `db:"name"`
	LinkedAt *time.Time `db:"linked_at"`
	Renames  *int       `db:"renames"`
}

type messageRow struct {
	MessageID   id.Message  `db:"message_id,key"`
	RecipientID id.Customer `db:"recipient_id,key"`
	DeliveredAt *time.Time  `db:"delivered_at"`
	ReadAt      *time.Time  `db:"read_at"`
	Failure     *string     `db:"failure"`
}

func sample() *projections.Projection { return sampleVersion(1, sampleSchema) }

// always is the definition of one projection, for tests in which nothing is built twice.
func always(p *projections.Projection) projections.Definition {
	return func() *projections.Projection { return p }
}

// fitting is a projection of which only matters whether rows fit its tables.
func fitting(schema string) *projections.Projection {
	p := projections.New("fit", 1, schema)
	projections.OnAll(p, func(projections.At) error { return nil })
	return p
}

func sampleVersion(version int, schema string) *projections.Projection {
	p := projections.New("sample", version, schema)
	trail := projections.Append[trailRow](p, "trail")
	projections.OnAll(p, func(at projections.At) error {
		row := trailRow{
			Stream: at.Stream, Revision: at.Revision, Position: at.Position, Type: at.Type, EventID: at.ID,
			Foreign: at.Foreign != nil, Data: at.Data,
		}
		if at.Foreign == nil {
			row.RecordedAt = &at.Envelope.RecordedAt
		}
		return trail.Add(row)
	})
	sampleState(p)
	return p
}

// sampleState is the part of the sample that keeps rows by key.
func sampleState(p *projections.Projection) {
	devices := projections.Patch[deviceRow](p, "devices")
	messages := projections.Patch[messageRow](p, "messages")
	projections.On(p, func(e events.DeviceLinked, at projections.At) error {
		return devices.Set(deviceRow{DeviceID: e.DeviceID, Name: &e.Name, LinkedAt: &at.Envelope.OccurredAt})
	})
	projections.On(p, func(e events.DeviceRenamed, _ projections.At) error {
		return devices.Set(deviceRow{DeviceID: e.DeviceID, Name: &e.Name})
	})
	projections.On(p, func(e events.DeviceUnlinked, _ projections.At) error {
		return devices.Remove(deviceRow{DeviceID: e.DeviceID})
	})
	projections.On(p, func(e events.MessageFailed, _ projections.At) error {
		return messages.Set(messageRow{MessageID: e.MessageID, RecipientID: e.RecipientID, Failure: new("failed")})
	})
	projections.On(p, func(e events.MessageDelivered, _ projections.At) error {
		row := messageRow{MessageID: e.MessageID, RecipientID: e.RecipientID, DeliveredAt: &e.At}
		if err := messages.Set(row); err != nil {
			return err
		}
		return messages.Clear(row, "failure")
	})
	projections.On(p, func(e events.MessageRead, _ projections.At) error {
		return messages.Set(messageRow{MessageID: e.MessageID, RecipientID: e.RecipientID, ReadAt: &e.At})
	})
}

func device(n int) id.Device   { return id.Derive[id.Device]("device", strconv.Itoa(n)) }
func message(n int) id.Message { return id.Derive[id.Message]("message", strconv.Itoa(n)) }

func fact(n int) events.StatusFact {
	return events.StatusFact{
		MessageID: message(n), RecipientID: id.Derive[id.Customer]("customer", strconv.Itoa(n%3)),
		At: projectiontest.Epoch.Add(time.Duration(n) * time.Minute),
	}
}

// sampleHistory renames, removes, links again, fails, delivers and reads.
func sampleHistory(s *projectiontest.Scenario) {
	for n := range 12 {
		s.Given("devices-1", events.DeviceLinked{DeviceID: device(n), Name: fmt.Sprintf("Phone %d", n)})
		s.Given("conversation-1", events.MessageFailed{StatusFact: fact(n)}, events.MessageDelivered{StatusFact: fact(n)})
		if n%2 == 0 {
			s.Given("devices-1", events.DeviceRenamed{DeviceID: device(n / 2), Name: fmt.Sprintf("Renamed %d", n)})
			s.Given("conversation-2", events.MessageRead{StatusFact: fact(n)})
		}
		if n%3 == 0 {
			s.Given("devices-1", events.DeviceUnlinked{DeviceID: device(n)})
		}
		if n%6 == 0 {
			s.Given("devices-1", events.DeviceLinked{DeviceID: device(n), Name: "Back again"})
		}
		s.Given("conversation-1", events.MessageFailed{StatusFact: fact(n / 2)})
	}
}

func TestTheKitPassesOnTheSample(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, sample, sampleHistory)
}

func TestTheKitPassesOnStateAlone(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, func() *projections.Projection {
		p := projections.New("state", 1, sampleSchema)
		sampleState(p)
		return p
	}, sampleHistory)
}

func TestEventsBecomeRows(t *testing.T) {
	t.Parallel()
	projectiontest.For(t, sample).
		Given("devices-1", events.DeviceLinked{DeviceID: device(1), Name: "iPhone Mario"}).
		Then("SELECT name, linked_at IS NOT NULL, renames FROM devices", "iPhone Mario | t | ∅").
		Given("devices-1", events.DeviceRenamed{DeviceID: device(1), Name: "iPhone Luigi"}).
		Then("SELECT name FROM devices", "iPhone Luigi").
		Then("SELECT stream, revision, type FROM trail ORDER BY position",
			"daybook-store | 0 | StoreCreated", "devices-1 | 0 | DeviceLinked", "devices-1 | 1 | DeviceRenamed").
		Given("devices-1", events.DeviceUnlinked{DeviceID: device(1)}).
		Then("SELECT FROM devices")
}
