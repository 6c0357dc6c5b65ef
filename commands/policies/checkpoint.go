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
	trust := map[Anchor]bool{} // shards that went on together have the same one
	lowest := ^events.Position(0)
	for _, s := range team {
		at := s.at // nobody else writes it
		if at, err = w.verified(ctx, s, store, trust); err != nil {
			return 0, err
		}
		w.place(s, at)
		lowest = min(lowest, at.Position)
	}
	return lowest, w.recover(ctx, lowest)
}

// verified returns a shard's checkpoint as far as the log confirms it: no further than its anchor. What the store's own
// events are worth is not known, so they are read again.
func (w *worker) verified(ctx context.Context, s *shard, store id.Store, trust map[Anchor]bool) (Checkpoint, error) {
	none := Checkpoint{Store: store}
	switch {
	case s.at.Store != store && s.at.Position > 0:
		w.cfg.Logger.WarnContext(ctx, "policy starts from the beginning: its checkpoint is of another store",
			"policy", w.policy.Name(), "shard", s.number, "checkpoint", s.at.Position, "of", s.at.Store, "store", store)
		return none, nil
	case s.at.Anchor == nil:
		return none, nil
	}
	a := *s.at.Anchor
	held, known := trust[a]
	if !known {
		var err error
		if held, err = a.heldBy(ctx, w.cfg.Log); err != nil {
			return none, err
		}
		trust[a] = held
	}
	if !held {
		w.cfg.Logger.WarnContext(ctx, "policy starts from the beginning: the log does not hold the last event of its checkpoint",
			"policy", w.policy.Name(), "shard", s.number, "checkpoint", s.at.Position, "stream", a.Stream, "revision", a.Revision)
		return none, nil
	}
	return Checkpoint{Store: store, Position: a.Position, Anchor: s.at.Anchor}, nil
}

// place notes where a shard goes on.
func (w *worker) place(s *shard, at Checkpoint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.at, s.settled = at, true
	w.ring()
}

// recover forgets what was wrong with the policy when there is nothing to read that could show it.
func (w *worker) recover(ctx context.Context, at events.Position) error {
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
	for r, err := range log.ReadStream(ctx, events.StoreStream, 0) {
		if err != nil {
			return id.Store{}, fmt.Errorf("reading the store's identity: %w", err)
		}
		e, _, err := events.DecodeRecord(r)
		if err != nil {
			return id.Store{}, fmt.Errorf("reading the store's identity: %w", err)
		}
		if created, ok := e.(events.StoreCreated); ok {
			return created.StoreID, nil
		}
		break
	}
	if err := ctx.Err(); err != nil {
		return id.Store{}, err
	}
	return id.Store{}, fmt.Errorf("the store has no identity: stream %s does not begin with StoreCreated", events.StoreStream)
}
