package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/events"
	"daybook/events/id"
)

// moving is a database with one read model and one policy, built from a store of which the events were at 10, 20, 30, …;
// in its copy they are at 20, 30, 40, …, so that new positions are old ones of others.
type moving struct {
	pool     *pgxpool.Pool
	from, to id.Store
	places   []postgres.Place
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	pool, err := postgres.Open(t.Context(), pgtest.Database(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	m := &moving{pool: pool, from: id.New[id.Store](), to: id.New[id.Store]()}
	for n := range 100 {
		m.places = append(m.places, postgres.Place{
			From: events.Position(10 * (n + 1)), To: events.Position(10 * (n + 2)), Stream: fmt.Sprintf("s-%d", n%3), Revision: uint64(n / 3),
			Event: id.New[id.Event](), Counted: uint64(n + 3),
		})
	}
	m.exec(t, `CREATE SCHEMA model_v1;
		CREATE TABLE model_v1.entries (position bigint PRIMARY KEY CHECK (position > 0), stream text, revision bigint, UNIQUE (stream, revision));
		CREATE TABLE model_v1.notes (name text PRIMARY KEY, position bigint UNIQUE);
		CREATE TABLE model_v1.plain (name text PRIMARY KEY, n bigint);
		CREATE VIEW model_v1.shown AS SELECT position FROM model_v1.entries;
		CREATE FUNCTION model_v1.stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'entries stay'; END $$;
		CREATE TRIGGER stay BEFORE UPDATE OR DELETE ON model_v1.entries FOR EACH STATEMENT EXECUTE FUNCTION model_v1.stay();
		CREATE TRIGGER off BEFORE INSERT ON model_v1.entries FOR EACH STATEMENT EXECUTE FUNCTION model_v1.stay();
		ALTER TABLE model_v1.entries DISABLE TRIGGER off;
		INSERT INTO model_v1.notes VALUES ('none', NULL), ('some', 250);
		INSERT INTO model_v1.plain VALUES ('plain', 250);
		INSERT INTO projections VALUES ('model', 1, 'model_v1', '', now(), 1, 'live', '{}', now()), ('head', 1, 'head_v1', '', now(), 1, 'live', '{}', now())`)
	for _, p := range m.places[:50] {
		m.exec(t, "INSERT INTO model_v1.entries VALUES ($1, $2, $3)", int64(p.From), p.Stream, int64(p.Revision))
	}
	m.exec(t, "INSERT INTO model_v1.entries VALUES (5, 'daybook-store', 0), (255, 'daybook-store', 1)")
	return m
}

func (m *moving) exec(t *testing.T, statement string, arguments ...any) {
	t.Helper()
	_, err := m.pool.Exec(t.Context(), statement, arguments...)
	require.NoError(t, err)
}

// stands puts a checkpoint at the n-th event of the store, and a bit behind it.
func (m *moving) stands(t *testing.T, projection string, n int) {
	t.Helper()
	p := m.places[n]
	m.checkpoint(t, projection, m.from, p.From+3, p.Stream, p.Revision, p.Event, p.From)
	m.exec(t, `INSERT INTO policies (policy, shard, holder, epoch, expires_at, store_id, position, updated_at,
			anchor_stream, anchor_revision, anchor_event, anchor_position)
		SELECT 'rating', $1, 'somebody', 7, now() + interval '1 hour', store_id, position, updated_at,
			anchor_stream, anchor_revision, anchor_event, anchor_position
		FROM checkpoints WHERE projection = $2`, n, projection)
}

func (m *moving) checkpoint(
	t *testing.T, projection string, store id.Store, position events.Position, stream string, revision uint64, event id.Event, at events.Position,
) {
	t.Helper()
	m.exec(t, `INSERT INTO checkpoints VALUES ($1, 1, $2, $3, 40, 5, now(), $4, $5, $6, $7, 1)`,
		projection, store, int64(position), []byte(stream), int64(revision), event, int64(at))
}

func (m *moving) translate(ctx context.Context, own func(context.Context, pgx.Tx, postgres.Version) error) (postgres.Translated, error) {
	return postgres.Translate(ctx, m.pool, postgres.Move{From: m.from, To: m.to, Places: m.all(nil), Own: own})
}

func (m *moving) all(ending error) iter.Seq2[postgres.Place, error] {
	return func(yield func(postgres.Place, error) bool) {
		for _, p := range m.places {
			if !yield(p, nil) {
				return
			}
		}
		if ending != nil {
			yield(postgres.Place{}, ending)
		}
	}
}

func (m *moving) lines(t *testing.T, query string) []string {
	t.Helper()
	rows, err := m.pool.Query(t.Context(), "SELECT r::text FROM ("+query+") r")
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return lines
}

// everything is all that a translation may change.
func (m *moving) everything(t *testing.T) (all []string) {
	t.Helper()
	for _, table := range []string{"checkpoints", "policies", "model_v1.entries", "model_v1.notes", "model_v1.plain"} {
		all = append(all, m.lines(t, "SELECT * FROM "+table+" t ORDER BY t::text")...)
	}
	return all
}

func TestTranslateMovesCheckpointsAndRows(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.stands(t, "model", 49)
	m.stands(t, "head", 60)
	var versions []postgres.Version
	done, err := m.translate(t.Context(), func(ctx context.Context, tx pgx.Tx, v postgres.Version) error {
		versions = append(versions, v)
		if v.Projection != "model" {
			return nil
		}
		_, err := tx.Exec(ctx, "INSERT INTO model_v1.entries VALUES (7, 'daybook-store', 0), (9, 'daybook-store', 1)")
		return err
	})
	require.NoError(t, err)
	require.Equal(t, postgres.Translated{Projections: 2, Shards: 2, Rows: 51}, done)
	require.ElementsMatch(t, []postgres.Version{{"model", 1, "model_v1", 510}, {"head", 1, "head_v1", 620}}, versions)

	want := []string{"(7,daybook-store,0)", "(9,daybook-store,1)"}
	for _, p := range m.places[:50] {
		want = append(want, fmt.Sprintf("(%d,%s,%d)", p.To, p.Stream, p.Revision))
	}
	require.Equal(t, want, m.lines(t, "SELECT * FROM model_v1.entries ORDER BY position"))
	require.Equal(t, []string{"(none,)", "(some,260)"}, m.lines(t, "SELECT * FROM model_v1.notes ORDER BY name"))
	require.Equal(t, []string{"(plain,250)"}, m.lines(t, "SELECT * FROM model_v1.plain"))
	const checkpoint = "store_id, position, epoch, convert_from(anchor_stream, 'UTF8'), anchor_revision, anchor_event, anchor_position"
	at := func(n int, epoch string) string {
		p := m.places[n]
		return fmt.Sprintf("(%s,%d,%s,%s,%d,%s,%d", m.to, p.To, epoch, p.Stream, p.Revision, p.Event, p.To)
	}
	require.Equal(t, []string{at(60, "6") + ",63)", at(49, "6") + ",52)"},
		m.lines(t, "SELECT "+checkpoint+", events FROM checkpoints ORDER BY projection"))
	require.Equal(t, []string{at(49, "8") + ",,)", at(60, "8") + ",,)"},
		m.lines(t, "SELECT "+checkpoint+", holder, expires_at FROM policies ORDER BY shard"))

	_, err = m.pool.Exec(t.Context(), "UPDATE model_v1.entries SET revision = 0")
	require.ErrorContains(t, err, "entries stay", "the triggers are back")
	m.exec(t, "INSERT INTO model_v1.entries VALUES (1000, 'more', 0)") // and those that were off stay off

	before := m.everything(t)
	again, err := m.translate(t.Context(), func(context.Context, pgx.Tx, postgres.Version) error { return errors.New("there is nothing to do") })
	require.NoError(t, err)
	require.Zero(t, again)
	require.Equal(t, before, m.everything(t))
}

// TestTranslateForgetsWhatIsOfTheOtherStoreAlone: builds that were filled up to a position of it, and what was found there.
func TestTranslateForgetsWhatIsOfTheOtherStoreAlone(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.stands(t, "model", 49)
	m.exec(t, `CREATE SCHEMA model_v1_b2; CREATE TABLE model_v1_b2.entries (position bigint); CREATE SCHEMA model_v1_b3;
		INSERT INTO projections VALUES ('model', 1, 'model_v1_b2', '', now(), 2, 'scratch', '{}', now()), ('model', 1, 'model_v1_b3', '', now(), 3, 'scratch', '{}', now());
		INSERT INTO model_v1_b2.entries VALUES (3); -- of no event that was copied
		INSERT INTO checkpoints SELECT projection, version, store_id, position, events, epoch, now(), anchor_stream, anchor_revision, anchor_event, anchor_position, 2 FROM checkpoints;
		INSERT INTO drift VALUES ('model', 1, 1, 'entries'), ('model', 1, 2, 'entries')`)
	m.exec(t, "INSERT INTO checkpoints SELECT projection, version, $1, position, events, epoch, now(), anchor_stream, anchor_revision, anchor_event, anchor_position, 3 FROM checkpoints LIMIT 1",
		id.New[id.Store]())
	done, err := m.translate(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, 1, done.Projections)
	require.Equal(t, []string{"(model_v1)", "(model_v1_b3)"},
		m.lines(t, "SELECT schema_name FROM projections WHERE name = 'model' ORDER BY build"), "that of a third store stays")
	require.Equal(t, []string{"(1)", "(3)"}, m.lines(t, "SELECT build FROM checkpoints ORDER BY build"))
	require.Equal(t, []string{"(model_v1)", "(model_v1_b3)"}, m.lines(t, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'model%' ORDER BY 1"))
	require.Empty(t, m.lines(t, "SELECT FROM drift"))
}

// Checkpoints at events that were not moved go back to the last one that was; what came between is read again.
func TestTranslateCheckpointsAtTheStoresOwnEvents(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.checkpoint(t, "model", m.from, 507, events.StoreStream, 2, id.New[id.Event](), 505)
	m.checkpoint(t, "head", m.from, 5, events.StoreStream, 0, id.New[id.Event](), 5)
	m.exec(t, "INSERT INTO policies (policy, shard, store_id, position, updated_at) VALUES ('rating', 0, $1, 5, now())", m.from)
	_, err := m.translate(t.Context(), nil)
	require.NoError(t, err)
	last := m.places[49]
	require.Equal(t, []string{
		fmt.Sprintf("(head,%s,0,0,,)", m.to), fmt.Sprintf("(model,%s,510,52,%s,510)", m.to, last.Event),
	}, m.lines(t, "SELECT projection, store_id, position, events, anchor_event, anchor_position FROM checkpoints ORDER BY projection"))
	require.Equal(t, []string{fmt.Sprintf("(%s,0,)", m.to)}, m.lines(t, "SELECT store_id, position, anchor_position FROM policies"))
}

func TestTranslateChangesNothingWhenItCannot(t *testing.T) {
	t.Parallel()
	broken := errors.New("the stores differ")
	for name, c := range map[string]struct {
		given func(t *testing.T, m *moving)
		move  func(m *moving) postgres.Move
		want  string
	}{
		"the places end with an error": {nil, func(m *moving) postgres.Move { return postgres.Move{Places: m.all(broken)} }, broken.Error()},
		"a row of another history": {func(t *testing.T, m *moving) {
			t.Helper()
			m.exec(t, "INSERT INTO model_v1.entries VALUES (33, 's-9', 0)")
		}, nil, "model_v1.entries: 1 rows have positions that are not in the store that was copied, the first of them 33"},
		"a checkpoint of another history": {func(t *testing.T, m *moving) {
			t.Helper()
			m.exec(t, "UPDATE checkpoints SET anchor_event = $1", id.New[id.Event]())
		}, nil, "model (1) has come to s-1@16 at position 500, which is not in the store that was copied"},
		"a checkpoint between events": {func(t *testing.T, m *moving) {
			t.Helper()
			m.exec(t, "UPDATE checkpoints SET anchor_position = 501")
		}, nil, "at position 501, which is not in the store"},
		"places out of order": {func(_ *testing.T, m *moving) {
			m.places[70].To = m.places[69].To
		}, nil, "s-1@23 does not follow"},
		"the store's own rows fail": {nil, func(m *moving) postgres.Move {
			return postgres.Move{Places: m.all(nil), Own: func(context.Context, pgx.Tx, postgres.Version) error { return broken }}
		}, broken.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMoving(t)
			m.stands(t, "model", 49)
			if c.given != nil {
				c.given(t, m)
			}
			move := postgres.Move{Places: m.all(nil)}
			if c.move != nil {
				move = c.move(m)
			}
			move.From, move.To = m.from, m.to
			before := m.everything(t)
			done, err := postgres.Translate(t.Context(), m.pool, move)
			require.ErrorContains(t, err, c.want)
			require.Zero(t, done)
			require.Equal(t, before, m.everything(t))
			_, err = m.pool.Exec(t.Context(), "DELETE FROM model_v1.entries")
			require.ErrorContains(t, err, "entries stay")
		})
	}
}

func TestTranslateWhereThereIsNothing(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	m.checkpoint(t, "model", id.New[id.Store](), 500, "s-1", 16, id.New[id.Event](), 500) // of another store
	before := m.everything(t)
	unread := postgres.Move{From: m.from, To: m.to, Places: m.all(errors.New("nobody reads this"))}
	done, err := postgres.Translate(t.Context(), m.pool, unread)
	require.NoError(t, err)
	require.Zero(t, done)
	require.Equal(t, before, m.everything(t))

	done, err = postgres.Translate(t.Context(), pgtest.Pool(t), unread)
	require.NoError(t, err, "a database without our tables")
	require.Zero(t, done)
}
