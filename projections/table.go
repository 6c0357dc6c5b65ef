package projections

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"

	"daybook/projections/tables"
)

// table is one table of a projection: it gathers the rows of a batch and says how they are written.
type table interface {
	tableName() string
	bind(ctx context.Context, tx pgx.Tx, schema string) error
	altered(ctx context.Context, tx pgx.Tx, schema string) (change string, err error) // since it was bound
	flush(w *work, careful bool)
	pending() bool // whether flush writes anything
	reset()
	partitionedBy() (table, field string) // field is empty when it is not
}

// work is what is written, in this order.
type work []statement

type statement struct {
	sql       string
	name      string   // under which it is prepared; empty: a digest of its text
	params    [][]byte // binary
	arguments []any    // what params are made of when they are not made yet
	rows      []byte   // of COPY, in its binary form, without trailer; nil: it is no COPY
}

// column is one field of a row struct and the column it goes to.
type column struct {
	name  string
	field string
	key   bool
	value reflect.Value // the field of the scratch row

	encode encoder // bound when the engine starts
	typ    columnType
}

// layout maps one row struct to one table. The scratch row is why a row costs no reflection: fields are found in it
// once, and every row is copied into it.
type layout struct {
	of      *Projection
	name    string
	columns []column
	keys    []int  // indices into columns
	partial bool   // inserts may leave out columns outside the key
	table   string // quoted, with its schema
	rules   rules

	partition int // index into columns; -1: none
}

// Options of a column of a Patch or Sum table, as in db:"column,key". The partition belongs to the key; see Park.
const (
	keyOption       = "key"
	partitionOption = "partition"
)

func newLayout(p *Projection, name string, scratch reflect.Value) *layout {
	l := &layout{of: p, name: name, partition: -1}
	complain := func(format string, args ...any) {
		p.misusedf("table %s: %s", name, fmt.Sprintf(format, args...))
	}
	if scratch.Kind() != reflect.Struct {
		complain("rows are %s, not structs", scratch.Type())
		return l
	}
	taken := map[string]bool{}
	for field, value := range scratch.Fields() {
		tag, tagged := field.Tag.Lookup("db")
		switch {
		case tag == "-":
			continue
		case field.Anonymous:
			complain("field %s is embedded: write its fields out", field.Name)
			continue
		case !field.IsExported() && tagged:
			complain("field %s has the tag db:%q but is not exported, so it cannot be written", field.Name, tag)
			continue
		case !field.IsExported():
			continue
		}
		columnName, option, _ := strings.Cut(tag, ",")
		isKey := option == keyOption || option == partitionOption
		switch {
		case !tagged || columnName == "":
			complain(`field %s has no tag db:"column"`, field.Name)
		case option != "" && !isKey:
			complain("field %s has the unknown tag option %q", field.Name, option)
		case taken[columnName]:
			complain("field %s: column %s is taken by another field", field.Name, columnName)
		case option == partitionOption && l.partition >= 0:
			complain("field %s: there is one partition already", field.Name)
		}
		taken[columnName] = true
		if option == partitionOption {
			l.partition = len(l.columns)
		}
		if isKey {
			l.keys = append(l.keys, len(l.columns))
		}
		l.columns = append(l.columns, column{name: columnName, field: field.Name, key: isKey, value: value})
	}
	return l
}

func (l *layout) has(columnName string) bool {
	for i := range l.columns {
		if l.columns[i].name == columnName {
			return true
		}
	}
	return false
}

// register adds a table to its projection, once.
func (p *Projection) register(name string, t table) {
	for _, other := range p.tables {
		if other.tableName() == name {
			p.misusedf("table %s is defined twice", name)
		}
	}
	p.tables = append(p.tables, t)
}

func (l *layout) tableName() string { return l.name }

func (l *layout) partitionedBy() (table, field string) {
	if l.partition >= 0 {
		field = l.columns[l.partition].field
	}
	return l.name, field
}

// encodeKey appends the key of the scratch row. Postgres finds no row by NULL.
func (l *layout) encodeKey(buffer []byte) ([]byte, error) {
	for _, i := range l.keys {
		c, at := &l.columns[i], len(buffer)
		var err error
		if buffer, err = c.encode(buffer); err == nil && tables.IsNull(buffer[at:]) {
			err = errors.New("the key cannot be NULL")
		}
		if err != nil {
			return nil, l.failed(c, err)
		}
	}
	return buffer, nil
}

// admit lets the handler at work write a row, and no other.
func (l *layout) admit() error {
	if l.of.at == nil {
		return fmt.Errorf("table %s: the row comes from no handler at work in its build: each call of the definition has to make "+
			"tables and handlers of its own, so keep no table in a package variable, and write rows before the handler returns", l.name)
	}
	l.meet()
	return nil
}

// failed names the column that a row could not be written to.
func (l *layout) failed(c *column, err error) error {
	return fmt.Errorf("table %s: field %s for column %s: %w", l.name, c.field, c.name, err)
}

// identifiers quotes the columns that want says, for SQL lists.
func (l *layout) identifiers(want func(int) bool) []string {
	var out []string
	for i := range l.columns {
		if want(i) {
			out = append(out, pgx.Identifier{l.columns[i].name}.Sanitize())
		}
	}
	return out
}

func nilable(t reflect.Type) bool { return t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice }
