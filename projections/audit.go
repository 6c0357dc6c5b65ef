package projections

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// auditStreams is how many streams an audit chooses from the log, and from each Append table.
const auditStreams = 32

// audit verifies the live builds that this process projects, each table once in Config.Audit, whichever process did it
// last: samples of the tables of which that proves something, and beside it, slowly, all rows of the others. Each takes
// one build after the other.
func (e *Engine) audit(ctx context.Context) {
	if e.cfg.Audit <= 0 {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		e.patrol(ctx, sampled, func() VerifyOptions {
			return VerifyOptions{Sample: auditStreams, Seed: rand.Uint64(), pace: e.aside} //nolint:gosec // a sample
		})
	})
	both.Go(func() { e.patrol(ctx, unsampled, func() VerifyOptions { return VerifyOptions{slow: newLeisure(e)} }) })
	both.Wait()
}

func unsampled(t table) bool { return !sampled(t) }

// patrol verifies whatever build has picked tables that are due, the one first that waits longest.
func (e *Engine) patrol(ctx context.Context, picks func(table) bool, options func() VerifyOptions) {
	tried := map[*worker]time.Time{}
	ticker := time.NewTicker(min(e.cfg.Audit, time.Minute))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		var due []*worker
		err := guarded(func() (err error) {
			due, err = e.due(ctx, tried, picks)
			return err
		})
		if err != nil && ctx.Err() == nil {
			e.cfg.Logger.WarnContext(ctx, "looking for builds to verify, trying again", "error", err)
		}
		for _, w := range due {
			tried[w] = e.cfg.Now()
			e.auditOne(ctx, w, options())
		}
	}
}

// guarded does something beside the projecting, which a panic of it must not end: that is a failure like others.
func guarded(do func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("it panicked: %v\n%s", cause, debug.Stack())
		}
	}()
	return do()
}

// due lists the builds that have picked tables which were neither compared nor tried for a while, the longest first.
func (e *Engine) due(ctx context.Context, tried map[*worker]time.Time, picks func(table) bool) (out []*worker, err error) {
	found, err := e.drifts(ctx)
	if err != nil {
		return nil, err
	}
	before, last := e.cfg.Now().Add(-e.cfg.Audit), map[*worker]time.Time{}
	for _, w := range e.workers() {
		state, _ := w.now()
		if w.p.name == headName || w.currentPhase() != PhaseLive || state != StateRunning || !slices.ContainsFunc(w.p.tables, picks) {
			continue
		}
		if last[w] = found[w.p.Schema()].oldest(w.p, picks); tried[w].After(last[w]) {
			last[w] = tried[w]
		}
		if !last[w].After(before) {
			out = append(out, w)
		}
	}
	slices.SortStableFunc(out, func(a, b *worker) int { return last[a].Compare(last[b]) })
	return out, nil
}

// oldest is when that one of the picked tables was compared whose turn was longest ago; zero: one never was.
func (d *Drift) oldest(p *Projection, picks func(table) bool) (oldest time.Time) {
	if d == nil {
		return oldest
	}
	for _, c := range d.Checked {
		if !slices.ContainsFunc(p.tables, func(t table) bool { return t.tableName() == c.Table && picks(t) }) {
			continue
		}
		if c.CheckedAt == nil {
			return time.Time{}
		}
		if oldest.IsZero() || c.CheckedAt.Before(oldest) {
			oldest = *c.CheckedAt
		}
	}
	return oldest
}

// auditOne verifies a live build, and says so when it finds something.
func (e *Engine) auditOne(ctx context.Context, w *worker, o VerifyOptions) {
	var v Verdict
	err := guarded(func() (err error) {
		v, err = e.Verify(ctx, w.p.name, o)
		return err
	})
	if ctx.Err() != nil {
		return
	}
	w.verified(err)
	switch {
	case err != nil:
		e.cfg.Logger.ErrorContext(ctx, "verifying a projection failed", "projection", w.p.Schema(), "error", err)
	case len(v.Tables) > 0:
		e.cfg.Logger.ErrorContext(ctx, "a projection is not what its events come to", "projection", w.p.Schema(),
			"rows", v.Drift, "tables", v.Tables, "position", v.Position)
	}
	if o.slow != nil {
		_ = o.slow.rest(ctx) // ends with ctx
	}
}

func (w *worker) verified(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unverified = err
}

func (w *worker) whyUnverified() string {
	if w == nil {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unverified == nil {
		return ""
	}
	return w.unverified.Error()
}

// aside lets every live build end the batch that it is at. Waiting for its turn is enough: turns are given in order, so
// neither keeps the other from going on.
func (e *Engine) aside(ctx context.Context) error {
	for _, w := range e.workers() {
		if w.currentPhase() != PhaseLive {
			continue
		}
		select {
		case w.turn <- struct{}{}:
			<-w.turn
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// leisure lets something that nobody waits for take a tenth of one processor's time: it rests nine times as long as it
// worked, and then stands aside.
type leisure struct {
	engine *Engine
	since  time.Time // when it went back to work
}

const rests = 9

func newLeisure(e *Engine) *leisure { return &leisure{e, time.Now()} }

func (l *leisure) rest(ctx context.Context) error {
	defer l.work()
	timer := time.NewTimer(rests * time.Since(l.since))
	defer timer.Stop()
	select {
	case <-timer.C:
		return l.engine.aside(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *leisure) work() { l.since = time.Now() }

// compareSlowly compares all rows of the tables that no sample proves. The log is projected anew between rests. The
// comparison is not interrupted by any, because Postgres keeps old rows for as long as it takes: it only stands aside, and
// the rest comes after it. A process that ends meanwhile begins again when it is back.
func (v *verifier) compareSlowly(ctx context.Context, begun checkpoint) error {
	s, err := v.scratch(ctx, unsampled)
	if err != nil {
		return err
	}
	defer s.discard(ctx)
	if s.only, v.verdict.Complete, err = s.unentangled(ctx); err != nil {
		return err
	}
	s.pace = v.options.slow.rest
	if err = s.fill(ctx, begun.position); err != nil {
		return err
	}
	done, err := v.engine.look(ctx, v.live.name)
	if err != nil {
		return err
	}
	defer done()
	v.options.slow.work() // waiting was none
	v.options.pace, s.pace = v.engine.aside, v.engine.aside
	return v.compareWith(ctx, s, begun)
}

// unentangled picks the tables that no sample proves; all, if rows of these may depend on those of others.
func (s *scratch) unentangled(ctx context.Context) (only func(table) bool, all bool, err error) {
	names := make([]string, len(s.p.tables))
	for i, t := range s.p.tables {
		names[i] = t.tableName()
	}
	err = s.engine.cfg.Pool.QueryRow(ctx, `SELECT EXISTS (
		SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND (
			c.relname <> ALL ($2::text[]) OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid))) -- foreign keys, too, have triggers
		`, s.p.Schema(), names).Scan(&all)
	if err != nil || all {
		return nil, all, s.failedTo("reading the catalogue of", err)
	}
	return s.only, false, nil
}
