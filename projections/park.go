package projections

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Park lets a projection go on when an event fails: the event is parked, and with it, in order, all later events of the
// same partition, while other partitions go on. Without it a projection pauses at the event, which is right for what must
// be complete to be true at all, such as a ledger.
//
// Of says what the partitions are, for people: "conversations". Key tells which one a handled event belongs to; what it
// cannot tell, of an event that cannot be read say, pauses the projection; so does an empty key, which nobody could ask
// for. No row of a Patch table may depend on two partitions, so each of these tables has the partition in its key: one
// field tagged `db:"column,partition"`, a uuid, a text or an integer. It has to say, as text, the key of the event that
// writes the row: an event that writes to another partition fails. Append and Sum tables need none: their rows do not
// depend on an order.
//
// Parked events are tried again when the engine starts, and when somebody asks; see [Engine.Retry].
func Park(p *Projection, of string, key func(at At) (key string, known bool)) {
	if p.parks != nil {
		p.misusedf("it parks twice")
	}
	if of == "" || key == nil {
		p.misusedf("parking needs a name for the partitions, and their key")
		return
	}
	p.parks = &parks{of: of, key: key}
}

// ByStream is the key of a projection each of whose rows depends on one stream only.
func ByStream(at At) (string, bool) { return at.Stream, true }

// Decode returns the event of the catalogue, as typed handlers get it, for what needs to know of several types.
func (at At) Decode() (any, error) { return at.decode() }

// Parks says what the partitions are that wait when one of their events fails; empty for a projection that pauses.
func (p *Projection) Parks() string {
	if p.parks == nil {
		return ""
	}
	return p.parks.of
}

type parks struct {
	of   string
	key  func(At) (string, bool)
	last belonging
}

// belonging is where the event belongs that was asked for last: each of its rows asks again.
type belonging struct {
	event *Recorded
	key   string
	err   error // why nothing tells
}

// maxParked bounds how many partitions wait, and how many events in each. Beyond it something is wrong that is not one
// event's, and the projection pauses.
const maxParked = 1024

// checkPartitions finds the Patch tables of a parking projection that are not partitioned, and tables that are although
// nothing is parked.
func (p *Projection) checkPartitions() {
	for _, t := range p.tables {
		name, field := t.partitionedBy()
		_, patch := t.(*patchRows)
		switch {
		case p.parks == nil && field != "":
			p.misusedf("table %s: field %s is tagged as the partition, but the projection parks nothing: "+
				`call Park, or tag it db:"column,key"`, name, field)
		case p.parks != nil && patch && field == "":
			p.misusedf("table %s: the projection parks %s, so the key has to contain the partition: "+
				`tag one field db:"column,partition"`, name, p.parks.of)
		}
	}
}

// handles tells whether an event is anything to the projection.
func (p *Projection) handles(r *Recorded) bool {
	return p.all != nil || p.handler[r.Type] != nil || p.handed[r.Type] != nil
}

// parksAt is the partition that is to wait because an event failed, or why the projection pauses instead.
func (p *Projection) parksAt(r *Recorded, cause error) (key string, pauses error) {
	if p.parks == nil {
		return "", cause
	}
	key, err := p.partition(r)
	if err != nil && !errors.Is(cause, err) {
		return "", fmt.Errorf("%w; it is not parked: %w", cause, err)
	}
	if err != nil {
		return "", cause
	}
	return key, nil
}

// partition is where a handled event of a projection that parks belongs.
func (p *Projection) partition(r *Recorded) (string, error) {
	last := &p.parks.last
	if last.event != r {
		key, err := p.parks.find(r)
		*last = belonging{r, key, err}
	}
	return last.key, last.err
}

// find asks for an event's partition. A panic of the author's function is its error.
func (k *parks) find(r *Recorded) (key string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the function that tells which of the %s it belongs to panicked: %v", k.of, cause)
		}
	}()
	key, known := k.key(At{r})
	if !known || key == "" {
		return "", fmt.Errorf("nothing tells which of the %s it belongs to", k.of)
	}
	return key, nil
}

// within encodes the partition of a row, and refuses another one than that of the event at work.
func (p *Projection) within(encode encoder, t columnType) (encoder, error) {
	text := t.text()
	if text == nil {
		return nil, fmt.Errorf("a partition is a uuid, a text or an integer, not %s", t.name)
	}
	return func(buffer []byte) ([]byte, error) {
		at := len(buffer)
		buffer, err := encode(buffer)
		if err != nil {
			return nil, err
		}
		key, err := p.partition(p.at)
		if err != nil {
			return nil, err
		}
		if value := text(buffer[at+4:]); value != key {
			return nil, fmt.Errorf("the row belongs to %q and the event to %q, and no row may depend on two of the %s", value, key, p.parks.of)
		}
		return buffer, nil
	}, nil
}

// blames tells whether the database refused what a batch writes because of what it says: another try would end the same.
func blames(err error) bool {
	reply, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch reply.Code[:2] {
	case "22", "23", "54", "P0": // data, constraints, program limits, raised by a trigger
		return true
	}
	return false
}

// LimitError says that more is parked than can be one event's fault.
type LimitError struct {
	Projection string // name and version
	What       string // partitions, or events of one
	Err        error  // why the next one would be parked
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("projection %s: %d %s are parked already, and no more are: mend what is wrong, then retry them: %s",
		e.Projection, maxParked, e.What, e.Err)
}

func (e *LimitError) Unwrap() error { return e.Err }
