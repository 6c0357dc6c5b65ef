package tables

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// String is the comparison for people: a line for each table, and its differences beneath.
func (c Comparison) String() string {
	a, b := c.A, c.B
	if a == b { // in two databases
		a, b = a+" (A)", b+" (B)"
	}
	w := &comparisonText{a: a, b: b}
	verdict := "differ"
	if c.Equal() {
		verdict = "are equal"
	}
	w.linef("%s and %s %s", a, b, verdict)
	for _, d := range c.Tables {
		w.table(d)
	}
	return w.String()
}

// Text is how a table differs, for people, who call the two schemas so.
func (d Difference) Text(a, b string) string {
	text := &comparisonText{a: a, b: b}
	text.table(d)
	return text.String()
}

type comparisonText struct {
	strings.Builder

	a, b string
}

func (w *comparisonText) linef(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

func (w *comparisonText) table(d Difference) {
	r := d.Rows
	switch {
	case d.OnlyIn == "a":
		w.linef("%s: only in %s, %d rows", d.Table, w.a, r.OnlyA)
	case d.OnlyIn == "b":
		w.linef("%s: only in %s, %d rows", d.Table, w.b, r.OnlyB)
	case r.Changed+r.OnlyA+r.OnlyB == 0:
		w.linef("%s: %d rows, all equal", d.Table, r.Equal)
	case d.Whole != "":
		w.linef("%s: %d rows equal, %d only in %s, %d only in %s", d.Table, r.Equal, r.OnlyA, w.a, r.OnlyB, w.b)
	default:
		w.linef("%s: %d rows in both: %d equal, %d changed; %d only in %s, %d only in %s",
			d.Table, r.Both, r.Equal, r.Changed, r.OnlyA, w.a, r.OnlyB, w.b)
	}
	if d.Whole != "" {
		w.linef("  rows are compared as wholes: %s", d.Whole)
	}
	for _, c := range d.Columns {
		w.column(c)
	}
	for _, e := range d.Examples {
		w.example(d, e)
	}
	if more := r.Changed + r.OnlyA + r.OnlyB - int64(len(d.Examples)); more > 0 && d.OnlyIn == "" {
		w.linef("  and %d more", more)
	}
}

func (w *comparisonText) column(c ColumnDifference) {
	switch {
	case c.TypeB == "":
		w.linef("  column %s: only in %s, %s", c.Column, w.a, c.TypeA)
	case c.TypeA == "":
		w.linef("  column %s: only in %s, %s", c.Column, w.b, c.TypeB)
	default:
		w.linef("  column %s: %s in %s, %s in %s", c.Column, c.TypeA, w.a, c.TypeB, w.b)
	}
}

func (w *comparisonText) example(d Difference, e Example) {
	key := make([]string, len(e.Key))
	for i, value := range e.Key {
		key[i] = d.MatchedBy[i] + "=" + plain(value)
	}
	row := strings.Join(key, " ")
	switch e.Kind {
	case RowOnlyA:
		w.linef("  only in %s: %s", w.a, row)
	case RowOnlyB:
		w.linef("  only in %s: %s", w.b, row)
	case RowChanged:
		w.linef("  changed: %s", row)
		for _, v := range e.Values {
			w.linef("    %s: %s → %s", v.Column, plain(v.A), plain(v.B))
		}
	}
}

// String is the example in one line; ∅ is NULL.
func (e Example) String() string {
	value := func(v *string) string {
		if v == nil {
			return "∅"
		}
		return *v
	}
	var line strings.Builder
	line.WriteString(string(e.Kind))
	for _, k := range e.Key {
		line.WriteString("|" + value(k))
	}
	for _, v := range e.Values {
		line.WriteString(" " + v.Column + ":" + value(v.A) + "→" + value(v.B))
	}
	return line.String()
}

// plain is a value as it is, or between quotation marks where it could be misread.
func plain(value *string) string {
	if value == nil {
		return "NULL"
	}
	odd := func(r rune) bool { return r == '"' || r == '=' || unicode.IsSpace(r) || !unicode.IsPrint(r) }
	if *value == "" || *value == "NULL" || strings.ContainsFunc(*value, odd) {
		return strconv.Quote(*value)
	}
	return *value
}

// Values longer than an excerpt are shown from a little before the place where they begin to differ.
const (
	excerptBytes  = 200
	excerptBefore = 20
)

// excerpt copies a value, or what of it is around a place; nil stays nil.
func excerpt(value []byte, at int) *string {
	if value == nil {
		return nil
	}
	if len(value) <= excerptBytes {
		return new(string(value))
	}
	from := max(0, min(at-excerptBefore, len(value)-excerptBytes))
	to := min(from+excerptBytes, len(value))
	for from > 0 && !utf8.RuneStart(value[from]) {
		from--
	}
	for to < len(value) && !utf8.RuneStart(value[to]) {
		to++
	}
	text := string(value[from:to])
	if from > 0 {
		text = "…" + text
	}
	if to < len(value) {
		text += "…"
	}
	return &text
}

func sharedPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
