package watermill

import (
	"cmp"
	"slices"
	"sort"

	"daybook/events"
	"daybook/projections"
)

// chunk is a decoded stretch of the log. It is shared, and never changes.
type chunk struct {
	after, last events.Position
	events      []*projections.Recorded
	bytes       int
}

// chunks are those that are kept, the one that was read first first.
type chunks struct {
	list  []*chunk
	bytes int
}

// keepChunks bounds the chunks kept when they are small, which they are at the head; keepBatches bounds their bytes, in
// batches of the largest size.
const (
	keepChunks  = 32
	keepBatches = 2
)

// find looks for a chunk that goes on after a position, and cuts off what lies before it.
func (k *chunks) find(after events.Position) *chunk {
	for i := len(k.list) - 1; i >= 0; i-- {
		c := k.list[i]
		switch {
		case c.after == after:
			return c
		case c.after < after && after < c.last:
			from := sort.Search(len(c.events), func(i int) bool { return c.events[i].Position > after })
			return &chunk{after, c.last, c.events[from:], c.bytes}
		}
	}
	return nil
}

// add keeps a chunk. When there are too many it makes room: first by letting go of those that nobody is on the way to, then
// of those that were read first.
func (k *chunks) add(c *chunk, limit int, followers map[*follower]struct{}) {
	full := func() bool { return len(k.list) >= keepChunks || k.bytes >= limit }
	if full() {
		wanted := k.wanted(followers)
		for i := 0; i < len(k.list) && full(); {
			if wanted[k.list[i]] {
				i++
			} else {
				k.drop(i)
			}
		}
	}
	for full() {
		k.drop(0)
	}
	k.list = append(k.list, c)
	k.bytes += c.bytes
}

func (k *chunks) drop(i int) {
	k.bytes -= k.list[i].bytes
	k.list = slices.Delete(k.list, i, i+1)
}

// wanted are the chunks that a follower stands in, or before in an unbroken row of chunks.
func (k *chunks) wanted(followers map[*follower]struct{}) map[*chunk]bool {
	inPlace := slices.SortedFunc(slices.Values(k.list), func(a, b *chunk) int { return cmp.Compare(a.after, b.after) })
	wanted, rows := map[*chunk]bool{}, map[events.Position]bool{}
	for _, c := range inPlace {
		wanted[c] = rows[c.after]
		for f := range followers {
			wanted[c] = wanted[c] || c.after <= f.at && f.at < c.last
		}
		rows[c.last] = rows[c.last] || wanted[c]
	}
	return wanted
}
