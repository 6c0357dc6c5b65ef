package projections

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
)

// mark is how far the build that readers read is known to be.
type mark struct {
	mu       sync.Mutex
	live     string // its physical schema
	position events.Position
	moved    chan struct{} // closed when the position rises
}

func newMark() *mark { return &mark{moved: make(chan struct{})} }

func (m *mark) read() (events.Position, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.position, m.moved
}

// raise notes a commit of a build; only the live one counts.
func (m *mark) raise(schema string, position events.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if schema == m.live && position > m.position {
		m.set(position)
	}
}

// correct notes where a build resumes. That may be further back, when the database was set back.
func (m *mark) correct(schema string, position events.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if schema == m.live && position != m.position {
		m.set(position)
	}
}

// learn notes what was read: which build is live, and where it is. A reading may be older than a commit seen here.
func (m *mark) learn(live string, position events.Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if live != m.live || position > m.position {
		m.live = live
		m.set(position)
	}
}

func (m *mark) set(position events.Position) {
	m.position = position
	close(m.moved)
	m.moved = make(chan struct{})
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
// It tells of commits in this process, and of others' for as long as someone waits in WaitFor. It is nil, and so never
// ready, for a name that this engine does not run.
func (e *Engine) Advanced(name string) <-chan struct{} {
	if m := e.marks[name]; m != nil {
		_, moved := m.read()
		return moved
	}
	return nil
}

// WaitFor returns nil once the live build of a projection has projected everything up to a position: what the
// caller wrote can then be read. Bound the wait by ctx; past the bound the error is a *WaitError.
func (e *Engine) WaitFor(ctx context.Context, name string, position events.Position) error {
	m := e.marks[name]
	if m == nil {
		return fmt.Errorf("waiting for %q: there is no such projection", name)
	}
	if at, _ := m.read(); at >= position {
		return nil
	}
	if !e.runs(name) {
		if err := e.rereadMarks(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	e.watch.join(e)
	defer e.watch.leave()
	for {
		at, moved := m.read()
		if at >= position {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return &WaitError{name, position, at, e.trouble(name), ctx.Err()}
		}
	}
}

// WaitError says that a projection did not get there in time.
type WaitError struct {
	Projection string
	Wanted     events.Position
	Position   events.Position // where it was
	Trouble    error           // what is wrong with the projection in this process; nil when it is just not there yet
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

// runs tells whether commits of this projection happen in this process, and so wake waiters at once.
func (e *Engine) runs(name string) bool {
	for _, w := range e.workers() {
		if s, _ := w.now(); w.p.name == name && s == StateRunning {
			return true
		}
	}
	return false
}

func (e *Engine) trouble(name string) error {
	for _, w := range e.workers() {
		if w.p.name == name {
			if _, err := w.now(); err != nil {
				return err
			}
		}
	}
	return nil
}

// rereadMarks learns what other processes have done, and which builds are live.
func (e *Engine) rereadMarks(ctx context.Context) error {
	rows, err := e.cfg.Pool.Query(ctx, `SELECT r.name, r.schema_name, c.position FROM (`+readable+`) r
		JOIN checkpoints c ON c.projection = r.name AND c.version = r.version AND c.build = r.build`, e.names, e.numbers)
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
				if err := e.rereadMarks(ctx); err != nil && ctx.Err() == nil {
					e.cfg.Logger.WarnContext(ctx, "looking for progress of other processes", "error", err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
}

func (w *watch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting--; w.waiting == 0 {
		w.stop()
	}
}
