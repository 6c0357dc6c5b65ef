package tables

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// source reads one side of a comparison, one table after the other.
type source struct {
	Side

	pace      func(context.Context) error // see comparer
	savepoint pgx.Tx
	tables    map[string]*Table
	cursor    string

	table   string
	keys    []key // empty: rows are ordered by a digest
	formats []int16
	rows    rowBatch
	next    int    // the next row of the batch
	ask     int    // how many rows to fetch
	last    []byte // the key before the batch
	ended   bool
}

// row is a row of a batch, valid until the next one is fetched. Its key is what orders it, as appendKey writes it; its
// values are cells of text: a length and that many bytes, or length -1 for NULL.
type row struct{ key, values []byte }

// none is the row after the last one.
func (r row) none() bool { return r.key == nil }

// order is the order of Postgres. No row comes after all rows.
func (r row) order(other row) int {
	switch {
	case r.none():
		return 1
	case other.none():
		return -1
	}
	return bytes.Compare(r.key, other.key)
}

// cells returns the values; nil is NULL.
func (r row) cells() [][]byte {
	var out [][]byte
	for rest := r.values; len(rest) > 0; {
		size := CellSize(rest)
		var cell []byte
		if int32(binary.BigEndian.Uint32(rest)) >= 0 {
			cell = rest[4:size:size]
		}
		out, rest = append(out, cell), rest[size:]
	}
	return out
}

// rowBatch holds rows in one piece of memory, which is used again for the next batch.
type rowBatch struct {
	memory []byte
	bounds []bounds
}

// bounds say where a row is: memory[key:values] and memory[values:end].
type bounds struct{ key, values, end int }

func (b *rowBatch) row(i int) row {
	at := b.bounds[i]
	return row{b.memory[at.key:at.values], b.memory[at.values:at.end]}
}

var errNoSchema = errors.New("there is no such schema")

// open sets a savepoint, which takes back all settings and cursors in the end, and reads the catalogue. The search path
// is the schema, so that the schema's own types have names without it.
func (s *source) open(ctx context.Context) error {
	err := s.do(ctx, func(ctx context.Context) (err error) {
		s.savepoint, err = s.Tx.Begin(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if err = s.do(ctx, s.describe); err != nil {
		s.close(ctx)
	}
	return err
}

func (s *source) describe(ctx context.Context) error {
	if err := Print(ctx, s.savepoint); err != nil {
		return err
	}
	var exists bool
	err := s.savepoint.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", pgx.QueryExecModeExec, s.Schema).Scan(&exists)
	if err != nil {
		return err
	}
	if !exists {
		return errNoSchema
	}
	if err = SearchIn(ctx, s.savepoint, s.Schema); err != nil {
		return err
	}
	s.tables, err = List(ctx, s.savepoint, s.Schema)
	return err
}

func (s *source) close(ctx context.Context) { Rollback(ctx, s.savepoint) }

func (s *source) failed(table string, err error) error {
	return fmt.Errorf("comparing table %s.%s: %w", s.Schema, table, err)
}

// count counts the rows of a table that the other side does not have.
func (s *source) count(ctx context.Context, r *Table, only Filters) (n int64, err error) {
	where, parameters, err := r.whereSQL(only)
	if err != nil {
		return 0, s.failed(r.name, err)
	}
	err = s.do(ctx, func(ctx context.Context) error {
		sql := "SELECT count(*) FROM " + r.fromSQL(s.Schema) + where
		return s.savepoint.QueryRow(ctx, sql, append([]any{pgx.QueryExecModeExec}, parameters...)...).Scan(&n)
	})
	if err != nil {
		return 0, s.failed(r.name, err)
	}
	return n, nil
}

// The first batch is small. How large the others are follows from the bytes of the one before, but a batch never grows
// more than fourfold: a few small rows before large ones must not make for a huge batch.
const (
	firstBatch = 64
	batchGrows = 4
	batchRows  = 512
	batchBytes = 1 << 20
)

// begin starts to read a table.
func (s *source) begin(ctx context.Context, r *Table, p *pairing, only Filters) error {
	s.table, s.keys, s.ask, s.ended, s.last = r.name, p.keys, firstBatch, false, nil
	s.rows.bounds, s.next = s.rows.bounds[:0], 0
	s.formats = make([]int16, max(len(p.keys), 1)+len(p.columns)) // text
	for i := range max(len(p.keys), 1) {
		s.formats[i] = pgx.BinaryFormatCode
	}
	where, parameters, err := r.whereSQL(only)
	if err != nil {
		return s.failed(r.name, err)
	}
	err = s.do(ctx, func(ctx context.Context) error {
		sql := "DECLARE " + s.cursor + " NO SCROLL CURSOR FOR " + p.selectSQL(s.Schema, r, where)
		_, err := s.savepoint.Exec(ctx, sql, append([]any{pgx.QueryExecModeExec}, parameters...)...)
		return err
	})
	if err != nil {
		return s.failed(r.name, err)
	}
	return nil
}

// head is the row to look at; none after the last one.
func (s *source) head(ctx context.Context) (row, error) {
	if s.next == len(s.rows.bounds) && !s.ended {
		if err := s.fetch(ctx); err != nil {
			return row{}, s.failed(s.table, err)
		}
	}
	if s.next == len(s.rows.bounds) {
		return row{}, nil
	}
	return s.rows.row(s.next), nil
}

func (s *source) advance() { s.next++ }

// fetch reads the next batch, or ends the cursor.
func (s *source) fetch(ctx context.Context) error {
	if s.pace != nil {
		if err := s.pace(ctx); err != nil {
			return err
		}
	}
	if n := len(s.rows.bounds); n > 0 {
		s.last = append(s.last[:0], s.rows.row(n-1).key...)
	}
	s.rows.memory, s.rows.bounds, s.next = s.rows.memory[:0], s.rows.bounds[:0], 0
	err := s.do(ctx, func(ctx context.Context) error {
		sql := fmt.Sprintf("FETCH %d FROM %s", s.ask, s.cursor)
		return s.read(s.savepoint.Conn().PgConn().ExecParams(ctx, sql, nil, nil, nil, s.formats))
	})
	if err != nil {
		return err
	}
	if n := len(s.rows.bounds); n == s.ask {
		fitting := batchBytes / (len(s.rows.memory)/n + 1)
		s.ask = max(1, min(fitting, s.ask*batchGrows, batchRows))
		return nil
	}
	s.ended = true
	return s.do(ctx, func(ctx context.Context) error {
		_, err := s.savepoint.Exec(ctx, "CLOSE "+s.cursor, pgx.QueryExecModeExec)
		return err
	})
}

func (s *source) read(result *pgconn.ResultReader) error {
	var err error
	for result.NextRow() {
		if err == nil { // the rest of the batch is read all the same: the connection goes on after it
			err = s.add(result.Values())
		}
	}
	if _, closed := result.Close(); closed != nil {
		return closed
	}
	return err
}

var errOrder = errors.New("rows do not come in the order of their keys")

// add copies a row into the batch. That it comes after the row before it is checked, because everything rests on it.
func (s *source) add(values [][]byte) error {
	before, memory := s.last, s.rows.memory
	if n := len(s.rows.bounds); n > 0 {
		before = s.rows.row(n - 1).key
	}
	at := bounds{key: len(memory)}
	for _, k := range s.keys {
		memory = appendKey(memory, values[0], k.order)
		values = values[1:]
	}
	if len(s.keys) == 0 {
		memory = append(memory, values[0]...)
		values = values[1:]
	}
	at.values = len(memory)
	for _, v := range values {
		memory = appendCell(memory, v)
	}
	at.end = len(memory)
	order := bytes.Compare(before, memory[at.key:at.values])
	if order > 0 || order == 0 && len(s.keys) > 0 {
		return errOrder
	}
	s.rows.memory, s.rows.bounds = memory, append(s.rows.bounds, at)
	return nil
}

func appendCell(memory, value []byte) []byte {
	if value == nil {
		return AppendNull(memory)
	}
	memory = binary.BigEndian.AppendUint32(memory, uint32(len(value)))
	return append(memory, value...)
}

// appendKey writes a value of a key, in Postgres's binary form, so that the bytes of all values, one after the other,
// have the order of the keys. An integer has eight bytes, whatever its type, and its sign turned around. Others end with
// a zero byte and a one, and a zero byte within is followed by a 255: so a value comes before those that it begins.
func appendKey(memory, value []byte, order keyOrder) []byte {
	if order == orderIntegers {
		n := int64(0)
		switch len(value) {
		case 2:
			n = int64(int16(binary.BigEndian.Uint16(value)))
		case 4:
			n = int64(int32(binary.BigEndian.Uint32(value)))
		case 8:
			n = int64(binary.BigEndian.Uint64(value))
		}
		return binary.BigEndian.AppendUint64(memory, uint64(n)^1<<63)
	}
	for {
		zero := bytes.IndexByte(value, 0)
		if zero < 0 {
			return append(append(memory, value...), 0, 1)
		}
		memory = append(append(memory, value[:zero+1]...), 255)
		value = value[zero+1:]
	}
}

// do runs statements so that the end of ctx stops them but does not break the connection, as pgx would: the server is
// asked to cancel, again and again, until they end or patience does. No request is left under way, to hit a later one.
func (s *source) do(ctx context.Context, statements func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	running, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	ended, quiet := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(quiet)
		interrupt(s.Tx.Conn().PgConn(), ended, abandon)
	})
	err := statements(running)
	close(ended)
	if !stop() {
		<-quiet
		return ctx.Err()
	}
	return err
}

func interrupt(conn *pgconn.PgConn, ended <-chan struct{}, abandon func()) {
	const pause = 50 * time.Millisecond // the request is lost when the statement has not begun yet
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_ = conn.CancelRequest(ctx) // if it cannot be asked, the connection is given up below
		select {
		case <-ended:
			return
		case <-ctx.Done():
			abandon()
			return
		case <-time.After(pause):
		}
	}
}
