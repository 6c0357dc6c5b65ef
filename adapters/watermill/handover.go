package watermill

import (
	"context"
	"slices"
	"sync"

	"daybook/projections"
)

// handover holds the next batch between reading and delivering. While the batch before it commits, it grows by what
// arrives, up to the limits: whoever takes it gets what is there now.
type handover struct {
	events, bytes int // limits

	mu      sync.Mutex
	next    *projections.Batch
	size    int // bytes of next
	err     error
	changed chan struct{} // closed at every change
}

func newHandover(cfg Config) *handover {
	return &handover{events: cfg.Events, bytes: cfg.Bytes, changed: make(chan struct{})}
}

// put adds a chunk, waiting until it fits. False means that ctx ended.
func (h *handover) put(ctx context.Context, c *chunk) bool {
	for {
		changed, done := h.tryPut(c)
		if done {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (h *handover) tryPut(c *chunk) (<-chan struct{}, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.next == nil:
		// Chunks are shared: whatever is appended must go elsewhere.
		h.next, h.size = &projections.Batch{After: c.after, Last: c.last, Events: slices.Clip(c.events)}, c.bytes
	case len(h.next.Events)+len(c.events) <= h.events && h.size+c.bytes <= h.bytes:
		h.next.Events = append(h.next.Events, c.events...)
		h.next.Last = c.last
		h.size += c.bytes
	default:
		return h.changed, false
	}
	h.change()
	return nil, true
}

// take removes the batch, waiting for one. The error is that of reading, or of ctx.
func (h *handover) take(ctx context.Context) (*projections.Batch, error) {
	for {
		h.mu.Lock()
		batch, err, changed := h.next, h.err, h.changed
		if batch != nil {
			h.next, h.size = nil, 0
			h.change()
		}
		h.mu.Unlock()
		if batch != nil || err != nil {
			return batch, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// end says why there will be no more. What is there can still be taken.
func (h *handover) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	h.change()
}

func (h *handover) change() {
	close(h.changed)
	h.changed = make(chan struct{})
}
