package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"daybook/events"
)

// SubscribeMetadata yields the record that governs each stream at the head, its last metadata or its tombstone, and an
// empty batch after all of them; and then the records of these types as they are appended. Finding the former takes no
// reading of the log: there are marks. Otherwise it is as SubscribeAll.
func (s *Store) SubscribeMetadata(ctx context.Context) iter.Seq2[[]events.Record, error] {
	return func(yield func([]events.Record, error) bool) {
		head := s.head.now()
		for next := []byte{spaceMarks}; next != nil && ctx.Err() == nil; {
			records, after, err := s.governing(next, head)
			if err != nil {
				yield(nil, fmt.Errorf("reading metadata: %w", err))
				return
			}
			if next = after; len(records) > 0 && !yield(records, nil) {
				return
			}
		}
		if ctx.Err() != nil || !yield([]events.Record{}, nil) {
			return
		}
		for batch, err := range s.subscribe(ctx, head, chunkRecords, governs) {
			if !yield(batch, err) {
				return
			}
		}
	}
}

func governs(r *events.Record) bool {
	return r.Type == metadataType && strings.HasPrefix(r.Stream, metadataPrefix) || r.Type == tombstoneType
}

// governing returns what governs the streams whose marks begin at a key, as of the head, and where to go on; nil: there
// are no more.
func (s *Store) governing(from []byte, head events.Position) (records []events.Record, next []byte, err error) {
	if err := s.enter(); err != nil {
		return nil, nil, err
	}
	defer s.leave()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{spaceMarks + 1}})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if len(records) == chunkRecords {
			return records, bytes.Clone(it.Key()), nil
		}
		record, found, err := readGoverning(s.db, markedBy(it.Key()), head)
		if err != nil {
			return nil, nil, err
		}
		if found { // not if it is being written
			records = append(records, record)
		}
	}
	return records, nil, it.Error()
}

// readGoverning returns the tombstone of a stream or its last metadata, as of a position, and false if it has neither.
func readGoverning(db *pebble.DB, stream string, until events.Position) (events.Record, bool, error) {
	end, err := readTip(db, stream, until)
	if err != nil {
		return events.Record{}, false, err
	}
	if end.revision != tombstoneRevision {
		return readMetadata(db, stream, until)
	}
	tombstone, err := recordAt(db, end.position)
	return tombstone, err == nil, err
}
