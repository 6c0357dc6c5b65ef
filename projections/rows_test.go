package projections_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// operation is one change of a Patch table, carried through the log as data.
type operation struct {
	Kind   string   `json:"kind"`   // set, clear, remove
	Part   string   `json:"part"`   // key
	Number int      `json:"number"` // key
	A      *string  `json:"a"`
	B      *string  `json:"b"`
	C      []byte   `json:"c"`
	Clear  []string `json:"clear"`
}

type patchedRow struct {
	Part   string  `db:"part,key"`
	Number int     `db:"number,key"`
	A      *string `db:"a"`
	B      *string `db:"b"`
	C      []byte  `db:"c"`
}

func patched() *projections.Projection {
	p := projections.New("patched", 1,
		`CREATE TABLE rows (part text, number int, a text, b text DEFAULT 'default', c bytea, PRIMARY KEY (number, part))`)
	table := projections.Patch[patchedRow](p, "rows")
	projections.OnAll(p, func(at projections.At) error {
		var o operation
		if at.Type != "Operation" {
			return nil
		}
		if err := json.Unmarshal(at.Data, &o); err != nil {
			return err
		}
		row := patchedRow{Part: o.Part, Number: o.Number, A: o.A, B: o.B, C: o.C}
		switch o.Kind {
		case "set":
			return table.Set(row)
		case "clear":
			return table.Clear(row, o.Clear...)
		default:
			return table.Remove(row)
		}
	})
	return p
}

// model applies an operation to rows kept in a map, with columns a, b, c as text.
func model(rows map[string][3]string, o operation) {
	key := o.Part + " | " + strconv.Itoa(o.Number)
	if o.Kind == "remove" {
		delete(rows, key)
		return
	}
	row, exists := rows[key]
	if !exists {
		row = [3]string{"∅", "default", "∅"}
	}
	if o.Kind == "set" {
		if o.A != nil {
			row[0] = *o.A
		}
		if o.B != nil {
			row[1] = *o.B
		}
		if o.C != nil {
			row[2] = fmt.Sprintf("\\x%x", o.C)
		}
	}
	if o.Kind == "clear" {
		for _, column := range o.Clear {
			row[column[0]-'a'] = "∅"
		}
	}
	rows[key] = row
}

func TestPatchesMergeAsIfWrittenOneByOne(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, always(patched()))
	operations := rapid.Custom(func(t *rapid.T) operation {
		text := rapid.Ptr(rapid.StringMatching(`[a-z]{0,3}`), true)
		return operation{
			Kind:   rapid.SampledFrom([]string{"set", "set", "set", "clear", "remove"}).Draw(t, "kind"),
			Part:   rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "part"),
			Number: rapid.IntRange(-1, 1).Draw(t, "number"),
			A:      text.Draw(t, "a"), B: text.Draw(t, "b"),
			C:     rapid.SampledFrom([][]byte{nil, {}, {0, 255}}).Draw(t, "c"),
			Clear: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 2, rapid.ID).Draw(t, "clear"),
		}
	})
	want := map[string][3]string{}
	rapid.Check(t, func(rt *rapid.T) { // the table is carried on from check to check
		for _, batch := range rapid.SliceOfN(rapid.SliceOfN(operations, 1, 12), 1, 3).Draw(rt, "batches") {
			proposed := make([]events.Proposed, len(batch))
			for i, o := range batch {
				data, err := json.Marshal(o)
				require.NoError(rt, err)
				proposed[i] = events.Proposed{ID: id.New[id.Event](), Type: "Operation", Data: data}
				model(want, o)
			}
			s.GivenRaw("operations", proposed...)
			expected := []string{}
			for key, row := range maps.All(want) {
				expected = append(expected, key+" | "+row[0]+" | "+row[1]+" | "+row[2])
			}
			slices.Sort(expected)
			got := s.Rows("SELECT part, number, a, b, c FROM rows")
			slices.Sort(got)
			require.Equal(rt, expected, got)
		}
	})
}

type everyType struct {
	Stream   string             `db:"stream"`
	Revision uint64             `db:"revision"`
	ID       id.Message         `db:"id"`
	Sealed   events.Sealed      `db:"sealed"`
	Small    int                `db:"small"`
	Middle   uint16             `db:"middle"`
	Yes      bool               `db:"yes"`
	Real     float64            `db:"real"`
	At       time.Time          `db:"at"`
	Octets   []byte             `db:"octets"`
	JSON     json.RawMessage    `db:"json"`
	JSONB    json.RawMessage    `db:"jsonb"`
	Kind     string             `db:"kind"`
	Domain   string             `db:"domain"`
	List     []string           `db:"list"`
	Exact    pgtype.Numeric     `db:"exact"`
	Day      pgtype.Date        `db:"day"`
	None     *id.Message        `db:"none"`
	Some     *id.Message        `db:"some"`
	Null     *time.Time         `db:"null"`
	Wide     *string            `db:"wide"`
	Count    *events.Position   `db:"count"`
	Nothing  []byte             `db:"nothing"`
	Struct   map[string]float64 `db:"struct"`
}

const everyTypeSchema = `
	CREATE TYPE kind AS ENUM ('in', 'out');
	CREATE DOMAIN short AS varchar(5);
	CREATE TABLE rows (
		stream text, revision bigint, id uuid, sealed text, small smallint, middle int, yes boolean, "real" float8,
		at timestamptz, octets bytea, json json, jsonb jsonb, kind kind, domain short, list text[], exact numeric, day date,
		none uuid, "some" uuid, "null" timestamptz, wide varchar, count bigint, nothing bytea, struct jsonb
	)`

func TestEveryTypeArrivesWhole(t *testing.T) {
	t.Parallel()
	p := projections.New("types", 1, everyTypeSchema)
	table := projections.Append[everyType](p, "rows")
	projections.On(p, func(e events.DeviceLinked, at projections.At) error {
		return table.Add(everyType{
			Stream: at.Stream, Revision: at.Revision, ID: message(1), Sealed: "sealed:1:…", Small: math.MinInt16, Middle: math.MaxUint16,
			Yes: true, Real: -0.5, At: time.Date(1999, 12, 31, 23, 59, 59, 999999999, time.UTC), Octets: []byte{0, 1},
			JSON: json.RawMessage(`{"b": 1}`), JSONB: json.RawMessage(`{"b": 1}`), Kind: "out", Domain: "short",
			List: []string{"a", "b"}, Exact: pgtype.Numeric{Int: big.NewInt(3), Exp: -4, Valid: true},
			Day: pgtype.Date{Time: projectiontest.Epoch, Valid: true}, Some: new(message(2)), Wide: new("wide"),
			Count: new(events.Position(1 << 62)), Struct: map[string]float64{"n": 1},
		})
	})
	s := projectiontest.For(t, always(p))
	one := "0 | " + message(1).String() + " | sealed:1:… | -32768 | 65535 | t | -0.5 | 1999-12-31 23:59:59.999999+00 | \\x0001" +
		` | {"b": 1} | {"b": 1} | out | short | {a,b} | 0.0003 | 2026-01-05 | ∅ | ` + message(2).String() +
		` | ∅ | wide | 4611686018427387904 | ∅ | {"n": 1}`
	const query = `SELECT revision, id, sealed, small, middle, yes, "real", at, octets, json, jsonb, kind, domain, list, exact, day,
		none, "some", "null", wide, count, nothing, struct FROM rows WHERE revision = 0`
	s.Given("few", events.DeviceLinked{}).Then(query, one) // by INSERT
	many := make([]events.Event, 100)
	for i := range many {
		many[i] = events.DeviceLinked{}
	}
	s.Given("many", many...).Then(query+" AND stream = 'many'", one) // by COPY
	s.Then("SELECT count(*) FROM rows", "101")
}

// TestNumbersThatDoNotFitAreTheEventsFault: the error names table, column and event, not a batch of a thousand.
func TestNumbersThatDoNotFitAreTheEventsFault(t *testing.T) {
	t.Parallel()
	type row struct {
		Stream   string `db:"stream"`
		Revision uint64 `db:"revision"`
		N        int    `db:"n"`
	}
	for want, bad := range map[string]row{
		"table rows: field N for column n: 32768 does not fit in 2 bytes":                       {Stream: "devices-1", N: math.MaxInt16 + 1},
		"table rows: field N for column n: -32769 does not fit in 2 bytes":                      {Stream: "devices-1", N: math.MinInt16 - 1},
		"table rows: field Revision for column revision: 9223372036854775808 does not fit in 8": {Stream: "devices-1", Revision: 1 << 63},
	} {
		h := newHouse(t)
		p := projections.New("bad", 1, "CREATE TABLE rows (stream text, revision bigint, n smallint)")
		table := projections.Append[row](p, "rows")
		projections.On(p, func(events.DeviceLinked, projections.At) error { return table.Add(bad) })
		h.record("devices-1", events.DeviceLinked{})
		engine, stop := h.run(h.pool, always(p))
		require.Contains(t, h.status(engine, "bad", projections.StatePaused).Error,
			"projection bad_v1: DeviceLinked at devices-1@0: "+want)
		stop()
	}
}

// said is where any text is written: added and patched, as string, bytes and key.
type said struct {
	Stream   string `db:"stream"`
	Revision uint64 `db:"revision"`
	Text     string `db:"text"`
	Short    []byte `db:"short"`
}

type lastSaid struct {
	Key  string  `db:"key,key"`
	Text *string `db:"text"`
}

func TestAnyTextCanBeProjected(t *testing.T) {
	t.Parallel()
	p := projections.New("said", 1, `
		CREATE TABLE said (stream text, revision bigint, text text, short varchar);
		CREATE TABLE last_said (key text PRIMARY KEY, text text)`)
	all, last := projections.Append[said](p, "said"), projections.Patch[lastSaid](p, "last_said")
	projections.OnAll(p, func(at projections.At) error {
		text := string(at.Data)
		if err := last.Set(lastSaid{Key: text, Text: &text}); err != nil {
			return err
		}
		return all.Add(said{Stream: at.Stream, Revision: at.Revision, Text: text, Short: append([]byte{}, at.Data...)})
	})
	s := projectiontest.For(t, always(p))
	say := func(texts ...string) {
		proposed := make([]events.Proposed, len(texts))
		for i, text := range texts {
			proposed[i] = events.Proposed{ID: id.New[id.Event](), Type: "Said", Data: []byte(text), Binary: true}
		}
		s.GivenRaw("said", proposed...)
	}
	say("a\x00b", "\x00", "\xff", "caf\xc3", "\xed\xa0\x80", "", "é\uFFFD")
	s.Then("SELECT text, short FROM said WHERE stream = 'said' ORDER BY revision",
		"a\uFFFDb | a\uFFFDb", "\uFFFD | \uFFFD", "\uFFFD | \uFFFD", "caf\uFFFD | caf\uFFFD", "\uFFFD | \uFFFD", " | ", "é\uFFFD | é\uFFFD")
	rapid.Check(t, func(rt *rapid.T) {
		piece := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		text := piece.Draw(rt, "text")
		say(text)
		want := strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
		require.Equal(rt, []string{want + " | " + want + " | " + want},
			s.Rows("SELECT s.text, s.short, l.text FROM said s JOIN last_said l ON l.key = s.text ORDER BY revision DESC LIMIT 1"))
	})
}

// TestRowsSayOfWhichEventTheyAre, or a sample would find drift where there is none.
func TestRowsSayOfWhichEventTheyAre(t *testing.T) {
	t.Parallel()
	type row struct {
		Stream   *string `db:"stream"`
		Revision *int64  `db:"revision"`
	}
	for name, c := range map[string]struct {
		of   func(projections.At) row
		want string
	}{
		"AnotherStream":   {func(at projections.At) row { return row{new(at.Stream + "0"), new(int64(at.Revision))} }, "field Stream for column stream"},
		"NoStream":        {func(at projections.At) row { return row{nil, new(int64(at.Revision))} }, "field Stream for column stream"},
		"LikeAnOddStream": {func(at projections.At) row { return row{new(`"` + at.Stream), new(int64(at.Revision))} }, "field Stream for column stream"},
		"AnotherRevision": {func(at projections.At) row { return row{&at.Stream, new(int64(at.Revision + 256))} }, "field Revision for column revision"},
		"NoRevision":      {func(at projections.At) row { return row{&at.Stream, nil} }, "field Revision for column revision"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reason := projectiontest.For(t, func() *projections.Projection {
				p := projections.New("sample", 1, "CREATE TABLE trail (stream varchar, revision int)")
				trail := projections.Append[row](p, "trail")
				projections.On(p, func(_ events.DeviceLinked, at projections.At) error { return trail.Add(c.of(at)) })
				return p
			}).Given("devices-1", events.DeviceLinked{DeviceID: device(1)}).Refused()
			require.Contains(t, reason, "table trail: "+c.want+": the event is devices-1@0: a row of an Append table has the stream and the revision "+
				"of the event that adds it")
		})
	}
	h := newHouse(t)
	for want, schema := range map[string]string{
		"projection fit_v1: table trail: column stream is json: names of streams are text, varchar or bytea":    "stream json, revision bigint",
		"projection fit_v1: table trail: column revision is numeric: revisions are bigint, integer or smallint": "stream text, revision numeric",
	} {
		p := fitting("CREATE TABLE trail (" + schema + ")")
		projections.Append[row](p, "trail")
		require.ErrorContains(t, h.engine(h.pool, always(p)).Prepare(t.Context()), want)
	}
}
