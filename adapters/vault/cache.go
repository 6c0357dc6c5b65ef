package vault

import (
	"sync"
	"time"
)

// maxAge bounds how long something read from the vault is believed: what is erased is gone everywhere after this time.
const maxAge = 60 * time.Second

// cache keeps what was read, for maxAge counted from before the read began, in two generations of at most half the limit:
// when the young one is full or half of maxAge old it becomes the old one, and the old one is dropped whole. So nothing
// outlives its time in memory either, without a timer and without touching entries one by one.
type cache[K comparable, V any] struct {
	mu         sync.Mutex
	now        func() time.Time
	limit      int
	young, old map[K]entry[V]
	born       time.Time // when the young generation was begun
}

type entry[V any] struct {
	value V
	read  time.Time
}

func newCache[K comparable, V any](limit int, now func() time.Time) *cache[K, V] {
	return &cache[K, V]{now: now, limit: limit, young: map[K]entry[V]{}, born: now()}
}

func (c *cache[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.turn(now)
	found, ok := c.young[key]
	if !ok {
		found, ok = c.old[key]
	}
	if !ok || now.Sub(found.read) >= maxAge || now.Before(found.read) {
		return value, false
	}
	return found.value, true
}

// put keeps a value that was asked for at the time read.
func (c *cache[K, V]) put(key K, value V, read time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn(c.now())
	c.young[key] = entry[V]{value, read}
}

func (c *cache[K, V]) turn(now time.Time) {
	age := now.Sub(c.born)
	if len(c.young) < c.limit/2 && age < maxAge/2 && age >= 0 {
		return
	}
	c.old, c.young, c.born = c.young, map[K]entry[V]{}, now
	if age >= maxAge || age < 0 {
		c.old = nil
	}
}
