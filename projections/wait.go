package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
)

// mark is how far the build that readers read is known to be. It only wakes those who wait; what is so they ask Postgres.
type mark struct {
	mu       sync.Mutex
	live     string // its physical schema
	position events.Position
	moved    chan struct{} // closed when either changes
}

func newMark() *mark { return &mark{moved: make(chan struct{})} }

func (m *mark) read() (live string, position events.Position, moved <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live, m.position, m.moved
}

// raise notes a commit of a build; only the live one counts.
func (m *mark) raise(schema string, position events.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if schema == m.live {
		m.set(schema, position)
	}
}

// learn notes what was read: which build is live, and where it is. A reading may be older than a commit seen here; the
// next one makes up for it. And it may be further back because the database was set back.
func (m *mark) learn(live string, position events.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(live, position)
}

func (m *mark) set(live string, position events.Position) {
	if live == m.live && position == m.position {
		return
	}
	m.live, m.position = live, position
	close(m.moved)
	m.moved = make(chan struct{})
}

// comes waits for a move after which it is worth asking Postgres again: the build seems to be at the position, or another
// one seems to be live.
func (m *mark) comes(ctx context.Context, schema string, position events.Position, moved <-chan struct{}) error {
	for {
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
		var live string
		var at events.Position
		if live, at, moved = m.read(); live != schema || at >= position {
			return nil
		}
	}
}

// Advanced returns a channel that is closed when the live build of a projection next moves on. To miss nothing, ask
// for the channel before looking at the rows:
//
//	for {
//		advanced := engine.Advanced("routing")
//		work()
//		<-advanced
//	}
//
// It tells of commits in this process at once, and of others' a beat later when the engine runs, or sooner while someone
// waits. It is nil, and so never ready, for a name that this engine does not run.
func (e *Engine) Advanced(name string) <-chan struct{} {
	if m := e.marks[name]; m != nil {
		_, _, moved := m.read()
		return moved
	}
	return nil
}

// Readable is what readers of a read model read.
type Readable struct {
	Projection string
	Schema     string          // the physical schema, which they name in their SQL
	Position   events.Position // its rows hold everything up to here, if not more
}

// Read returns what readers read, as Live does, once that holds everything up to a position: what the caller wrote is then
// among the rows, whatever goes live meanwhile. Bound the wait by ctx; past the bound the error is a *WaitError.
//
// Schema and position are one answer of Postgres, so they belong together; and what goes live is never behind what it
// replaces, so later answers hold no less.
func (e *Engine) Read(ctx context.Context, name string, position events.Position) (Readable, error) {
	return e.await(ctx, name, position, false)
}

// WaitFor is Read for those who do not want the answer. It waits for a read model, too, that cannot be read yet.
func (e *Engine) WaitFor(ctx context.Context, name string, position events.Position) error {
	_, err := e.await(ctx, name, position, true)
	return err
}

// await asks, and asks again when the answer may have changed.
func (e *Engine) await(ctx context.Context, name string, position events.Position, patient bool) (Readable, error) {
	m := e.marks[name]
	if m == nil {
		return Readable{}, &UnknownError{name}
	}
	for watching := false; ; {
		_, _, moved := m.read() // before the rows, to miss nothing
		r, err := e.readable(ctx, name)
		_, unready := errors.AsType[*UnreadyError](err)
		switch {
		case err == nil && r.Position >= position:
			return r, nil
		case err == nil:
			m.learn(r.Schema, r.Position)
		case ctx.Err() != nil && position > events.Start:
			return r, e.tooLate(ctx, name, position)
		case !unready || !patient:
			return r, err
		}
		if !watching {
			watching = true
			e.watch.join(e)
			defer e.watch.leave()
		}
		if m.comes(ctx, r.Schema, position, moved) != nil {
			return r, e.tooLate(ctx, name, position)
		}
	}
}

func (e *Engine) tooLate(ctx context.Context, name string, wanted events.Position) error {
	live, at, _ := e.marks[name].read()
	late := &WaitError{Projection: name, Wanted: wanted, Position: at, Err: ctx.Err()}
	if w := e.worker(live); w != nil {
		_, late.Trouble = w.now()
	}
	if late.Trouble == nil {
		late.Trouble = e.elsewhere(ctx, live)
	}
	return late
}

// elsewhere is what is wrong with a build in another process, if that can be asked for: whoever waited is to be answered.
func (e *Engine) elsewhere(ctx context.Context, schema string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if all, err := e.troubles(ctx); err == nil && all[schema] != nil {
		return errors.New(all[schema].cause)
	}
	return nil
}

// WaitError says that a projection did not get there in time.
type WaitError struct {
	Projection string
	Wanted     events.Position
	Position   events.Position // where the build was that is read
	Trouble    error           // what is wrong with that, in whichever process; nil when it is just not there yet
	Err        error           // of the context
}

func (e *WaitError) Error() string {
	text := fmt.Sprintf("projection %s has come to position %d, not yet to %d: %s", e.Projection, e.Position, e.Wanted, e.Err)
	if e.Trouble != nil {
		text += "; it is held up: " + e.Trouble.Error()
	}
	return text
}

func (e *WaitError) Unwrap() error { return e.Err }

// rereadMarks learns what other processes have done, and which builds are live.
func (e *Engine) rereadMarks(ctx context.Context) error {
	rows, err := e.cfg.Pool.Query(ctx, readable, e.names, e.numbers)
	if err != nil {
		return fmt.Errorf("reading checkpoints: %w", err)
	}
	var (
		name, schema string
		position     events.Position
	)
	_, err = pgx.ForEachRow(rows, []any{&name, &schema, &position}, func() error {
		e.marks[name].learn(schema, position)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading checkpoints: %w", err)
	}
	return nil
}

// watch rereads the checkpoints now and then, once for all who wait, for as long as someone does. (LISTEN would need a
// session of its own, which poolers do not give.)
type watch struct {
	mu      sync.Mutex
	waiting int
	stop    context.CancelFunc
	failing bool // the last reading failed
}

const rereadEvery = 50 * time.Millisecond

func (w *watch) join(e *Engine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting++; w.waiting > 1 {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() {
		ticker := time.NewTicker(rereadEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			if err := e.rereadMarks(ctx); ctx.Err() == nil && w.begins(err) {
				e.cfg.Logger.WarnContext(ctx, "looking for progress of other processes, trying again", "error", err)
			}
		}
	}()
}

// begins tells whether an outage begins with this reading.
func (w *watch) begins(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.failing
	w.failing = err != nil
	return w.failing && !before
}

func (w *watch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting--; w.waiting == 0 {
		w.stop()
	}
}
