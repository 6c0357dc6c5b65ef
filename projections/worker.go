package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
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
	careful bool               // batches are written carefully, because one was refused that no event was to blame for

	unbound *AlteredError // why the definition is not bound to the tables; nil: it is

	tended atomic.Bool // whether somebody takes it through its life just now

	stop context.CancelFunc // ends the subscription; nil until there is one
	only func(table) bool   // which tables are written; nil: all of them

	mu       sync.Mutex
	phase    Phase             // as last read
	since    time.Time         // when the batch at work came; zero: there is none
	trail    []events.Position // where the last batches ended, and the first of them began
	state    State
	err      error           // why it is not running
	trouble  *trouble        // the same, as it is told to people; nil when nothing is wrong
	failedAt events.Position // floor of the batch that failed
	inBatch  bool            // err came from a batch, not from resuming
	undone   error           // why the build does not come into its next phase; nil: nothing is in the way
	hitch    *trouble        // the same, as it is told to people
	drift    *Drift          // what verifications found when the last one ended here; nil: none did

	unverified error // why the last audit of it failed here
}

func newWorker(e *Engine, p *Projection, phase Phase) *worker {
	return &worker{engine: e, p: p, holder: e.holder, turn: make(chan struct{}, 1), phase: phase}
}

// join makes the worker a handler of the router's, once. The subscription is made before that: a handler whose subscription
// fails could neither be run again by itself nor be taken from the router.
func (w *worker) join(ctx context.Context, router *message.Router) error {
	if w.stop != nil {
		return nil
	}
	ctx, stop := context.WithCancel(WithStart(ctx, w.engine.start))
	messages, err := w.engine.cfg.Subscriber.Subscribe(ctx, w.p.Schema())
	if err != nil {
		stop()
		return w.failedTo("subscribing to the log for", err)
	}
	w.stop = stop
	router.AddConsumerHandler(w.p.Schema(), w.p.Schema(), subscription{w.engine.cfg.Subscriber, messages}, w.handle)
	return nil
}

// part ends the subscription, and with it the router's handler.
func (w *worker) part() {
	if w.stop != nil {
		w.stop()
	}
}

// subscription is a subscriber that has been asked already.
type subscription struct {
	message.Subscriber

	messages <-chan *message.Message
}

func (s subscription) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	return s.messages, nil
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
	if ok && w.p.name == headName && len(b.Events) < handful {
		gather(ctx)
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
	if !ok {
		return w.failed(ctx, fmt.Errorf("projection %s: a message without a batch", w.p.Schema()))
	}
	err := w.traced(ctx, b)
	switch {
	case err == nil:
		w.enter(StateRunning)
		w.passed(b)
		return nil
	case errors.Is(err, errMoved) || ctx.Err() != nil:
		w.engine.cfg.Logger.DebugContext(ctx, "batch given back", "projection", w.p.Schema(), "after", b.After, "reason", err)
		return err
	}
	return w.failed(ctx, err)
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
	if w.resumed() && at.trouble != nil && at.trouble.event == nil { // an event is passed by a batch only
		if err = w.tell(ctx, nil); err != nil {
			w.stumble(ctx, err)
			return events.Start, err
		}
	}
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

// failed notes, tells and logs the failure of a batch. The caller has the turn.
func (w *worker) failed(ctx context.Context, err error) error {
	err = w.advised(ctx, err)
	w.suffer(ctx, stateAfter(err), err, true)
	w.engine.cfg.Logger.ErrorContext(ctx, "batch rolled back, trying again",
		slog.String("projection", w.p.Schema()), slog.Uint64("after", uint64(w.at.position)), slog.Any("error", err))
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
		w.enter(StateStandby)
		return
	}
	err = w.advised(ctx, err)
	w.engine.cfg.Logger.ErrorContext(ctx, "projection cannot go on", "projection", w.p.Schema(), "error", err)
	w.suffer(ctx, state, err, false)
}

// resumed clears what resuming cures: anything but a batch that failed and is still to come.
func (w *worker) resumed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	cured := !w.inBatch || w.at.position != w.failedAt
	if cured {
		w.state, w.err, w.trouble = StateRunning, nil, nil
	}
	return cured
}

// suffer notes what is wrong, and tells it.
func (w *worker) suffer(ctx context.Context, s State, err error, inBatch bool) {
	w.mu.Lock()
	t := troubleOf(s, err, cmp.Or(w.trouble, w.at.trouble), w.engine.cfg.Now())
	w.state, w.err, w.trouble, w.failedAt, w.inBatch = s, err, t, w.at.position, inBatch
	w.mu.Unlock()
	if err = w.tell(ctx, t); err != nil && ctx.Err() == nil {
		w.engine.cfg.Logger.DebugContext(ctx, "what is wrong is known here only, until it is tried again", "projection", w.p.Schema(), "error", err)
	}
}

func (w *worker) enter(s State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.err, w.trouble, w.inBatch = s, nil, nil, false
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
	var t *trouble
	if err != nil {
		err = w.advised(ctx, err)
		_, before := w.wrong()
		t = troubleOf(StateRetrying, err, before, w.engine.cfg.Now())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.undone, w.hitch = err, t
	return err
}

// projecting tells whether batches go through.
func (w *worker) projecting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state == StateRunning
}

// wrong is now, as it is told to people.
func (w *worker) wrong() (State, *trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == StateRunning && w.hitch != nil {
		return w.hitch.state, w.hitch
	}
	if w.state == StateRunning && !w.since.IsZero() && time.Since(w.since) > tooLong {
		return w.state, &trouble{state: w.state, since: w.since.UTC(), cause: onNoEnd}
	}
	return w.state, w.trouble
}

func (w *worker) now() (State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == StateRunning && w.undone != nil {
		return StateRetrying, w.undone
	}
	return w.state, w.err
}
