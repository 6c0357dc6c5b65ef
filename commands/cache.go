package commands

import (
	"container/list"
	"context"
	"sync"
)

// Weights of the cache, in folded events: a folded event takes some 65 bytes, an entry as much as sixteen besides.
const (
	cacheLimit  = 1 << 18
	entryWeight = 16
)

// cache holds folded streams, least recently used out first, and gives each to one caller at a time.
type cache[S any] struct {
	limit int

	mu      sync.Mutex
	weight  int
	entries map[string]*list.Element
	recent  *list.List // of *entry[S], the most recently used in front
}

type entry[S any] struct {
	stream string
	turn   chan struct{} // full while somebody has the stream
	folded folded[S]     // belongs to whoever has the turn
	users  int           // who have the turn or wait for it; guarded by cache.mu, as is weight
	weight int
}

func newCache[S any](limit int) *cache[S] {
	return &cache[S]{limit: limit, entries: map[string]*list.Element{}, recent: list.New()}
}

// acquire waits for the caller's turn at a stream. The fold is the caller's until release; a fold of length 0 was never
// read. Different streams do not wait for one another.
func (c *cache[S]) acquire(ctx context.Context, stream string) (f *folded[S], release func(), err error) {
	e := c.join(stream)
	select {
	case e.turn <- struct{}{}:
		return &e.folded, func() {
			weight := entryWeight + int(e.folded.length) + e.folded.carried
			<-e.turn
			c.leave(e, weight)
		}, nil
	case <-ctx.Done():
		c.leave(e, 0)
		return nil, nil, ctx.Err()
	}
}

func (c *cache[S]) join(stream string) *entry[S] {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, found := c.entries[stream]
	if !found {
		element = c.recent.PushFront(&entry[S]{stream: stream, turn: make(chan struct{}, 1)})
		c.entries[stream] = element
	}
	c.recent.MoveToFront(element)
	e := element.Value.(*entry[S]) //nolint:forcetypeassert // the list holds nothing else
	e.users++
	return e
}

// leave takes note of the entry's new weight (0: unchanged) and evicts what is too much, except what is in use.
func (c *cache[S]) leave(e *entry[S], weight int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.users--
	if weight > 0 {
		c.weight += weight - e.weight
		e.weight = weight
	}
	for element := c.recent.Back(); element != nil && c.weight > c.limit; {
		oldest := element.Value.(*entry[S]) //nolint:forcetypeassert // the list holds nothing else
		newer := element.Prev()
		if oldest.users == 0 {
			c.recent.Remove(element)
			delete(c.entries, oldest.stream)
			c.weight -= oldest.weight
		}
		element = newer
	}
}
