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
// cannot tell, of an event that cannot be read say, pauses the projection. No row of a Patch table may depend on two
// partitions, so each of these tables has the partition in its key: one field tagged `db:"column,partition"`. Append and
// Sum tables need none: their rows do not depend on an order.
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
	p.parks = &parks{of, key}
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
	of  string
	key func(At) (string, bool)
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
func (p *Projection) handles(r *Recorded) bool { return p.all != nil || p.handler[r.Type] != nil }

// partition is where a handled event belongs; not known in a projection that pauses.
func (p *Projection) partition(r *Recorded) (key string, known bool) {
	if p.parks == nil {
		return "", false
	}
	return p.parks.key(At{r})
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
