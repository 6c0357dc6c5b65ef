package projections_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"daybook/projections"
)

// keyed prepares a projection with a Patch and a Sum table, whose key is a column that the schema declares in both.
func keyed[K any](h *house, before, column, after string) error {
	h.t.Helper()
	defer h.exec("DROP SCHEMA IF EXISTS fit_v1 CASCADE; DELETE FROM projections; DELETE FROM checkpoints; DELETE FROM build_numbers")
	type patched struct {
		K K    `db:"k,key"`
		N *int `db:"n"`
	}
	type summed struct {
		K K     `db:"k,key"`
		N int64 `db:"n"`
	}
	p := fitting(before + "; CREATE TABLE patched (k " + column + " PRIMARY KEY, n int);" +
		"CREATE TABLE summed (k " + column + " PRIMARY KEY, n bigint); " + after)
	projections.Patch[patched](p, "patched")
	projections.Sum[summed](p, "summed")
	return h.engine(h.pool, always(p)).Prepare(h.t.Context())
}

const (
	folding = `CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`
	nothing = ""
)

// TestAKeyThatMayBeAnotherIsRefused: what Postgres takes for one, the engine would merge as two.
func TestAKeyThatMayBeAnotherIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	refused := func(err error, why string) {
		t.Helper()
		for _, table := range []string{"patched", "summed"} {
			require.ErrorContains(t, err, "projection fit_v1: table "+table+": field K: column k: a key cannot "+why)
		}
	}
	const domains = "CREATE DOMAIN code AS char(3); CREATE DOMAIN narrower AS code; CREATE DOMAIN second AS timestamptz(0); CREATE DOMAIN exact AS second; "
	const makeText = ", of which Postgres takes different values for one: make it text, uuid, an integer, "
	const leaveOut = ", to which Postgres cuts or rounds different values into one: leave out the length or precision, and demand it by a CHECK"
	for column, why := range map[string]string{
		"char(20)":                "be character(20)" + makeText,
		"bpchar":                  "be bpchar" + makeText,
		"narrower":                "be fit_v1.narrower" + makeText,
		"jsonb":                   "be jsonb" + makeText,
		"varchar(20)":             "be character varying(20)" + leaveOut,
		"text COLLATE folding":    "have the collation folding, which takes different texts for one: give it COLLATE \"C\"",
		"varchar COLLATE folding": "have the collation folding",
		"names COLLATE folding":   "have the collation folding",
		"names":                   "have the collation folding",
	} {
		refused(keyed[string](h, domains+folding+"; CREATE DOMAIN names AS text COLLATE folding", column, nothing), why)
	}
	for column, why := range map[string]string{
		"timestamptz(3)": "be timestamp(3) with time zone" + leaveOut,
		"time(0)":        "be time(0) without time zone" + leaveOut,
		"exact":          "be fit_v1.exact" + leaveOut,
	} {
		refused(keyed[time.Time](h, domains, column, nothing), why)
	}
	err := keyed[string](h, "CREATE TYPE kind AS ENUM ('in', 'out'); CREATE DOMAIN way AS kind", "way", nothing)
	require.ErrorContains(t, err, "projection fit_v1: table patched: operator does not exist: fit_v1.way = fit_v1.way")
	require.ErrorContains(t, err, "projection fit_v1: table summed: operator does not exist: fit_v1.way = fit_v1.way")
	refused(keyed[float64](h, nothing, "double precision", nothing), "be double precision"+makeText)
	refused(keyed[float64](h, nothing, "numeric", nothing), "be numeric"+makeText)
	refused(keyed[time.Duration](h, nothing, "interval", nothing), "be interval"+makeText)
	err = keyed[string](h, folding, "text", "CREATE UNIQUE INDEX ON patched (k COLLATE folding); CREATE UNIQUE INDEX ON summed (k COLLATE folding)")
	refused(err, "have the collation folding")
}

func TestAKeyThatIsItselfAloneFits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const domains = "CREATE TYPE kind AS ENUM ('in', 'out'); CREATE DOMAIN name AS text CHECK (VALUE <> ''); CREATE DOMAIN short AS fit_v1.name"
	for _, column := range []string{"text", "varchar", `text COLLATE "C"`, `text COLLATE "und-x-icu"`, "kind", "fit_v1.name", "short"} {
		require.NoError(t, keyed[string](h, domains, column, nothing), column)
	}
	for _, column := range []string{"timestamptz", "timestamp", "date", "time"} {
		require.NoError(t, keyed[time.Time](h, nothing, column, nothing), column)
	}
	for _, column := range []string{"bigint", "integer", "smallint"} {
		require.NoError(t, keyed[int64](h, nothing, column, nothing), column)
	}
	require.NoError(t, keyed[[16]byte](h, nothing, "uuid", nothing))
	require.NoError(t, keyed[bool](h, nothing, "boolean", nothing))
	require.NoError(t, keyed[pgtype.Date](h, nothing, "date", nothing))
	require.NoError(t, keyed[string](h, folding, "text", "CREATE INDEX ON patched (k COLLATE folding)"), "which compares no keys")
}
