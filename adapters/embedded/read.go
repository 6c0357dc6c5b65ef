package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"daybook/events"
)

// Readers take records from Pebble in chunks and let go of it before they hand them out.
const (
	chunkRecords = 256
	chunkBytes   = 1 << 20
)

// ReadAll yields the records after a position, in log order, up to the head as it is when reading starts. It ends with
// an error when ctx is done, the store is closed, or a record cannot be read.
func (s *Store) ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		head, memory := s.head.now(), &arena{}
		for after < head {
			if err := ctx.Err(); err != nil {
				yield(events.Record{}, fmt.Errorf("reading the log: %w", err))
				return
			}
			records, err := s.scan(memory, after, head, chunkRecords, chunkBytes)
			if err != nil {
				yield(events.Record{}, err)
				return
			}
			for i := range records {
				if !yield(records[i], nil) {
					return
				}
			}
			after = records[len(records)-1].Position
		}
	}
}

// ReadStream yields the records of one stream from a revision on (inclusive), up to the head as it is when reading
// starts. A missing stream yields nothing. Errors are those of ReadAll.
func (s *Store) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		if len(stream) > maxStreamName {
			return
		}
		head, memory := s.head.now(), &arena{}
		for more := true; more; {
			err := ctx.Err()
			var records []events.Record
			if err == nil {
				records, more, err = s.scanStream(memory, stream, from, head)
			}
			if err != nil {
				yield(events.Record{}, fmt.Errorf("reading %s: %w", stream, err))
				return
			}
			for i := range records {
				if !yield(records[i], nil) {
					return
				}
			}
			from += uint64(len(records))
		}
	}
}

// ReadLast returns the last record of a stream, and false for a missing stream. It takes no longer for a long stream.
// Errors are those of ReadAll.
func (s *Store) ReadLast(ctx context.Context, stream string) (last events.Record, found bool, err error) {
	if err = ctx.Err(); err == nil {
		last, found, err = s.last(stream, s.head.now())
	}
	if err != nil {
		return events.Record{}, false, fmt.Errorf("reading the end of %s: %w", stream, err)
	}
	return last, found, nil
}

// last finds the last record of a stream that lies at or before head: the index may run ahead of it while a group is
// being written.
func (s *Store) last(stream string, head events.Position) (last events.Record, found bool, err error) {
	if len(stream) > maxStreamName {
		return events.Record{}, false, nil
	}
	if err = s.enter(); err != nil {
		return events.Record{}, false, err
	}
	defer s.leave()
	index, err := s.db.NewIter(&pebble.IterOptions{LowerBound: indexKey(stream, 0), UpperBound: indexEnd(stream)})
	if err != nil {
		return events.Record{}, false, err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	for ok := index.Last(); ok; ok = index.Prev() {
		entry, err := index.ValueAndErr()
		if err != nil || len(entry) != 8 {
			return events.Record{}, false, errors.Join(errRecord, err)
		}
		if position := events.Position(binary.BigEndian.Uint64(entry)); position <= head {
			last, err = s.recordAt(position)
			return last, err == nil, err
		}
	}
	return events.Record{}, false, index.Error()
}

func (s *Store) recordAt(position events.Position) (_ events.Record, err error) {
	value, closer, err := s.db.Get(logKey(position))
	if err != nil {
		return events.Record{}, fmt.Errorf("record at position %d: %w", position, err)
	}
	defer func() { err = errors.Join(err, closer.Close()) }()
	return decodeRecord(&arena{}, position, value)
}

// Head returns the position of the last record.
func (s *Store) Head(ctx context.Context) (events.Position, error) {
	if err := ctx.Err(); err != nil {
		return events.Start, fmt.Errorf("reading the head: %w", err)
	}
	select {
	case <-s.closing:
		return events.Start, ErrClosed
	default:
		return s.head.now(), nil
	}
}

// scan reads at least one record and at most limit, from after to head, until it holds size bytes. There has to be one.
func (s *Store) scan(
	memory *arena, after, head events.Position, limit, size int,
) (records []events.Record, err error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: logKey(after + 1), UpperBound: logKey(head + 1)})
	if err != nil {
		return nil, fmt.Errorf("reading the log after %d: %w", after, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok && len(records) < limit && size > 0; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("reading the log after %d: %w", after, err)
		}
		record, err := decodeRecord(memory, events.Position(binary.BigEndian.Uint64(it.Key()[1:])), value)
		if err != nil {
			return nil, err
		}
		records, size = append(records, record), size-len(value)
	}
	if err := it.Error(); err != nil || len(records) == 0 {
		return nil, fmt.Errorf("reading the log after %d: %w", after, errors.Join(errRecord, err))
	}
	return records, nil
}

// scanStream reads one chunk of a stream; more says that there may be another.
func (s *Store) scanStream(
	memory *arena, stream string, from uint64, head events.Position,
) (records []events.Record, more bool, err error) {
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.leave()
	index, err := s.db.NewIter(&pebble.IterOptions{LowerBound: indexKey(stream, from), UpperBound: indexEnd(stream)})
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	if !index.First() {
		return nil, false, index.Error()
	}
	log, err := s.db.NewIter(&pebble.IterOptions{LowerBound: logKey(0), UpperBound: logKey(head + 1)})
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	size := 0
	for ok := true; ok; ok = index.Next() {
		if len(records) == chunkRecords || size > chunkBytes {
			return records, true, nil
		}
		entry, err := index.ValueAndErr()
		if err != nil || len(entry) != 8 {
			return nil, false, errors.Join(errRecord, err)
		}
		position := events.Position(binary.BigEndian.Uint64(entry))
		if position > head {
			return records, false, nil
		}
		record, err := seekRecord(memory, log, position)
		if err != nil {
			return nil, false, err
		}
		records, size = append(records, record), size+len(record.Data)+len(record.Metadata)
	}
	return records, false, index.Error()
}

// seekRecord moves the iterator forward to the record at a position. Neighbours in the log are cheap.
func seekRecord(memory *arena, log *pebble.Iterator, position events.Position) (events.Record, error) {
	key := logKey(position)
	if !log.SeekGE(key) || !bytes.Equal(log.Key(), key) {
		return events.Record{}, fmt.Errorf("record at position %d: %w", position, errors.Join(errRecord, log.Error()))
	}
	value, err := log.ValueAndErr()
	if err != nil {
		return events.Record{}, err
	}
	return decodeRecord(memory, position, value)
}
