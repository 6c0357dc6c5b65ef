package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"daybook/events"
)

// direction is that of a scan.
type direction bool

const (
	forward  direction = false
	backward direction = true
)

func (d direction) first(it *pebble.Iterator) bool {
	if d == backward {
		return it.Last()
	}
	return it.First()
}

func (d direction) next(it *pebble.Iterator) bool {
	if d == backward {
		return it.Prev()
	}
	return it.Next()
}

// span is a part of the log, both ends included.
type span struct{ from, to events.Position }

// revisions is a part of a stream, both ends included.
type revisions struct {
	stream   string
	from, to uint64
}

// lastRevision is higher than any, a tombstone's included.
const lastRevision = math.MaxUint64 - 1

// chunk collects records until it holds limit of them or size bytes.
type chunk struct {
	memory      arena
	records     []events.Record
	limit, size int
	held        int // bytes
}

func (c *chunk) full() bool { return len(c.records) >= c.limit || c.held >= c.size }

func (c *chunk) last() *events.Record { return &c.records[len(c.records)-1] }

func (c *chunk) add(position events.Position, value []byte) error {
	record, err := decodeRecord(&c.memory, position, value)
	if err != nil {
		return err
	}
	c.records, c.held = append(c.records, record), c.held+len(value)
	return nil
}

// scanAfter fills a chunk with what lies after a position, up to the head. There has to be something.
func (s *Store) scanAfter(c *chunk, after, head events.Position) error {
	err := s.scan(c, span{after + 1, head}, forward)
	if err == nil && len(c.records) == 0 {
		return fmt.Errorf("record after position %d: %w", after, errRecord)
	}
	return err
}

// scan fills a chunk from one end of a part of the log. The part may be empty.
func (s *Store) scan(c *chunk, part span, way direction) (err error) {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: logKey(part.from), UpperBound: logKey(part.to + 1)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	c.held = 0
	for ok := way.first(it); ok && !c.full(); ok = way.next(it) {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := c.add(events.Position(binary.BigEndian.Uint64(it.Key()[1:])), value); err != nil {
			return err
		}
	}
	return it.Error()
}

// scanStream fills a chunk from one end of a part of a stream, as of the head; more says that the chunk is full.
func (s *Store) scanStream(c *chunk, part revisions, head events.Position, way direction) (more bool, err error) {
	if nameTooLong(part.stream) {
		return false, nil
	}
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.leave()
	index, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: indexKey(part.stream, part.from), UpperBound: indexKey(part.stream, part.to+1),
	})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	if !way.first(index) {
		return false, index.Error()
	}
	log, err := s.db.NewIter(&pebble.IterOptions{LowerBound: logKey(0), UpperBound: logKey(head + 1)})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	c.held = 0
	for ok := true; ok; ok = way.next(index) {
		if c.full() {
			return true, nil
		}
		entry, err := index.ValueAndErr()
		if err != nil || len(entry) != 8 {
			return false, errors.Join(errRecord, err)
		}
		position := events.Position(binary.BigEndian.Uint64(entry))
		if position > head { // a group is being written
			continue
		}
		if err := c.seek(log, position); err != nil {
			return false, err
		}
	}
	return false, index.Error()
}

// seek adds the record at a position. Moving forward, neighbours in the log are cheap.
func (c *chunk) seek(log *pebble.Iterator, position events.Position) error {
	key := logKey(position)
	if !log.SeekGE(key) || !bytes.Equal(log.Key(), key) {
		return fmt.Errorf("record at position %d: %w", position, errors.Join(errRecord, log.Error()))
	}
	value, err := log.ValueAndErr()
	if err != nil {
		return err
	}
	return c.add(position, value)
}

// recordAt reads one record.
func recordAt(db *pebble.DB, position events.Position) (_ events.Record, err error) {
	value, closer, err := db.Get(logKey(position))
	if err != nil {
		return events.Record{}, fmt.Errorf("record at position %d: %w", position, err)
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	return decodeRecord(&arena{}, position, value)
}
