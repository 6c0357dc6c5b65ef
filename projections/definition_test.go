package projections_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/projections"
)

func TestMistakesOfADefinitionAreErrorsOfTheEngine(t *testing.T) {
	t.Parallel()
	type base struct {
		Stream   string `db:"stream"`
		Revision uint64 `db:"revision"`
	}
	for want, define := range map[string]func(p *projections.Projection){
		"projection bad_v1: two handlers for event TermsAccepted": func(p *projections.Projection) {
			for range 2 {
				projections.On(p, func(events.TermsAccepted, projections.At) error { return nil })
			}
		},
		"projection bad_v1: two handlers for all events": func(p *projections.Projection) {
			for range 2 {
				projections.OnAll(p, func(projections.At) error { return nil })
			}
		},
		"projection bad_v1: table rows: rows are int, not structs": func(p *projections.Projection) {
			projections.Append[int](p, "rows")
		},
		`projection bad_v1: table rows: field N has no tag db:"column"`: func(p *projections.Projection) {
			projections.Append[struct {
				Stream   string `db:"stream"`
				Revision uint64 `db:"revision"`
				N        int
			}](p, "rows")
		},
		`projection bad_v1: table rows: field N has the unknown tag option "primary"`: func(p *projections.Projection) {
			projections.Patch[struct {
				ID int  `db:"id,key"`
				N  *int `db:"n,primary"`
			}](p, "rows")
		},
		"projection bad_v1: table rows: field M: column n is taken by another field": func(p *projections.Projection) {
			projections.Patch[struct {
				ID int  `db:"id,key"`
				N  *int `db:"n"`
				M  *int `db:"n"`
			}](p, "rows")
		},
		"projection bad_v1: table rows: rows of an Append table need the columns stream and revision": func(p *projections.Projection) {
			projections.Append[struct {
				N int `db:"n"`
			}](p, "rows")
		},
		`projection bad_v1: table rows: no field is tagged db:"column,key"`: func(p *projections.Projection) {
			projections.Patch[struct {
				N *int `db:"n"`
			}](p, "rows")
		},
		"projection bad_v1: table rows: field N must be a pointer or a slice": func(p *projections.Projection) {
			projections.Patch[struct {
				ID int `db:"id,key"`
				N  int `db:"n"`
			}](p, "rows")
		},
		"projection bad_v1: table rows: field ID is part of the key and must not be nilable": func(p *projections.Projection) {
			projections.Patch[struct {
				ID *int `db:"id,key"`
			}](p, "rows")
		},
		"projection bad_v1: table rows is defined twice": func(p *projections.Projection) {
			for range 2 {
				projections.Append[base](p, "rows")
			}
		},
		"projection bad_v1: table rows: field m is embedded: write its fields out": func(p *projections.Projection) {
			type m struct {
				N *int `db:"n"`
			}
			projections.Patch[struct {
				m

				ID int `db:"id,key"`
			}](p, "rows")
		},
		`projection bad_v1: table rows: field n has the tag db:"n" but is not exported`: func(p *projections.Projection) {
			projections.Patch[struct {
				ID int  `db:"id,key"`
				n  *int `db:"n"`
			}](p, "rows")
		},
		"projection bad_v1: table rows: field N is tagged as part of a key, and an Append table has none": func(p *projections.Projection) {
			projections.Append[struct {
				Stream   string `db:"stream"`
				Revision uint64 `db:"revision"`
				N        int    `db:"n,key"`
			}](p, "rows")
		},
		"projection bad_v1: table rows: field ID is tagged as the partition, but the projection parks nothing: call Park": func(p *projections.Projection) {
			projections.Patch[struct {
				ID int  `db:"id,partition"`
				N  *int `db:"n"`
			}](p, "rows")
		},
		"projection bad_v1: table rows: field Other: there is one partition already": func(p *projections.Projection) {
			projections.Patch[struct {
				ID    int  `db:"id,partition"`
				Other int  `db:"other,partition"`
				N     *int `db:"n"`
			}](p, "rows")
		},
		`projection bad_v1: table rows: the projection parks streams, so the key has to contain the partition: tag one field db:"column,partition"`: func(p *projections.Projection) {
			projections.Park(p, "streams", projections.ByStream)
			projections.Patch[struct {
				ID int  `db:"id,key"`
				N  *int `db:"n"`
			}](p, "rows")
		},
		"projection bad_v1: it parks twice": func(p *projections.Projection) {
			for range 2 {
				projections.Park(p, "streams", projections.ByStream)
			}
		},
		"projection bad_v1: parking needs a name for the partitions, and their key": func(p *projections.Projection) {
			projections.Park(p, "", projections.ByStream)
		},
		"projection bad_v1: table rows: more than 63 fields": func(p *projections.Projection) { // besides that they share a column
			projections.Patch[struct {
				ID                                                                                 int  `db:"id,key"`
				A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, C0 *int `db:"n"`
				C1, C2, C3, C4, C5, C6, C7, C8, C9, D0, D1, D2, D3, D4, D5, D6, D7, D8, D9, E0, E1 *int `db:"n"`
				E2, E3, E4, E5, E6, E7, E8, E9, F0, F1, F2, F3, F4, F5, F6, F7, F8, F9, G0, G1, G2 *int `db:"n"`
			}](p, "rows")
		},
		"projection bad_v1: the handler for event TermsAccepted is nil": func(p *projections.Projection) {
			projections.On[events.TermsAccepted](p, nil)
		},
		"projection bad_v1: a handler takes one event of the catalogue by value, as in " +
			"On(p, func(e events.TermsAccepted, at projections.At) error { … }), and *events.TermsAccepted is none": func(p *projections.Projection) {
			projections.On(p, func(*events.TermsAccepted, projections.At) error { return nil })
		},
		"and events.Event is none": func(p *projections.Projection) {
			projections.On(p, func(events.Event, projections.At) error { return nil })
		},
		"and struct { events.TermsAccepted } is none": func(p *projections.Projection) {
			type own = struct{ events.TermsAccepted }
			projections.OnTx(p, func(context.Context, pgx.Tx, own, projections.At) error { return nil })
		},
		"projection bad_v1: the handler for all events is nil": func(p *projections.Projection) {
			projections.OnAll(p, nil)
		},
	} {
		p := projections.New("bad", 1, "")
		define(p)
		require.ErrorContains(t, newEngineError(p), want)
	}
	unkeyed := projections.New("bad", 1, "")
	projections.Park(unkeyed, "streams", nil)
	require.ErrorContains(t, newEngineError(unkeyed), "projection bad_v1: parking needs a name for the partitions, and their key")
	require.ErrorContains(t, newEngineError(projections.New("bad", 1, "")), "projection bad_v1: it handles no event: give it handlers by On, OnAll or OnTx")
	require.ErrorContains(t, newEngineError(projections.New("Bad-Name", 1, "")), "the name must match")
	require.ErrorContains(t, newEngineError(projections.New("pg_bad", 1, "")), "projection pg_bad_v1: the name must not begin with pg_")
	require.ErrorContains(t, newEngineError(projections.New("bad", 0, "")), "version 0 is not positive")
	for _, version := range []int{1, 2} {
		require.ErrorContains(t, newEngineError(projections.New("head", version, "")), "the engine itself uses the name head")
	}
	require.ErrorContains(t, newEngineError(sample(), sample()), "projection sample_v1: it is registered twice")
	require.NoError(t, newEngineError(sample(), sampleVersion(2, sampleSchema)))
}

func TestADefinitionThatMakesNothingIsRefused(t *testing.T) {
	t.Parallel()
	nothing := func() *projections.Projection { return nil }
	p := projections.New("Bad", 1, "")
	projections.OnAll(p, func(projections.At) error { return nil })
	bad := always(p)
	_, err := projections.NewEngine(projections.Config{Pool: &pgxpool.Pool{}, Log: &embedded.Store{}, Now: time.Now}, sample, nil, nothing, bad)
	require.EqualError(t, err, "projection number 2: its definition is nil\n"+
		"projection number 3: its definition returns nil: it has to make a projection each time\n"+
		"projection Bad_v1: the name must match ^[a-z][a-z0-9_]{0,49}$")
	_, misuse := errors.AsType[*projections.MisuseError](err)
	require.True(t, misuse)

	for _, lacking := range []projections.Config{
		{Log: &embedded.Store{}, Now: time.Now}, {Pool: &pgxpool.Pool{}, Now: time.Now}, {Pool: &pgxpool.Pool{}, Log: &embedded.Store{}},
	} {
		_, err = projections.NewEngine(lacking, sample)
		require.EqualError(t, err, "projection engine: Pool, Log and Now are needed")
	}
}

// TestADefinitionMakesAProjectionEachTime: two builds cannot share the rows of a batch.
func TestADefinitionMakesAProjectionEachTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine := h.engine(h.pool, sample)
	require.NoError(t, engine.Prepare(t.Context()))
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	err = h.engine(h.pool, always(sample())).Prepare(t.Context())
	require.EqualError(t, err, "projection "+schema+": its definition returns the same projection twice: it has to make one each time")
	require.ErrorAs(t, err, new(*projections.MisuseError))
}

func newEngineError(list ...*projections.Projection) error {
	definitions := make([]projections.Definition, len(list))
	for i, p := range list {
		definitions[i] = always(p)
	}
	_, err := projections.NewEngine(projections.Config{Pool: &pgxpool.Pool{}, Log: &embedded.Store{}, Now: time.Now}, definitions...)
	return err
}

func TestMisfitsOfRowsAndTablesAreErrorsOfTheEngine(t *testing.T) {
	t.Parallel()
	type row struct {
		ID int64      `db:"id,key"`
		N  *int       `db:"n"`
		At *time.Time `db:"at"`
	}
	h := newHouse(t)
	for want, schema := range map[string]string{
		"projection fit_v1: table rows: there is no such table":                                "CREATE TABLE other (id bigint)",
		"projection fit_v1: table rows: field At: there is no column at":                       "CREATE TABLE rows (id bigint PRIMARY KEY, n int)",
		"projection fit_v1: table rows: field N: column n: a *int cannot be stored as text":    "CREATE TABLE rows (id bigint PRIMARY KEY, n text, at timestamptz)",
		"projection fit_v1: table rows: field N: column n: a *int cannot be stored as boolean": "CREATE TABLE rows (id bigint PRIMARY KEY, n boolean, at timestamptz)",
		"projection fit_v1: table rows: column n is NOT NULL without a default":                "CREATE TABLE rows (id bigint PRIMARY KEY, n int NOT NULL, at timestamptz)",
		"projection fit_v1: table rows: column m is NOT NULL without a default":                "CREATE TABLE rows (id bigint PRIMARY KEY, n int, m int NOT NULL, at timestamptz)",
		`projection fit_v1: table rows: cannot insert a non-DEFAULT value into column "n"`:     "CREATE TABLE rows (id bigint PRIMARY KEY, n int GENERATED ALWAYS AS (id * 2) STORED, at timestamptz)",
	} {
		p := fitting(schema)
		projections.Patch[row](p, "rows")
		err := h.engine(h.pool, always(p)).Prepare(t.Context())
		require.ErrorContains(t, err, want, schema)
		require.Empty(t, h.rows("SELECT FROM pg_namespace WHERE nspname = 'fit_v1'"))
	}
	p := fitting("CREATE TABLE rows (id bigint PRIMARY KEY, names text[])")
	projections.Patch[struct {
		ID    int64    `db:"id,key"`
		Names []string `db:"names"`
	}](p, "rows")
	require.ErrorContains(t, h.engine(h.pool, always(p)).Prepare(t.Context()), "table rows: field Names: a Patch table cannot have array columns")
	p = fitting("CREATE TABLE rows (stream text, revision bigint, n bigint GENERATED ALWAYS AS (revision * 2) STORED)")
	projections.Append[struct {
		Stream   string `db:"stream"`
		Revision uint64 `db:"revision"`
		N        int64  `db:"n"`
	}](p, "rows")
	require.ErrorContains(t, h.engine(h.pool, always(p)).Prepare(t.Context()), `table rows: cannot insert a non-DEFAULT value into column "n"`)
	p = fitting("CREATE TABLE rows (id bigint[] PRIMARY KEY, n bigint NOT NULL)")
	projections.Sum[struct {
		ID [2]int64 `db:"id,key"`
		N  int64    `db:"n"`
	}](p, "rows")
	require.ErrorContains(t, h.engine(h.pool, always(p)).Prepare(t.Context()), "table rows: field ID: a Sum table cannot have array columns")
	p = fitting("CREATE TABLE rows (id bigint PRIMARY KEY, n int DEFAULT 3 NOT NULL, at timestamptz)")
	projections.Patch[row](p, "rows")
	require.NoError(t, h.engine(h.pool, always(p)).Prepare(t.Context()))
}

// TestRowsAreTakenFromTheHandlerAtWorkOnly keeps tables where every call of the definition replaces them, and a handler
// past its end.
func TestRowsAreTakenFromTheHandlerAtWorkOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	linked := h.append(1)
	for name, schema := range map[string]string{"trail": sampleSchema, "devices": sampleSchema, "counts": rankedSchema} {
		var trail *projections.AppendTable[trailRow]
		var devices *projections.PatchTable[deviceRow]
		var counts *projections.SumTable[wardCount]
		projection := "shares_" + name
		engine, stop := h.run(h.pool, func() *projections.Projection {
			p := projections.New(projection, 1, schema)
			switch name {
			case "trail":
				trail = projections.Append[trailRow](p, name)
			case "devices":
				devices = projections.Patch[deviceRow](p, name)
			case "counts":
				counts = projections.Sum[wardCount](p, name)
			}
			projections.On(p, func(e events.DeviceLinked, at projections.At) error {
				switch name {
				case "trail":
					return trail.Add(trailRow{Stream: at.Stream, Revision: at.Revision, Position: at.Position, Type: at.Type, EventID: at.ID})
				case "devices":
					return errors.Join(devices.Set(deviceRow{DeviceID: e.DeviceID}), devices.Clear(deviceRow{DeviceID: e.DeviceID}, "name"),
						devices.Remove(deviceRow{DeviceID: e.DeviceID}))
				}
				return counts.Add(wardCount{"all", 1})
			})
			return p
		})
		refused := h.status(engine, projection, projections.StatePaused).Error
		refusals := strings.Count(refused, "table "+name+": the row comes from no handler at work in its build: each call of the definition has to make "+
			"tables and handlers of its own, so keep no table in a package variable")
		require.Equal(t, map[string]int{"trail": 1, "devices": 3, "counts": 1}[name], refusals, refused)
		stop()
		_, err := engine.AsOf(t.Context(), projection, linked, nil)
		require.ErrorContains(t, err, "keep no table in a package variable", "the last build that was made is no exception")
	}
	late := projections.New("late", 1, sampleSchema)
	err := projections.Append[trailRow](late, "trail").Add(trailRow{})
	require.ErrorContains(t, err, "write rows before the handler returns")
}
