package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
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
// the checkpoint of that snapshot.
//
// A complete verification projects the whole log. It proves that every row is what the code of today makes of the log of
// today: code that changed without a new version, or events that were deleted from the store, are drift, too.
//
// A sampled one (VerifyOptions.Sample) proves less, and at once:
//
//   - Append rows are compared for the sampled streams only. An event makes its rows alone, so the rows of a stream need
//     no other stream's events. Rows of streams that the log does not hold from their first event are never compared, so
//     rows of streams that never were go unnoticed.
//   - Sum tables are compared with their identities, all rows, but only if they declare one by From. That proves them
//     against the stored rows of the projection's other tables, not against the log.
//   - Patch tables are not compared: a row may come from any number of streams.
//
// What was not compared is listed in the verdict. A projection that is stopped or retrying is not verified: the error
// says why it is not running.
//
// The verdict is recorded, for Status to show.
func (e *Engine) Verify(ctx context.Context, name string, o VerifyOptions) (Verdict, error) {
	v, err := e.verifier(ctx, name, o)
	if err != nil {
		return Verdict{}, err
	}
	if err = v.run(ctx); err != nil {
		return Verdict{}, fmt.Errorf("verifying %s: %w", v.live.schema(), err)
	}
	return v.verdict, e.record(ctx, v.live, v.verdict)
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
	rows, _ := e.cfg.Pool.Query(ctx, "SELECT name, version, build, phase FROM projections WHERE name = $1 AND phase = 'live'", name)
	live, err := pgx.CollectExactlyOneRow(rows, scanBuild) // the query's error comes back with the rows
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, &UnreadyError{name}
	}
	if err != nil {
		return nil, fmt.Errorf("finding the live build of %s: %w", name, err)
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
	var counted int64
	err = v.engine.cfg.Pool.QueryRow(ctx, "SELECT events FROM checkpoints WHERE projection = $1 AND version = $2 AND build = $3",
		v.live.name, v.live.version, v.live.number).Scan(&counted)
	if err != nil {
		return fmt.Errorf("reading the checkpoint: %w", err)
	}
	v.verdict = Verdict{
		Projection: v.live.name, Version: v.live.version, Build: v.live.number, Schema: v.live.schema(),
		Complete: v.options.complete(counted),
	}
	if v.verdict.Complete {
		err = v.compareAll(ctx, at)
	} else {
		err = v.compareSome(ctx)
	}
	v.verdict.CheckedAt = v.engine.cfg.Now()
	return err
}

// compareAll projects the whole log anew. The snapshot is taken when that has come to where the live build was at the
// beginning: then few events are left, and Postgres need not keep old rows for long.
func (v *verifier) compareAll(ctx context.Context, begun checkpoint) error {
	s, err := v.scratch(ctx, nil)
	if err != nil {
		return err
	}
	defer s.discard(ctx)
	if err = s.fill(ctx, begun.position); err != nil {
		return err
	}
	return v.inSnapshot(ctx, func(tx pgx.Tx, at checkpoint) error {
		if at.store != s.at.store || at.position < begun.position {
			return fmt.Errorf("it went from position %d back to %d of store %s meanwhile", begun.position, at.position, at.store)
		}
		if err := s.fill(ctx, at.position); err != nil {
			return err
		}
		if err := v.compareRows(ctx, tx, s, nil); err != nil {
			return err
		}
		return v.compareSums(ctx, tx)
	})
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
	return pgx.BeginTxFunc(ctx, v.engine.cfg.Pool, snapshot, func(tx pgx.Tx) error {
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
func (v *verifier) compareRows(ctx context.Context, tx pgx.Tx, s *scratch, only filters) error {
	v.verdict.Projected = s.events
	return pgx.BeginTxFunc(ctx, v.engine.cfg.Pool, snapshot, func(other pgx.Tx) (err error) {
		v.verdict.Comparison, err = compare(ctx, side{tx, v.live.schema()}, side{other, s.p.Schema()}, only)
		for _, d := range v.verdict.Comparison.Tables {
			r := d.Rows
			v.verdict.Rows += r.Both + r.OnlyA + r.OnlyB
			v.found(d.Table, r.Changed+r.OnlyA+r.OnlyB, d.differs())
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
	explained := v.verdict.Complete && !v.verdict.Clean()
	for _, s := range v.verdict.Sums {
		v.found(s.Table, s.Count, !explained)
	}
	return nil
}

// Verdict tells what a verification compared, and how many rows differ.
type Verdict struct {
	Projection string          `json:"projection"`
	Version    int             `json:"version"`
	Build      int             `json:"build"`
	Schema     string          `json:"schema"`
	Position   events.Position `json:"position"`  // of the live build in the snapshot
	Events     int64           `json:"events"`    // that the live build has counted
	Projected  int64           `json:"projected"` // events that were projected anew
	CheckedAt  time.Time       `json:"checked_at"`
	Complete   bool            `json:"complete"`         // every row was compared with the whole log
	Sample     *Sample         `json:"sample,omitempty"` // if it is not complete
	Rows       int64           `json:"rows"`             // of the live build that were compared, and those that it lacks
	Drift      int64           `json:"drift"`            // rows that differ
	Tables     []TableDrift    `json:"tables,omitempty"` // that differ
	// Comparison is of the live build (A) with a projection of the log (B).
	Comparison Comparison  `json:"comparison"`
	Sums       []*SumError `json:"sums,omitempty"` // tables that are not what their identities give
}

// TableDrift is how many rows of a table differ. None do when only its columns do, or when it should not be there.
type TableDrift struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// Clean says that nothing that was compared differs.
func (v Verdict) Clean() bool { return len(v.Tables) == 0 }

// found notes drift of a table.
func (v *verifier) found(table string, rows int64, differs bool) {
	if differs {
		v.verdict.Tables = append(v.verdict.Tables, TableDrift{table, rows})
		v.verdict.Drift += rows
	}
}
