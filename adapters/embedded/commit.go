package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"daybook/events"
)

// A group is cut at so many bytes of its Pebble batch, well below what Pebble treats as a large one; and at so many
// requests that none of the endings that it changes is forgotten before they are on disk: each asks for three at most.
const (
	maxGroup    = 4 << 20
	maxRequests = endingsKept / 4
)

// committer is the one goroutine that writes.
type committer struct {
	db      *pebble.DB
	now     func() time.Time
	queue   *queue
	head    *frontier
	decider *decider

	next    events.Position // of the next record
	last    events.Position // of the last record, written or being written
	group   []*request      // claimed and not yet answered
	failed  error           // once set, nothing is written any more
	wrecked bool            // Pebble itself has given up: it cannot even be closed
}

// run serves the queue until it is closed and empty.
func (c *committer) run() {
	var pending []*request
	taken := 0
	for len(pending) > 0 || c.queue.settle(taken) {
		pending = c.queue.take(pending)
		taken = c.commit(pending)
		left := copy(pending, pending[taken:])
		clear(pending[left:])
		pending = pending[:left]
	}
}

// commit decides and writes what is pending, syncs once, answers, and returns how many it took; the others have to wait
// for the next group.
//
// Every answer waits for the sync, also where nothing is written: a repeat or a conflict may refer to an event of this
// very group.
func (c *committer) commit(pending []*request) int {
	batch := c.db.NewBatch(pebble.WithMaxRetainedSizeBytes(2 * maxGroup)) // grown once, used for many groups
	taken := c.assemble(batch, pending)
	if c.failed == nil {
		c.fail(c.write(batch))
	}
	if c.failed == nil {
		c.decider.synced = c.last
		c.head.advance(c.last)
	}
	for i, r := range c.group {
		if c.failed != nil {
			r.appended, r.err = events.Appended{}, c.failed
		}
		r.done <- struct{}{}
		c.group[i] = nil
	}
	c.group = c.group[:0]
	return taken
}

func (c *committer) fail(err error) {
	if err != nil {
		c.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	}
}

// assemble fills the batch from the front of pending. It claims a request before it looks at it: the memory of an
// abandoned one is the caller's again.
func (c *committer) assemble(batch *pebble.Batch, pending []*request) (taken int) {
	created := c.now()
	for _, r := range pending {
		if batch.Len() >= maxGroup || len(c.group) >= maxRequests {
			break
		}
		if !r.claim() {
			taken++
			continue
		}
		err := c.serve(batch, r, created)
		if errors.Is(err, errCommitFirst) {
			break
		}
		taken++
		r.err = err
		c.group = append(c.group, r)
	}
	return taken
}

// serve decides a request and stages what it writes. Pebble panics when a batch grows beyond what it can hold.
func (c *committer) serve(batch *pebble.Batch, r *request, created time.Time) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.fail(fmt.Errorf("%s %s: %v", r.action, r.stream, p))
			err = c.failed
		}
	}()
	if c.failed != nil {
		return c.failed
	}
	what, at, err := c.decider.decide(r)
	if err == nil && !what.asked.empty() {
		at, err = c.stage(batch, &what, created)
		c.fail(err)
	}
	r.appended = at
	return err
}

// stage puts what a request writes into the batch, and into the decider's memory, and returns where what it asked for
// ends. After an error the batch must not be written.
func (c *committer) stage(batch *pebble.Batch, what *plan, created time.Time) (events.Appended, error) {
	end, err := c.stagePart(batch, &what.asked, created)
	if err == nil && !what.follows.empty() {
		_, err = c.stagePart(batch, &what.follows, created)
	}
	return end.appended(), err
}

func (c *committer) stagePart(batch *pebble.Batch, p *part, created time.Time) (end tip, err error) {
	for i := range p.events {
		e := &p.events[i]
		end = tip{revision: p.from + int64(i), position: c.next}
		if err := stageEvent(batch, p.stream, end, e, created); err != nil {
			return end, err
		}
		c.decider.recent.add(p.stream, e.ID, end)
		c.last = end.position
		c.next += events.Position(recordSize(p.stream, uint64(end.revision), e))
	}
	p.note(end)
	if stream, ok := p.marks(); ok {
		return end, c.decider.marks.add(batch, stream)
	}
	return end, nil
}

// stageEvent writes a record and its index entry straight into the batch's memory.
func stageEvent(batch *pebble.Batch, stream string, at tip, e *events.Proposed, created time.Time) error {
	revision := uint64(at.revision)
	record := batch.SetDeferred(logKeySize, recordSize(stream, revision, e))
	appendLogKey(record.Key[:0], at.position)
	appendRecord(record.Value[:0], stream, revision, e, created)
	if err := record.Finish(); err != nil {
		return err
	}
	index := batch.SetDeferred(indexKeySize(stream), 8)
	appendIndexKey(index.Key[:0], stream, revision)
	binary.BigEndian.PutUint64(index.Value, uint64(at.position))
	return index.Finish()
}

// write makes the batch durable. Pebble panics where it sees no way on, such as a log file that cannot be created.
func (c *committer) write(batch *pebble.Batch) (err error) {
	if batch.Empty() {
		return batch.Close()
	}
	defer func() {
		if p := recover(); p != nil {
			c.wrecked, err = true, fmt.Errorf("committing: %v", p)
		}
	}()
	if err := c.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	if err := batch.SyncWait(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return batch.Close()
}
