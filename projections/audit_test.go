package projections_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/events"
	"daybook/projections"
)

// stateAlone keeps rows by key only: no sample proves any of them.
func stateAlone() *projections.Projection {
	p := projections.New("sample", 1, sampleSchema)
	sampleState(p)
	return p
}

// patrolled is a house whose clock moves, so that audits are due whenever it does.
func patrolled(t *testing.T) (*house, *clock) {
	t.Helper()
	h, c := newHouse(t), &clock{now: noon}
	h.audit, h.now = 10*time.Millisecond, func() time.Time { return c.add(0) }
	return h, c
}

// eventually waits for what audits find.
func (h *house) eventually(c *clock, engine *projections.Engine, want func(projections.Status) bool) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		c.add(time.Second)
		all, err := engine.Status(h.t.Context())
		require.NoError(h.t, err)
		i := slices.IndexFunc(all, func(s projections.Status) bool { return s.Name == "sample" })
		return i >= 0 && want(all[i])
	}, 30*time.Second, 5*time.Millisecond)
}

// TestWhatNoSampleProvesIsUnknown until the slow audit has projected the log anew for it.
func TestWhatNoSampleProvesIsUnknown(t *testing.T) {
	t.Parallel()
	h, c := patrolled(t)
	engine, stop := h.run(h.pool, stateAlone)
	last := h.append(50)
	h.wait(engine, "sample", last)
	h.eventually(c, engine, func(s projections.Status) bool { return s.Drift != nil && s.Drift.Position == last })
	clean := h.drift(engine)
	require.Empty(t, clean.Tables)
	require.Len(t, clean.Checked, 3)
	for _, check := range clean.Checked {
		require.Equal(t, projections.HowLog, check.How, "%v", check)
	}
	h.exec("UPDATE sample_v1.devices SET name = 'forged'; DELETE FROM sample_v1.devices WHERE device_id = '" + deviceOne + "'")
	h.eventually(c, engine, func(s projections.Status) bool { return s.Drift.Rows == 50 })
	stop()

	h.exec("DELETE FROM drift")
	v := h.verify(engine, projections.VerifyOptions{Sample: 32, Complete: -1, Seed: 7})
	require.True(t, v.Unknown())
	require.False(t, v.Clean(), "nothing was compared")
	require.Contains(t, v.String(), "unknown, no rows were compared\n")
	require.True(t, h.drift(engine).Unknown())
	h.verify(engine, projections.VerifyOptions{})
	found := h.drift(engine)
	require.EqualValues(t, 50, found.Rows)
	c.add(time.Second)
	h.verify(engine, projections.VerifyOptions{Sample: 32, Complete: -1, Seed: 7})
	require.Equal(t, found, h.drift(engine), "what was not compared stays as it was found")
}

// TestTheSlowAuditLeavesSamplesTheirTables compares the tables that no sample proves, and no others.
func TestTheSlowAuditLeavesSamplesTheirTables(t *testing.T) {
	t.Parallel()
	h, _ := patrolled(t)
	engine, _ := h.run(h.pool, kinds)
	h.wait(engine, "sample", h.append(50))
	h.exec("UPDATE sample_v1.devices SET name = 'forged'; DELETE FROM sample_v1.trail")
	v, err := engine.VerifySlowly(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, []projections.TableDrift{{Table: "devices", Rows: 50}}, v.Tables)
	require.Contains(t, v.String(), "  devices, messages: all rows, with what the 51 events of the log up to there come to\nnot compared: totals, trail\n")
	require.False(t, v.Complete)
	require.Eventually(t, func() bool { return len(h.scratches()) == 0 }, 30*time.Second, 5*time.Millisecond, "but for one of the audit's own")
}

// TestRowsThatDependOnOtherTablesAreComparedWithThese: a trigger on a table that a sample proves writes one that none does.
func TestRowsThatDependOnOtherTablesAreComparedWithThese(t *testing.T) {
	t.Parallel()
	h, _ := patrolled(t)
	schema := sampleSchema + `; CREATE TABLE log (id bigint);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('INSERT INTO %I.log VALUES ($1)', TG_TABLE_SCHEMA) USING NEW.position; RETURN NEW; END $$;
		CREATE TRIGGER note AFTER INSERT ON trail FOR EACH ROW EXECUTE FUNCTION note()`
	engine, _ := h.run(h.pool, func() *projections.Projection { return sampleVersion(1, schema) })
	h.wait(engine, "sample", h.append(50))
	v, err := engine.VerifySlowly(t.Context(), "sample")
	require.NoError(t, err)
	require.True(t, v.Clean(), v)
	require.True(t, v.Complete)
	h.exec("DELETE FROM sample_v1.log")
	v, err = engine.VerifySlowly(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, []projections.TableDrift{{Table: "log", Rows: 51}}, v.Tables)
}

// panicking is a log that cannot be read from its beginning.
type panicking struct {
	projections.Log

	armed *atomic.Bool
}

func (p panicking) ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error] {
	if p.armed.Load() {
		panic("no more paper")
	}
	return p.Log.ReadAll(ctx, after)
}

// TestAnAuditThatPanicsFails, and neither the process nor any projection does.
func TestAnAuditThatPanicsFails(t *testing.T) {
	t.Parallel()
	h, c := patrolled(t)
	var armed atomic.Bool
	h.source = panicking{h.store, &armed}
	engine, _ := h.run(h.pool, kinds)
	h.wait(engine, "sample", h.append(5))
	armed.Store(true)
	h.eventually(c, engine, func(s projections.Status) bool { return strings.Contains(s.Audit, "it panicked: no more paper") })
	armed.Store(false)
	h.wait(engine, "sample", h.append(5))
	h.eventually(c, engine, func(s projections.Status) bool { return s.Audit == "" && s.Drift != nil })
	require.Empty(t, h.drift(engine).Tables)
}

// small is a pool of few connections.
func (h *house) small(connections int32) *pgxpool.Pool {
	h.t.Helper()
	config, err := pgxpool.ParseConfig(h.url)
	require.NoError(h.t, err)
	config.ConnConfig.RuntimeParams["search_path"] = postgres.Schema
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(h.t.Context(), config)
	require.NoError(h.t, err)
	h.t.Cleanup(pool.Close)
	return pool
}

// TestManyVerificationsLeaveTheWorkersTheirConnections begins far more than the pool has.
func TestManyVerificationsLeaveTheWorkersTheirConnections(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine, _ := h.run(h.small(4), kinds)
	h.wait(engine, "sample", h.append(30))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var verifying sync.WaitGroup
	failed := make(chan error, 24)
	for n := range 24 {
		verifying.Go(func() {
			_, err := engine.Verify(ctx, "sample", projections.VerifyOptions{Sample: 5, Complete: int64(n%2) - 1})
			failed <- err
		})
	}
	h.wait(engine, "sample", h.append(20))
	verifying.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	_, err := h.engine(h.small(3), kinds).Verify(t.Context(), "sample", projections.VerifyOptions{})
	require.ErrorContains(t, err, "the pool has 3, give it 4 or more (pool_max_conns)")
}

// TestOneVerificationIsAtWorkAtATime: others wait for as long as their callers do.
func TestOneVerificationIsAtWorkAtATime(t *testing.T) {
	t.Parallel()
	h, engine, last := audited(t)
	o := projections.VerifyOptions{Progress: func(projections.Filled) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, verify := engine.Verify(ctx, "sample", projections.VerifyOptions{})
		_, diff := engine.Diff(ctx, "sample")
		_, asOf := engine.AsOf(ctx, "sample", last, nil)
		for _, err := range []error{verify, diff, asOf} {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "projection sample: waiting for another verify, diff or as-of of this process to end")
		}
	}}
	require.True(t, h.verify(engine, o).Clean())
}

// TestObjectsOfTablesAreCompared with those that schema.sql makes.
func TestObjectsOfTablesAreCompared(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	schema := sampleSchema + `; CREATE UNIQUE INDEX first ON trail (position); CREATE INDEX other ON trail (type);
		CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
		CREATE TRIGGER keep BEFORE INSERT ON trail FOR EACH ROW EXECUTE FUNCTION keep();
		ALTER TABLE devices ADD CONSTRAINT renames CHECK (renames >= 0)`
	engine, _ := h.run(h.pool, func() *projections.Projection { return sampleVersion(1, schema) })
	h.wait(engine, "sample", h.append(5))
	for _, o := range []projections.VerifyOptions{{}, everything(1)} {
		v := h.verify(engine, o)
		require.True(t, v.Clean(), v)
	}
	for change, want := range map[string]string{
		"ALTER TABLE messages DROP CONSTRAINT messages_pkey": "constraint messages_pkey of messages",
		"ALTER TABLE devices DROP CONSTRAINT renames":        "constraint renames of devices",
		"ALTER TABLE devices ALTER name SET DEFAULT 'x'":     "column name of devices",
		"ALTER TABLE trail ALTER type TYPE varchar":          "column type of trail",
		"ALTER TABLE trail ALTER type DROP NOT NULL":         "column type of trail",
		"DROP INDEX first":                       "index first of trail",
		"ALTER TABLE trail DISABLE TRIGGER keep": "trigger keep of trail",
		"CREATE TRIGGER forged BEFORE INSERT ON devices FOR EACH ROW EXECUTE FUNCTION keep()": "trigger forged of devices",
		"CREATE TABLE more (n int PRIMARY KEY)":                                               "table more of more",
	} {
		tx, err := h.pool.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "SET LOCAL search_path TO sample_v1; "+change)
		require.NoError(t, err)
		found, err := engine.ObjectsThatDiffer(t.Context(), tx, "sample")
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprint(found[0]), change)
		require.Len(t, found, 1, change)
		require.NoError(t, tx.Rollback(t.Context()))
	}
	h.exec("DROP INDEX sample_v1.first; DROP TRIGGER keep ON sample_v1.trail")
	for _, o := range []projections.VerifyOptions{{}, everything(1)} {
		v := h.verify(engine, o)
		require.False(t, v.Clean())
		require.Zero(t, v.Drift)
		require.Contains(t, v.String(), ": 2 objects are not those of schema.sql\n")
		require.Contains(t, v.String(), "trail: index first is missing: CREATE UNIQUE INDEX first ON trail USING btree (\"position\")\n")
		require.Equal(t, v.Tables, h.drift(engine).Tables)
	}
	h.exec("CREATE UNIQUE INDEX first ON sample_v1.trail (position); CREATE TRIGGER keep BEFORE INSERT ON sample_v1.trail FOR EACH ROW EXECUTE FUNCTION sample_v1.keep()")
	h.verify(engine, everything(1))
	require.Empty(t, h.drift(engine).Tables, "all objects are compared each time")
}
