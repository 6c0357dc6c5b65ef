package policies

import (
	"context"
	"fmt"

	"daybook/events"
	"daybook/events/id"
)

// settle makes sure that the shards' checkpoints are of this log, sets those that are not back to 0, and returns the
// lowest.
func (w *worker) settle(ctx context.Context, team []*shard) (events.Position, error) {
	store, err := storeID(ctx, w.cfg.Log)
	if err != nil {
		return 0, err
	}
	held := anchors{}
	lowest := ^events.Position(0)
	for _, s := range team {
		was := s.at // nobody else writes it
		at := Checkpoint{Store: store}
		sound, err := held.confirm(ctx, w.cfg.Log, was, store)
		switch {
		case err != nil:
			return 0, err
		case sound: // what the store's own events after the anchor are worth is not known: they are read again
			at.Anchor, at.Position = was.Anchor, was.Anchor.Position
		case was.Anchor != nil:
			w.cfg.Logger.WarnContext(ctx, "policy starts from the beginning: its checkpoint is not of this log",
				"policy", w.policy.Name(), "shard", s.number, "position", was.Position, "store", store,
				"checkpoint_store", was.Store, "stream", was.Anchor.Stream, "revision", was.Anchor.Revision)
		}
		w.place(s, at)
		lowest = min(lowest, at.Position)
	}
	return lowest, w.forgive(ctx, lowest)
}

// anchors remembers which ones a log holds: shards that went on together have the same one.
type anchors map[Anchor]bool

// confirm tells whether a checkpoint is of this log.
func (known anchors) confirm(ctx context.Context, log Log, at Checkpoint, store id.Store) (bool, error) {
	if at.Store != store || at.Anchor == nil {
		return false, nil
	}
	held, ok := known[*at.Anchor]
	if !ok {
		var err error
		if held, err = at.Anchor.heldBy(ctx, log); err != nil {
			return false, err
		}
		known[*at.Anchor] = held
	}
	return held, nil
}

// place notes where a shard goes on.
func (w *worker) place(s *shard, at Checkpoint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.at, s.settled = at, true
	w.ring()
}

// forgive forgets what was wrong with the policy when there is nothing to read that could show it.
func (w *worker) forgive(ctx context.Context, at events.Position) error {
	w.mu.Lock()
	ill := w.ill != nil
	w.mu.Unlock()
	if !ill {
		return nil
	}
	head, err := w.cfg.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of the log: %w", err)
	}
	if at >= head {
		w.setIll(nil)
		w.rest.reset()
	}
	return nil
}

func (a Anchor) heldBy(ctx context.Context, log Log) (bool, error) {
	for r, err := range log.ReadStream(ctx, a.Stream, a.Revision) {
		if err != nil {
			return false, fmt.Errorf("reading %s@%d: %w", a.Stream, a.Revision, err)
		}
		return r.Revision == a.Revision && r.ID == a.Event && r.Position == a.Position, nil
	}
	return false, ctx.Err()
}

// storeID reads the identity of the store, without which a position means nothing.
func storeID(ctx context.Context, log Log) (id.Store, error) {
	store, err := events.StoreIdentity(log.ReadStream(ctx, events.StoreStream, 0))
	if ctx.Err() != nil {
		return id.Store{}, ctx.Err()
	}
	return store, err
}
