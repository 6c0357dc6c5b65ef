package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/projections/tables"
)

// VerifyOptions say how much is compared.
type VerifyOptions struct {
	// Sample is how many streams are projected anew, about: as many as that are chosen from the log, and as many from each
	// Append table. 0: nothing is sampled, everything is compared.
	Sample int
	// Complete is up to how many events the whole log is projected although a sample was asked for, because that costs
	// little and proves more. 0 is 20,000; negative is never.
	Complete int64
	// Seed chooses the sample. The same seed chooses the same one while neither log nor rows change.
	Seed     uint64
	Progress func(Filled) // after each batch; may be nil

	pace func(context.Context) error // before each batch; may be nil
	slow *leisure                    // not nil: of the tables that no sample proves, all rows are compared, in its own time
}

const completeEvents = 20_000

func (o VerifyOptions) complete(count int64) bool {
	limit := o.Complete
	if limit == 0 {
		limit = completeEvents
	}
	return o.Sample <= 0 || count <= limit
}

// Verify compares the live build of a read model with the log: not with how far it claims to be, but row by row with
// what its events come to when they are projected anew. It writes to a scratch build beside the live one, which it
// removes, and the live build goes on meanwhile: what is compared is one snapshot of it, with exactly the events up to
// the checkpoint of that snapshot. Columns, constraints, indexes and triggers are compared with those of the scratch
// build, but for indexes that nothing rests on.
//
// A complete verification projects the whole log. It proves that every row is what the code of today makes of the log of
// today: code that changed without a new version, or events that were deleted from the store, are drift, too.
//
// A sampled one (VerifyOptions.Sample) proves less, and at once:
//
//   - Append rows are compared for the sampled streams only. An event makes its rows alone, so the rows of a stream need
//     no other stream's events. Rows of a stream that the log has never held are drift. Streams that the log does not hold
//     from their first event, and very long ones, are passed over.
//   - Sum tables are compared with their identities, all rows, but only if they declare one by From. That proves them
//     against the stored rows of the projection's other tables, not against the log.
//   - Patch tables, and Sum tables without From, are not compared: a row may come from any number of streams.
//
// What was not compared is listed in the verdict; where nothing was, it is neither clean nor drift. A projection that is
// stopped or retrying is not verified: the error says why it is not running. One verification, Diff or AsOf of an engine is
// at work at a time; others wait.
//
// The verdict is recorded, for Status to show.
func (e *Engine) Verify(ctx context.Context, name string, o VerifyOptions) (Verdict, error) {
	if o.slow == nil {
		done, err := e.look(ctx, name)
		if err != nil {
			return Verdict{}, err
		}
		defer done()
	}
	v, err := e.verifier(ctx, name, o)
	if err != nil {
		return Verdict{}, err
	}
	if err = e.within(ctx, "projection.verify", v.p, v.run); err != nil {
		return Verdict{}, fmt.Errorf("verifying %s: %w", v.live.schema(), err)
	}
	return v.verdict, e.record(ctx, v.live, v.verdict)
}

// What is compared or looked at holds up to two connections at a time, and batches need theirs to end; see look.
const lookConnections = 4

// look waits for the turn to verify, to compare builds, or to project up to a position.
func (e *Engine) look(ctx context.Context, name string) (done func(), err error) {
	if has := e.cfg.Pool.Config().MaxConns; has < lookConnections {
		return nil, &OrderError{name, fmt.Sprintf("comparing or reading builds takes connections from those that project: "+
			"the pool has %d, give it %d or more (pool_max_conns)", has, lookConnections)}
	}
	return takeTurn(ctx, name, e.looking, "verify, diff or as-of")
}

// takeTurn waits until fewer are at the same thing in this process than may be.
func takeTurn(ctx context.Context, name string, turns chan struct{}, others string) (done func(), err error) {
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("projection %s: waiting for another %s of this process to end: %w", name, others, ctx.Err())
	}
}

// verifier is one verification.
type verifier struct {
	engine  *Engine
	version *version
	live    build
	p       *Projection // of the live build, for its names; it projects nothing
	options VerifyOptions
	verdict Verdict
}

// verifier finds the live build, if it is one that can be verified here.
func (e *Engine) verifier(ctx context.Context, name string, o VerifyOptions) (*verifier, error) {
	if e.newest(name) == nil {
		return nil, &UnknownError{name}
	}
	live, found, err := findBuild(ctx, e.cfg.Pool, name, "phase = 'live'")
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, e.unready(ctx, name)
	}
	i := slices.IndexFunc(e.versions, func(v version) bool { return v.name == live.name && v.version == live.version })
	if i < 0 {
		return nil, &OrderError{name, fmt.Sprintf("the live build is %s, which this process does not know how to project", live.schema())}
	}
	v := &verifier{engine: e, version: &e.versions[i], live: live, p: e.versions[i].define(), options: o}
	v.p.build = live.number
	return v, v.runs(ctx)
}

// runs refuses a build that is not running, and one whose checkpoint is not of this store's history.
func (v *verifier) runs(ctx context.Context) error {
	w := v.engine.worker(v.live.schema())
	if w == nil {
		w = newWorker(v.engine, v.p, PhaseLive)
	}
	if state, err := w.now(); err != nil {
		return fmt.Errorf("projection %s is %s and cannot be verified: %w", v.live.schema(), state, err)
	}
	if _, err := w.locate(ctx); err != nil {
		return fmt.Errorf("projection %s cannot be verified: %w", v.live.schema(), err)
	}
	return nil
}

func (v *verifier) run(ctx context.Context) error {
	at, err := readCheckpoint(ctx, v.engine.cfg.Pool, v.p)
	if err != nil {
		return err
	}
	v.verdict = Verdict{
		Projection: v.live.name, Version: v.live.version, Build: v.live.number, Schema: v.live.schema(),
		Complete: v.options.complete(at.events), // compareSlowly finds out
	}
	switch {
	case v.options.slow != nil:
		err = v.compareSlowly(ctx, at)
	case v.verdict.Complete:
		err = v.compareWhole(ctx, at)
	default:
		err = v.compareSome(ctx)
	}
	v.conclude()
	return err
}

// conclude notes when what was compared, and which tables were not.
func (v *verifier) conclude() {
	v.verdict.CheckedAt = v.engine.cfg.Now()
	for _, t := range v.p.tables {
		name := t.tableName()
		if !slices.ContainsFunc(v.verdict.Checked, func(c TableCheck) bool { return c.Table == name }) {
			v.checked(name, 0, HowNever)
		}
	}
	for i := range v.verdict.Checked {
		if c := &v.verdict.Checked[i]; c.How != HowNever {
			c.Position, c.CheckedAt = v.verdict.Position, new(v.verdict.CheckedAt.UTC().Truncate(time.Microsecond))
		}
	}
	slices.SortFunc(v.verdict.Checked, func(a, b TableCheck) int { return cmp.Compare(a.Table, b.Table) })
}

// compareWhole projects the whole log anew. The snapshot is taken when that has come to where the live build was at the
// beginning: then few events are left, and Postgres need not keep old rows for long.
func (v *verifier) compareWhole(ctx context.Context, begun checkpoint) error {
	s, err := v.scratch(ctx, nil)
	if err != nil {
		return err
	}
	defer s.discard(ctx)
	if err = s.fill(ctx, begun.position); err != nil {
		return err
	}
	return v.compareWith(ctx, s, begun)
}

// compareWith compares a scratch build that is near the live one: the tables that it writes.
func (v *verifier) compareWith(ctx context.Context, s *scratch, begun checkpoint) error {
	return v.inSnapshot(ctx, func(tx pgx.Tx, at checkpoint) error {
		if at.store != s.at.store || at.position < begun.position {
			return fmt.Errorf("it went from position %d back to %d of store %s meanwhile", begun.position, at.position, at.store)
		}
		if err := s.fill(ctx, at.position); err != nil {
			return err
		}
		only, err := v.filters(ctx, tx, s)
		if err != nil {
			return err
		}
		if err = v.compareRows(ctx, tx, s, only, HowLog); err != nil {
			return err
		}
		if err = v.compareObjects(ctx, tx, s); err != nil || !v.verdict.Complete {
			return err
		}
		return v.compareSums(ctx, tx)
	})
}

// filters leave nothing of the tables that a scratch build does not write.
func (v *verifier) filters(ctx context.Context, tx pgx.Tx, s *scratch) (tables.Filters, error) {
	out := tables.Filters{}
	if s.only == nil {
		return out, nil
	}
	names, err := tables.List(ctx, tx, v.live.schema())
	if err != nil {
		return nil, fmt.Errorf("listing the tables of %s: %w", v.live.schema(), err)
	}
	for name := range names {
		if !slices.ContainsFunc(v.p.tables, func(t table) bool { return t.tableName() == name && s.only(t) }) {
			out[name] = tables.Filter{}
		}
	}
	return out, nil
}

func (v *verifier) scratch(ctx context.Context, only func(table) bool) (*scratch, error) {
	s, err := v.engine.newScratch(ctx, v.version, only)
	if err != nil {
		return nil, err
	}
	s.tell, s.pace = v.options.Progress, v.options.pace
	return s, nil
}

// inSnapshot does something with one snapshot of the live build, and of its checkpoint.
func (v *verifier) inSnapshot(ctx context.Context, do func(tx pgx.Tx, at checkpoint) error) error {
	return pgx.BeginTxFunc(ctx, v.engine.cfg.Pool, tables.Snapshot, func(tx pgx.Tx) error {
		where := " FROM checkpoints WHERE projection = $1 AND version = $2 AND build = $3"
		at, err := scanCheckpoint(tx.QueryRow(ctx, "SELECT "+checkpointColumns+where, v.live.name, v.live.version, v.live.number))
		if err == nil {
			err = tx.QueryRow(ctx, "SELECT events"+where, v.live.name, v.live.version, v.live.number).Scan(&v.verdict.Events)
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return &OrderError{v.live.name, fmt.Sprintf("build %s was removed meanwhile", v.live.schema())}
		}
		if err != nil {
			return fmt.Errorf("reading the checkpoint: %w", err)
		}
		v.verdict.Position = at.position
		return do(tx, at)
	})
}

// compareRows compares the snapshot with a scratch build.
func (v *verifier) compareRows(ctx context.Context, tx pgx.Tx, s *scratch, only tables.Filters, how How) error {
	v.verdict.Projected = s.at.events
	return pgx.BeginTxFunc(ctx, v.engine.cfg.Pool, tables.Snapshot, func(other pgx.Tx) (err error) {
		v.verdict.Comparison, err = tables.Compare(ctx, tables.Side{Tx: tx, Schema: v.live.schema()},
			tables.Side{Tx: other, Schema: s.p.Schema()}, tables.Options{Only: only, Pace: v.options.pace})
		for _, d := range v.verdict.Comparison.Tables {
			if f, limited := only[d.Table]; limited && f.Column == "" {
				continue
			}
			r := d.Rows
			v.checked(d.Table, r.Both+r.OnlyA+r.OnlyB, how)
			v.found(d.Table, r.Changed+r.OnlyA+r.OnlyB)
		}
		return err
	})
}

// compareSums compares Sum tables with their identities. Where all rows were compared with the log and some differ, what
// an identity gives may only be wrong because of these: it is told, and does not count again.
func (v *verifier) compareSums(ctx context.Context, tx pgx.Tx) (err error) {
	if v.verdict.Sums, err = v.p.checkSums(ctx, tx); err != nil {
		return err
	}
	explained := v.verdict.Complete && v.verdict.Drift > 0
	for _, s := range v.verdict.Sums {
		if !explained {
			v.found(s.Table, s.Count)
		}
	}
	return nil
}

// checked notes that rows of a table were compared.
func (v *verifier) checked(table string, rows int64, how How) {
	v.verdict.Rows += rows
	v.verdict.Checked = append(v.verdict.Checked, TableCheck{Table: table, How: how, Rows: rows})
}

// found notes rows of a table that differ.
func (v *verifier) found(table string, rows int64) {
	if rows > 0 {
		v.verdict.Drift += rows
		v.drift(table).Rows += rows
	}
}

// drift is what the verdict says of a table that differs.
func (v *verifier) drift(table string) *TableDrift {
	i := slices.IndexFunc(v.verdict.Tables, func(t TableDrift) bool { return t.Table == table })
	if i < 0 {
		i = len(v.verdict.Tables)
		v.verdict.Tables = append(v.verdict.Tables, TableDrift{Table: table})
	}
	return &v.verdict.Tables[i]
}
