package projections

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// copyHeader begins COPY's binary form: signature, no flags, no extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// run writes the rows of a batch within its transaction: all statements in one pipeline, then each COPY.
func (w *work) run(ctx context.Context, conn *pgx.Conn) error {
	if err := w.runStatements(ctx, conn); err != nil {
		return err
	}
	for _, c := range w.copies {
		if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(c.rows), c.sql); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) runStatements(ctx context.Context, conn *pgx.Conn) error {
	if len(w.statements) == 0 {
		return nil
	}
	names := make([]string, len(w.statements))
	for i, s := range w.statements { // a statement is prepared once per connection
		prepared, err := conn.Prepare(ctx, s.sql, s.sql)
		if err != nil {
			return err
		}
		names[i] = prepared.Name
	}
	pipeline := conn.PgConn().StartPipeline(ctx)
	for i, s := range w.statements {
		pipeline.SendQueryPrepared(names[i], s.params, []int16{pgx.BinaryFormatCode}, nil)
	}
	err := pipeline.Sync()
	for err == nil {
		var result any
		if result, err = pipeline.GetResults(); err != nil || result == nil {
			break
		}
		if reader, ok := result.(*pgconn.ResultReader); ok {
			_, err = reader.Close()
		}
	}
	if closeErr := pipeline.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("ending the pipeline: %w", closeErr)
	}
	return err
}
