package policies

import (
	"context"
	"slices"
	"time"
)

// keep holds on to leases: it renews them, with their checkpoints, at least every third of the TTL, sooner when there is
// something to save or to give back.
func (w *worker) keep(ctx context.Context) {
	retry := pauses{min: w.cfg.MinPause, max: min(w.cfg.MaxPause, w.cfg.TTL/5)}
	for ctx.Err() == nil {
		err := w.hold(ctx)
		w.setUnheld(ctx, err)
		if err != nil {
			retry.wait(ctx)
			continue
		}
		retry.reset()
		w.untilDue(ctx)
	}
}

func (w *worker) untilDue(ctx context.Context) {
	beat, gap := time.NewTimer(w.cfg.TTL/3), time.NewTimer(w.cfg.SaveGap)
	defer beat.Stop()
	defer gap.Stop()
	var idle <-chan struct{} // not heard before the gap is over
	for {
		select {
		case <-gap.C:
			idle = w.idle
		case <-beat.C:
			return
		case <-idle:
			return
		case <-w.give:
			return
		case <-ctx.Done():
			return
		}
	}
}

// hold gives back what is to be given back and renews the rest.
//
// The fuse is lit before the leases are asked: their clock starts later than ours, so it burns down before they expire.
// It ends the work unless the next renewal comes first.
func (w *worker) hold(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.TTL/3)
	defer cancel()
	if err := w.giveBack(ctx); err != nil {
		return err
	}
	claim, renewal := w.claim()
	fuse := time.AfterFunc(w.cfg.TTL*9/10, func() { w.burn(renewal) })
	tenure, err := w.cfg.Leases.Hold(ctx, claim)
	if err != nil {
		fuse.Stop()
		return err
	}
	w.adopt(ctx, tenure, fuse, renewal)
	return nil
}

func (w *worker) giveBack(ctx context.Context) error {
	w.mu.Lock()
	leases := w.returning
	w.mu.Unlock()
	if len(leases) == 0 {
		return nil
	}
	if err := w.cfg.Leases.Release(ctx, Return{Policy: w.policy.Name(), Holder: w.holder, Leases: leases}); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.returning = w.returning[len(leases):]
	return nil
}

func (w *worker) claim() (c Claim, renewal int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsaved = false
	return Claim{w.policy.Name(), w.policy.Shards(), w.holder, w.cfg.TTL, w.leases()}, w.renewal + 1
}

// leases lists what is held, with what may be saved of it. The caller holds the lock.
func (w *worker) leases() []Lease {
	var out []Lease
	for _, s := range w.held {
		out = append(out, s.lease())
	}
	slices.SortFunc(out, func(a, b Lease) int { return a.Shard - b.Shard })
	return out
}

// adopt takes note of the leases: those that are gone end the work under way, new ones join it, those above the fair
// share leave it.
func (w *worker) adopt(ctx context.Context, tenure Tenure, fuse *time.Timer, renewal int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fuse != nil {
		w.fuse.Stop()
	}
	w.fuse, w.renewal = fuse, renewal
	epochs := map[int]int64{}
	for _, l := range tenure.Leases {
		epochs[l.Shard] = l.Epoch
	}
	for n, s := range w.held {
		if epoch, still := epochs[n]; !still || epoch != s.epoch {
			w.drop(n)
			w.stop()
			w.cfg.Logger.WarnContext(ctx, "policy lost a shard", "policy", w.policy.Name(), "shard", n, "epoch", s.epoch)
		}
	}
	for _, l := range tenure.Leases {
		if w.held[l.Shard] == nil && !w.leaving(l) {
			w.held[l.Shard] = &shard{
				number: l.Shard, epoch: l.Epoch, at: l.Checkpoint,
				pauses: pauses{min: w.cfg.MinPause, max: w.cfg.MaxPause},
			}
			signal(w.wake)
		}
	}
	w.leaveSurplus(tenure.Share)
}

// leaveSurplus marks the highest shards above the fair share; work gives them up between two batches.
func (w *worker) leaveSurplus(share int) {
	leases := w.leases()
	for i, l := range leases {
		if s := w.held[l.Shard]; i >= share && !s.surplus {
			s.surplus = true
			signal(w.wake)
		}
	}
}

// leaving tells whether a lease waits to be given back: it was renewed meanwhile, and is not to be worked on again.
func (w *worker) leaving(l Lease) bool {
	return slices.ContainsFunc(w.returning, func(r Lease) bool { return r.Shard == l.Shard && r.Epoch == l.Epoch })
}

// burn ends all work: the leases may expire at any moment. The checkpoints saved last are where others go on.
func (w *worker) burn(renewal int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.renewal != renewal {
		return // renewed again while the fuse went off
	}
	for n := range w.held {
		w.drop(n)
	}
	w.stop()
	w.cfg.Logger.Warn("policy stops until it can renew its leases", "policy", w.policy.Name())
}

// drop forgets a shard. The caller holds the lock.
func (w *worker) drop(n int) {
	if timer := w.held[n].timer; timer != nil {
		timer.Stop()
	}
	delete(w.held, n)
	w.ring()
	signal(w.wake)
}

func (w *worker) setUnheld(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		w.cfg.Logger.WarnContext(ctx, "policy cannot renew its leases", "policy", w.policy.Name(), "error", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unheld = err
}

// leave gives everything back, with the last checkpoints. If that is not possible, the leases expire.
func (w *worker) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, min(w.cfg.TTL, patience))
	defer cancel()
	w.mu.Lock()
	if w.fuse != nil {
		w.fuse.Stop()
	}
	leases := append(w.leases(), w.returning...)
	for n := range w.held {
		w.drop(n)
	}
	w.mu.Unlock()
	err := w.cfg.Leases.Release(ctx, Return{Policy: w.policy.Name(), Holder: w.holder, Leases: leases, Gone: true})
	if err != nil {
		w.cfg.Logger.WarnContext(ctx, "policy could not give its leases back; they expire", "policy", w.policy.Name(), "error", err)
	}
}

// patience bounds what still has to be said after the end.
const patience = 5 * time.Second
