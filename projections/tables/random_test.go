package tables_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/projections/tables"
)

// printed is a type on either side, with values in the way Postgres prints them on both.
type printed struct {
	a, b   string
	values []string
}

// Keys that are sorted in as many ways as there are collations, and one that begins another.
var traps = []string{"a", "B", "ä", "-", "a b", "", "A", "ab", "b", "Z", "é", "e\u0301", "😀", "\uFFFD", "a-b", "~", "a\x01", "NULL", "ß", "ss"}

var (
	numbers  = []string{"-32768", "-1", "0", "1", "9", "10", "256", "32767"}
	uuids    = []string{"00000000-0000-0000-0000-000000000000", "00ff0000-0000-0000-0000-000000000001", "7fffffff-0000-0000-0000-000000000000", "80000000-0000-0000-0000-000000000000"}
	days     = []string{"-infinity", "0044-03-15 BC", "0001-01-01", "1999-12-31", "2026-01-01", "12345-01-01", "infinity"}
	anything = []printed{
		{`text COLLATE "und-x-icu"`, "text", traps},
		{`text COLLATE "C"`, `varchar(9) COLLATE "und-x-icu"`, traps},
		{"short", "text", traps},
		{"smallint", "smallint", numbers},
		{"smallint", "bigint", slices.Concat(numbers, []string{"5"})},
		{"integer", "text", numbers},
		{"bigint", "bigint", slices.Concat(numbers, []string{"-9223372036854775808", "9223372036854775807", "-4294967296"})},
		{"numeric", "numeric", slices.Concat(numbers, []string{"NaN", "0.5", "Infinity", "-Infinity", "10000000000.25"})},
		{"double precision", "double precision", []string{"NaN", "-1.5", "1e+300", "0", "Infinity", "-Infinity", "0.1", "10", "9"}},
		{"boolean", "boolean", []string{"t", "f"}},
		{"uuid", "uuid", uuids},
		{"uuid", "text", uuids},
		{"bytea", "bytea", []string{`\x`, `\x00`, `\x0000`, `\x0001`, `\x00ff`, `\x01`, `\x6100`, `\xff`, `\x61`}},
		{"date", "date", days},
		{"date", "text", days},
		{"timestamptz", "timestamptz", []string{"-infinity", "0044-03-15 12:00:00+00 BC", "1999-12-31 23:59:59.9+00",
			"1999-12-31 23:59:59+00", "1999-12-31 23:59:59.91+00", "12345-01-01 00:00:00+00", "infinity"}},
		{"interval", "interval", []string{"1 mon", "-00:00:01", "1 day 00:00:01"}},
		{"kind", "kind", []string{"b", "a", "c"}},
		{"int[]", "bigint[]", []string{"{}", "{1}", "{1,2}", "{10}", "{2}", "{NULL}"}},
		{"jsonb", "jsonb", []string{"{}", "1", `"a"`, "[1, 2]", `{"a": null}`, "null"}},
	}
	onlyValues = []printed{
		{"json", "json", []string{"{}", "{ }", "null", `{"a":1}`}},
		{"text", "text", slices.Concat(traps, []string{strings.Repeat("long ", 30)})},
	}
)

const randomTypes = `CREATE TYPE kind AS ENUM ('b', 'a', 'c'); CREATE DOMAIN short AS varchar(5) COLLATE "und-x-icu"`

func literal(value *string) string {
	if value == nil {
		return "NULL"
	}
	return "'" + strings.ReplaceAll(*value, "'", "''") + "'"
}

// randomTable creates a table on both sides whose columns are c00, c01, …: in another order, and for some of another
// type. The first ones are the key, if there is one; the key of A has them in reverse.
func (s *schemas) randomTable(columns []printed, keys int) {
	var a, b, key []string
	for i, c := range columns {
		name := fmt.Sprintf("c%02d", i)
		a, b = append(a, name+" "+c.a), append(b, name+" "+c.b)
		if i < keys {
			key = append(key, name)
		}
	}
	slices.Reverse(b)
	create := func(columns, key []string) string {
		if len(key) > 0 {
			columns = append(columns, "PRIMARY KEY ("+strings.Join(key, ", ")+")")
		}
		return "DROP TABLE IF EXISTS rows; CREATE TABLE rows (" + strings.Join(columns, ", ") + ")"
	}
	s.execute(s.b, create(b, key))
	slices.Reverse(key)
	s.execute(s.a, create(a, key))
}

// insert writes rows on both sides; where one has no row, it is nil.
func (s *schemas) insert(width int, a, b [][]*string) {
	columns := make([]string, width)
	for i := range columns {
		columns[i] = fmt.Sprintf("c%02d", i)
	}
	statement := func(rows [][]*string) string {
		var out strings.Builder
		out.WriteString("SELECT")
		for _, row := range rows {
			literals := make([]string, len(row))
			for i, v := range row {
				literals[i] = literal(v)
			}
			if row != nil {
				fmt.Fprintf(&out, "; INSERT INTO rows (%s) VALUES (%s)", strings.Join(columns, ", "), strings.Join(literals, ", "))
			}
		}
		return out.String()
	}
	s.execute(s.a, statement(a))
	s.execute(s.b, statement(b))
}

func drawRow(t *rapid.T, columns []printed, keys int) []*string {
	row := make([]*string, len(columns))
	for i, c := range columns {
		row[i] = rapid.Ptr(rapid.SampledFrom(c.values), i >= keys).Draw(t, "value")
	}
	return row
}

func same(a, b *string) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// join writes a row as [example] writes keys, for a map.
func join(values []*string) string { return tables.Example{Key: values}.String() }

// TestCompareFindsExactlyTheEdits: whatever the types of key and values, on one side or on the other.
func TestCompareFindsExactlyTheEdits(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both(randomTypes)
	rapid.Check(t, func(rt *rapid.T) {
		columns := rapid.SliceOfN(rapid.SampledFrom(anything), 1, 3).Draw(rt, "key")
		keys := len(columns)
		columns = append(columns, rapid.SliceOfN(rapid.SampledFrom(slices.Concat(anything, onlyValues)), 0, 3).Draw(rt, "values")...)
		var a, b [][]*string
		want, known := []string{}, map[string]bool{}
		var counts tables.RowCounts
		for range rapid.IntRange(0, 20).Draw(rt, "rows") {
			row := drawRow(rt, columns, keys)
			if known[join(row[:keys])] {
				continue
			}
			known[join(row[:keys])] = true
			left, right := row, slices.Clone(row)
			e := tables.Example{Key: slices.Clone(row[:keys])}
			slices.Reverse(e.Key)
			switch rapid.IntRange(0, 4).Draw(rt, "edit") {
			case 0:
				right, e.Kind = nil, tables.RowOnlyA
				counts.OnlyA++
			case 1:
				left, e.Kind = nil, tables.RowOnlyB
				counts.OnlyB++
			case 2:
				copy(right[keys:], drawRow(rt, columns, keys)[keys:])
				for i := range columns {
					if !same(left[i], right[i]) {
						e.Kind = tables.RowChanged
						e.Values = append(e.Values, tables.ValueDifference{Column: fmt.Sprintf("c%02d", i), A: left[i], B: right[i]})
					}
				}
			}
			if left != nil && right != nil {
				counts.Both++
				counts.Changed += int64(min(len(e.Values), 1))
				counts.Equal += 1 - int64(min(len(e.Values), 1))
			}
			if e.Kind != "" {
				want = append(want, e.String())
			}
			a, b = append(a, left), append(b, right)
		}
		s.randomTable(columns, keys)
		s.insert(len(columns), a, b)
		c, _, err := s.try(nil)
		require.NoError(rt, err)
		d := c.Tables[0]
		require.Equal(rt, counts, d.Rows)
		require.ElementsMatch(rt, want, examples(d))
		require.Len(rt, d.MatchedBy, keys)
	})
}

// TestCompareCountsRowsWithoutKey as often as they are there.
func TestCompareCountsRowsWithoutKey(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both(randomTypes)
	rapid.Check(t, func(rt *rapid.T) {
		columns := rapid.SliceOfN(rapid.SampledFrom(slices.Concat(anything, onlyValues)), 1, 3).Draw(rt, "columns")
		kinds := make([][]*string, 3) // few, so that they are drawn more than once
		for i := range kinds {
			kinds[i] = drawRow(rt, columns, 0)
		}
		row := rapid.SampledFrom(kinds)
		a, b := rapid.SliceOfN(row, 0, 8).Draw(rt, "a"), rapid.SliceOfN(row, 0, 8).Draw(rt, "b")
		more := map[string]int{}
		for _, r := range a {
			more[join(r)]++
		}
		for _, r := range b {
			more[join(r)]--
		}
		want := []string{}
		for r, n := range more {
			for ; n > 0; n-- {
				want = append(want, "only_a"+r)
			}
			for ; n < 0; n++ {
				want = append(want, "only_b"+r)
			}
		}
		s.randomTable(columns, 0)
		s.insert(len(columns), a, b)
		c, _, err := s.try(nil)
		require.NoError(rt, err)
		d := c.Tables[0]
		require.ElementsMatch(rt, want, examples(d))
		require.EqualValues(rt, len(a)-int(d.Rows.OnlyA), d.Rows.Equal)
		require.EqualValues(rt, len(b)-int(d.Rows.OnlyB), d.Rows.Equal)
		require.Zero(rt, d.Rows.Changed)
	})
}

// TestCompareSortsTextByItsBytes: each trap of collations on its own, and all in one order.
func TestCompareSortsTextByItsBytes(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.execute(s.a, `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`)
	s.execute(s.a, `CREATE TABLE rows (k text COLLATE "en-x-icu" PRIMARY KEY, v text COLLATE loose)`)
	s.execute(s.b, `CREATE TABLE rows (k text COLLATE "C" PRIMARY KEY, v text)`)
	want := []string{}
	for i, key := range slices.Sorted(slices.Values(traps)) {
		insert := "INSERT INTO rows VALUES (" + literal(&key) + ", 'x')"
		switch i % 4 {
		case 0:
			s.execute(s.a, insert)
			want = append(want, "only_a|"+key)
		case 1:
			s.execute(s.b, insert)
			want = append(want, "only_b|"+key)
		case 2:
			s.both(insert)
		default:
			s.both(insert)
			s.execute(s.b, "UPDATE rows SET v = 'X' WHERE k = "+literal(&key)) // equal by the loose collation
			want = append(want, "changed|"+key+" v:x→X")
		}
	}
	require.Equal(t, want, examples(s.compare().Tables[0]))
}
