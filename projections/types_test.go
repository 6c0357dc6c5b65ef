package projections_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// modified are the types with a length or a precision, domains, and those that pgx encodes.
type modified struct {
	Stream   string          `db:"stream"`
	Revision uint64          `db:"revision"`
	Char     string          `db:"char"`
	Letter   string          `db:"letter"`
	Octets   []byte          `db:"octets"`
	Code     string          `db:"code"`
	Narrower string          `db:"narrower"`
	Varchar  string          `db:"varchar"`
	Name     string          `db:"name"`
	Kind     string          `db:"kind"`
	ID       id.Message      `db:"id"`
	Big      int64           `db:"big"`
	Middle   int             `db:"middle"`
	Small    uint8           `db:"small"`
	Yes      bool            `db:"yes"`
	Bytes    []byte          `db:"bytes"`
	Document json.RawMessage `db:"document"`
	Moment   time.Time       `db:"moment"`
	Second   time.Time       `db:"second"`
	Plain    time.Time       `db:"plain"`
	Milli    time.Time       `db:"milli"`
	Day      time.Time       `db:"day"`
	Clock    time.Time       `db:"clock"`
	Hour     time.Time       `db:"hour"`
	Took     time.Duration   `db:"took"`
	TookS    time.Duration   `db:"took_s"`
	Price    float64         `db:"price"`
	Exact    float64         `db:"exact"`
	Real     float32         `db:"real"`
	Double   float64         `db:"double"`
	Bits     pgtype.Bits     `db:"bits"`
	More     pgtype.Bits     `db:"more"`
	Inet     netip.Addr      `db:"address"`
}

const modifiedSchema = `
	CREATE TYPE kind AS ENUM ('in', 'out');
	CREATE DOMAIN code AS char(3);
	CREATE DOMAIN narrower AS code CHECK (VALUE <> 'ZZZ');
	CREATE DOMAIN way AS kind; CREATE DOMAIN key AS uuid; CREATE DOMAIN big AS bigint; CREATE DOMAIN middle AS int; CREATE DOMAIN small AS smallint;
	CREATE DOMAIN yes AS boolean; CREATE DOMAIN octets AS bytea; CREATE DOMAIN document AS jsonb; CREATE DOMAIN moment AS timestamptz;
	CREATE TABLE rows (
		stream text, revision bigint, char char(3), letter char, octets char(3), code code, narrower narrower, varchar varchar(3), name name,
		kind way, id key, big big, middle middle, small small, yes yes, bytes octets, document document, moment moment,
		second timestamptz(0), plain timestamp, milli timestamp(3), day date, clock time, hour time(0), took interval, took_s interval(0),
		price numeric(6,2), exact numeric, "real" real, double float8, bits bit(3), more varbit(5), address inet
	)`

func TestATypeIsStoredAlikeBothWays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 890_123_456, time.UTC)
	given := modified{
		Char: "EUR", Letter: "E", Octets: []byte("EUR"), Code: "EUR", Narrower: "EUR", Varchar: "EUR", Name: "name", Kind: "out", ID: message(1),
		Big: -1 << 40, Middle: -1 << 20, Small: 200, Yes: true, Bytes: []byte{0, 255}, Document: json.RawMessage(`{"a": 1}`),
		Moment: at, Second: at, Plain: at, Milli: at, Day: at, Clock: at, Hour: at, Took: 1500 * time.Millisecond, TookS: 1500 * time.Millisecond,
		Price: 12.345, Exact: 12.345, Real: 0.1, Double: 0.1, Bits: pgtype.Bits{Bytes: []byte{0b1010_0000}, Len: 3, Valid: true},
		More: pgtype.Bits{Bytes: []byte{0b1100_0000}, Len: 2, Valid: true}, Inet: netip.MustParseAddr("10.0.0.1"),
	}
	want := "EUR | E | EUR | EUR | EUR | EUR | name | out | " + message(1).String() + ` | -1099511627776 | -1048576 | 200 | t | \x00ff | {"a": 1}` +
		" | 2026-03-04 05:06:07.890123+00 | 2026-03-04 05:06:08+00 | 2026-03-04 05:06:07.890123 | 2026-03-04 05:06:07.89 | 2026-03-04" +
		" | 05:06:07.890123 | 05:06:08 | 00:00:01.5 | 00:00:02 | 12.35 | 12.345 | 0.1 | 0.1 | 101 | 11 | 10.0.0.1"
	p := projections.New("types", 1, modifiedSchema)
	rows := projections.Append[modified](p, "rows")
	projections.On(p, func(_ events.DeviceLinked, at projections.At) error {
		row := given
		row.Stream, row.Revision = at.Stream, at.Revision
		return rows.Add(row)
	})
	const query = `SELECT DISTINCT char, letter, octets, code, narrower, varchar, name, kind, id, big, middle, small, yes, bytes, document, moment,
		second, plain, milli, day, clock, hour, took, took_s, price, exact, "real", double, bits, more, address FROM rows WHERE stream = `
	s := projectiontest.For(t, always(p))
	s.Given("few", events.DeviceLinked{}).Then(query+"'few'", want)                                          // by INSERT
	s.Given("many", slices.Repeat([]events.Event{events.DeviceLinked{}}, 100)...).Then(query+"'many'", want) // by COPY
	s.Then("SELECT count(*) FROM rows", "101")
}

func TestAPatchKeepsWhatFitsTheLength(t *testing.T) {
	t.Parallel()
	type row struct {
		ID     id.Message   `db:"id,key"`
		Char   *string      `db:"char"`
		Letter *string      `db:"letter"`
		Code   *string      `db:"code"`
		Bits   *pgtype.Bits `db:"bits"`
	}
	p := projections.New("types", 1, `CREATE DOMAIN code AS char(3);
		CREATE TABLE rows (id uuid PRIMARY KEY, char char(3), letter char, code code, bits bit(3))`)
	rows := projections.Patch[row](p, "rows")
	projections.On(p, func(e events.DeviceLinked, _ projections.At) error {
		return rows.Set(row{message(1), &e.Name, new("E"), &e.Name, &pgtype.Bits{Bytes: []byte{0b1010_0000}, Len: 3, Valid: true}})
	})
	s := projectiontest.For(t, always(p))
	s.Given("devices-1", events.DeviceLinked{Name: "EUR"}).Then("SELECT char, letter, code, bits FROM rows", "EUR | E | EUR | 101")
	s.Given("devices-1", events.DeviceLinked{Name: "EURO"})
	require.Contains(t, s.Refused(), "value too long for type character(3)")
}

// oneValue is a row of which only the type of one column is of interest.
type oneValue[T any] struct {
	Stream   string `db:"stream"`
	Revision uint64 `db:"revision"`
	V        T      `db:"v"`
}

// fits prepares a projection whose table has rows with such a value in a column of the type.
func fits[T any](h *house, typ string) error {
	h.t.Helper()
	p := fitting("CREATE TYPE kind AS ENUM ('in', 'out'); CREATE TYPE pair AS (a int, b int); CREATE DOMAIN price AS money;" +
		"CREATE TABLE rows (stream text, revision bigint, v " + typ + ")")
	projections.Append[oneValue[T]](p, "rows")
	return h.engine(h.pool, always(p)).Prepare(h.t.Context())
}

// TestATypeThatNobodyKnowsIsAMisfit: pgx would write as text what is a string, and as a double what is a float64.
func TestATypeThatNobodyKnowsIsAMisfit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const field = "projection fit_v1: table rows: field V: column v: a "
	require.EqualError(t, fits[float64](h, "money"), field+"float64 cannot be stored as money")
	require.EqualError(t, fits[string](h, "money"), field+"string cannot be stored as money")
	require.EqualError(t, fits[int64](h, "price"), field+"int64 cannot be stored as fit_v1.price")
	require.EqualError(t, fits[[]string](h, "kind[]"), field+"[]string cannot be stored as fit_v1.kind[]")
	require.EqualError(t, fits[string](h, "pair"), field+"string cannot be stored as fit_v1.pair")
	require.EqualError(t, fits[*string](h, "pg_lsn"), field+"*string cannot be stored as pg_lsn")
	require.EqualError(t, fits[chan int](h, "jsonb"), field+"chan int cannot be stored as jsonb")
	require.EqualError(t, fits[any](h, "date"), field+"interface {} cannot be stored as date")
}

func TestWhatIsNullToPgxIsNull(t *testing.T) {
	t.Parallel()
	type patched struct {
		ID  id.Message   `db:"id,key"`
		Day *pgtype.Date `db:"day"`
	}
	p := projections.New("nulls", 1, "CREATE TABLE rows (stream text, revision bigint, v date); CREATE TABLE patched (id uuid PRIMARY KEY, day date DEFAULT 'epoch')")
	rows, patches := projections.Append[oneValue[pgtype.Date]](p, "rows"), projections.Patch[patched](p, "patched")
	projections.On(p, func(_ events.DeviceLinked, at projections.At) error {
		if err := rows.Add(oneValue[pgtype.Date]{Stream: at.Stream, Revision: at.Revision}); err != nil {
			return err
		}
		return patches.Set(patched{ID: message(1), Day: &pgtype.Date{}})
	})
	s := projectiontest.For(t, always(p))
	s.Given("few", events.DeviceLinked{}).Then("SELECT count(*), count(v) FROM rows", "1 | 0").Then("SELECT day FROM patched", "∅")
	s.Given("many", slices.Repeat([]events.Event{events.DeviceLinked{}}, 100)...).Then("SELECT count(*), count(v) FROM rows", "101 | 0")
}

// TestANullOfPgxIsJudged although the next event of the batch makes it good.
func TestANullOfPgxIsJudged(t *testing.T) {
	t.Parallel()
	type row struct {
		ID     id.Device      `db:"id,key"`
		Weight *pgtype.Float8 `db:"weight"`
	}
	p := projections.New("nulls", 1, "CREATE TABLE rows (id uuid PRIMARY KEY, weight float8 NOT NULL DEFAULT 0)")
	rows := projections.Patch[row](p, "rows")
	projections.On(p, func(e events.DeviceLinked, at projections.At) error {
		return rows.Set(row{e.DeviceID, &pgtype.Float8{Float64: 1, Valid: at.Revision > 0}})
	})
	s := projectiontest.For(t, always(p))
	s.Given("devices", events.DeviceLinked{DeviceID: device(1)}, events.DeviceLinked{DeviceID: device(1)})
	require.Contains(t, s.Refused(), "DeviceLinked at devices@0")
}

func TestAKeyIsNeverNull(t *testing.T) {
	t.Parallel()
	type patched struct {
		Day  pgtype.Date `db:"day,key"`
		Name *string     `db:"name"`
	}
	type summed struct {
		Day pgtype.Date `db:"day,key"`
		N   int64       `db:"n"`
	}
	for table, write := range map[string]func(*projections.Projection) func() error{
		"(day date UNIQUE, name text)": func(p *projections.Projection) func() error {
			rows := projections.Patch[patched](p, "rows")
			return func() error { return rows.Set(patched{Name: new("nobody")}) }
		},
		"(day date UNIQUE, n bigint)": func(p *projections.Projection) func() error {
			rows := projections.Sum[summed](p, "rows")
			return func() error { return rows.Add(summed{N: 1}) }
		},
	} {
		p := projections.New("nulls", 1, "CREATE TABLE rows "+table)
		add := write(p)
		projections.On(p, func(events.DeviceLinked, projections.At) error { return add() })
		s := projectiontest.For(t, always(p))
		s.Given("devices", events.DeviceLinked{})
		require.Contains(t, s.Refused(), "DeviceLinked at devices@0: table rows: field Day for column day: the key cannot be NULL")
	}
}
