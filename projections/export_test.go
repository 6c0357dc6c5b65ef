package projections

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"daybook/projections/tables"
)

// Prepared is what one batch writes, as rows worked out beforehand, and as a careful author would write them without
// this package: by pgx's CopyFrom, and by a pgx.Batch of the same statements with slices for parameters.
type Prepared struct {
	parts []preparedPart
}

// preparedPart is a COPY, or a statement.
type preparedPart struct {
	preparedCopy
	preparedStatement
}

type preparedCopy struct {
	table   pgx.Identifier
	columns []string
	rows    [][]any
}

type preparedStatement struct {
	sql       string
	arguments []any
}

// Rows is how many rows are written by COPY.
func (w Prepared) Rows() (n int) {
	for _, part := range w.parts {
		n += len(part.rows)
	}
	return n
}

// Work works out what a prepared engine's projection would write for a batch.
func (e *Engine) Work(schema string, b *Batch) (out Prepared, err error) {
	p := e.worker(schema).p
	defer p.reset()
	for _, r := range b.Events {
		if err = p.apply(r); err != nil {
			return out, err
		}
	}
	for _, t := range p.tables {
		var rows work
		t.flush(&rows, false)
		for _, s := range rows {
			var part preparedPart
			if a, ok := t.(*appendRows); ok && s.rows != nil {
				part.preparedCopy, err = a.decode(schema)
			} else {
				part.preparedStatement, err = decodeStatement(s)
			}
			if err != nil {
				return out, err
			}
			out.parts = append(out.parts, part)
		}
	}
	return out, nil
}

func decodeStatement(s statement) (preparedStatement, error) {
	prepared := preparedStatement{sql: s.sql}
	for _, array := range s.params {
		slice, err := decodeArray(array)
		if err != nil {
			return prepared, err
		}
		prepared.arguments = append(prepared.arguments, slice)
	}
	return prepared, nil
}

// Run writes the rows in a transaction.
func (w Prepared) Run(ctx context.Context, tx pgx.Tx) error {
	batch := &pgx.Batch{}
	send := func() error {
		if batch.Len() == 0 {
			return nil
		}
		defer func() { batch = &pgx.Batch{} }()
		return tx.SendBatch(ctx, batch).Close()
	}
	for _, part := range w.parts {
		if part.rows == nil {
			batch.Queue(part.sql, part.arguments...)
			continue
		}
		if err := send(); err != nil {
			return err
		}
		if _, err := tx.CopyFrom(ctx, part.table, part.columns, pgx.CopyFromRows(part.rows)); err != nil {
			return err
		}
	}
	return send()
}

// decode turns the rows for COPY back into values.
func (t *appendRows) decode(schema string) (preparedCopy, error) {
	c := preparedCopy{table: pgx.Identifier{schema, t.name}}
	for _, column := range t.columns {
		c.columns = append(c.columns, column.name)
	}
	types, rest := pgtype.NewMap(), t.buffer[len(copyHeader):]
	for range t.count {
		rest = rest[2:]
		row := make([]any, len(t.columns))
		for i, column := range t.columns {
			size := tables.CellSize(rest)
			if cell := rest[:size]; binary.BigEndian.Uint32(cell) != 0xffffffff {
				known, _ := types.TypeForOID(column.typ.base)
				value, err := known.Codec.DecodeValue(types, column.typ.base, pgtype.BinaryFormatCode, bytes.Clone(cell[4:]))
				if err != nil {
					return c, err
				}
				row[i] = value
			}
			rest = rest[size:]
		}
		c.rows = append(c.rows, row)
	}
	return c, nil
}

func decodeArray(array []byte) (any, error) {
	switch element := binary.BigEndian.Uint32(array[8:]); element {
	case pgtype.TextOID:
		return decodeSlice[string](pgtype.TextArrayOID, array)
	case pgtype.UUIDOID:
		return decodeSlice[[16]byte](pgtype.UUIDArrayOID, array)
	case pgtype.Int8OID:
		return decodeSlice[int64](pgtype.Int8ArrayOID, array)
	case pgtype.Int4OID:
		return decodeSlice[int32](pgtype.Int4ArrayOID, array)
	case pgtype.TimestamptzOID:
		return decodeSlice[time.Time](pgtype.TimestamptzArrayOID, array)
	case pgtype.DateOID:
		return decodeSlice[time.Time](pgtype.DateArrayOID, array)
	case pgtype.BoolOID:
		return decodeSlice[bool](pgtype.BoolArrayOID, array)
	case pgtype.ByteaOID:
		var out [][]byte
		return out, pgtype.NewMap().Scan(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, array, &out)
	default:
		return nil, fmt.Errorf("no decoder for arrays of type %d", element)
	}
}

func decodeSlice[T any](oid uint32, array []byte) (any, error) {
	var out []*T
	err := pgtype.NewMap().Scan(oid, pgtype.BinaryFormatCode, array, &out)
	return out, err
}
