package projections

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// VerifySlowly verifies as the slow audit does.
func (e *Engine) VerifySlowly(ctx context.Context, name string) (Verdict, error) {
	return e.Verify(ctx, name, VerifyOptions{slow: newLeisure(e)})
}

// ObjectsThatDiffer compares the objects of the live build, as a transaction sees them, with those of a scratch build.
func (e *Engine) ObjectsThatDiffer(ctx context.Context, tx pgx.Tx, name string) ([]TableDrift, error) {
	v, err := e.verifier(ctx, name, VerifyOptions{})
	if err != nil {
		return nil, err
	}
	s, err := v.scratch(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer s.discard(ctx)
	err = v.compareObjects(ctx, tx, s)
	return v.verdict.Tables, err
}
