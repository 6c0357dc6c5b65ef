package projections_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// Whether commits wait.
const on, off = "on", "off"

// waiting opens a pool whose commits wait unless they are told not to, and notes of each step of a checkpoint whether its
// commit waits.
func (h *house) waiting() (pool *pgxpool.Pool, waits func(at events.Position, build string) string) {
	t := h.t
	t.Helper()
	config, err := pgxpool.ParseConfig(h.url)
	require.NoError(t, err)
	config.ConnConfig.RuntimeParams["search_path"] = postgres.Schema
	config.ConnConfig.RuntimeParams["synchronous_commit"] = on
	pool, err = pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	h.exec(`CREATE TABLE steps (at bigint, build text, waits text);
		CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			INSERT INTO steps VALUES (NEW.position, NEW.projection || NEW.build, current_setting('synchronous_commit'));
			RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER note_step AFTER UPDATE OF position ON checkpoints DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION note_step()`)
	return pool, func(at events.Position, build string) (waits string) {
		t.Helper()
		err := h.pool.QueryRow(t.Context(), "SELECT string_agg(DISTINCT waits, ' ') FROM steps WHERE at = $1 AND build = $2", int64(at), build).Scan(&waits)
		require.NoError(t, err)
		return waits
	}
}

func TestACommitWaitsForTheDiskWhereReadersSeeItsRows(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	pool, waits := h.waiting()
	engine, _ := h.run(pool, sample)
	written := h.append(3)
	h.wait(engine, "sample", written)
	require.Equal(t, on, waits(written, "sample1"))
	appended, err := h.store.Append(t.Context(), "$settings", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "$metadata"}})
	require.NoError(t, err)
	without := appended.Position
	h.wait(engine, "sample", without)
	require.Equal(t, off, waits(without, "sample1"), "without rows nothing is lost with it")

	_, err = engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	h.phase("sample_v1_b2", projections.PhaseReady) // which it is before the last batch
	require.Eventually(t, func() bool { return h.position("sample_v1_b2") == without }, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, off, waits(without, "sample2"), "nobody reads what is built again")
	written = h.append(1)
	require.Eventually(t, func() bool {
		return len(h.rows(fmt.Sprint("SELECT FROM checkpoints WHERE projection = 'sample' AND build = 2 AND position >= ", written))) == 1
	}, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, on, waits(written, "sample2"), "it may be live at any moment")
	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	written = h.append(1)
	h.wait(engine, "sample", written)
	require.Equal(t, on, waits(written, "sample2"))

	h.exec(fmt.Sprintf("ALTER TABLE sample_v1_b2.devices ADD CONSTRAINT narrow CHECK (name <> 'device %d')", h.given+2))
	h.many(2)
	stands := h.status(engine, "sample", projections.StatePaused).Position
	require.Greater(t, stands, written)
	require.Equal(t, on, waits(stands, "sample2"), "what is written event by event is read as well")
}

// TestACommitWaitsForWhatAnEventWritesByItself, of which the engine knows nothing.
func TestACommitWaitsForWhatAnEventWritesByItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	pool, waits := h.waiting()
	engine, _ := h.run(pool, ranked(rankedSchema, never))
	h.wait(engine, "sample", h.append(1))
	last := h.rename(1, "well")
	h.wait(engine, "sample", last)
	require.Equal(t, on, waits(last, "sample1"))
}
