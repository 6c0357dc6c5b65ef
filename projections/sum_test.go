package projections_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// posting is what the log holds for the tests of Sum: a number for an owner and a day.
type posting struct {
	Owner  string `json:"owner"`
	Day    int    `json:"day"`
	Amount int64  `json:"amount"`
}

type lineRow struct {
	Stream   string      `db:"stream"`
	Revision uint64      `db:"revision"`
	Owner    string      `db:"owner"`
	Day      pgtype.Date `db:"day"`
	Amount   int64       `db:"amount"`
}

type totalRow struct {
	Owner  string      `db:"owner,key"`
	Day    pgtype.Date `db:"day,key"`
	Amount int64       `db:"amount"`
	Lines  int64       `db:"lines"`
}

const summedSchema = `
	CREATE TABLE lines (stream text, revision bigint, owner text, day date, amount bigint);
	CREATE TABLE totals (owner text, day date, amount bigint NOT NULL, lines bigint NOT NULL, PRIMARY KEY (day, owner));`

const summedIdentity = `SELECT count(*) AS lines, sum(amount)::bigint AS amount, owner, day FROM lines GROUP BY owner, day -- all`

func summed(schema string) *projections.Projection {
	p := projections.New("summed", 1, schema)
	lines := projections.Append[lineRow](p, "lines")
	totals := projections.Sum[totalRow](p, "totals", projections.From(summedIdentity))
	projections.OnAll(p, func(at projections.At) error {
		var o posting
		if at.Type != "Posting" {
			return nil
		}
		if err := json.Unmarshal(at.Data, &o); err != nil {
			return err
		}
		day := pgtype.Date{Time: projectiontest.Epoch.AddDate(0, 0, o.Day), Valid: true}
		if err := totals.Add(totalRow{o.Owner, day, o.Amount, 1}); err != nil {
			return err
		}
		return lines.Add(lineRow{at.Stream, at.Revision, o.Owner, day, o.Amount})
	})
	return p
}

func postings(all ...posting) []events.Proposed {
	out := make([]events.Proposed, len(all))
	for i, o := range all {
		data, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		out[i] = events.Proposed{ID: id.New[id.Event](), Type: "Posting", Data: data}
	}
	return out
}

func TestTheKitPassesOnSums(t *testing.T) {
	t.Parallel()
	define := func() *projections.Projection { return summed(summedSchema) }
	projectiontest.Conformance(t, define, func(s *projectiontest.Scenario) {
		for n := range 60 {
			s.GivenRaw("postings", postings(posting{fmt.Sprint("owner ", n%5), n % 3, int64(n - 30)})...)
		}
	})
}

func TestSumsAddUp(t *testing.T) {
	t.Parallel()
	projectiontest.For(t, always(summed(summedSchema))).
		GivenRaw("postings", postings(posting{"Anna", 0, 5}, posting{"Anna", 0, -7}, posting{"Anna", 1, 1}, posting{"Bruno", 0, 0})...).
		Then("SELECT owner, day, amount, lines FROM totals ORDER BY owner, day",
			"Anna | 2026-01-05 | -2 | 2", "Anna | 2026-01-06 | 1 | 1", "Bruno | 2026-01-05 | 0 | 1").
		GivenRaw("postings", postings(posting{"Anna", 0, 2})...).
		Then("SELECT owner, day, amount, lines FROM totals WHERE lines > 2", "Anna | 2026-01-05 | 0 | 3")
}

// TestTablesAreWrittenInTheOrderOfTheirDefinition: however many rows they get.
func TestTablesAreWrittenInTheOrderOfTheirDefinition(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, always(summed(summedSchema+`
		CREATE FUNCTION has_lines() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NOT EXISTS (SELECT FROM summed_v1.lines WHERE owner = NEW.owner) THEN RAISE EXCEPTION 'no lines yet'; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER has_lines BEFORE INSERT ON totals FOR EACH ROW EXECUTE FUNCTION has_lines();`)))
	for _, c := range []struct {
		owner string
		lines int
	}{{"by INSERT", 1}, {"by COPY", 100}} {
		s.GivenRaw("postings", postings(slices.Repeat([]posting{{c.owner, 0, 1}}, c.lines)...)...).
			Then("SELECT lines FROM totals WHERE owner = '"+c.owner+"'", strconv.Itoa(c.lines))
	}
}

func TestSumsAreThoseOfAMap(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, always(summed(summedSchema)))
	drawn := rapid.Custom(func(t *rapid.T) posting {
		return posting{
			Owner:  rapid.SampledFrom([]string{"", "x", "xx", "\x00", "\uFFFD"}).Draw(t, "owner"), // the last two are one
			Day:    rapid.IntRange(-1, 1).Draw(t, "day"),
			Amount: rapid.Int64Range(-1<<40, 1<<40).Draw(t, "amount"),
		}
	})
	want := map[string][2]int64{}
	rapid.Check(t, func(rt *rapid.T) { // the table is carried on from check to check
		for _, batch := range rapid.SliceOfN(rapid.SliceOfN(drawn, 1, 40), 1, 3).Draw(rt, "batches") {
			for _, o := range batch {
				key := o.Owner
				if key == "\x00" {
					key = "\uFFFD"
				}
				key += " | " + strconv.Itoa(o.Day)
				want[key] = [2]int64{want[key][0] + o.Amount, want[key][1] + 1}
			}
			s.GivenRaw("postings", postings(batch...)...)
			expected := []string{}
			for key, sums := range maps.All(want) {
				expected = append(expected, fmt.Sprintf("%s | %d | %d", key, sums[0], sums[1]))
			}
			slices.Sort(expected)
			got := s.Rows("SELECT owner, day - date '2026-01-05', amount, lines FROM totals")
			slices.Sort(got)
			require.Equal(rt, expected, got)
			require.NoError(rt, summed(summedSchema).CheckSums(t.Context(), s.Pool()))
		}
	})
}

func TestASumOutOfRangeStopsTheBatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		earlier, batch []posting
		want           string
	}{
		"within a batch": {nil, []posting{{"Anna", 0, math.MaxInt64}, {"Anna", 0, 1}},
			"Posting at postings@1: "},
		"below":               {nil, []posting{{"Anna", 0, math.MinInt64}, {"Anna", 0, -1}}, "Posting at postings@1: "},
		"on top of the table": {[]posting{{"Anna", 0, math.MaxInt64}}, []posting{{"Anna", 0, 1}}, "bigint out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			p := summed(summedSchema)
			h.append(1)
			if len(c.earlier) > 0 {
				_, err := h.store.Append(t.Context(), "postings", events.Any, postings(c.earlier...))
				require.NoError(t, err)
			}
			engine, stop := h.run(h.pool, always(p))
			head, err := h.store.Head(t.Context())
			require.NoError(t, err)
			h.wait(engine, "summed", head)
			_, err = h.store.Append(t.Context(), "postings", events.Any, postings(c.batch...))
			require.NoError(t, err)
			said := h.status(engine, "summed", projections.StatePaused).Error
			require.Contains(t, said, c.want)
			require.Contains(t, said, "out of range") // by Go within a batch, by Postgres from one to the next
			stop()
			require.NoError(t, p.CheckSums(t.Context(), h.pool))
		})
	}
}

// TestOthersThatWriteToASumAreFoundOut: every batch proves old + added = new for the rows it touched.
func TestOthersThatWriteToASumAreFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ trigger, want string }{
		"another value": {"NEW.amount := NEW.amount + 1; RETURN NEW;",
			`table totals: row (Anna,2026-01-05) was (5,1), had (2,1) added and became (8,2)`},
		"another key": {"NEW.owner := 'Bruno'; RETURN NEW;",
			`table totals: row (Anna,2026-01-05) was (5,1), had (2,1) added and became (,)`},
		"no row": {"RETURN NULL;",
			`table totals: row (Anna,2026-01-05) was (5,1), had (2,1) added and became (,)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			post := func(amount int64) events.Position {
				appended, err := h.store.Append(t.Context(), "postings", events.Any, postings(posting{"Anna", 0, amount}))
				require.NoError(t, err)
				return appended.Position
			}
			h.append(1)
			engine, stop := h.run(h.pool, always(summed(summedSchema)))
			h.wait(engine, "summed", post(5))
			h.exec(`CREATE FUNCTION summed_v1.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + c.trigger + ` END $$;
				CREATE TRIGGER meddle BEFORE INSERT OR UPDATE ON summed_v1.totals FOR EACH ROW EXECUTE FUNCTION summed_v1.meddle()`)
			last := post(2)
			said := h.status(engine, "summed", projections.StateRetrying).Error
			require.Contains(t, said, c.want)
			h.exec("DROP TRIGGER meddle ON summed_v1.totals")
			h.wait(engine, "summed", last)
			stop()
			require.NoError(t, summed(summedSchema).CheckSums(t.Context(), h.pool))
		})
	}
}

// TestAWriterInBetweenFailsTheBatch: a foreign change that commits while the batch waits for the row is not in the
// snapshot that the batch has read, and would be added to unseen.
func TestAWriterInBetweenFailsTheBatch(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	told := h.hears()
	h.append(1)
	engine, stop := h.run(h.pool, always(summed(summedSchema)))
	post := func(amount int64) events.Position {
		appended, err := h.store.Append(t.Context(), "postings", events.Any, postings(posting{"Anna", 0, amount}))
		require.NoError(t, err)
		return appended.Position
	}
	h.wait(engine, "summed", post(5))
	foreign, err := h.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = foreign.Exec(t.Context(), "UPDATE summed_v1.totals SET amount = amount + 100")
	require.NoError(t, err)
	last := post(2)
	require.Eventually(t, func() bool { // the batch waits for the foreign writer
		var waiting int
		err := h.pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN "+
			"(SELECT pid FROM pg_stat_activity WHERE datname = current_database())").Scan(&waiting)
		return err == nil && waiting > 0
	}, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, foreign.Commit(t.Context()))
	h.wait(engine, "summed", last) // the next attempt sees the foreign row as it is; only the identity still tells
	stop()
	require.Contains(t, told.String(), "table totals: row (Anna,2026-01-05) was (5,1), had (2,1) added and became (107,2)")
	require.ErrorContains(t, summed(summedSchema).CheckSums(t.Context(), h.pool),
		"projection summed_v1: table totals is not what its identity gives: (Anna,2026-01-05) holds [(107,2)], computed [(7,2)]")
}

func TestDriftIsFoundWhole(t *testing.T) {
	t.Parallel()
	for tamper, want := range map[string]projections.SumDifference{
		"UPDATE totals SET amount = amount + 1 WHERE owner = 'Anna'":                                          {"(Anna,2026-01-05)", "(6,1)", "(5,1)"},
		"UPDATE totals SET day = day + 1 WHERE owner = 'Bruno'":                                               {"(Bruno,2026-01-05)", "", "(6,1)"},
		"DELETE FROM totals WHERE owner = 'Bruno'":                                                            {"(Bruno,2026-01-05)", "", "(6,1)"},
		"INSERT INTO totals VALUES ('', '2026-01-05', 0, 0)":                                                  {`("",2026-01-05)`, "(0,0)", ""},
		"INSERT INTO lines VALUES ('x', 0, 'Anna', '2026-01-05', 1)":                                          {"(Anna,2026-01-05)", "(5,1)", "(6,2)"},
		"ALTER TABLE totals ALTER amount DROP NOT NULL; UPDATE totals SET amount = NULL WHERE owner = 'Anna'": {"(Anna,2026-01-05)", "(,1)", "(5,1)"},
	} {
		p := summed(summedSchema)
		s := projectiontest.For(t, always(p)).GivenRaw("postings", postings(posting{"Anna", 0, 5}, posting{"Bruno", 0, 6})...)
		s.Settle()
		require.NoError(t, p.CheckSums(t.Context(), s.Pool()))
		require.NoError(t, pgx.BeginFunc(t.Context(), s.Pool(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "SET LOCAL search_path TO summed_v1; "+tamper)
			return err
		}))
		var found *projections.SumError
		require.ErrorAs(t, p.CheckSums(t.Context(), s.Pool()), &found, tamper)
		require.Equal(t, "totals", found.Table)
		require.Equal(t, want, found.Differences[0], tamper)
	}
}

func TestMistakesInASumAreErrorsOfTheEngine(t *testing.T) {
	t.Parallel()
	for want, define := range map[string]func(p *projections.Projection){
		`table rows: no field is tagged db:"column,key"`: func(p *projections.Projection) {
			projections.Sum[struct {
				N int64 `db:"n"`
			}](p, "rows")
		},
		"table rows: every field is part of the key, so there is nothing to sum": func(p *projections.Projection) {
			projections.Sum[struct {
				ID int64 `db:"id,key"`
			}](p, "rows")
		},
		"table rows: field ID is part of the key and must not be nilable": func(p *projections.Projection) {
			projections.Sum[struct {
				ID *int64 `db:"id,key"`
				N  int64  `db:"n"`
			}](p, "rows")
		},
		"table rows: field N is a *int64: only signed integers are summed": func(p *projections.Projection) {
			projections.Sum[struct {
				ID int64  `db:"id,key"`
				N  *int64 `db:"n"`
			}](p, "rows")
		},
		"table rows: field N is a uint32: only signed integers are summed": func(p *projections.Projection) {
			projections.Sum[struct {
				ID int64  `db:"id,key"`
				N  uint32 `db:"n"`
			}](p, "rows")
		},
		"table rows: field N is a float64: only signed integers are summed": func(p *projections.Projection) {
			projections.Sum[struct {
				ID int64   `db:"id,key"`
				N  float64 `db:"n"`
			}](p, "rows")
		},
	} {
		p := projections.New("bad", 1, "")
		define(p)
		require.ErrorContains(t, newEngineError(p), "projection bad_v1: "+want)
	}
}

func TestMisfitsOfSumsAndTablesAreErrorsOfTheEngine(t *testing.T) {
	t.Parallel()
	type row struct {
		ID int64 `db:"id,key"`
		N  int64 `db:"n"`
	}
	const good = "CREATE TABLE rows (id bigint PRIMARY KEY, n bigint NOT NULL)"
	h := newHouse(t)
	for want, c := range map[string]struct{ schema, identity string }{
		"no primary key or unique index is on exactly that":             {schema: "CREATE TABLE rows (id bigint, n bigint)"},
		"field N: column n is integer: sums need bigint":                {schema: "CREATE TABLE rows (id bigint PRIMARY KEY, n int)"},
		"field N: column n: a int64 cannot be stored as numeric[]":      {schema: "CREATE TABLE rows (id bigint PRIMARY KEY, n numeric[])"},
		"column m is NOT NULL without a default":                        {schema: "CREATE TABLE rows (id bigint PRIMARY KEY, n bigint, m int NOT NULL)"},
		`column "n" can only be updated to DEFAULT`:                     {schema: "CREATE TABLE rows (id bigint PRIMARY KEY, n bigint GENERATED ALWAYS AS (id * 2) STORED)"},
		`From: relation "entries" does not exist`:                       {good, "SELECT id, n FROM entries"},
		"From: the query does not give column n":                        {good, "SELECT id FROM rows"},
		"From: the query gives 3 columns, the rows have 2 fields":       {good, "SELECT id, n, 1 AS more FROM rows"},
		"From: the query gives column n with another type than bigint:": {good, "SELECT id, sum(n) AS n FROM rows GROUP BY id"},
		"From: the query must not have parameters":                      {good, "SELECT id, n FROM rows WHERE id = $1"},
		"From: cannot insert multiple commands":                         {good, "SELECT id, n FROM rows; SELECT 1"},
	} {
		p := fitting(c.schema)
		var options []projections.SumOption
		if c.identity != "" {
			options = append(options, projections.From(c.identity))
		}
		projections.Sum[row](p, "rows", options...)
		err := h.engine(h.pool, always(p)).Prepare(t.Context())
		require.ErrorContains(t, err, "projection fit_v1: table rows: ", c)
		require.ErrorContains(t, err, want, c)
		h.exec("DROP SCHEMA IF EXISTS fit_v1 CASCADE; DELETE FROM projections; DELETE FROM checkpoints")
	}
	p := fitting(good)
	projections.Sum[row](p, "rows", projections.From("SELECT n, id FROM rows"))
	require.NoError(t, h.engine(h.pool, always(p)).Prepare(t.Context()))
}
