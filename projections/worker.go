package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"daybook/events"
	"daybook/events/id"
)

// worker projects the batches of one build, one at a time.
type worker struct {
	engine *Engine
	p      *Projection
	holder string        // of the lease
	turn   chan struct{} // held while a batch is projected: the definition holds its rows

	// Guarded by turn:
	at      checkpoint         // as last read; store and epoch are what the next step must find
	parked  map[string]int     // the partitions that wait, and how many events of each; nil: not known
	skipped map[Place]id.Event // what is left out for good; known when parked is

	unbound *AlteredError // why the definition is not bound to the tables; nil: it is

	handler *message.Handler // nil until the engine runs it
	only    func(table) bool // which tables are written; nil: all of them

	mu       sync.Mutex
	phase    Phase             // as last read
	since    time.Time         // when the batch at work came; zero: there is none
	trail    []events.Position // where the last batches ended, and the first of them began
	state    State
	err      error           // why it is not running
	failedAt events.Position // floor of the batch that failed
	inBatch  bool            // err came from a batch, not from resuming
	undone   error           // why the build does not come into its next phase; nil: nothing is in the way
	drift    *Drift          // what verifications found when the last one ended here; nil: none did

	unverified error // why the last audit of it failed here
}

func newWorker(e *Engine, p *Projection, phase Phase) *worker {
	return &worker{engine: e, p: p, holder: e.holder, turn: make(chan struct{}, 1), phase: phase}
}

// join makes the worker a handler of the router's.
func (w *worker) join(router *message.Router) {
	w.handler = router.AddConsumerHandler(w.p.Schema(), w.p.Schema(), w.engine.cfg.Subscriber, w.handle)
}

// part takes the worker from its router, and waits until its name is free there for the next build of that name.
func (w *worker) part(ctx context.Context) {
	if w.handler == nil {
		return
	}
	w.handler.Stop()
	select {
	case <-w.handler.Stopped():
	case <-ctx.Done():
	}
}

func (w *worker) currentPhase() Phase {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.phase
}

func (w *worker) setPhase(phase Phase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = phase
}

// handle is the Watermill handler: an error is a Nack, and the subscriber begins again where resume says.
func (w *worker) handle(msg *message.Message) error {
	ctx := msg.Context()
	b, ok := BatchOf(ctx)
	if !ok {
		return w.failed(ctx, events.Start, fmt.Errorf("projection %s: a message without a batch", w.p.Schema()))
	}
	defer w.busy()()
	if w.currentPhase() == PhaseReplaying {
		w.engine.giveWay(ctx)
		w.keepAbreast(ctx)
	}
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := w.traced(ctx, b)
	switch {
	case err == nil:
		w.enter(StateRunning, nil)
		w.passed(b)
		return nil
	case errors.Is(err, errMoved) || ctx.Err() != nil:
		w.engine.cfg.Logger.DebugContext(ctx, "batch given back", "projection", w.p.Schema(), "after", b.After, "reason", err)
		return err
	}
	return w.failed(ctx, w.at.position, err)
}

// resume takes the lease, reads where the build stands, and refuses to go on over another history.
func (w *worker) resume(ctx context.Context) (events.Position, error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return events.Start, ctx.Err()
	}
	if err := w.rebind(ctx); err != nil {
		w.stumble(ctx, err)
		return events.Start, err
	}
	at, err := w.take(ctx)
	if err != nil {
		w.stumble(ctx, err)
		return events.Start, err
	}
	if err = w.readParked(ctx, w.engine.cfg.Pool, w.at.epoch != at.epoch); err != nil {
		w.stumble(ctx, err)
		return events.Start, err
	}
	w.at = at
	w.resumed(at.position)
	return at.position, nil
}

// take takes the lease of a build that fits the store: whoever has the wrong store must not keep it from those who have
// the right one. What was looked at may have gone on meanwhile, and is looked at again.
func (w *worker) take(ctx context.Context) (checkpoint, error) {
	at, err := w.locate(ctx)
	if err != nil {
		return at, err
	}
	held, err := w.acquire(ctx)
	if err != nil || held.store == at.store && held.position == at.position {
		return held, err
	}
	return held, w.fits(ctx, held)
}

// locate reads the checkpoint and compares it with the store.
func (w *worker) locate(ctx context.Context) (at checkpoint, err error) {
	if at, err = readCheckpoint(ctx, w.engine.cfg.Pool, w.p); err != nil {
		return at, err
	}
	return at, w.fits(ctx, at)
}

// fits compares a checkpoint with the store. The checkpoint was read before the head, which only rises.
func (w *worker) fits(ctx context.Context, at checkpoint) error {
	store, err := w.engine.storeID(ctx)
	if err != nil {
		return err
	}
	if at.store != store {
		return &HistoryError{w.p.Schema(), fmt.Sprintf("its rows come from store %s, and this is store %s. "+
			"Run it against the store it was built from, or rebuild it", at.store, store)}
	}
	head, err := w.engine.cfg.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of the log: %w", err)
	}
	if head < at.position {
		return &HistoryError{w.p.Schema(), fmt.Sprintf("it has projected up to position %d, but the store ends at %d: "+
			"an older copy of the store was restored. Restore the newer one, or rebuild the projection", at.position, head)}
	}
	same, err := at.builtFrom(ctx, w.engine.cfg.Log)
	if err != nil {
		return err
	}
	if !same {
		return &HistoryError{w.p.Schema(), fmt.Sprintf("the store's history is not the one this projection was built from: %s. "+
			"Bring the right store back, or rebuild the projection", at.missing())}
	}
	return nil
}

// HistoryError says that a projection's checkpoint does not belong to the store's history. It stays until the right store
// is back or an operator acts.
type HistoryError struct{ Projection, Reason string }

func (e *HistoryError) Error() string {
	return "projection " + e.Projection + " refuses to run: " + e.Reason
}

// failed notes and logs the failure of a batch.
func (w *worker) failed(ctx context.Context, floor events.Position, err error) error {
	err = w.advised(ctx, err)
	w.mu.Lock()
	w.state, w.err, w.failedAt, w.inBatch = StateRetrying, err, floor, true
	w.mu.Unlock()
	w.engine.cfg.Logger.ErrorContext(ctx, "batch rolled back, trying again",
		slog.String("projection", w.p.Schema()), slog.Uint64("after", uint64(floor)), slog.Any("error", err))
	return err
}

// stumble notes why resuming failed, or was refused.
func (w *worker) stumble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	state := StateRetrying
	if _, refused := errors.AsType[*HistoryError](err); refused {
		state = StateStopped
	}
	if _, held := errors.AsType[*heldError](err); held {
		w.enter(StateStandby, nil)
		return
	}
	err = w.advised(ctx, err)
	w.engine.cfg.Logger.ErrorContext(ctx, "projection cannot go on", "projection", w.p.Schema(), "error", err)
	w.enter(state, err)
}

// resumed clears what resuming cures: anything but a batch that failed and is still to come.
func (w *worker) resumed(at events.Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.inBatch || at != w.failedAt {
		w.state, w.err = StateRunning, nil
	}
}

func (w *worker) enter(s State, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.err, w.inBatch = s, err, false
}

// leave notes that the engine stopped; the last error stays to be read.
func (w *worker) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = StateStopped
}

// advanced notes why the build does not come into its next phase, while its batches go on.
func (w *worker) advanced(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, errMoved) {
		return err
	}
	if err != nil {
		err = w.advised(ctx, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.undone = err
	return err
}

// projecting tells whether batches go through.
func (w *worker) projecting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state == StateRunning
}

func (w *worker) now() (State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == StateRunning && w.undone != nil {
		return StateRetrying, w.undone
	}
	return w.state, w.err
}
