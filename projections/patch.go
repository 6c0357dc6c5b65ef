package projections

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"daybook/projections/tables"
)

// PatchTable holds one row per key. Changes of one key within a batch are merged, in order, before anything is written.
type PatchTable[R any] struct {
	scratch *R
	rows    *patchRows
}

// Patch defines a keyed table. Fields tagged `db:"column,key"` are the key, and the table needs a primary key or unique
// index on exactly those columns; every other field is a pointer or a slice, so that nil can mean "leave it", and its
// column may be NULL or has a default.
func Patch[R any](p *Projection, name string) *PatchTable[R] {
	scratch := new(R)
	rows := &patchRows{
		layout: newLayout(p, name, reflect.ValueOf(scratch).Elem()),
		index:  map[string]int{}, upserts: map[uint64]string{}, carefully: map[uint64]string{},
	}
	rows.partial = true
	for i := range rows.columns {
		c := &rows.columns[i]
		switch {
		case c.key && nilable(c.value.Type()):
			p.misusedf("table %s: field %s is part of the key and must not be nilable", name, c.field)
		case !c.key && !nilable(c.value.Type()):
			p.misusedf("table %s: field %s must be a pointer or a slice, so that nil can mean unchanged", name, c.field)
		}
	}
	if len(rows.keys) == 0 {
		p.misusedf(`table %s: no field is tagged db:"column,key"`, name)
	}
	if len(rows.columns) > 63 {
		p.misusedf("table %s: more than 63 fields", name)
	}
	p.register(name, rows)
	return &PatchTable[R]{scratch, rows}
}

// Set writes the key and the fields that are not nil, and leaves the other columns as they are. A row that is not there
// is inserted.
func (t *PatchTable[R]) Set(row R) error {
	*t.scratch = row
	return t.rows.set()
}

// Clear writes NULL to the named columns of the row with this row's key. Like Set, it inserts a row that is not there.
func (t *PatchTable[R]) Clear(key R, columns ...string) error {
	*t.scratch = key
	return t.rows.clear(columns)
}

// Remove deletes the row with this row's key, if it is there. A later Set inserts it anew, with nothing left of before.
func (t *PatchTable[R]) Remove(key R) error {
	*t.scratch = key
	p, err := t.rows.patch(everyColumn)
	if err != nil {
		return err
	}
	p.removed, p.present, p.written = true, false, 0
	return nil
}

// patchRows merges the patches of a batch. Values are encoded when they are set; only the last one of a cell is sent.
type patchRows struct {
	*layout

	arena   []byte
	cells   []cell // len(columns) for each patch
	patches []patch
	index   map[string]int // encoded key → patch

	upserts   map[uint64]string // by the set of columns written
	carefully map[uint64]string // the same
	deleteSQL string
	arrays    arrays
	keyBuffer []byte
}

// patch is what becomes of one key: perhaps removed, then perhaps present with some columns written.
type patch struct {
	key     string
	round   int    // how many patches of the key are before this one
	cells   int    // index of its first cell
	written uint64 // bit i: column i, key columns not counted
	removed bool
	present bool

	event  int    // the last one that changed it
	made   uint64 // columns that Postgres would judge after that event
	before uint64 // and after those before it
}

// turn notes that an event is at work.
func (p *patch) turn(event int) {
	if p.event != event {
		p.event, p.before, p.made = event, p.before|p.made, 0
	}
}

// cell is a place in the arena.
type cell struct{ from, to int }

// patch finds the patch for the key in the scratch row, or makes one: also where the change of some columns would hide what
// an earlier event has made of them.
func (t *patchRows) patch(changed uint64) (*patch, error) {
	if err := t.admit(); err != nil {
		return nil, err
	}
	key, err := t.encodeKey(t.keyBuffer[:0])
	if err != nil {
		return nil, err
	}
	t.keyBuffer = key
	round := 0
	if at, known := t.index[string(key)]; known {
		p := &t.patches[at]
		if p.turn(t.of.nth); !t.rules.hide(p.before, changed) {
			return p, nil
		}
		round = p.round + 1
	}
	p := patch{key: string(key), round: round, cells: len(t.cells), event: t.of.nth}
	t.index[p.key] = len(t.patches)
	t.patches = append(t.patches, p)
	t.cells = append(t.cells, make([]cell, len(t.columns))...)
	return &t.patches[len(t.patches)-1], nil
}

// becomes notes that the row is there, perhaps since now, with what was written to it.
func (p *patch) becomes(written uint64) {
	if p.made |= written; !p.present {
		p.made |= created
	}
	p.present = true
}

func (t *patchRows) set() error {
	written := t.setOf(func(c *column) bool { return !c.key && !c.value.IsNil() })
	p, err := t.patch(written)
	if err != nil {
		return err
	}
	var null uint64
	for i := range t.columns {
		c := &t.columns[i]
		if c.key || c.value.IsNil() {
			continue
		}
		from := len(t.arena)
		arena, err := c.encode(t.arena)
		if err != nil {
			return t.failed(c, err)
		}
		t.arena = arena
		t.write(p, i, from)
		if tables.IsNull(arena[from:]) {
			null |= 1 << i
		}
	}
	p.becomes(written &^ (t.rules.notNull &^ null))
	return nil
}

func (t *patchRows) clear(columns []string) error {
	for _, name := range columns {
		if !slices.ContainsFunc(t.columns, func(c column) bool { return c.name == name && !c.key }) {
			return fmt.Errorf("table %s: clearing %q, which is no column outside the key", t.name, name)
		}
	}
	written := t.setOf(func(c *column) bool { return slices.Contains(columns, c.name) })
	p, err := t.patch(written)
	if err != nil {
		return err
	}
	for i := range t.columns {
		if written&(1<<i) == 0 {
			continue
		}
		from := len(t.arena)
		t.arena = tables.AppendNull(t.arena)
		t.write(p, i, from)
	}
	p.becomes(written)
	return nil
}

// write notes the last value in the arena, which began at from, as column i of p.
func (t *patchRows) write(p *patch, i, from int) {
	t.cells[p.cells+i] = cell{from, len(t.arena)}
	p.written |= 1 << i
}

func (t *patchRows) pending() bool { return len(t.patches) > 0 }

func (t *patchRows) reset() {
	t.arena, t.cells, t.patches = t.arena[:0], t.cells[:0], t.patches[:0]
	clear(t.index)
}

// flush writes round after round. Keys are sorted: neighbours in the index are touched together, and workers lock rows
// in one order.
func (t *patchRows) flush(w *work, careful bool) {
	slices.SortFunc(t.patches, func(a, b patch) int { return cmp.Or(cmp.Compare(a.round, b.round), cmp.Compare(a.key, b.key)) })
	for from, to := 0, 0; from < len(t.patches); from = to {
		for to < len(t.patches) && t.patches[to].round == t.patches[from].round {
			to++
		}
		t.flushRound(w, from, to, careful)
	}
}

// flushRound deletes what was removed, then upserts, in one statement for each set of columns.
func (t *patchRows) flushRound(w *work, from, to int, careful bool) {
	bySet := map[uint64][]int{}
	var removed []int
	for i := from; i < to; i++ {
		p := &t.patches[i]
		if p.removed {
			removed = append(removed, i)
		}
		if p.present {
			bySet[p.written] = append(bySet[p.written], i)
		}
	}
	if len(removed) > 0 {
		*w = append(*w, statement{sql: t.deleteSQL, params: t.gather(removed, 0)})
	}
	for _, written := range slices.Sorted(maps.Keys(bySet)) {
		sql := t.upsert(written)
		if careful {
			sql = t.carefulUpsert(written)
		}
		*w = append(*w, statement{sql: sql, params: t.gather(bySet[written], written)})
	}
}

// gather builds the arrays of the key columns and the written ones.
func (t *patchRows) gather(which []int, written uint64) [][]byte {
	t.arrays.begin(t.columns, len(which), t.within(written))
	for _, at := range which {
		p := &t.patches[at]
		key := p.key
		for _, i := range t.keys {
			size := tables.CellSize(key)
			t.arrays.columns[i] = append(t.arrays.columns[i], key[:size]...)
			key = key[size:]
		}
		for i := range t.columns {
			if written&(1<<i) != 0 {
				place := t.cells[p.cells+i]
				t.arrays.add(i, t.arena[place.from:place.to])
			}
		}
	}
	return t.arrays.params()
}

// within tells the columns that a statement names: the key and the written ones.
func (t *patchRows) within(written uint64) func(int) bool {
	return func(i int) bool { return t.columns[i].key || written&(1<<i) != 0 }
}

// upsert returns the statement for a set of columns. It shows constraints every row as if it were new, even one that is
// there and satisfies them.
func (t *patchRows) upsert(written uint64) string {
	if sql, ok := t.upserts[written]; ok {
		return sql
	}
	sql := t.insert(written, fmt.Sprintf("SELECT * FROM unnest(%s)", t.parameters(t.within(written))))
	t.upserts[written] = sql
	return sql
}

// carefulUpsert returns the statement that shows them rows as they become.
func (t *patchRows) carefulUpsert(written uint64) string {
	if sql, ok := t.carefully[written]; ok {
		return sql
	}
	keys := t.identifiers(func(i int) bool { return t.columns[i].key })
	there := fmt.Sprintf("SELECT %s FROM %s JOIN given USING (%[1]s)", list("", keys), t.table)
	if assignments := t.assignments(written, "given."); assignments != "" {
		var matches []string
		for _, k := range keys {
			matches = append(matches, "t."+k+" = given."+k)
		}
		there = fmt.Sprintf("UPDATE %s t SET %s FROM given WHERE %s RETURNING %s", t.table, assignments,
			strings.Join(matches, " AND "), list("t.", keys))
	}
	sql := fmt.Sprintf("WITH given (%s) AS (SELECT * FROM unnest(%s)), there AS (%s) ", list("", t.identifiers(t.within(written))),
		t.parameters(t.within(written)), there) +
		t.insert(written, fmt.Sprintf("SELECT * FROM given WHERE (%s) NOT IN (TABLE there)", list("", keys)))
	t.carefully[written] = sql
	return sql
}

// insert inserts the rows of a query, or writes to those that are there.
func (t *patchRows) insert(written uint64, query string) string {
	action := "NOTHING"
	if assignments := t.assignments(written, "EXCLUDED."); assignments != "" {
		action = "UPDATE SET " + assignments
	}
	return fmt.Sprintf("INSERT INTO %s (%s) %s ON CONFLICT (%s) DO %s", t.table, list("", t.identifiers(t.within(written))),
		query, list("", t.identifiers(func(i int) bool { return t.columns[i].key })), action)
}

// assignments are those of a set of columns, from the columns of the same names after a prefix.
func (t *patchRows) assignments(written uint64, prefix string) string {
	var out []string
	for _, c := range t.identifiers(func(i int) bool { return written&(1<<i) != 0 }) {
		out = append(out, c+" = "+prefix+c)
	}
	return strings.Join(out, ", ")
}

// prepareSQL writes the statements, once the columns' types are known.
func (t *patchRows) prepareSQL() {
	clear(t.upserts)
	clear(t.carefully)
	keys := t.identifiers(func(i int) bool { return t.columns[i].key })
	var matches []string
	for _, k := range keys {
		matches = append(matches, "t."+k+" = k."+k)
	}
	t.deleteSQL = fmt.Sprintf("DELETE FROM %s t USING unnest(%s) AS k (%s) WHERE %s", t.table,
		t.parameters(t.within(0)), strings.Join(keys, ", "), strings.Join(matches, " AND "))
}

// everything is the set of all columns outside the key.
func (t *patchRows) everything() (written uint64) {
	for i := range t.columns {
		if !t.columns[i].key {
			written |= 1 << i
		}
	}
	return written
}
