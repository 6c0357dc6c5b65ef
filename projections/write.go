package projections

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// copyHeader begins COPY's binary form: signature, no flags, no extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// run does the work within a transaction. Neighbouring statements travel in one pipeline, which COPY cannot.
func (w work) run(ctx context.Context, conn *pgx.Conn) error {
	for len(w) > 0 {
		if w[0].rows != nil {
			if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(w[0].rows), w[0].sql); err != nil {
				return err
			}
			w = w[1:]
			continue
		}
		n := slices.IndexFunc(w, func(s statement) bool { return s.rows != nil })
		if n < 0 {
			n = len(w)
		}
		if err := runStatements(ctx, conn, w[:n]); err != nil {
			return err
		}
		w = w[n:]
	}
	return nil
}

func runStatements(ctx context.Context, conn *pgx.Conn, statements []statement) error {
	prepared := make([]*pgconn.StatementDescription, len(statements))
	for i := range statements { // a statement is prepared once per connection
		var err error
		if prepared[i], err = conn.Prepare(ctx, statements[i].sql, statements[i].sql); err == nil {
			err = statements[i].encode(conn.TypeMap(), prepared[i].ParamOIDs)
		}
		if err != nil {
			return err
		}
	}
	pipeline := conn.PgConn().StartPipeline(ctx)
	for i, s := range statements {
		pipeline.SendQueryStatement(prepared[i], s.params, []int16{pgx.BinaryFormatCode}, nil)
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

// encode makes params of arguments.
func (s *statement) encode(types *pgtype.Map, oids []uint32) error {
	if s.arguments == nil {
		return nil
	}
	s.params = make([][]byte, len(s.arguments))
	for i, argument := range s.arguments {
		var err error
		if s.params[i], err = types.Encode(oids[i], pgx.BinaryFormatCode, argument, nil); err != nil {
			return fmt.Errorf("parameter %d: %w", i+1, err)
		}
	}
	return nil
}

// finish reads what a statement answers.
func (s *statement) finish(answer *pgconn.ResultReader) (err error) {
	if s.proves != "" && answer.NextRow() {
		v := answer.Values()
		err = &ProofError{s.proves, string(v[0]), string(v[1]), string(v[2]), string(v[3])}
	}
	tag, closeErr := answer.Close()
	switch {
	case err != nil:
		return err
	case closeErr == nil && s.moves && tag.RowsAffected() != 1:
		return errMoved
	}
	return closeErr
}
