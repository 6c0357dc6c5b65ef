package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"daybook/events"
	"daybook/events/id"
)

// tip is the end of a stream: its last revision and where that lies in the log. An empty stream has revision -1.
type tip struct {
	revision int64
	position events.Position
}

var emptyStream = tip{revision: -1}

func (t tip) appended() events.Appended {
	return events.Appended{Revision: uint64(max(t.revision, 0)), Position: t.position}
}

// errCommitFirst says that a decision depends on events of the group being built, which cannot be read back yet.
var errCommitFirst = errors.New("the group has to be committed before this append can be decided")

// decider knows how each stream ends and which event ids came last. It belongs to the committer alone.
//
// What it remembers runs ahead of the disk while a group is written. That is harmless: if the write fails, nothing is
// decided any more, and every answer waits for the write on which it was based.
type decider struct {
	db     *pebble.DB
	tips   *simplelru.LRU[string, tip]
	recent *recentIDs
	synced events.Position // last position on disk
}

// Bounds of the memory: about 10 MiB each at most.
const (
	tipsKept = 1 << 16
	idsKept  = 1 << 16
)

func newDecider(db *pebble.DB, synced events.Position) (*decider, error) {
	tips, err := simplelru.NewLRU[string, tip](tipsKept, nil)
	if err != nil {
		return nil, fmt.Errorf("caching stream ends: %w", err)
	}
	return &decider{db: db, tips: tips, recent: newRecentIDs(idsKept), synced: synced}, nil
}

// decide says whether an append is to be written (true), or what to answer at once: where it already is, or that the
// stream is not where the append expects it.
func (d *decider) decide(r *request) (write bool, _ events.Appended, _ error) {
	end, err := d.tip(r.stream)
	if err != nil {
		return false, events.Appended{}, err
	}
	conflict := &events.WrongRevisionError{Stream: r.stream, Expected: r.expected, Actual: events.Expected(end.revision)}
	switch {
	case r.expected == events.StreamExists && end == emptyStream:
		return false, events.Appended{}, conflict
	case r.expected == events.Any || r.expected == events.StreamExists:
		return d.decideByID(r, end, conflict)
	case int64(r.expected) == end.revision:
		return len(r.proposed) > 0, end.appended(), nil
	case int64(r.expected) > end.revision || len(r.proposed) == 0:
		return false, events.Appended{}, conflict
	default:
		return d.decideByLog(r, end, conflict)
	}
}

// decideByID serves appends that name no revision. A repeat is known by its ids, as far back as they are remembered.
func (d *decider) decideByID(r *request, end tip, conflict error) (bool, events.Appended, error) {
	if len(r.proposed) == 0 {
		return false, end.appended(), nil
	}
	var last tip
	for i := range r.proposed {
		place, known := d.recent.find(r.stream, r.proposed[i].ID)
		switch {
		case !known && i == 0:
			return true, events.Appended{}, nil
		case !known:
			return false, events.Appended{}, conflict
		}
		last = place
	}
	return false, last.appended(), nil
}

// decideByLog serves appends at a revision that the stream has passed. It is a repeat if the log holds the same ids
// from there on; the log never forgets.
func (d *decider) decideByLog(r *request, end tip, conflict error) (bool, events.Appended, error) {
	if end.position > d.synced {
		return false, events.Appended{}, errCommitFirst
	}
	if int64(r.expected)+int64(len(r.proposed)) > end.revision {
		// Too long to be in the log as a whole. What differs does not matter: either way it is no repeat.
		return false, events.Appended{}, conflict
	}
	at := tip{revision: int64(r.expected)}
	for i := range r.proposed {
		at.revision++
		stored, position, err := d.idAt(r.stream, uint64(at.revision))
		if err != nil {
			return false, events.Appended{}, err
		}
		if stored != r.proposed[i].ID {
			return false, events.Appended{}, conflict
		}
		at.position = position
	}
	return false, at.appended(), nil
}

// idAt reads the id of one event of a stream.
func (d *decider) idAt(stream string, revision uint64) (id.Event, events.Position, error) {
	position, err := d.positionAt(stream, revision)
	if err != nil {
		return id.Event{}, 0, fmt.Errorf("reading %s at %d: %w", stream, revision, err)
	}
	record, closer, err := d.db.Get(logKey(position))
	if err != nil {
		return id.Event{}, 0, fmt.Errorf("reading record at position %d: %w", position, err)
	}
	if len(record) < fixedSize {
		return id.Event{}, 0, errors.Join(fmt.Errorf("record at position %d: %w", position, errRecord), closer.Close())
	}
	return recordID(record), position, closer.Close()
}

func (d *decider) positionAt(stream string, revision uint64) (events.Position, error) {
	value, closer, err := d.db.Get(indexKey(stream, revision))
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, errors.Join(errRecord, closer.Close())
	}
	return events.Position(binary.BigEndian.Uint64(value)), closer.Close()
}

// tip returns the end of a stream, from memory or from the index.
func (d *decider) tip(stream string) (tip, error) {
	if end, ok := d.tips.Get(stream); ok {
		return end, nil
	}
	end, err := d.readTip(stream)
	if err != nil {
		return tip{}, fmt.Errorf("finding the end of %s: %w", stream, err)
	}
	d.tips.Add(stream, end)
	return end, nil
}

// readTip asks for revision 0 first: for a new stream, the common case here, a Bloom filter answers that without
// touching the disk, which it cannot do for a search backwards.
func (d *decider) readTip(stream string) (end tip, err error) {
	if _, err = d.positionAt(stream, 0); errors.Is(err, pebble.ErrNotFound) {
		return emptyStream, nil
	} else if err != nil {
		return tip{}, err
	}
	it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: indexKey(stream, 0), UpperBound: indexEnd(stream)})
	if err != nil {
		return tip{}, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Last() {
		return tip{}, errors.Join(errRecord, it.Error())
	}
	value, err := it.ValueAndErr()
	if err != nil || len(value) != 8 {
		return tip{}, errors.Join(errRecord, err)
	}
	return tip{
		revision: int64(indexRevision(it.Key())),
		position: events.Position(binary.BigEndian.Uint64(value)),
	}, nil
}

// recentIDs remembers where the last events went, by stream and id: a ring, so the oldest is forgotten first.
type recentIDs struct {
	places map[idInStream]tip
	ring   []idInStream
	next   int
}

type idInStream struct {
	stream string
	event  id.Event
}

func newRecentIDs(size int) *recentIDs {
	return &recentIDs{places: map[idInStream]tip{}, ring: make([]idInStream, 0, size)}
}

func (r *recentIDs) find(stream string, event id.Event) (tip, bool) {
	place, ok := r.places[idInStream{stream, event}]
	return place, ok
}

func (r *recentIDs) add(stream string, event id.Event, place tip) {
	key := idInStream{stream, event}
	if len(r.ring) < cap(r.ring) {
		r.ring = append(r.ring, key)
	} else {
		delete(r.places, r.ring[r.next])
		r.ring[r.next] = key
		r.next = (r.next + 1) % len(r.ring)
	}
	r.places[key] = place
}
