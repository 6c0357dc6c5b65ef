package projections_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

const rankedSchema = `
	CREATE TABLE steps (stream text, revision bigint, device_id uuid, name text, PRIMARY KEY (stream, revision));
	CREATE TABLE counts (name text PRIMARY KEY, n bigint NOT NULL);
	CREATE TABLE ranks (device_id uuid PRIMARY KEY, steps int, counted bigint CHECK (counted < 100));`

// ranked counts steps, and lets a renaming look at what they came to so far; refuse is asked before that.
func ranked(schema string, refuse func(context.Context, pgx.Tx, events.DeviceRenamed) error) projections.Definition {
	return func() *projections.Projection {
		p := projections.New("sample", 1, schema)
		steps, counts := projections.Append[wardStep](p, "steps"), projections.Sum[wardCount](p, "counts")
		step := func(e events.DeviceLinked, at projections.At) error {
			return errors.Join(steps.Add(wardStep{at.Stream, at.Revision, e.DeviceID, e.Name}), counts.Add(wardCount{"all", 1}))
		}
		projections.On(p, step)
		projections.OnTx(p, func(ctx context.Context, tx pgx.Tx, e events.DeviceRenamed, at projections.At) error {
			if err := refuse(ctx, tx, e); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO ranks SELECT $1, (SELECT count(*) FROM steps), (SELECT n FROM counts)
				ON CONFLICT (device_id) DO UPDATE SET steps = excluded.steps, counted = excluded.counted`, e.DeviceID.Bytes())
			if err != nil {
				return err
			}
			return step(events.DeviceLinked{DeviceID: e.DeviceID, Name: e.Name}, at)
		})
		return p
	}
}

func never(context.Context, pgx.Tx, events.DeviceRenamed) error { return nil }

func rankedHistory(s *projectiontest.Scenario) {
	for n := range 40 {
		s.Given("devices-1", events.DeviceLinked{DeviceID: device(n), Name: "new"})
		if n%5 == 0 {
			s.Given("devices-1", events.DeviceRenamed{DeviceID: device(n), Name: "first"}, events.DeviceRenamed{DeviceID: device(n / 2), Name: "second"})
		}
	}
}

func TestTheKitPassesOnOnTx(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, ranked(rankedSchema, never), rankedHistory)
}

func TestWhatCameBeforeIsThereOnTx(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, ranked(rankedSchema, never)).
		Given("devices-1", events.DeviceLinked{DeviceID: device(1), Name: "a"}, events.DeviceLinked{DeviceID: device(2), Name: "b"},
			events.DeviceRenamed{DeviceID: device(1), Name: "c"}, events.DeviceRenamed{DeviceID: device(2), Name: "d"},
			events.DeviceLinked{DeviceID: device(3), Name: "e"})
	s.Then("SELECT steps, counted FROM ranks ORDER BY steps", "2 | 2", "3 | 3").
		Then("SELECT name FROM steps ORDER BY revision", "a", "b", "c", "d", "e").Then("SELECT n FROM counts", "5")
}

func TestAFailureOnTxIsTheEvents(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refuse func(context.Context, pgx.Tx, events.DeviceRenamed) error
		want   string
	}{
		"Error": {func(context.Context, pgx.Tx, events.DeviceRenamed) error { return errSick }, "the device is sick"},
		"Panic": {func(context.Context, pgx.Tx, events.DeviceRenamed) error { panic("at the disco") }, "handler panicked: at the disco"},
		"Refused": {func(ctx context.Context, tx pgx.Tx, e events.DeviceRenamed) error {
			_, err := tx.Exec(ctx, "INSERT INTO ranks VALUES ($1, 0, 100)", e.DeviceID.Bytes())
			return err
		}, "ranks_counted_check"},
		"Unheard": {func(ctx context.Context, tx pgx.Tx, e events.DeviceRenamed) error {
			_, _ = tx.Exec(ctx, "INSERT INTO ranks VALUES ($1, 0, 100)", e.DeviceID.Bytes())
			return nil
		}, "its handler went on after the database had refused a statement"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			var healed atomic.Bool
			define := ranked(rankedSchema, func(ctx context.Context, tx pgx.Tx, e events.DeviceRenamed) error {
				if e.Name != "sick" || healed.Load() {
					return nil
				}
				if _, err := tx.Exec(ctx, "INSERT INTO ranks VALUES (gen_random_uuid(), 0, 0)"); err != nil { // nothing is left of it
					return err
				}
				return c.refuse(ctx, tx, e)
			})
			h.append(3)
			before := h.rename(1, "well")
			h.rename(2, "sick")
			last := h.append(3)
			engine, _ := h.run(h.pool, define)
			h.wait(engine, "sample", before)
			status := h.status(engine, "sample", projections.StatePaused)
			require.Contains(t, status.Error, "DeviceRenamed at devices-2@1: ")
			require.Contains(t, status.Error, c.want)
			require.Equal(t, before, status.Position)
			require.Len(t, h.rows("SELECT FROM sample_v1.ranks"), 1)
			healed.Store(true)
			h.wait(engine, "sample", last)
			h.consistent("sample_v1", ranked(rankedSchema, never))
		})
	}
}

// comparedSchema has rows that are compared with others: batches are written one by one.
const comparedSchema = rankedSchema + "CREATE TABLE notes (name text REFERENCES counts)"

// TestAHandlerCannotEndTheTransaction lets one try, and not listen to what the server says.
func TestAHandlerCannotEndTheTransaction(t *testing.T) {
	t.Parallel()
	said := func(statements ...string) func(context.Context, pgx.Tx) {
		return func(ctx context.Context, tx pgx.Tx) {
			for _, sql := range statements {
				_, _ = tx.Exec(ctx, sql)
			}
		}
	}
	for name, ends := range map[string]func(context.Context, pgx.Tx){
		"Commit":           func(ctx context.Context, tx pgx.Tx) { _ = tx.Commit(ctx) },
		"Rollback":         func(ctx context.Context, tx pgx.Tx) { _ = tx.Rollback(ctx) },
		"COMMIT":           said("COMMIT"),
		"ROLLBACK":         said("ROLLBACK"),
		"COMMIT AND CHAIN": said("COMMIT AND CHAIN"),
		"COMMIT, BEGIN":    said("COMMIT", "BEGIN"),
		"ROLLBACK, BEGIN":  said("ROLLBACK", "BEGIN"),
		"By the savepoint": said("ROLLBACK TO SAVEPOINT event", "COMMIT"),
		"The connection's": func(ctx context.Context, tx pgx.Tx) { _, _ = tx.Conn().Exec(ctx, "COMMIT; BEGIN") },
	} {
		for how, schema := range map[string]string{"Together": rankedSchema, "Singly": comparedSchema} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				var healed atomic.Bool
				define := ranked(schema, func(ctx context.Context, tx pgx.Tx, e events.DeviceRenamed) error {
					if e.Name == "sick" && !healed.Load() {
						ends(ctx, tx)
					}
					return nil
				})
				h.append(3)
				before := h.rename(1, "well")
				h.rename(2, "sick")
				last := h.append(3)
				engine, _ := h.run(h.pool, define)
				h.wait(engine, "sample", before)
				status := h.status(engine, "sample", projections.StatePaused)
				require.Contains(t, status.Error, "DeviceRenamed at devices-2@1: its handler ended the transaction, which is the engine's to end")
				require.Equal(t, before, status.Position)
				healed.Store(true)
				h.wait(engine, "sample", last)
				h.consistent("sample_v1", ranked(schema, never))
			})
		}
	}
}

func TestAnEventWhoseHandlerEndsTheTransactionIsParked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var healed atomic.Bool
	define := func() *projections.Projection {
		p := ranked(rankedSchema, func(ctx context.Context, tx pgx.Tx, e events.DeviceRenamed) error {
			if e.Name != "sick" || healed.Load() {
				return nil
			}
			_, err := tx.Exec(ctx, "COMMIT")
			return err
		})()
		parkByDevice(p)
		return p
	}
	h.append(3)
	h.rename(1, "sick")
	h.rename(2, "sick")
	h.rename(3, "well")
	engine, _ := h.run(h.pool, define)
	h.wait(engine, "sample", h.append(3))
	parked, err := engine.Parked(t.Context(), "sample")
	require.NoError(t, err)
	require.Len(t, parked, 2)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", parked[0].Key))
	require.Eventually(t, func() bool {
		parked, err = engine.Parked(t.Context(), "sample")
		return err == nil && slices.ContainsFunc(parked, func(p projections.Parked) bool { return p.Tries > 1 })
	}, 30*time.Second, 5*time.Millisecond)
	for _, p := range parked {
		require.Contains(t, p.Cause, "its handler ended the transaction")
		require.Equal(t, 1, p.Events)
	}
	require.Len(t, h.rows("SELECT FROM sample_v1.ranks"), 1)
	require.Len(t, h.rows("SELECT FROM sample_v1.steps"), 7)
	healed.Store(true)
	for _, p := range parked {
		require.NoError(t, engine.Retry(t.Context(), "sample_v1", p.Key))
	}
	require.Eventually(t, func() bool { return len(h.rows("SELECT FROM sample_v1.ranks")) == 3 }, 30*time.Second, 5*time.Millisecond)
}

// TestNoEventIsToBlameForTheDatabaseOnTx takes a table away that only the handler knows.
func TestNoEventIsToBlameForTheDatabaseOnTx(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	parking := func() *projections.Projection {
		p := ranked(rankedSchema, never)()
		parkByDevice(p)
		return p
	}
	engine, _ := h.run(h.pool, parking)
	h.wait(engine, "sample", h.append(3))
	h.exec("ALTER TABLE sample_v1.ranks RENAME TO away")
	last := h.rename(1, "well")
	require.Contains(t, h.status(engine, "sample", projections.StateRetrying).Error, `DeviceRenamed at devices-1@1: ERROR: relation "ranks" does not exist`)
	require.Empty(t, h.rows("SELECT FROM parked_events"))
	h.exec("ALTER TABLE sample_v1.away RENAME TO ranks")
	h.wait(engine, "sample", last)
}

func TestAnEventIsParkedOnTx(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, func() *projections.Projection {
		p := ranked(rankedSchema, func(_ context.Context, _ pgx.Tx, e events.DeviceRenamed) error {
			if e.Name == "sick" {
				return errSick
			}
			return nil
		})()
		parkByDevice(p)
		return p
	}).Given("devices-1", events.DeviceLinked{DeviceID: device(1), Name: "a"}, events.DeviceRenamed{DeviceID: device(1), Name: "sick"},
		events.DeviceRenamed{DeviceID: device(2), Name: "b"}, events.DeviceRenamed{DeviceID: device(1), Name: "c"})
	s.Then("SELECT name FROM steps ORDER BY revision", "a", "b").Then("SELECT steps FROM ranks", "1")
	require.Len(t, s.Parked(), 1)
	require.Equal(t, 2, s.Parked()[0].Events)
}

func TestAnEventHasOneHandlerOnTxOrNot(t *testing.T) {
	t.Parallel()
	p := projections.New("bad", 1, "")
	projections.OnTx(p, func(context.Context, pgx.Tx, events.DeviceRenamed, projections.At) error { return nil })
	require.Equal(t, []string{"DeviceRenamed"}, p.Handles())
	projections.On(p, func(events.DeviceRenamed, projections.At) error { return nil })
	require.ErrorContains(t, newEngineError(p), "projection bad_v1: two handlers for event DeviceRenamed")
	require.Equal(t, 1, strings.Count(strings.Join(p.Handles(), " "), "DeviceRenamed"))
}
