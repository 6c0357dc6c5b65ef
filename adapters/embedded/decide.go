package embedded

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"daybook/events"
	"daybook/events/id"
)

// errCommitFirst says that a decision depends on events of the group being built, which cannot be read back yet.
var errCommitFirst = errors.New("the group has to be committed before this append can be decided")

// decider knows how each stream ends and which event ids came last. It belongs to the committer alone.
//
// What it remembers runs ahead of the disk while a group is written. That is harmless: if the write fails, nothing is
// decided any more, and every answer waits for the write on which it was based.
type decider struct {
	db      *pebble.DB
	endings *simplelru.LRU[string, *ending]
	marks   *marks
	recent  *recentIDs
	synced  events.Position // last position on disk
}

// Bounds of the memory: about 10 MiB each, and the names of the streams on top, which may be 1 KiB each (64 MiB more) and
// are hardly ever longer than an id.
const (
	endingsKept = 1 << 16
	idsKept     = 1 << 16
)

func newDecider(db *pebble.DB, synced events.Position) (*decider, error) {
	endings, err := simplelru.NewLRU[string, *ending](endingsKept, nil)
	if err != nil {
		return nil, fmt.Errorf("caching stream ends: %w", err)
	}
	marks, err := readMarks(db)
	if err != nil {
		return nil, err
	}
	return &decider{db: db, endings: endings, marks: marks, recent: newRecentIDs(idsKept), synced: synced}, nil
}

// decide says what is to be written for a request; or, with an empty plan, what to answer at once: where it already is,
// or that the stream is not where the request expects it.
func (d *decider) decide(r *request) (plan, events.Appended, error) {
	end, err := d.ending(r.stream)
	if err != nil {
		return plan{}, events.Appended{}, err
	}
	its, err := d.described(r.stream)
	if err != nil {
		return plan{}, events.Appended{}, err
	}
	if end.tombstoned() || its != nil && its.tombstoned() || end.softDeleted && r.expected == events.StreamExists {
		return plan{}, events.Appended{}, &DeletedError{Stream: r.stream}
	}
	write, at, err := d.check(r, end)
	if err != nil || !write {
		return plan{}, at, err
	}
	p, err := d.plan(r, end, its)
	return p, events.Appended{}, err
}

// check compares a stream with what a request expects of it.
func (d *decider) check(r *request, end *ending) (write bool, _ events.Appended, _ error) {
	switch {
	case end.missing() && (r.expected == events.StreamExists || r.action == deleting):
		return false, events.Appended{}, conflict(r, end)
	case r.expected == events.Any || r.expected == events.StreamExists:
		return d.checkByID(r, end)
	case int64(r.expected) == end.revision:
		return len(r.proposed) > 0, end.appended(), nil
	case int64(r.expected) > end.revision || len(r.proposed) == 0:
		return false, events.Appended{}, conflict(r, end)
	default:
		return d.checkByLog(r, end)
	}
}

func conflict(r *request, end *ending) error {
	return &events.WrongRevisionError{Stream: r.stream, Expected: r.expected, Actual: events.Expected(end.revision)}
}

// checkByID serves appends that name no revision. A repeat is known by its ids, as far back as they are remembered.
func (d *decider) checkByID(r *request, end *ending) (bool, events.Appended, error) {
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
			return false, events.Appended{}, conflict(r, end)
		}
		last = place
	}
	return false, last.appended(), nil
}

// checkByLog serves appends at a revision that the stream has passed. It is a repeat if the log holds the same ids
// from there on; the log never forgets. For a new writer, a soft-deleted stream is no stream.
func (d *decider) checkByLog(r *request, end *ending) (bool, events.Appended, error) {
	if end.position > d.synced {
		return false, events.Appended{}, errCommitFirst
	}
	revives := end.softDeleted && r.expected == events.NoStream
	if !revives && int64(r.expected)+int64(len(r.proposed)) > end.revision {
		// Too long to be in the log as a whole. What differs does not matter: either way it is no repeat.
		return false, events.Appended{}, conflict(r, end)
	}
	at := tip{revision: int64(r.expected)}
	for i := range r.proposed {
		if at.revision == end.revision {
			return false, events.Appended{}, conflict(r, end)
		}
		at.revision++
		stored, position, err := d.idAt(r.stream, uint64(at.revision))
		switch {
		case err != nil:
			return false, events.Appended{}, err
		case stored != r.proposed[i].ID && i == 0 && revives:
			return true, events.Appended{}, nil
		case stored != r.proposed[i].ID:
			return false, events.Appended{}, conflict(r, end)
		}
		at.position = position
	}
	return false, at.appended(), nil
}

// idAt reads the id of one event of a stream.
func (d *decider) idAt(stream string, revision uint64) (id.Event, events.Position, error) {
	position, err := positionAt(d.db, stream, revision)
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
