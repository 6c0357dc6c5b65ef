package policies

import (
	"context"
	"fmt"
	"time"

	"daybook/events"
)

// rereadEvery is how often the progress of other processes is looked at while somebody waits for it.
const rereadEvery = 50 * time.Millisecond

// WaitFor returns once every shard of a policy has passed a position, in whichever process. What it returns is the head
// of the log then: all that followed from the events up to that position lies at or before it. Bound the wait by ctx;
// past the bound the error is a *WaitError.
func (r *Runner) WaitFor(ctx context.Context, policy string, position events.Position) (events.Position, error) {
	w := r.byName[policy]
	if w == nil {
		return 0, fmt.Errorf("waiting for %q: there is no such policy", policy)
	}
	if err := w.waitFor(ctx, position); err != nil {
		return 0, err
	}
	head, err := w.cfg.Log.Head(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the head of the log: %w", err)
	}
	return head, nil
}

// waitFor is woken by progress here. For progress elsewhere one of those who wait, the leader, reads the leases now and
// then, and wakes the others.
func (w *worker) waitFor(ctx context.Context, position events.Position) error {
	leading := false
	var unread error // why the leases could not be read
	for {
		at, moved, whole := w.lowest()
		if at >= position {
			break
		}
		lead, again := w.lead, (<-chan time.Time)(nil)
		switch {
		case leading:
			lead, again = nil, time.After(rereadEvery)
		case whole:
			lead = nil
		}
		select {
		case <-moved:
			continue
		case lead <- struct{}{}:
			leading = true
			defer func() { <-w.lead }()
		case <-again:
		case <-ctx.Done():
			trouble := w.trouble()
			if trouble == nil {
				trouble = unread
			}
			return &WaitError{w.policy.Name(), position, at, trouble, ctx.Err()}
		}
		if _, err := w.reread(ctx); ctx.Err() == nil {
			unread = err
		}
	}
	return nil
}

// lowest returns what all shards have passed, as far as it is known here; when that next changes; and whether all shards
// are held here, so that nothing more is to be learned elsewhere.
func (w *worker) lowest() (at events.Position, moved <-chan struct{}, whole bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, whole = ^events.Position(0), true
	for n := range w.policy.Shards() {
		at = min(at, w.passed(n))
		whole = whole && w.held[n] != nil
	}
	return at, w.moved, whole
}

// passed is where a shard is known to be. The caller holds the lock.
func (w *worker) passed(n int) events.Position {
	switch s := w.held[n]; {
	case s != nil && s.settled:
		return s.at.Position
	case s == nil && n < len(w.elsewhere):
		return w.elsewhere[n]
	}
	return events.Start
}

// reread learns how far other processes are.
func (w *worker) reread(ctx context.Context) ([]ShardState, error) {
	store, err := storeID(ctx, w.cfg.Log)
	if err != nil {
		return nil, err
	}
	states, err := w.cfg.Leases.Shards(ctx, w.policy.Name())
	if err != nil {
		return nil, err
	}
	positions := make([]events.Position, w.policy.Shards())
	held := anchors{}
	for _, s := range states {
		sound, err := held.confirm(ctx, w.cfg.Log, s.Checkpoint, store)
		if err != nil {
			return nil, err
		}
		if sound && s.Shard < len(positions) {
			positions[s.Shard] = s.Checkpoint.Position
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.elsewhere = positions
	w.ring()
	return states, nil
}

// WaitError says that a policy did not get there in time.
type WaitError struct {
	Policy   string
	Wanted   events.Position
	Position events.Position // what all shards were known to have passed
	Trouble  error           // what is wrong with the policy in this process; nil when it is just not there yet
	Err      error           // of the context
}

func (e *WaitError) Error() string {
	text := fmt.Sprintf("policy %s has come to position %d, not yet to %d: %s", e.Policy, e.Position, e.Wanted, e.Err)
	if e.Trouble != nil {
		text += "; it is held up: " + e.Trouble.Error()
	}
	return text
}

func (e *WaitError) Unwrap() error { return e.Err }
