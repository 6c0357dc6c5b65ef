package embedded

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// marksKept is how many marks are remembered: about 4 MiB, and the names of the streams on top.
const marksKept = 1 << 16

// marks are the streams that have metadata or a tombstone. They are few, so they are kept in memory: then a stream that
// is new, or like most others, costs no look at its metadata before it is appended to.
type marks struct {
	db      *pebble.DB
	streams map[string]struct{}
	partial bool // there are others, in the database only
}

func readMarks(db *pebble.DB) (m *marks, err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceMarks}, UpperBound: []byte{spaceMarks + 1}})
	if err != nil {
		return nil, fmt.Errorf("reading marks of streams: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	m = &marks{db: db, streams: map[string]struct{}{}}
	for ok := it.First(); ok && !m.partial; ok = it.Next() {
		m.remember(markedBy(it.Key()))
	}
	return m, it.Error()
}

func (m *marks) remember(stream string) {
	if len(m.streams) == marksKept {
		m.partial = true
		return
	}
	m.streams[stream] = struct{}{}
}

func (m *marks) has(stream string) (bool, error) {
	if _, ok := m.streams[stream]; ok || !m.partial {
		return ok, nil
	}
	_, closer, err := m.db.Get(markKey(stream))
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the mark of %s: %w", stream, err)
	}
	return true, closer.Close()
}

// add marks a stream together with what is in the batch.
func (m *marks) add(batch *pebble.Batch, stream string) error {
	if _, ok := m.streams[stream]; ok {
		return nil
	}
	m.remember(stream)
	return batch.Set(markKey(stream), nil, nil)
}
