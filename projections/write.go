package projections

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// copyHeader begins COPY's binary form: signature, no flags, no extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// run writes the rows of a batch within its transaction: statements in one pipeline, then each COPY, then the sums, which
// travel with the statements when there is nothing to copy.
func (w *work) run(ctx context.Context, conn *pgx.Conn) error {
	if len(w.copies) == 0 {
		return runStatements(ctx, conn, slices.Concat(w.statements, w.sums))
	}
	if err := runStatements(ctx, conn, w.statements); err != nil {
		return err
	}
	for _, c := range w.copies {
		if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(c.rows), c.sql); err != nil {
			return err
		}
	}
	return runStatements(ctx, conn, w.sums)
}

func runStatements(ctx context.Context, conn *pgx.Conn, statements []statement) error {
	if len(statements) == 0 {
		return nil
	}
	names := make([]string, len(statements))
	for i, s := range statements { // a statement is prepared once per connection
		prepared, err := conn.Prepare(ctx, s.sql, s.sql)
		if err != nil {
			return err
		}
		names[i] = prepared.Name
	}
	pipeline := conn.PgConn().StartPipeline(ctx)
	for i, s := range statements {
		pipeline.SendQueryPrepared(names[i], s.params, []int16{pgx.BinaryFormatCode}, nil)
	}
	err := pipeline.Sync()
	for i := 0; err == nil; i++ {
		var result any
		if result, err = pipeline.GetResults(); err != nil || result == nil {
			break
		}
		if reader, ok := result.(*pgconn.ResultReader); ok {
			err = statements[i].finish(reader)
		}
	}
	if closeErr := pipeline.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("ending the pipeline: %w", closeErr)
	}
	return err
}

// finish reads what a statement answers.
func (s statement) finish(answer *pgconn.ResultReader) (err error) {
	if s.proves != "" && answer.NextRow() {
		v := answer.Values()
		err = &ProofError{s.proves, string(v[0]), string(v[1]), string(v[2]), string(v[3])}
	}
	if _, closeErr := answer.Close(); err == nil {
		err = closeErr
	}
	return err
}
