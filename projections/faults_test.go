package projections_test

import (
	"errors"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// stands waits until the live build of the sample stands still, and returns what an operator reads.
func (h *house) stands(engine *projections.Engine) (reason string) {
	h.t.Helper()
	status := h.status(engine, "sample", projections.StateRetrying)
	require.NotContains(h.t, status.Error, " at devices-", "no event is to blame")
	require.Empty(h.t, h.rows("SELECT FROM parked_events"), "and none is parked")
	return status.Error
}

// hears writes down what engines log that are made from now on.
func (h *house) hears() *hearsay {
	told := &hearsay{}
	h.log = slog.New(slog.NewTextHandler(told, nil))
	return told
}

// hearsay is a log that can be read while it is written.
type hearsay struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *hearsay) Write(line []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(line)
}

func (t *hearsay) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// database is what messages call the house's.
func (h *house) database() string {
	return `database "` + h.pool.Config().ConnConfig.Database + `" on ` + h.address()
}

func (h *house) address() string {
	c := h.pool.Config().ConnConfig
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}

func TestAFailingHandlerPausesAndNothingIsSkipped(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"Error": func() error { return errors.New("out of luck") },
		"Panic": func() error { panic("out of luck") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			var healed atomic.Bool
			p := sample()
			projections.On(p, func(events.PremiumSubscribed, projections.At) error {
				if healed.Load() {
					return nil
				}
				return fail()
			})
			engine, _ := h.run(h.pool, always(p))
			before := h.append(3)
			h.wait(engine, "sample", before)
			h.append(2)
			poison := h.record("account-1", events.PremiumSubscribed{})
			last := h.append(20)

			status := h.status(engine, "sample", projections.StatePaused)
			require.Contains(t, status.Error, "projection sample_v1: PremiumSubscribed at account-1@0")
			require.Contains(t, status.Error, "out of luck. The projection stands at this event and skips nothing. Run a binary that can take it")
			require.Less(t, status.Position, poison)
			require.Positive(t, status.Lag.Events)

			healed.Store(true)
			h.wait(engine, "sample", last)
			require.Empty(t, h.status(engine, "sample", projections.StateRunning).Error)
			require.Len(t, h.rows("SELECT FROM sample_v1.trail"), 27)
		})
	}
}

func TestAConstraintRollsTheWholeBatchBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(1))
	h.exec("ALTER TABLE sample_v1.devices ADD CONSTRAINT narrow CHECK (name <> 'too wide')")
	h.record("devices-1", events.DeviceLinked{DeviceID: device(999), Name: "too wide"})
	status := h.status(engine, "sample", projections.StatePaused)
	require.Contains(t, status.Error, "narrow")
	require.Contains(t, status.Error, "or mend what refuses it; the projection then goes on by itself")
	require.Len(t, h.rows("SELECT FROM sample_v1.trail"), 2, "the trail's row went with the device's")

	h.exec("ALTER TABLE sample_v1.devices DROP CONSTRAINT narrow")
	h.wait(engine, "sample", h.append(1))
	h.consistent("sample_v1", sample)
}

func TestPostgresGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	server := pgtest.Restartable(t)
	h := houseAt(t, server.URL())
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(20))
	for range 2 {
		h.append(15)
		server.Kill()
		require.Eventually(t, func() bool {
			h.append(1) // an orphaned backend may still have served the one before
			all, err := engine.Status(t.Context())
			return err != nil && all[0].State == projections.StateRetrying &&
				strings.Contains(all[0].Error, "on "+h.address()+" cannot be reached: start its server")
		}, 30*time.Second, 5*time.Millisecond)
		last := h.append(15)
		server.Start()
		h.wait(engine, "sample", last)
	}
	h.consistent("sample_v1", sample)
}

// A full disk cannot be had without rights over the machine. A trigger that answers with its code is what the engine would
// see of one.
const fullDisk = `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN RAISE 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full'; END$$`

func TestAFullDiskIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, full := range map[string]string{
		"WritingKeyedRows": "CREATE TRIGGER full_disk BEFORE INSERT ON sample_v1.devices FOR EACH ROW EXECUTE FUNCTION full_disk()",
		"AddingRows":       "CREATE TRIGGER full_disk AFTER INSERT ON sample_v1.steps FOR EACH ROW EXECUTE FUNCTION full_disk()",
		"Summing":          "CREATE TRIGGER full_disk BEFORE INSERT ON sample_v1.counts FOR EACH ROW EXECUTE FUNCTION full_disk()",
		"Committing":       "CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON sample_v1.steps DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION full_disk()",
		"MovingForward":    "CREATE TRIGGER full_disk BEFORE UPDATE OF position ON checkpoints FOR EACH ROW WHEN (NEW.projection = 'sample') EXECUTE FUNCTION full_disk()",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.beat = 10 * time.Millisecond
			var healed atomic.Bool
			engine, _ := h.run(h.pool, ward(&healed))
			before := h.append(10)
			h.wait(engine, "sample", before)
			rows := h.dump("sample_v1")
			h.exec(fullDisk)
			h.exec(full)
			last := h.append(50)
			reason := h.stands(engine)
			require.Contains(t, reason, "No space left on device")
			require.Contains(t, reason, "The disk of "+h.database())
			require.Contains(t, reason, "is full: free space there. Nothing is lost and nothing has to be repaired")
			require.Equal(t, rows, h.dump("sample_v1"))
			require.Equal(t, before, h.status(engine, "sample", projections.StateRetrying).Position)

			h.exec("DROP FUNCTION full_disk() CASCADE")
			h.wait(engine, "sample", last)
			h.consistent("sample_v1", ward(&healed))
		})
	}
}

// Before it projects, an engine tries the statements that it will send. That the server has no room then is no mistake in a
// definition, and no change of a table: it tries again until there is.
func TestAnEngineThatStartsOnAFullDiskWaits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine, stop := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(10))
	stop()
	h.exec(fullDisk)
	h.exec("CREATE TRIGGER full_disk BEFORE INSERT ON sample_v1.devices EXECUTE FUNCTION full_disk()")
	last := h.append(10)
	engine = h.engine(h.pool, sample)
	err := engine.Prepare(t.Context())
	require.ErrorContains(t, err, "trying the key of sample_v1.devices: ERROR: could not extend file")
	_, misuse := errors.AsType[*projections.MisuseError](err)
	require.False(t, misuse)
	h.start(engine)
	h.exec("DROP FUNCTION full_disk() CASCADE")
	h.wait(engine, "sample", last)
	h.consistent("sample_v1", sample)
}

// What waits on a full disk is the event that cannot be parked, not the one that is next.
func TestAFullDiskLetsNothingBeParked(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	h.wait(engine, "sample", h.append(10))
	h.exec(fullDisk)
	h.exec("CREATE TRIGGER full_disk BEFORE INSERT ON parked_events FOR EACH ROW EXECUTE FUNCTION full_disk()")
	h.rename(3, "sick")
	last := h.append(5)
	require.Contains(t, h.stands(engine), "The disk of "+h.database())
	h.exec("DROP FUNCTION full_disk() CASCADE")
	h.wait(engine, "sample", last)
	h.parked(engine, 1)
	healed.Store(true)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", ""))
	h.parked(engine, 0)
	h.consistent("sample_v1", ward(&healed))
}

// The indexes of a rebuild are what most likely fills a disk. Batches go on meanwhile, and so must not hide it.
func TestAFullDiskAtTheEndOfARebuildIsSeen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, indexed)
	h.wait(engine, "sample", h.append(20))
	h.exec(`CREATE FUNCTION full_disk() RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE 'no room' USING ERRCODE = 'disk_full'; END$$`)
	h.exec(`CREATE FUNCTION take_room() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN NEW.held_back = array_append(NEW.held_back, 'SELECT daybook.full_disk()'); RETURN NEW; END$$`)
	h.exec("CREATE TRIGGER take_room BEFORE INSERT ON projections FOR EACH ROW EXECUTE FUNCTION take_room()")
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	rebuilt := func() (s projections.Status) {
		all, err := engine.Status(t.Context())
		require.NoError(t, err)
		if i := slices.IndexFunc(all, func(s projections.Status) bool { return s.Schema == schema }); i >= 0 {
			s = all[i]
		}
		return s
	}
	require.Eventually(t, func() bool { return rebuilt().State == projections.StateRetrying }, 30*time.Second, 5*time.Millisecond)
	require.Contains(t, rebuilt().Error, "ending the replay of projection sample_v1_b2: SELECT daybook.full_disk(): ERROR: no room")
	require.Contains(t, rebuilt().Error, "The disk of "+h.database())
	last := h.append(30)
	h.wait(engine, "sample", last)
	require.Eventually(t, func() bool { return rebuilt().Position == last }, 30*time.Second, 5*time.Millisecond, "batches go on")

	h.exec("CREATE OR REPLACE FUNCTION full_disk() RETURNS void LANGUAGE sql AS ''")
	h.phase(schema, projections.PhaseReady)
	require.Eventually(t, func() bool { return rebuilt().State == projections.StateRunning && rebuilt().Error == "" }, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	require.Equal(t, h.indexes("sample_v1"), h.indexes(schema))
	h.consistent(schema, indexed)
}

// Postgres ends the session at each batch, as when it is being stopped; then it does not any more.
func TestSessionsThatAreEndedAreWaitedFor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine, _ := h.run(h.pool, sample)
	h.wait(engine, "sample", h.append(10))
	h.exec(`CREATE FUNCTION be_gone() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END$$`)
	h.exec("CREATE TRIGGER be_gone BEFORE INSERT ON sample_v1.trail FOR EACH ROW EXECUTE FUNCTION be_gone()")
	last := h.append(20)
	require.Contains(t, h.stands(engine), "The server of "+h.database())
	h.exec("DROP FUNCTION be_gone() CASCADE")
	h.wait(engine, "sample", last)
	h.consistent("sample_v1", sample)
}

// The last word to a session that is ended may come after a commit, instead of its answer.
func TestASessionThatIsEndedMayHaveCommitted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	told := h.hears()
	word, err := (&pgproto3.ErrorResponse{
		Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01", Message: "terminating connection",
	}).Encode(nil)
	require.NoError(t, err)
	var ended atomic.Int64
	engine, stop := h.run(h.wiredTo(t, func(sent []byte) bool {
		return steps(string(sent), "sample") && ended.Add(1) <= 3
	}, word), sample)
	for range 6 {
		h.wait(engine, "sample", h.append(1))
	}
	stop()
	require.Empty(t, told.String(), "what was committed is not reported as a failure")
	require.Greater(t, ended.Load(), int64(3))
	h.consistent("sample_v1", sample)
}

// An event that a newer binary recorded waits for a binary that knows it.
func TestAnEventOfANewerVersionIsStoodAt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	engine, _ := h.run(h.pool, sample)
	before := h.append(10)
	_, err := h.store.Append(t.Context(), "devices-9", events.Any, []events.Proposed{
		{ID: id.New[id.Event](), Type: "DeviceLinked", Data: []byte("{}"), Metadata: []byte(`{"version":99}`)},
	})
	require.NoError(t, err)
	h.append(10)
	status := h.status(engine, "sample", projections.StatePaused)
	require.Contains(t, status.Error, "projection sample_v1: DeviceLinked at devices-9@0: ")
	require.Contains(t, status.Error, "99")
	require.Contains(t, status.Error, "Run a binary that can take it")
	h.wait(engine, "sample", before)
}

// TestNoCutWhileABuildIsPreparedEndsTheProcess loses the connection at each statement in turn, until none is left.
func TestNoCutWhileABuildIsPreparedEndsTheProcess(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var healed atomic.Bool
	require.NoError(t, h.engine(h.pool, ward(&healed)).Prepare(t.Context()))
	var refused int
	for n, cut := int64(1), true; cut; n++ {
		var sent atomic.Int64
		pool := h.wired(t, func([]byte) bool { return sent.Add(1) == n })
		err := h.engine(pool, ward(&healed)).Prepare(t.Context())
		pool.Close()
		if cut = sent.Load() >= n; !cut {
			require.NoError(t, err)
		}
		if err != nil {
			refused++
		}
	}
	require.Greater(t, refused, 10, "of the statements that matter")
}

// A function is made with the search_path of its build, and run with another one, unless it says that it keeps it.
func TestAFunctionThatLooksInTheWrongSchemaIsToldFromAChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	noting := func(keeps string) projections.Definition {
		return func() *projections.Projection {
			return sampleVersion(1, sampleSchema+`; CREATE TABLE notes (position bigint);
				CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql `+keeps+` AS $$ BEGIN INSERT INTO notes VALUES (NEW.position); RETURN NEW; END $$;
				CREATE TRIGGER note AFTER INSERT ON trail FOR EACH ROW EXECUTE FUNCTION note()`)
		}
	}
	engine, stop := h.run(h.pool, noting(""))
	h.append(1)
	require.Contains(t, h.stands(engine), `relation "notes" does not exist (SQLSTATE 42P01). PL/pgSQL function sample_v1.note() line 1 at SQL statement `+
		"does not find it. Unless somebody removed it, the function looks in the wrong schema: write SET search_path FROM CURRENT into its definition")
	stop()
	engine, _ = h.run(h.pool, noting("SET search_path FROM CURRENT"))
	last := h.append(100)
	h.wait(engine, "sample", last)
	schema := h.rebuilt(engine)
	require.NoError(t, engine.GoLive(t.Context(), "sample"))
	h.wait(engine, "sample", last)
	require.Len(t, h.rows("SELECT FROM "+schema+".notes"), len(h.rows("SELECT FROM "+schema+".trail")))
	verified, err := engine.Verify(t.Context(), "sample", projections.VerifyOptions{})
	require.NoError(t, err)
	require.True(t, verified.Clean())
}
