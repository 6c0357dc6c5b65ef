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

// TestACommitWaitsForTheDiskWhereReadersSeeItsRows looks at the setting with which each step of a checkpoint is committed.
func TestACommitWaitsForTheDiskWhereReadersSeeItsRows(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	config, err := pgxpool.ParseConfig(h.url)
	require.NoError(t, err)
	config.ConnConfig.RuntimeParams["search_path"] = postgres.Schema
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
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
	waits := func(at events.Position, build string) (waits string) {
		err := h.pool.QueryRow(t.Context(), "SELECT string_agg(DISTINCT waits, ' ') FROM steps WHERE at = $1 AND build = $2", int64(at), build).Scan(&waits)
		require.NoError(t, err)
		return waits
	}
	const on, off = "on", "off"

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
	h.phase("sample_v1_b2", projections.PhaseReady)
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
}
