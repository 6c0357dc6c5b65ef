package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"daybook/events"
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

// ending is what has to be known of a stream before anything is written to it. Of a metadata stream and of one that is
// tombstoned, only the tip is: nothing describes them.
type ending struct {
	tip

	described   bool // it has metadata
	softDeleted bool
}

func (e *ending) tombstoned() bool { return e.revision == tombstoneRevision }

func (e *ending) missing() bool { return e.tip == emptyStream && !e.described }

// everything is beyond all positions.
const everything = ^events.Position(0)

// ending returns what is known of a stream, from memory or from the index. What is changed in it is remembered, as long
// as not too many others are asked for in between: see maxRequests.
func (d *decider) ending(stream string) (*ending, error) {
	if known, ok := d.endings.Get(stream); ok {
		return known, nil
	}
	found, err := d.readEnding(stream)
	if err != nil {
		return nil, fmt.Errorf("finding the end of %s: %w", stream, err)
	}
	d.endings.Add(stream, found)
	return found, nil
}

// described returns what is known of the stream whose metadata a stream holds; nil if it holds none. That of metadata is
// fixed, whatever a stream with such a name says.
func (d *decider) described(stream string) (*ending, error) {
	described, ok := describedBy(stream)
	if _, isMetadata := describedBy(described); !ok || isMetadata {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	return d.ending(described)
}

// readEnding asks for revision 0 and for a mark first: for a new stream, the common case here, a Bloom filter answers the
// one and memory the other.
func (d *decider) readEnding(stream string) (*ending, error) {
	begun, err := isThere(d.db, stream, 0)
	if err != nil {
		return nil, err
	}
	marked, err := d.marks.has(stream)
	if err != nil || !begun && !marked {
		return &ending{tip: emptyStream}, err
	}
	end, err := readLastTip(d.db, stream, everything)
	if err != nil || !marked || end.revision == tombstoneRevision {
		return &ending{tip: end}, err
	}
	limits, described, err := readLimits(d.db, stream, everything)
	return &ending{end, described, limits.softDeleted()}, err
}

// readTip returns the end of a stream as of a position. It asks for the two revisions with which a stream can begin
// first, 0 and a tombstone: where there is none, Bloom filters save the search backwards.
func readTip(db *pebble.DB, stream string, until events.Position) (tip, error) {
	for _, revision := range [...]uint64{0, tombstoneRevision} {
		if begun, err := isThere(db, stream, revision); err != nil {
			return emptyStream, err
		} else if begun {
			return readLastTip(db, stream, until)
		}
	}
	return emptyStream, nil
}

func readLastTip(db *pebble.DB, stream string, until events.Position) (end tip, err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: indexKey(stream, 0), UpperBound: indexEnd(stream)})
	if err != nil {
		return emptyStream, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.Last(); ok; ok = it.Prev() {
		value, err := it.ValueAndErr()
		if err != nil || len(value) != 8 {
			return emptyStream, errors.Join(errRecord, err)
		}
		if position := events.Position(binary.BigEndian.Uint64(value)); position <= until {
			return tip{revision: int64(indexRevision(it.Key())), position: position}, nil
		}
	}
	return emptyStream, it.Error()
}

func isThere(db *pebble.DB, stream string, revision uint64) (bool, error) {
	_, err := positionAt(db, stream, revision)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func positionAt(db *pebble.DB, stream string, revision uint64) (events.Position, error) {
	value, closer, err := db.Get(indexKey(stream, revision))
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, errors.Join(errRecord, closer.Close())
	}
	return events.Position(binary.BigEndian.Uint64(value)), closer.Close()
}
