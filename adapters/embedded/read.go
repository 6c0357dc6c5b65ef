package embedded

import (
	"context"
	"fmt"
	"iter"

	"daybook/events"
)

// Readers take records from Pebble in chunks and let go of it before they hand them out.
const (
	chunkRecords = 256
	chunkBytes   = 1 << 20
)

// ReadAll yields the records after a position, in log order, up to the head as it is when reading starts. It ends with
// an error when ctx is done, the store is closed, or a record cannot be read.
//
// Here as in all reads, metadata and deletion hide nothing; View tells what they would.
func (s *Store) ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error] {
	return s.read(ctx, "the log", func(head events.Position) nextChunk {
		at := after
		return func(c *chunk) (bool, error) {
			if at >= head {
				return false, nil
			}
			if err := s.scanAfter(c, at, head); err != nil {
				return false, err
			}
			at = c.last().Position
			return true, nil
		}
	})
}

// ReadAllBack yields the records before a position (^Position(0): all), from the last to the first. What is appended
// after reading starts is not read. Errors are those of ReadAll.
func (s *Store) ReadAllBack(ctx context.Context, before events.Position) iter.Seq2[events.Record, error] {
	return s.read(ctx, "the log", func(head events.Position) nextChunk {
		left := span{events.Start, min(head, max(before, 1)-1)}
		return func(c *chunk) (bool, error) {
			err := s.scan(c, left, backward)
			if err != nil || len(c.records) == 0 {
				return false, err
			}
			left.to = c.last().Position - 1
			return true, nil
		}
	})
}

// ReadStream yields the records of one stream from a revision on (inclusive), up to the head as it is when reading
// starts. A missing stream yields nothing, a tombstone is the last of its stream. Errors are those of ReadAll.
func (s *Store) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	return s.read(ctx, stream, func(head events.Position) nextChunk {
		left := revisions{stream, from, lastRevision}
		return func(c *chunk) (bool, error) {
			more, err := s.scanStream(c, left, head, forward)
			if more {
				left.from = c.last().Revision + 1
			}
			return more, err
		}
	})
}

// ReadStreamBack yields the records of one stream from a revision (inclusive) down to the first. Beyond the end it
// starts with the last record; what is appended after reading starts is not read. Errors are those of ReadAll.
func (s *Store) ReadStreamBack(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	return s.read(ctx, stream, func(head events.Position) nextChunk {
		left := revisions{stream, 0, min(from, lastRevision)}
		return func(c *chunk) (bool, error) {
			more, err := s.scanStream(c, left, head, backward)
			if !more || c.last().Revision == 0 {
				return false, err
			}
			left.to = c.last().Revision - 1
			return true, nil
		}
	})
}

// nextChunk reads the next records; more says that there may be others after them.
type nextChunk func(*chunk) (more bool, err error)

// read yields chunk after chunk. What a read covers is settled when it starts.
func (s *Store) read(
	ctx context.Context, what string, start func(head events.Position) nextChunk,
) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		next, c := start(s.head.now()), &chunk{limit: chunkRecords, size: chunkBytes}
		for more := true; more; {
			c.records = c.records[:0]
			err := ctx.Err()
			if err == nil {
				more, err = next(c)
			}
			if err != nil {
				yield(events.Record{}, fmt.Errorf("reading %s: %w", what, err))
				return
			}
			for i := range c.records {
				if !yield(c.records[i], nil) {
					return
				}
			}
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

// last finds the last record of a stream as of a position: the index may run ahead of the head while a group is being
// written.
func (s *Store) last(stream string, until events.Position) (last events.Record, found bool, err error) {
	if nameTooLong(stream) {
		return events.Record{}, false, nil
	}
	if err := s.enter(); err != nil {
		return events.Record{}, false, err
	}
	defer s.leave()
	end, err := readTip(s.db, stream, until)
	if err != nil || end == emptyStream {
		return events.Record{}, false, err
	}
	last, err = recordAt(s.db, end.position)
	return last, err == nil, err
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
