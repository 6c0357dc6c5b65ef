package projections

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"daybook/projections/tables"
)

// AppendTable only ever gains rows.
type AppendTable[R any] struct {
	scratch *R
	rows    *appendRows
}

// Append defines a table that rows are added to, by COPY. Rows carry the stream and revision of the event they come
// from, in columns "stream" and "revision", so that each can be traced and checked: other values are refused.
func Append[R any](p *Projection, name string) *AppendTable[R] {
	scratch := new(R)
	rows := &appendRows{layout: newLayout(p, name, reflect.ValueOf(scratch).Elem())}
	if !rows.has("stream") || !rows.has("revision") {
		p.misusedf("table %s: rows of an Append table need the columns stream and revision", name)
	}
	for _, i := range rows.keys {
		p.misusedf("table %s: field %s is tagged as part of a key, and an Append table has none: its rows are only added", name, rows.columns[i].field)
	}
	rows.reset()
	p.register(name, rows)
	return &AppendTable[R]{scratch, rows}
}

// Add adds a row. Nil pointers and nil slices become NULL.
func (t *AppendTable[R]) Add(row R) error {
	*t.scratch = row
	return t.rows.add()
}

// appendRows holds the rows of a batch, already as COPY wants them.
type appendRows struct {
	*layout

	buffer []byte
	count  int

	copySQL   string
	insertSQL string // empty when rows cannot travel as arrays, because a column is one
	arrays    arrays
}

func (t *appendRows) add() error {
	if err := t.admit(); err != nil {
		return err
	}
	buffer := binary.BigEndian.AppendUint16(t.buffer, uint16(len(t.columns)))
	for i := range t.columns {
		c := &t.columns[i]
		var err error
		if buffer, err = c.encode(buffer); err != nil {
			return t.failed(c, err)
		}
	}
	t.buffer = buffer
	t.count++
	return nil
}

// bindOrigin makes the columns that say where a row comes from refuse anything else. A verification of samples takes a
// stream's rows for what becomes of its events, but for names that Postgres does not store as they are, which may be written
// in any way that no other stream is.
func (t *appendRows) bindOrigin(schema string) error {
	var errs []error
	for i := range t.columns {
		switch c := &t.columns[i]; {
		case c.name == "stream" && (c.typ.base == pgtype.TextOID || c.typ.base == pgtype.VarcharOID || c.typ.base == pgtype.ByteaOID):
			c.encode = t.origin(c.encode, func(value []byte, r *Recorded) bool {
				return string(value) == r.Stream || odd(r.Stream) && odd(string(value))
			})
		case c.name == "stream":
			errs = append(errs, t.misused(schema, "column stream is %s: names of streams are text, varchar or bytea", c.typ.name))
		case c.name == "revision" && (c.typ.base == pgtype.Int8OID || c.typ.base == pgtype.Int4OID || c.typ.base == pgtype.Int2OID):
			c.encode = t.origin(c.encode, func(value []byte, r *Recorded) bool {
				var n uint64
				for _, b := range value {
					n = n<<8 | uint64(b)
				}
				return n == r.Revision && len(value) > 0
			})
		case c.name == "revision":
			errs = append(errs, t.misused(schema, "column revision is %s: revisions are bigint, integer or smallint", c.typ.name))
		}
	}
	return errors.Join(errs...)
}

// origin encodes what has to be the same of a row and of the event at work.
func (t *appendRows) origin(encode encoder, same func(value []byte, r *Recorded) bool) encoder {
	return func(buffer []byte) ([]byte, error) {
		at := len(buffer)
		buffer, err := encode(buffer)
		if r := t.of.at; err == nil && !same(buffer[at+4:], r) {
			err = fmt.Errorf("the event is %s@%d: a row of an Append table has the stream and the revision of the event that adds it; "+
				"what it says of another one belongs in other columns", r.Stream, r.Revision)
		}
		return buffer, err
	}
}

func (t *appendRows) pending() bool { return t.count > 0 }

func (t *appendRows) reset() { t.buffer, t.count = append(t.buffer[:0], copyHeader...), 0 }

// few rows travel as arrays of an INSERT, in the pipeline of the batch's other statements: COPY would cost a lone event
// more round trips.
const few = 32

func (t *appendRows) flush(w *work, _ bool) {
	switch {
	case t.count == 0:
	case t.count <= few && t.insertSQL != "":
		*w = append(*w, statement{sql: t.insertSQL, params: t.columnsOf()})
	default:
		*w = append(*w, statement{sql: t.copySQL, rows: t.buffer})
	}
}

// columnsOf turns the rows on their side.
func (t *appendRows) columnsOf() [][]byte {
	t.arrays.begin(t.columns, t.count, func(int) bool { return true })
	rest := t.buffer[len(copyHeader):]
	for range t.count {
		rest = rest[2:]
		for i := range t.columns {
			size := tables.CellSize(rest)
			t.arrays.add(i, rest[:size])
			rest = rest[size:]
		}
	}
	return t.arrays.params()
}

// prepareSQL writes the statements, once the columns' types are known.
func (t *appendRows) prepareSQL() {
	all := func(int) bool { return true }
	columns := strings.Join(t.identifiers(all), ", ")
	t.copySQL = fmt.Sprintf("COPY %s (%s) FROM STDIN BINARY", t.table, columns)
	if slices.ContainsFunc(t.columns, func(c column) bool { return c.typ.array() }) {
		return
	}
	t.insertSQL = fmt.Sprintf("INSERT INTO %s (%s) SELECT * FROM unnest(%s)", t.table, columns, t.parameters(all))
}
