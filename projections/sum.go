package projections

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"daybook/projections/tables"
)

// SumTable holds one row of sums per key.
type SumTable[R any] struct {
	scratch *R
	rows    *sumRows
}

// Sum defines a table that numbers are added to: balances, counters. Fields tagged `db:"column,key"` are the key, and
// the table needs a primary key or unique index on exactly those columns; every other field is a signed integer, and its
// column a bigint.
//
// Each batch proves itself: the statement that adds also compares every row it touched with what was there before plus
// what was added. A row that another writer or a trigger changed in between fails the batch. See [From] for the whole.
func Sum[R any](p *Projection, name string, options ...SumOption) *SumTable[R] {
	scratch := new(R)
	rows := &sumRows{layout: newLayout(p, name, reflect.ValueOf(scratch).Elem()), index: map[string]int{}}
	for _, option := range options {
		option(rows)
	}
	for i := range rows.columns {
		c := &rows.columns[i]
		kind := c.value.Kind()
		switch {
		case c.key && nilable(c.value.Type()):
			p.misusedf("table %s: field %s is part of the key and must not be nilable", name, c.field)
		case !c.key && (kind < reflect.Int || kind > reflect.Int64):
			p.misusedf("table %s: field %s is a %s: only signed integers are summed", name, c.field, c.value.Type())
		case !c.key:
			rows.values = append(rows.values, i)
		}
	}
	if len(rows.keys) == 0 {
		p.misusedf(`table %s: no field is tagged db:"column,key"`, name)
	}
	if len(rows.keys) == len(rows.columns) {
		p.misusedf("table %s: every field is part of the key, so there is nothing to sum", name)
	}
	p.register(name, rows)
	return &SumTable[R]{scratch, rows}
}

// SumOption is what may be said of a Sum table.
type SumOption func(*sumRows)

// Add adds the row's numbers to the row with its key; one that is not there begins at zero, and stays when its sums come
// back to zero. A sum that leaves the range of a bigint is an error.
func (t *SumTable[R]) Add(row R) error {
	*t.scratch = row
	return t.rows.add()
}

// sumRows adds up the rows of a batch by key.
type sumRows struct {
	*layout

	values   []int  // columns outside the key
	identity string // empty when none is declared

	sums   []int64 // len(values) for each touched row
	rows   []touched
	index  map[string]int // encoded key → row
	addSQL string
	judged bool // Postgres may refuse what a sum is

	arrays    arrays
	keyBuffer []byte
}

// touched is a row that a batch adds to.
type touched struct {
	key string // encoded
	at  int    // of its first sum

	round int // how many of the key are before this one
	event int // the last one that added to it
}

func (t *sumRows) add() error {
	if err := t.admit(); err != nil {
		return err
	}
	key, err := t.encodeKey(t.keyBuffer[:0])
	if err != nil {
		return err
	}
	t.keyBuffer = key
	sums := t.sums[t.row(key).at:]
	for n, i := range t.values {
		c := &t.columns[i]
		sum, ok := plus(sums[n], c.value.Int())
		if !ok {
			return t.failed(c, fmt.Errorf("%d + %d is out of range", sums[n], c.value.Int()))
		}
		sums[n] = sum
	}
	return nil
}

// row finds the row for a key, or makes one: also where what is added would hide what an earlier event has made of a sum
// that is judged.
func (t *sumRows) row(key []byte) *touched {
	round := 0
	if at, known := t.index[string(key)]; known {
		r := &t.rows[at]
		if r.event == t.of.nth || !t.judged {
			r.event = t.of.nth
			return r
		}
		round = r.round + 1
	}
	r := touched{string(key), len(t.sums), round, t.of.nth}
	t.index[r.key] = len(t.rows)
	t.rows = append(t.rows, r)
	t.sums = append(t.sums, make([]int64, len(t.values))...)
	return &t.rows[len(t.rows)-1]
}

// plus is exact or not ok.
func plus(a, b int64) (sum int64, ok bool) {
	sum = a + b
	return sum, (sum > a) == (b > 0)
}

func (t *sumRows) pending() bool { return len(t.rows) > 0 }

func (t *sumRows) reset() {
	t.sums, t.rows = t.sums[:0], t.rows[:0]
	clear(t.index)
}

// flush adds in one statement, or in one for each round. Keys are sorted: neighbours in the index are touched together, and writers lock rows in
// one order.
func (t *sumRows) flush(w *work, _ bool) {
	slices.SortFunc(t.rows, func(a, b touched) int { return cmp.Or(cmp.Compare(a.round, b.round), cmp.Compare(a.key, b.key)) })
	for rows := t.rows; len(rows) > 0; {
		n := slices.IndexFunc(rows, func(r touched) bool { return r.round > rows[0].round })
		if n < 0 {
			n = len(rows)
		}
		*w = append(*w, statement{sql: t.addSQL, params: t.gather(rows[:n])})
		rows = rows[n:]
	}
}

// gather builds the arrays of all columns.
func (t *sumRows) gather(rows []touched) [][]byte {
	t.arrays.begin(t.columns, len(rows), func(int) bool { return true })
	for _, r := range rows {
		key := r.key
		for _, i := range t.keys {
			size := tables.CellSize(key)
			t.arrays.columns[i] = append(t.arrays.columns[i], key[:size]...)
			key = key[size:]
		}
		for n, i := range t.values {
			array := binary.BigEndian.AppendUint32(t.arrays.columns[i], 8)
			t.arrays.columns[i] = binary.BigEndian.AppendUint64(array, uint64(t.sums[r.at+n]))
		}
	}
	return t.arrays.params()
}

// proof adds a batch, and fails with a row for which old + batch = new does not hold: there is none, unless somebody else
// writes. All parts of a statement see one snapshot, that of its begin: "old" is what was there before. "added" is what
// the statement itself wrote, over the newest version of a row, with the work of triggers before it. Only what was not
// there is inserted, so that constraints judge sums, and not what is added to them.
const proof = `
	WITH batch (%[2]s) AS (SELECT * FROM unnest(%[3]s)),
	old AS (SELECT %[4]s FROM batch JOIN %[1]s t USING (%[5]s)),
	raised AS (UPDATE %[1]s t SET %[12]s FROM batch WHERE %[13]s RETURNING %[4]s),
	made AS (
		INSERT INTO %[1]s AS t (%[2]s) SELECT * FROM batch WHERE (%[5]s) NOT IN (SELECT %[5]s FROM old)
		ON CONFLICT (%[5]s) DO UPDATE SET %[6]s RETURNING %[4]s
	),
	added AS (TABLE raised UNION ALL TABLE made)
	SELECT refuse('` + codeUnproven + `', json_build_array(%[14]s, ROW(%[7]s)::text, ROW(%[8]s)::text, ROW(%[9]s)::text, ROW(%[10]s)::text)::text)
	FROM batch LEFT JOIN old USING (%[5]s) LEFT JOIN added USING (%[5]s)
	WHERE %[11]s LIMIT 1`

// prepareSQL writes the statement, once the columns' types are known.
func (t *sumRows) prepareSQL() {
	all := t.identifiers(func(int) bool { return true })
	keys := t.identifiers(func(i int) bool { return t.columns[i].key })
	values := t.identifiers(func(i int) bool { return !t.columns[i].key })
	var sums, raises, matches, differ []string
	for _, k := range keys {
		matches = append(matches, fmt.Sprintf("t.%[1]s = batch.%[1]s", k))
	}
	for _, v := range values {
		sums = append(sums, fmt.Sprintf("%[1]s = t.%[1]s + EXCLUDED.%[1]s", v))
		raises = append(raises, fmt.Sprintf("%[1]s = t.%[1]s + batch.%[1]s", v))
		differ = append(differ, fmt.Sprintf("added.%[1]s IS DISTINCT FROM coalesce(old.%[1]s, 0) + batch.%[1]s", v))
	}
	t.addSQL = fmt.Sprintf(proof, t.table, list("", all), t.parameters(func(int) bool { return true }), list("t.", all),
		list("", keys), list("", sums), list("batch.", keys), list("old.", values), list("batch.", values),
		list("added.", values), strings.Join(differ, " OR "), list("", raises), strings.Join(matches, " AND "),
		"'"+strings.ReplaceAll(t.name, "'", "''")+"'")
}

// list is an SQL list of columns, each after a prefix.
func list(prefix string, columns []string) string {
	return prefix + strings.Join(columns, ", "+prefix)
}

// ProofError says that a Sum table did not become what it was plus what was added: something else writes to it.
type ProofError struct {
	Table           string
	Key             string // and the rest: as Postgres prints rows
	Old, Added, New string // Old and New without values: there was no such row
}

func (e *ProofError) Error() string {
	return fmt.Sprintf("table %s: row %s was %s, had %s added and became %s: another writer or a trigger changes the table",
		e.Table, e.Key, e.Old, e.Added, e.New)
}
