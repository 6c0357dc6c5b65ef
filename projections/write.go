package projections

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
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
		n := slices.IndexFunc(w, copies)
		switch n {
		case 0:
			n = 1
			if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(w[0].rows), w[0].sql); err != nil {
				return err
			}
		case -1:
			n = len(w)
			fallthrough
		default:
			prepared, err := w[:n].prepare(ctx, conn)
			if err == nil {
				err = told(w[:n].pipeline(ctx, conn, prepared))
			}
			if err != nil {
				return err
			}
		}
		w = w[n:]
	}
	return nil
}

// once does the work, which copies nothing, in one round trip: a pipeline is a transaction by itself. When the connection
// breaks, its end is not known.
func (w work) once(ctx context.Context, conn *pgx.Conn) error {
	prepared, err := w.prepare(ctx, conn)
	if err != nil {
		return err
	}
	err = w.pipeline(ctx, conn, prepared)
	if reply, answered := errors.AsType[*pgconn.PgError](err); err == nil || answered && reply.SeverityUnlocalized == "ERROR" {
		return told(err)
	}
	return &commitError{err}
}

// prepare makes the statements known to the server, once per connection, and encodes their parameters.
func (w work) prepare(ctx context.Context, conn *pgx.Conn) ([]*pgconn.StatementDescription, error) {
	prepared := make([]*pgconn.StatementDescription, len(w))
	for i := range w {
		var err error
		if prepared[i], err = conn.Prepare(ctx, cmp.Or(w[i].name, w[i].sql), w[i].sql); err == nil {
			err = w[i].encode(conn.TypeMap(), prepared[i].ParamOIDs)
		}
		if err != nil {
			return nil, err
		}
	}
	return prepared, nil
}

func (w work) pipeline(ctx context.Context, conn *pgx.Conn, prepared []*pgconn.StatementDescription) error {
	pipeline := conn.PgConn().StartPipeline(ctx)
	for i := range w {
		pipeline.SendQueryStatement(prepared[i], w[i].params, []int16{pgx.BinaryFormatCode}, nil)
	}
	err := pipeline.Sync()
	for err == nil {
		var result any
		if result, err = pipeline.GetResults(); err != nil || result == nil {
			break
		}
		if answer, ok := result.(*pgconn.ResultReader); ok {
			_, err = answer.Close()
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

// copies tells whether a statement is a COPY.
func copies(s statement) bool { return s.rows != nil }

// What our own statements fail with, by the function refuse of the database.
const (
	codeMoved    = "DB001"
	codeUnproven = "DB002"
	codeEnded    = "DB003"
)

// errMoved says that the checkpoint is no longer where the batch begins: another worker was here.
var errMoved = errors.New("another worker moved the checkpoint")

// told is what an error means that our own statements made.
func told(err error) error {
	reply, answered := errors.AsType[*pgconn.PgError](err)
	if !answered {
		return err
	}
	switch reply.Code {
	case codeMoved:
		return errMoved
	case codeUnproven:
		var said [5]string
		if json.Unmarshal([]byte(reply.Message), &said) == nil {
			return &ProofError{said[0], said[1], said[2], said[3], said[4]}
		}
	}
	return err
}
