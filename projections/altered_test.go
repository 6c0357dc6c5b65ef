package projections_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/events/id"
	"daybook/projections"
)

// Each change is one that rows of events run into. The second statement undoes it.
func TestTablesThatWereChangedAreNoEventsFault(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ do, undo, want string }{
		"AColumnIsGone": {
			"ALTER TABLE sample_v1.devices RENAME name TO called", "ALTER TABLE sample_v1.devices RENAME called TO name",
			"table devices: column name is gone",
		},
		"AColumnIsNarrower": {
			"ALTER TABLE sample_v1.devices ALTER name TYPE varchar(10)", "ALTER TABLE sample_v1.devices ALTER name TYPE text",
			"table devices: column name is character varying and was text",
		},
		"AColumnMustBeFilled": {
			"ALTER TABLE sample_v1.steps ADD more text NOT NULL DEFAULT ''; ALTER TABLE sample_v1.steps ALTER more DROP DEFAULT",
			"ALTER TABLE sample_v1.steps DROP more",
			"table steps: column more is text NOT NULL, and nothing fills it",
		},
		"ATableIsGone": {
			"ALTER TABLE sample_v1.counts RENAME TO counted", "ALTER TABLE sample_v1.counted RENAME TO counts",
			"table counts is gone",
		},
		"AKeyIsGone": {
			"ALTER TABLE sample_v1.counts DROP CONSTRAINT counts_pkey", "ALTER TABLE sample_v1.counts ADD PRIMARY KEY (name)",
			"table counts: there is no unique or exclusion constraint matching the ON CONFLICT specification",
		},
		"TheSchemaIsGone": {"ALTER SCHEMA sample_v1 RENAME TO away", "ALTER SCHEMA away RENAME TO sample_v1", "table devices is gone, table counts is gone, table steps is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			var healed atomic.Bool
			engine, _ := h.run(h.pool, ward(&healed))
			h.wait(engine, "sample", h.append(10))
			h.exec(change.do)
			h.rename(2, "longer than before")
			last := h.append(50)
			reason := h.stands(engine)
			require.Contains(t, reason, "projection sample_v1: its tables were changed from outside: "+change.want+": ")
			require.Contains(t, reason, "Undo the change, and the projection goes on by itself; or rebuild it: daybook projection rebuild sample --go-live")
			h.exec(change.undo)
			h.wait(engine, "sample", last)
			h.consistent("sample_v1", ward(&healed))
		})
	}
}

// Changed tables are the matter of one build: an engine that starts with them runs the others, and can build it again.
func TestABuildWhoseTablesWereChangedIsRebuilt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	other := func() *projections.Projection {
		p := projections.New("state", 1, sampleSchema)
		sampleState(p)
		return p
	}
	engine, stop := h.run(h.pool, sample, other)
	h.wait(engine, "sample", h.append(10))
	stop()
	h.exec("ALTER TABLE sample_v1.devices DROP COLUMN name")
	engine, _ = h.run(h.pool, sample, other)
	last := h.append(10)
	h.wait(engine, "state", last)
	reason := h.stands(engine)
	require.Contains(t, reason, "projection sample_v1: its tables were changed from outside: table devices: field Name: there is no column name")
	require.Contains(t, reason, "or rebuild it: daybook projection rebuild sample --go-live")

	schema := h.rebuilt(engine)
	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	h.wait(engine, "sample", h.append(5))
	h.consistent(schema, sample)

	h.exec("ALTER TABLE sample_v1.devices ADD COLUMN name text") // what was in it is gone, but it is retired
	require.Eventually(t, func() bool {
		all, err := engine.Status(t.Context())
		return err == nil && all[0].Schema == "sample_v1" && all[0].State == projections.StateRunning
	}, 30*time.Second, 5*time.Millisecond)
}

// asRole opens a pool whose sessions are those of a role of its own, which may do in this database what the owner may.
func (h *house) asRole(t *testing.T) (pool *pgxpool.Pool, role string) {
	t.Helper()
	role = "daybook_test_" + id.New[id.Event]().String()
	h.exec(`CREATE ROLE "` + role + `"`)
	t.Cleanup(func() {
		_, err := h.pool.Exec(context.WithoutCancel(t.Context()), `DROP OWNED BY "`+role+`" CASCADE; DROP ROLE "`+role+`"`)
		require.NoError(t, err)
	})
	h.exec(`GRANT "` + role + `" TO CURRENT_USER`)
	h.exec(`GRANT CREATE ON DATABASE "` + h.pool.Config().ConnConfig.Database + `" TO "` + role + `"`)
	h.exec(`GRANT USAGE ON SCHEMA daybook TO "` + role + `"; GRANT ALL ON ALL TABLES IN SCHEMA daybook TO "` + role + `"`)
	config, err := pgxpool.ParseConfig(h.url)
	require.NoError(t, err)
	config.ConnConfig.RuntimeParams["search_path"], config.ConnConfig.RuntimeParams["role"] = postgres.Schema, role
	pool, err = pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool, role
}

func TestARightThatWasTakenIsNoEventsFault(t *testing.T) {
	t.Parallel()
	for name, right := range map[string][2]string{
		"OfATable":  {"INSERT ON sample_v1.devices", "permission denied for table devices"},
		"OfASchema": {"USAGE ON SCHEMA sample_v1", "permission denied for schema sample_v1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			var healed atomic.Bool
			pool, role := h.asRole(t)
			change := func(sql string) {
				_, err := pool.Exec(t.Context(), sql+` "`+role+`"`)
				require.NoError(t, err)
			}
			engine, stop := h.run(pool, ward(&healed))
			h.wait(engine, "sample", h.append(10))
			change("REVOKE " + right[0] + " FROM")
			last := h.append(50)
			reason := h.stands(engine)
			require.Contains(t, reason, right[1])
			require.Contains(t, reason, "A right was taken from this process's role in "+h.database())

			stop() // an engine that starts so says it, too
			engine, _ = h.run(pool, ward(&healed))
			require.Contains(t, h.stands(engine), right[1])
			change("GRANT " + right[0] + " TO")
			h.wait(engine, "sample", last)
			h.consistent("sample_v1", ward(&healed))
		})
	}
}

// A retry of what is parked, too, is stopped by changed tables and not by the event.
func TestARetryOverChangedTablesStaysWanted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	h.append(5)
	h.wait(engine, "sample", h.rename(3, "sick"))
	before := h.parked(engine, 1)[0]
	h.exec("ALTER TABLE sample_v1.devices ALTER name TYPE varchar(3) USING left(name, 3)")
	healed.Store(true)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", ""))
	require.Never(t, func() bool {
		list, err := engine.Parked(t.Context(), "sample")
		return err != nil || len(list) != 1 || list[0].Tries != before.Tries || !list[0].Wanted
	}, 300*time.Millisecond, 10*time.Millisecond)
	h.exec("ALTER TABLE sample_v1.devices ALTER name TYPE text")
	h.parked(engine, 0)
}
