package projections_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/storetest"
	"daybook/adapters/watermill"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// kinds has a table of each kind: the sample's, and how many events there are of each type.
func kinds() *projections.Projection {
	return kindsFrom("SELECT type, count(*) AS n FROM trail GROUP BY type")
}

// kindsFrom declares something else of the sums.
func kindsFrom(identity string) *projections.Projection {
	p := projections.New("sample", 1, indexedSchema+"; CREATE TABLE totals (type text PRIMARY KEY, n bigint NOT NULL)")
	trail := projections.Append[trailRow](p, "trail")
	totals := projections.Sum[typeRow](p, "totals", projections.From(identity))
	projections.OnAll(p, func(at projections.At) error {
		row := trailRow{
			Stream: at.Stream, Revision: at.Revision, Position: at.Position, Type: at.Type, EventID: at.ID,
			Foreign: at.Foreign != nil, Data: at.Data,
		}
		if at.Foreign == nil {
			row.RecordedAt = &at.Envelope.RecordedAt
		}
		if err := trail.Add(row); err != nil {
			return err
		}
		return totals.Add(typeRow{at.Type, 1})
	})
	sampleState(p)
	return p
}

type typeRow struct {
	Type string `db:"type,key"`
	N    int64  `db:"n"`
}

// history appends events of every kind, and some of the store's own; it returns the positions of all records.
func (h *house) history() (positions []events.Position) {
	h.t.Helper()
	for n := range 3 {
		h.record("devices-1", events.DeviceLinked{DeviceID: device(n), Name: fmt.Sprint("Phone ", n)})
		h.record("conversation-1", events.MessageFailed{StatusFact: fact(n)})
		h.record("conversation-2", events.MessageDelivered{StatusFact: fact(n)})
		h.record("devices-1", events.DeviceRenamed{DeviceID: device(n / 2), Name: fmt.Sprint("Renamed ", n)})
	}
	for stream, name := range map[string]string{"devices-1": "$metadata", "foreign-1": "Foreign"} {
		_, err := h.store.Append(h.t.Context(), stream, events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: name}})
		require.NoError(h.t, err)
	}
	h.record("devices-1", events.DeviceUnlinked{DeviceID: device(1)})
	for r, err := range h.store.ReadAll(h.t.Context(), events.Start) {
		require.NoError(h.t, err)
		positions = append(positions, r.Position)
	}
	return positions
}

// many records device events in few appends, and returns the position of the last one.
func (h *house) many(n int) (last events.Position) {
	h.t.Helper()
	for n > 0 {
		proposed := make([]events.Proposed, 0, 500)
		for ; n > 0 && len(proposed) < cap(proposed); n-- {
			h.given++
			e, err := events.Encode(id.New[id.Event](), events.DeviceLinked{DeviceID: device(h.given), Name: fmt.Sprint("device ", h.given)},
				events.Envelope{RecordedAt: projectiontest.Epoch})
			require.NoError(h.t, err)
			proposed = append(proposed, e)
		}
		appended, err := h.store.Append(h.t.Context(), "devices-many", events.Any, proposed)
		require.NoError(h.t, err)
		last = appended.Position
	}
	return last
}

// truncated is a log that ends at a position.
type truncated struct {
	storetest.LentStore

	end events.Position
}

func (l truncated) SubscribeAll(ctx context.Context, after events.Position, limit int) iter.Seq2[[]events.Record, error] {
	return func(yield func([]events.Record, error) bool) {
		for records, err := range l.LentStore.SubscribeAll(ctx, after, limit) {
			n := 0
			for n < len(records) && records[n].Position <= l.end {
				n++
			}
			if n > 0 && !yield(records[:n:n], err) || err != nil {
				return
			}
		}
	}
}

// upTo is what an engine makes of the log up to a position, and how many events it counts.
func (h *house) upTo(at events.Position, define projections.Definition) (rows []string, counted int64) {
	h.t.Helper()
	pool, err := postgres.Open(h.t.Context(), pgtest.Database(h.t))
	require.NoError(h.t, err)
	defer pool.Close()
	engine, err := projections.NewEngine(projections.Config{
		Pool: pool, Log: h.store, Now: time.Now,
		Subscriber: watermill.NewBatchSubscriber(watermill.Config{Log: truncated{h.store, at}, Events: 3}),
	}, define)
	require.NoError(h.t, err)
	other := &house{t: h.t, store: h.store, pool: pool}
	stop := other.start(engine)
	defer stop()
	other.wait(engine, "sample", at)
	return other.dump("sample_v1"), other.counted()
}

func TestAsOfIsWhatAnEngineMakesOfThatMuchOfTheLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	positions := h.history()
	engine, _ := h.run(h.pool, kinds)
	h.wait(engine, "sample", positions[len(positions)-1])
	for i, at := range positions {
		as, err := engine.AsOf(t.Context(), "sample", at, nil)
		require.NoError(t, err)
		require.Equal(t, at, as.Position)
		require.Equal(t, fmt.Sprint("sample_v1_b", i+2), as.Schema)
		want, counted := h.upTo(at, kinds)
		require.Equal(t, want, h.dump(as.Schema), at)
		require.Equal(t, counted, as.Events, at)
		rows := int64(0)
		for _, table := range as.Tables {
			rows += table.Rows
		}
		require.EqualValues(t, len(want), rows)
	}
	all, err := engine.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1, "nobody projects what is only looked at")
	require.Equal(t, h.indexes("sample_v1"), h.indexes("sample_v1_b2"))
	h.wait(engine, "sample", h.append(1))
	require.Equal(t, "sample_v1", h.live(engine))
}

// TestAsOfTellsHowFarItIs asks for more than the log has, of an engine that does not run.
func TestAsOfTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	clock := atomic.Int64{}
	h.now = func() time.Time { return time.Unix(clock.Add(1), 0) }
	last := h.many(2499)
	engine := h.engine(h.pool, kinds)
	var told []projections.Filled
	as, err := engine.AsOf(t.Context(), "sample", last+1000, func(p projections.Filled) { told = append(told, p) })
	require.NoError(t, err)
	require.Equal(t, last, as.Position)
	require.Equal(t, last+1000, as.Asked)
	require.EqualValues(t, 2500, as.Events)
	require.Equal(t, projections.TableRows{Table: "trail", Rows: 2500}, as.Tables[3])
	require.Len(t, told, 3)
	for i, atMost := range []int64{1000, 2000, 2500} { // a batch holds 1,000 records, some of which may be the store's own
		require.LessOrEqual(t, told[i].Events, atMost)
		require.Greater(t, told[i].Events, atMost-100)
		require.Positive(t, told[i].Rate)
	}
	require.Equal(t, last, told[2].Position)
	require.EqualValues(t, 2500, told[2].Events)

	_, err = engine.AsOf(t.Context(), "nobody", last, nil)
	require.EqualError(t, err, "projection nobody: there is no such projection")
	require.NoError(t, engine.Prepare(t.Context()))
	require.Equal(t, "sample_v1", h.live(engine), "what is only looked at is not in the way of the first build")
	_, err = h.engine(h.pool, func() *projections.Projection { return sampleVersion(1, sampleSchema) }).AsOf(t.Context(), "sample", last, nil)
	_, misuse := errors.AsType[*projections.MisuseError](err)
	require.True(t, misuse, "another definition of the same version: %v", err)
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	require.Equal(t, "sample_v1_b3", schema)
}

// scratches lists the scratch builds, and the physical schemas that are no other build's.
func (h *house) scratches() (found []string) {
	h.t.Helper()
	rows, err := h.pool.Query(h.t.Context(), `SELECT schema_name FROM projections WHERE phase = 'scratch'
		UNION ALL SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sample\_%'
			AND nspname NOT IN (SELECT schema_name FROM projections WHERE phase <> 'scratch')
		UNION ALL SELECT projection FROM checkpoints c WHERE NOT EXISTS (SELECT FROM projections p
			WHERE p.name = c.projection AND p.version = c.version AND p.build = c.build)`)
	require.NoError(h.t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(h.t, rows.Scan(&name))
		found = append(found, name)
	}
	require.NoError(h.t, rows.Err())
	return found
}

func TestScratchBuildsGoAfterAWhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 5 * time.Millisecond
	engine, _ := h.run(h.pool, kinds)
	last := h.many(1500)
	h.wait(engine, "sample", last)
	finished, err := engine.AsOf(t.Context(), "sample", last, nil)
	require.NoError(t, err)
	old, err := engine.AsOf(t.Context(), "sample", last, nil)
	require.NoError(t, err)
	calls := 0
	busy, err := engine.AsOf(t.Context(), "sample", last, func(projections.Filled) {
		if calls++; calls > 1 {
			return
		}
		dead, err := h.engine(h.pool, kinds).AsOf(t.Context(), "sample", last, nil)
		require.NoError(t, err)
		h.exec("UPDATE checkpoints SET holder = 'dead', expires_at = now() WHERE build = $1", dead.Build)
		h.exec("UPDATE projections SET changed_at = changed_at - interval '2 hours' WHERE build = $1", old.Build)
		h.phase(dead.Schema, "")
		h.phase(old.Schema, "")
	})
	require.NoError(t, err)
	schemas := []string{finished.Schema, busy.Schema}
	require.ElementsMatch(t, append(schemas, schemas...), h.scratches(), "what is new or being filled stays")
	require.Len(t, h.dump(busy.Schema), len(h.dump("sample_v1")))
}

// TestEveryScratchBuildHasALeaseOfItsOwn: what renews one build must not keep another that was given up.
func TestEveryScratchBuildHasALeaseOfItsOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	last := h.append(3)
	engine := h.engine(h.pool, kinds)
	holders := map[string]bool{}
	for range 2 {
		_, err := engine.AsOf(t.Context(), "sample", last, func(projections.Filled) {
			var holder string
			require.NoError(t, h.pool.QueryRow(t.Context(), "SELECT holder FROM checkpoints WHERE expires_at > now()").Scan(&holder))
			holders[holder] = true
		})
		require.NoError(t, err)
	}
	require.Len(t, holders, 2)
}

// TestAsOfThatIsCutOffLeavesNothing ends it at whatever statement it sends, by its context or by cutting its connection.
func TestAsOfThatIsCutOffLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	last := h.many(2500)
	require.NoError(t, h.engine(h.pool, kinds).Prepare(t.Context()))
	finished := 0
	for n := int64(1); finished < 2; n += 2 {
		ctx, cancel := context.WithCancel(t.Context())
		var sent atomic.Int64
		cut := n%4 == 1
		pool := h.wired(t, func([]byte) bool {
			if sent.Add(1) != n {
				return false
			}
			if cut {
				h.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wired' AND datname = current_database()")
			} else {
				cancel()
			}
			return false
		})
		_, err := h.engine(pool, kinds).AsOf(ctx, "sample", last, nil)
		if err == nil {
			finished++
			h.exec("UPDATE projections SET changed_at = changed_at - interval '2 hours' WHERE phase = 'scratch'")
		} else if !cut {
			require.ErrorIs(t, err, context.Canceled)
		}
		cancel()
		pool.Close()
	}
	h.exec("UPDATE checkpoints SET expires_at = now() WHERE holder LIKE '%scratch%'")
	h.beat = 5 * time.Millisecond
	engine, _ := h.run(h.pool, kinds)
	require.Eventually(t, func() bool { return len(h.scratches()) == 0 }, 30*time.Second, 5*time.Millisecond)
	h.wait(engine, "sample", last)
	require.Equal(t, "sample_v1", h.live(engine))
}

// TestAsOfThatIsCancelledLeavesNothingAtOnce needs nobody to look after builds.
func TestAsOfThatIsCancelledLeavesNothingAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	last := h.many(2500)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := h.engine(h.pool, kinds).AsOf(ctx, "sample", last, func(projections.Filled) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, h.scratches())
	require.Empty(t, h.rows("SELECT FROM checkpoints"))
}

// TestAScratchBuildThatWasTakenAwayIsNotWrittenTo: its process was frozen for longer than its lease.
func TestAScratchBuildThatWasTakenAwayIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 5 * time.Millisecond
	engine, _ := h.run(h.pool, kinds)
	last := h.many(2500)
	_, err := engine.AsOf(t.Context(), "sample", last, func(projections.Filled) {
		h.exec("UPDATE checkpoints SET expires_at = now() WHERE holder LIKE '%scratch%'")
		require.Eventually(t, func() bool { return len(h.scratches()) == 0 }, 30*time.Second, 5*time.Millisecond)
	})
	require.ErrorContains(t, err, "scratch build sample_v1_b2 was removed: its lease had run out")
	require.True(t, strings.HasPrefix(err.Error(), "projecting sample as of position"))
}
