package commands

import "time"

// NewWithCache returns a handler whose caches hold so many folded events.
func NewWithCache(store EventStore, now func() time.Time, limit int) *Handler {
	return newHandler(store, now, limit)
}

// Cached is how many conversations a handler holds, and their weight.
func (h *Handler) Cached() (entries, weight int) {
	c := h.conversations.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries), c.weight
}

// Remembered is how many commands of a stream are recognised.
const Remembered = remembered

// CloseBooksAt closes the books of conversations at so many events.
func (h *Handler) CloseBooksAt(limit uint64) *Handler {
	h.conversations.books.limit = limit
	return h
}

// Store is what a handler records in.
func (h *Handler) Store() EventStore { return h.store }
