package projections_test

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// shelf is a house whose store is on disk, so that it can be backed up and restored.
type shelf struct {
	*house

	dir string
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{newHouse(t), t.TempDir()}
	s.open(s.dir)
	return s
}

// open changes to the store in a directory.
func (s *shelf) open(dir string) {
	s.t.Helper()
	require.NoError(s.t, s.store.Close())
	var err error
	s.store, err = embedded.Open(dir)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, s.store.Close()) })
}

// backup copies the store as it is now.
func (s *shelf) backup() (dir string) {
	s.t.Helper()
	require.NoError(s.t, s.store.Close())
	dir = s.t.TempDir()
	require.NoError(s.t, os.CopyFS(dir, os.DirFS(s.dir)))
	s.open(s.dir)
	return dir
}

// own appends events of the store's own, which nothing projects.
func (s *shelf) own(n int) (last events.Position) {
	s.t.Helper()
	for range n {
		appended, err := s.store.Append(s.t.Context(), "$settings", events.Any,
			[]events.Proposed{{ID: id.New[id.Event](), Type: "$metadata"}})
		require.NoError(s.t, err)
		last = appended.Position
	}
	return last
}

// projected runs an engine until the sample has come to a position.
func (s *shelf) projected(p events.Position) {
	s.t.Helper()
	engine, stop := s.run(s.pool, sample)
	s.wait(engine, "sample", p)
	stop()
}

// refused runs an engine that stays refused, whatever is appended meanwhile.
func (s *shelf) refused(reason string) {
	s.t.Helper()
	rows, counted := len(s.rows("SELECT FROM sample_v1.trail")), s.counted()
	engine, stop := s.run(s.pool, sample)
	defer stop()
	for range 3 {
		require.Contains(s.t, s.status(engine, "sample", projections.StateStopped).Error, reason)
		s.append(1)
	}
	require.Len(s.t, s.rows("SELECT FROM sample_v1.trail"), rows)
	require.Equal(s.t, counted, s.counted())
}

const anotherHistory = "the store's history is not the one this projection was built from"

func TestARestoredStoreThatGrewAnewIsRefused(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.append(3)
	older := s.backup()
	last := s.append(5)
	s.projected(last)

	s.open(older)
	s.refused("older copy")
	require.Greater(t, s.append(9), last, "the head is beyond the checkpoint again")
	s.refused(anotherHistory)

	s.open(s.dir)
	s.projected(s.append(2))
	s.consistent("sample_v1", sample)
}

// What the store writes for itself is no anchor; what came instead of it is noticed all the same.
func TestAHistoryThatPartsAfterTheLastEventIsRefused(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	last := s.append(3)
	older := s.backup()
	s.projected(last)
	s.projected(s.own(40)) // without an event: the anchor stays
	s.projected(s.own(40))

	s.open(older)
	s.append(60)
	s.refused(anotherHistory)

	s.open(s.dir)
	s.projected(s.append(2))
	s.consistent("sample_v1", sample)
}

func TestAnAnchorIsComparedWhole(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	last := s.append(20)
	s.projected(last)
	for _, change := range []string{
		"anchor_event = gen_random_uuid()", "anchor_revision = anchor_revision + 1", "anchor_revision = anchor_revision - 1",
		"anchor_stream = 'devices-none'", "anchor_position = anchor_position - 1", "anchor_position = anchor_position + 1",
		"anchor_stream = NULL, anchor_revision = NULL, anchor_event = NULL, anchor_position = NULL",
	} {
		s.exec("CREATE TABLE kept AS SELECT * FROM checkpoints")
		s.exec("UPDATE checkpoints SET " + change + " WHERE projection = 'sample'")
		s.refused(anotherHistory)
		s.exec("DELETE FROM checkpoints")
		s.exec("INSERT INTO checkpoints SELECT * FROM kept")
		s.exec("DROP TABLE kept")
	}
	s.projected(s.append(1))
	s.consistent("sample_v1", sample)
}

// meddling is the sample with a handler that does something the first time it sees PremiumSubscribed.
func meddling(meddle func()) (p *projections.Projection, calls *atomic.Int64) {
	p, calls = sample(), new(atomic.Int64)
	once := sync.OnceFunc(meddle)
	projections.On(p, func(events.PremiumSubscribed, projections.At) error {
		calls.Add(1)
		once()
		return nil
	})
	return p, calls
}

func TestACheckpointOfAnotherEpochIsNotMoved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before int // events of the same batch
		change string
	}{
		"InOneRoundTrip": {1, "epoch = epoch + 1"},
		"InSeveral":      {50, "epoch = epoch + 1"},
		"GivenBack":      {1, "holder = NULL, expires_at = NULL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.limit = 100
			told := h.hears()
			p, calls := meddling(func() { h.exec("UPDATE checkpoints SET " + c.change + " WHERE projection = 'sample'") })
			engine := h.engine(h.pool, always(p))
			require.NoError(t, engine.Prepare(t.Context()))
			h.append(c.before)
			last := h.record("account-1", events.PremiumSubscribed{})
			stop := h.start(engine)
			h.wait(engine, "sample", last)
			stop()
			require.EqualValues(t, 2, calls.Load(), "the batch of the epoch before was given back, and projected in the new one")
			require.Len(t, h.rows("SELECT FROM sample_v1.trail"), c.before+2)
			require.Empty(t, told.String(), "which is no failure")
		})
	}
}

func TestACheckpointThatBecameAnotherStoresIsNotMoved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := id.New[id.Store]()
	p, calls := meddling(func() { h.exec("UPDATE checkpoints SET store_id = $1 WHERE projection = 'sample'", other.Bytes()) })
	engine, _ := h.run(h.pool, always(p))
	before := h.append(1)
	h.wait(engine, "sample", before)
	last := h.record("account-1", events.PremiumSubscribed{})
	refused := h.status(engine, "sample", projections.StateStopped)
	require.Contains(t, refused.Error, other.String())
	require.Equal(t, before, refused.Position)
	require.EqualValues(t, 1, calls.Load())
	require.Len(t, h.rows("SELECT FROM sample_v1.trail"), 2)

	h.exec("UPDATE checkpoints SET store_id = $1", h.store.ID().Bytes())
	h.wait(engine, "sample", last)
}

// TestARestoredStoreIsProjectedAnew, as its refusal advises, however much was lost: what is not there any more, nobody waits
// for.
func TestARestoredStoreIsProjectedAnew(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]int{"a few events": 5, "more than a replay may be behind": 5500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.beat, s.limit = 10*time.Millisecond, 1000
			s.append(3)
			older := s.backup()
			s.projected(s.appendAtOnce(lost))
			s.open(older)
			engine, _ := s.run(s.pool, sample)
			s.status(engine, "sample", projections.StateStopped)
			schema, err := engine.Rebuild(t.Context(), "sample")
			require.NoError(t, err)
			s.phase(schema, projections.PhaseReady)
			require.NoError(t, engine.GoLive(t.Context(), "sample"))
			last := s.append(2)
			s.wait(engine, "sample", last)
			require.EqualValues(t, 6, s.counted()) // with the store's own
			require.Eventually(t, func() bool {
				return len(s.rows("SELECT FROM checkpoints WHERE projection = 'head' AND events = 6")) == 1
			}, 30*time.Second, 5*time.Millisecond, "what is to come is counted in this store")
			s.consistent(schema, sample)
		})
	}
}

// appendAtOnce appends events in few appends.
func (s *shelf) appendAtOnce(n int) (last events.Position) {
	s.t.Helper()
	for n > 0 {
		proposed := make([]events.Proposed, min(n, 500))
		for i := range proposed {
			var err error
			proposed[i], err = events.Encode(id.New[id.Event](), events.DeviceLinked{DeviceID: device(i), Name: "x"},
				events.Envelope{RecordedAt: projectiontest.Epoch})
			require.NoError(s.t, err)
		}
		appended, err := s.store.Append(s.t.Context(), "devices-1", events.Any, proposed)
		require.NoError(s.t, err)
		last, n = appended.Position, n-len(proposed)
	}
	return last
}
