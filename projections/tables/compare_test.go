package tables_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/projections/tables"
)

// schemas are two schemas of one database, each with connections of its own.
type schemas struct {
	t    testing.TB
	a, b *pgxpool.Pool
	// names
	inA, inB string
}

func twoSchemas(t testing.TB) *schemas {
	t.Helper()
	s := &schemas{t: t, a: pgtest.Pool(t), b: pgtest.Pool(t)}
	require.NoError(t, s.a.QueryRow(t.Context(), "SELECT current_schema()").Scan(&s.inA))
	require.NoError(t, s.b.QueryRow(t.Context(), "SELECT current_schema()").Scan(&s.inB))
	return s
}

func (s *schemas) execute(pool *pgxpool.Pool, sql string) {
	s.t.Helper()
	_, err := pool.Exec(s.t.Context(), sql)
	require.NoError(s.t, err)
}

func (s *schemas) both(sql string) {
	s.t.Helper()
	s.execute(s.a, sql)
	s.execute(s.b, sql)
}

// begin opens a transaction that ends with the test at the latest.
func begin(t testing.TB, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	return tx
}

func (s *schemas) try(only tables.Filters) (tables.Comparison, tables.Held, error) {
	s.t.Helper()
	a, b := begin(s.t, s.a), begin(s.t, s.b)
	defer a.Rollback(s.t.Context())
	defer b.Rollback(s.t.Context())
	return tables.CompareHeld(s.t.Context(), tables.Side{Tx: a, Schema: s.inA}, tables.Side{Tx: b, Schema: s.inB}, tables.Options{Only: only})
}

func (s *schemas) compare() tables.Comparison {
	s.t.Helper()
	out, _, err := s.try(nil)
	require.NoError(s.t, err)
	return out
}

// text is the comparison for people, with the schemas called live and rebuilt.
func (s *schemas) text(c tables.Comparison) string {
	return strings.NewReplacer(s.inA, "live", s.inB, "rebuilt").Replace(c.String())
}

func examples(d tables.Difference) []string {
	out := []string{}
	for _, e := range d.Examples {
		out = append(out, e.String())
	}
	return out
}

func TestCompareTellsPeople(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both(`CREATE TABLE equals (k int PRIMARY KEY); INSERT INTO equals VALUES (1), (2);
		CREATE TABLE empty ();
		CREATE VIEW viewed AS SELECT * FROM equals;
		CREATE SEQUENCE counted`)
	s.execute(s.a, `CREATE TABLE rows (k int, part text, v text, old int DEFAULT 1, PRIMARY KEY (part, k));
		INSERT INTO rows VALUES (1, 'a b', NULL), (2, 'x', 'same'), (3, 'x', 'gone'), (4, 'x', 'v');
		CREATE TABLE wholes (n int, v text);
		INSERT INTO wholes VALUES (1, 'a'), (1, 'a'), (2, NULL);
		CREATE TABLE dropped (k int); INSERT INTO dropped VALUES (7);
		CREATE TABLE rekeyed (k int PRIMARY KEY, n int NOT NULL); INSERT INTO rekeyed VALUES (1, 2)`)
	s.execute(s.b, `CREATE TABLE rows (fresh int, k bigint, part text, v text, PRIMARY KEY (k, part));
		INSERT INTO rows (k, part, v) VALUES (1, 'a b', ''), (2, 'x', 'same'), (4, 'x', 'w'), (5, 'x', NULL);
		CREATE TABLE wholes (n int, v text);
		INSERT INTO wholes VALUES (1, 'a'), (2, '');
		CREATE TABLE added (k int);
		CREATE TABLE rekeyed (k int, n int PRIMARY KEY); INSERT INTO rekeyed VALUES (1, 2)`)
	c := s.compare()
	require.False(t, c.Equal())
	wholes := []string{"  only in live: n=1 v=a", "  only in live: n=2 v=NULL", `  only in rebuilt: n=2 v=""`}
	text := s.text(c)
	for _, line := range wholes { // in the order of a digest
		require.Contains(t, text, line+"\n")
		text = strings.Replace(text, line+"\n", "", 1)
	}
	require.Equal(t, `live and rebuilt differ
added: only in rebuilt, 0 rows
dropped: only in live, 1 rows
empty: 0 rows, all equal
  rows are compared as wholes: no primary key
equals: 2 rows, all equal
rekeyed: 1 rows, all equal
  rows are compared as wholes: the primary key is (k) in one and (n) in the other
rows: 3 rows in both: 1 equal, 2 changed; 1 only in live, 1 only in rebuilt
  column fresh: only in rebuilt, integer
  column k: integer in live, bigint in rebuilt
  column old: only in live, integer
  changed: part="a b" k=1
    v: NULL → ""
  only in live: part=x k=3
  changed: part=x k=4
    v: v → w
  only in rebuilt: part=x k=5
wholes: 1 rows equal, 2 only in live, 1 only in rebuilt
  rows are compared as wholes: no primary key
`, text)
	data, err := json.Marshal(c.Tables[5])
	require.NoError(t, err)
	require.JSONEq(t, `{"table": "rows", "matched_by": ["part", "k"],
		"columns": [{"column": "fresh", "type_b": "integer"}, {"column": "k", "type_a": "integer", "type_b": "bigint"},
			{"column": "old", "type_a": "integer"}],
		"rows": {"both": 3, "equal": 1, "changed": 2, "only_a": 1, "only_b": 1},
		"examples": [
			{"kind": "changed", "key": ["a b", "1"], "values": [{"column": "v", "a": null, "b": ""}]},
			{"kind": "only_a", "key": ["x", "3"]},
			{"kind": "changed", "key": ["x", "4"], "values": [{"column": "v", "a": "v", "b": "w"}]},
			{"kind": "only_b", "key": ["x", "5"]}]}`, string(data))
}

// TestCompareTellsOtherTypes: another type alone is told, and is no difference. A type of the schema's own is the same in
// the other schema, whatever the search path of the transaction.
func TestCompareTellsOtherTypes(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both(`CREATE TYPE kind AS ENUM ('in', 'out'); CREATE TABLE kinds (k kind PRIMARY KEY); INSERT INTO kinds VALUES ('out'), ('in')`)
	s.execute(s.a, "CREATE TABLE rows (k int PRIMARY KEY, v json); INSERT INTO rows VALUES (-2, '{\"a\": 1}'), (10, NULL), (9, NULL)")
	s.execute(s.b, "CREATE TABLE rows (k text PRIMARY KEY, v jsonb); INSERT INTO rows VALUES (-2, '{\"a\": 1}'), (10, NULL), (9, NULL)")
	tx := begin(t, s.a)
	c, err := tables.Compare(t.Context(), tables.Side{Tx: tx, Schema: s.inA}, tables.Side{Tx: tx, Schema: s.inB}, tables.Options{})
	require.NoError(t, err)
	require.True(t, c.Equal())
	require.Equal(t, `live and rebuilt are equal
kinds: 2 rows, all equal
rows: 3 rows, all equal
  column k: integer in live, text in rebuilt
  column v: json in live, jsonb in rebuilt
`, s.text(c))
}

// TestCompareReadsEveryKindOfTable: partitions once, children apart, generated columns like others.
func TestCompareReadsEveryKindOfTable(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both(`CREATE TABLE "Parts" (k int, "at" timestamptz, PRIMARY KEY (k, "at")) PARTITION BY RANGE (k);
		CREATE TABLE parts_1 PARTITION OF "Parts" FOR VALUES FROM (0) TO (10);
		CREATE TABLE parts_2 PARTITION OF "Parts" FOR VALUES FROM (10) TO (20);
		INSERT INTO "Parts" VALUES (1, '2026-01-01Z'), (11, 'infinity'), (2, '0044-03-15Z BC');
		CREATE TABLE parent (k int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (k)) INHERITS (parent);
		INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1), (2);
		CREATE TABLE made (k int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2) STORED);
		INSERT INTO made (v) VALUES (1), (2)`)
	c := s.compare()
	require.True(t, c.Equal(), c.String())
	require.Equal(t, "live and rebuilt are equal\nParts: 3 rows, all equal\nchild: 2 rows, all equal\n"+
		"made: 2 rows, all equal\nparent: 1 rows, all equal\n", s.text(c))
	s.execute(s.b, "UPDATE made SET v = 3 WHERE k = 2")
	require.Equal(t, []string{"changed|2 twice:4→6 v:2→3"}, examples(s.compare().Tables[2]))
}

func TestCompareShowsTheFirstExamples(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both("CREATE TABLE rows (k int PRIMARY KEY, v text)")
	s.execute(s.a, "INSERT INTO rows SELECT n, 'v' FROM generate_series(1, 100) n")
	d := s.compare().Tables[0]
	require.Len(t, d.Examples, 20)
	require.Equal(t, "only_a|20", d.Examples[19].String())
	require.Contains(t, s.compare().String(), "\n  and 80 more\n")
}

// TestCompareCutsLongValues around the place where they differ, between characters.
func TestCompareCutsLongValues(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both("CREATE TABLE rows (k int PRIMARY KEY, v text)")
	s.execute(s.a, "INSERT INTO rows VALUES (1, repeat('ä', 5000) || 'left' || repeat('€', 5000))")
	s.execute(s.b, "INSERT INTO rows VALUES (1, repeat('ä', 5000) || 'right' || repeat('€', 5000))")
	v := s.compare().Tables[0].Examples[0].Values[0]
	require.Regexp(t, "^…ä{10}left€{50,60}…$", *v.A)
	require.Regexp(t, "^…ä{10}right€{50,60}…$", *v.B)
	s.execute(s.b, "UPDATE rows SET v = 'short'")
	v = s.compare().Tables[0].Examples[0].Values[0]
	require.Regexp(t, "^ä{100}…$", *v.A)
	require.Equal(t, "short", *v.B)
}

// TestCompareDoesNotDependOnSessions: they print times, floats and bytes as they please.
func TestCompareDoesNotDependOnSessions(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both(`CREATE TABLE rows ("at" timestamptz PRIMARY KEY, n float8, b bytea, i interval, d date);
		INSERT INTO rows VALUES ('2026-07-01 12:00Z', 0.1::float8 + 0.2, '\x00ff', '1 year 2 days', '2026-01-02')`)
	a, b := begin(t, s.a), begin(t, s.b)
	_, err := a.Exec(t.Context(), `SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET extra_float_digits = 0;
		SET bytea_output = 'escape'; SET IntervalStyle = 'iso_8601'`)
	require.NoError(t, err)
	c, err := tables.Compare(t.Context(), tables.Side{Tx: a, Schema: s.inA}, tables.Side{Tx: b, Schema: s.inB}, tables.Options{})
	require.NoError(t, err)
	require.True(t, c.Equal(), c.String())
	var zone, path string
	require.NoError(t, a.QueryRow(t.Context(), "SELECT current_setting('TimeZone'), current_schema()").Scan(&zone, &path))
	require.Equal(t, "Asia/Tokyo", zone, "the session is as it was")
	require.Equal(t, s.inA, path)
}

// TestCompareTwoSnapshots: of one schema, before and after a change.
func TestCompareTwoSnapshots(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.execute(s.a, "CREATE TABLE rows (k int PRIMARY KEY, v text); INSERT INTO rows VALUES (1, 'a'), (2, 'b')")
	before := begin(t, s.a)
	_, err := before.Exec(t.Context(), "SELECT FROM rows")
	require.NoError(t, err)
	s.execute(s.a, "UPDATE rows SET v = 'c' WHERE k = 2")
	c, err := tables.Compare(t.Context(),
		tables.Side{Tx: before, Schema: s.inA}, tables.Side{Tx: begin(t, s.a), Schema: s.inA}, tables.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"changed|2 v:b→c"}, examples(c.Tables[0]))
	require.Contains(t, c.String(), s.inA+" (A) and "+s.inA+" (B) differ\n")
}

// TestCompareInOneTransaction: both sides may be read through one connection.
func TestCompareInOneTransaction(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both("CREATE TABLE rows (k int PRIMARY KEY, v text); INSERT INTO rows SELECT n, 'v' FROM generate_series(1, 5000) n")
	s.execute(s.b, "DELETE FROM rows WHERE k = 4000")
	tx := begin(t, s.a)
	for range 2 {
		c, err := tables.Compare(t.Context(), tables.Side{Tx: tx, Schema: s.inA}, tables.Side{Tx: tx, Schema: s.inB}, tables.Options{})
		require.NoError(t, err)
		require.Equal(t, tables.RowCounts{Both: 4999, Equal: 4999, OnlyA: 1}, c.Tables[0].Rows)
		require.Equal(t, []string{"only_a|4000"}, examples(c.Tables[0]))
	}
}

func TestCompareOnlySomeRows(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both(`CREATE TYPE kind AS ENUM ('in', 'out');
		CREATE TABLE rows (k int PRIMARY KEY, account uuid, part char(3), kind kind, v text);
		INSERT INTO rows SELECT n, md5((n % 10)::text)::uuid, n % 10, 'in', 'v' FROM generate_series(1, 100) n`)
	s.execute(s.b, "UPDATE rows SET v = 'w' WHERE k IN (21, 35, 77)")
	s.execute(s.a, "CREATE TABLE gone (k int); INSERT INTO gone VALUES (1), (2)")
	account := func(n int) (out string) {
		require.NoError(t, s.a.QueryRow(t.Context(), "SELECT account FROM rows WHERE k = $1", n).Scan(&out))
		return out
	}
	for want, only := range map[string]tables.Filter{
		"changed|21 v:v→w changed|77 v:v→w":                  {Column: "account", Values: []string{account(1), account(7)}},
		"changed|35 v:v→w":                                   {Column: "part", Values: []string{"5", "6"}},
		"changed|21 v:v→w changed|35 v:v→w changed|77 v:v→w": {Column: "kind", Values: []string{"in"}},
		"": {Column: "k", Values: nil},
		"changed|21 v:v→w changed|35 v:v→w changed|77 v:v→w ": {Column: "k", Values: []string{"21", "35", "77", "36"}},
	} {
		c, _, err := s.try(tables.Filters{"rows": only, "gone": {Column: "k", Values: []string{"2"}}})
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(want), strings.Join(examples(c.Tables[1]), " "))
		require.EqualValues(t, 1, c.Tables[0].Rows.OnlyA)
	}
}

func TestCompareNamesWhatFails(t *testing.T) {
	t.Parallel()
	s := twoSchemas(t)
	s.both("CREATE TABLE rows (k int PRIMARY KEY)")
	s.execute(s.a, "CREATE TABLE more (n int)")
	for want, only := range map[string]tables.Filters{
		fmt.Sprintf("comparing table %s.rows: there is no column x to filter by", s.inA):                        {"rows": {Column: "x"}},
		fmt.Sprintf("comparing table %s.more: there is no column x to filter by", s.inA):                        {"more": {Column: "x"}},
		fmt.Sprintf("comparing table %s.rows: ERROR: invalid input syntax for type integer", s.inA):             {"rows": {Column: "k", Values: []string{"x"}}},
		fmt.Sprintf("comparing schemas %s and %s: neither has table other, which a filter names", s.inA, s.inB): {"other": {Column: "k"}},
	} {
		_, _, err := s.try(only)
		require.ErrorContains(t, err, want)
	}
	a, b := begin(t, s.a), begin(t, s.b)
	_, err := tables.Compare(t.Context(), tables.Side{Tx: a, Schema: s.inA}, tables.Side{Tx: b, Schema: "nowhere"}, tables.Options{})
	require.EqualError(t, err, "comparing schema nowhere: there is no such schema")
	_, err = a.Exec(t.Context(), "SELECT")
	require.NoError(t, err)
}
