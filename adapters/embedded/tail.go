package embedded

import (
	"math"
	"sort"
	"sync"

	"daybook/events"
)

// tailBytes is how much of the log's end is kept in memory for those who follow it. Positions count bytes.
const tailBytes = 4 << 20

// tail holds the last records of the log, for all subscriptions together: whoever comes first after the head has moved
// reads what is new, and the others find it here. The committer knows nothing of it.
type tail struct {
	mu      sync.Mutex
	records []events.Record // all of (from, to]; only ever appended to, so that parts can be handed out
	from    events.Position
	to      events.Position
}

// read returns what the log holds after a position, at most limit records. They are shared: nobody may change them. It
// is false where the tail does not reach back that far. load reads records from the log.
func (t *tail) read(
	after, head events.Position, limit int, load func(after, head events.Position) ([]events.Record, error),
) ([]events.Record, bool, error) {
	if head-after > tailBytes {
		return nil, false, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if head > t.to && head-t.to > tailBytes {
		t.records, t.from, t.to = nil, after, after
	}
	if after < t.from {
		return nil, false, nil
	}
	if head > t.to {
		fresh, err := load(t.to, head)
		if err != nil {
			return nil, false, err
		}
		t.forget()
		t.records, t.to = append(t.records, fresh...), head
	}
	records := t.records[t.index(after+1):t.index(head+1)]
	n := min(len(records), limit)
	return records[:n:n], true, nil
}

// forget lets go of what lies too far back. The memory goes when append next moves the slice.
func (t *tail) forget() {
	if t.to-t.from <= tailBytes {
		return
	}
	if n := t.index(t.to - tailBytes); n > 0 {
		t.from, t.records = t.records[n-1].Position, t.records[n:]
	}
}

// index is that of the first record at or after a position.
func (t *tail) index(at events.Position) int {
	return sort.Search(len(t.records), func(i int) bool { return t.records[i].Position >= at })
}

// ReadShared returns the records after a position, in log order, as many as are there at the moment, but at most limit, and
// no more of them than size bytes unless the first alone is larger; none at the head. Near the head they come from memory
// that all readers share: nobody may change them. Errors: ErrClosed, or the log cannot be read.
func (s *Store) ReadShared(after events.Position, limit, size int) ([]events.Record, error) {
	head := s.head.now()
	if after >= head {
		return nil, nil
	}
	records, _, err := s.following(after, head, max(limit, 1), size)
	return within(records, size), err
}

// within returns the first records that have no more than size bytes together, but at least one.
func within(records []events.Record, size int) []events.Record {
	for i := range records {
		r := &records[i]
		if size -= len(r.Stream) + len(r.Type) + len(r.Metadata) + len(r.Data); size < 0 {
			n := max(i, 1)
			return records[:n:n]
		}
	}
	return records
}

// following returns the next records after a position, of which there have to be some, and whether they are shared. Those
// that are not are about size bytes at most.
func (s *Store) following(
	after, head events.Position, limit, size int,
) (records []events.Record, shared bool, err error) {
	records, shared, err = s.tail.read(after, head, limit, func(after, head events.Position) ([]events.Record, error) {
		c := &chunk{limit: math.MaxInt, size: math.MaxInt}
		err := s.scanAfter(c, after, head)
		return c.records, err
	})
	if shared || err != nil {
		return records, shared, err
	}
	c := &chunk{limit: limit, size: size}
	err = s.scanAfter(c, after, head)
	return c.records, false, err
}

// own gives records memory of their own.
func own(shared []events.Record) []events.Record {
	size := 0
	for i := range shared {
		size += len(shared[i].Data) + len(shared[i].Metadata)
	}
	records, memory := make([]events.Record, len(shared)), make([]byte, 0, size)
	for i, r := range shared {
		r.Metadata, memory = carve(memory, r.Metadata)
		r.Data, memory = carve(memory, r.Data)
		records[i] = r
	}
	return records
}

// carve copies b to the end of memory, which has room for it.
func carve(memory, b []byte) (copied, rest []byte) {
	from := len(memory)
	memory = append(memory, b...)
	return memory[from:len(memory):len(memory)], memory
}
