package projections_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

// everything samples as many streams as there are, and never projects the whole log.
func everything(seed uint64) projections.VerifyOptions {
	return projections.VerifyOptions{Sample: 200, Complete: -1, Seed: seed}
}

func (h *house) verify(engine *projections.Engine, o projections.VerifyOptions) projections.Verdict {
	h.t.Helper()
	v, err := engine.Verify(h.t.Context(), "sample", o)
	require.NoError(h.t, err)
	require.Empty(h.t, h.scratches())
	return v
}

// tampered verifies with one change of the rows in place.
func (h *house) tampered(engine *projections.Engine, table, change string, o projections.VerifyOptions) projections.Verdict {
	h.t.Helper()
	kept := "public.kept_" + table
	h.exec("CREATE TABLE " + kept + " AS TABLE sample_v1." + table)
	require.NoError(h.t, pgx.BeginFunc(h.t.Context(), h.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(h.t.Context(), "SET LOCAL search_path TO sample_v1; "+change)
		return err
	}))
	v := h.verify(engine, o)
	h.exec("DELETE FROM sample_v1." + table)
	h.exec("INSERT INTO sample_v1." + table + " SELECT * FROM " + kept)
	h.exec("DROP TABLE " + kept)
	return v
}

// differences lists what a verdict's comparison found: table, kind, key and columns.
func differences(v projections.Verdict) (out []string) {
	for _, d := range v.Comparison.Tables {
		for _, e := range d.Examples {
			out = append(out, d.Table+" "+e.String())
		}
	}
	return out
}

var deviceOne = device(1).String()

// tamperings has a change of each kind for each kind of table, and how a complete verification shows it.
var tamperings = []struct{ name, table, change, found string }{
	{"Append, changed", "trail", "UPDATE trail SET position = 0 WHERE stream = 'conversation-1' AND revision = 1",
		"trail changed|conversation-1|1 position:0→"},
	{"Append, deleted", "trail", "DELETE FROM trail WHERE stream = 'conversation-1' AND revision = 1", "trail only_b|conversation-1|1"},
	{"Append, added", "trail", "INSERT INTO trail SELECT stream, 17, position, type, event_id, NULL, false, NULL FROM trail " +
		"WHERE stream = 'conversation-1' AND revision = 1", "trail only_a|conversation-1|17"},
	{"Patch, changed", "devices", "UPDATE devices SET name = 'Nobody''s' WHERE device_id = '" + deviceOne + "'",
		"devices changed|" + deviceOne + " name:Nobody's→Renamed 2"},
	{"Patch, deleted", "devices", "DELETE FROM devices WHERE device_id = '" + deviceOne + "'", "devices only_b|" + deviceOne},
	{"Patch, added", "devices", "INSERT INTO devices VALUES ('00000000-0000-0000-0000-000000000001')",
		"devices only_a|00000000-0000-0000-0000-000000000001"},
	{"Sum, changed", "totals", "UPDATE totals SET n = n + 1 WHERE type = 'DeviceLinked'", "totals changed|DeviceLinked n:4→3"},
	{"Sum, deleted", "totals", "DELETE FROM totals WHERE type = 'DeviceLinked'", "totals only_b|DeviceLinked"},
	{"Sum, added", "totals", "INSERT INTO totals VALUES ('DeviceLost', 0)", "totals only_a|DeviceLost"},
}

// audited is a house with a history that an engine has projected and goes on projecting.
func audited(t *testing.T) (*house, *projections.Engine, events.Position) {
	t.Helper()
	h := newHouse(t)
	for n := range 3 {
		h.record("devices-1", events.DeviceLinked{DeviceID: device(n), Name: fmt.Sprint("Phone ", n)})
		h.record("conversation-1", events.MessageFailed{StatusFact: fact(n)})
		h.record("conversation-2", events.MessageDelivered{StatusFact: fact(n)})
	}
	last := h.record("devices-2", events.DeviceRenamed{DeviceID: device(1), Name: "Renamed 2"})
	engine, _ := h.run(h.pool, kinds)
	h.wait(engine, "sample", last)
	return h, engine, last
}

func TestACompleteVerificationFindsEveryRow(t *testing.T) {
	t.Parallel()
	h, engine, last := audited(t)
	clean := h.verify(engine, projections.VerifyOptions{})
	require.True(t, clean.Clean(), clean)
	require.True(t, clean.Complete)
	require.Equal(t, last, clean.Position)
	require.EqualValues(t, 11, clean.Events)
	require.EqualValues(t, 11, clean.Projected)
	require.EqualValues(t, len(h.dump("sample_v1")), clean.Rows)
	require.Equal(t, fmt.Sprintf("sample_v1 at position %d: nothing that was compared differs\n", last)+
		fmt.Sprintf("compared: all %d rows with what the 11 events of the log up to there come to; sums with their identities\n", clean.Rows), clean.String())
	for _, c := range tamperings {
		v := h.tampered(engine, c.table, c.change, projections.VerifyOptions{})
		require.EqualValues(t, 1, v.Drift, c.name)
		compared := clean.Rows // those that it lacks, too
		if strings.HasSuffix(c.name, "added") {
			compared++
		}
		require.Equal(t, compared, v.Rows, c.name)
		found := differences(v)
		require.Len(t, found, 1, c.name)
		require.True(t, strings.HasPrefix(found[0], c.found), "%s: %s", c.name, found[0])
		require.False(t, v.Clean())
		require.Equal(t, c.name != "Append, changed" && c.table != "devices", len(v.Sums) > 0, "identities see what is missing or added: %s", c.name)
		require.Equal(t, []projections.TableDrift{{Table: c.table, Rows: 1}}, v.Tables, c.name)
		require.Contains(t, v.String(), ": 1 rows differ\n")
	}
	require.True(t, h.verify(engine, projections.VerifyOptions{}).Clean())
	h.exec("ALTER TABLE sample_v1.devices ADD COLUMN extra int; CREATE TABLE sample_v1.more (n int)")
	v := h.verify(engine, projections.VerifyOptions{})
	require.Equal(t, []projections.TableDrift{
		{Table: "devices", Objects: []projections.Object{{Kind: projections.KindColumn, Name: "extra", Live: "integer"}}},
		{Table: "more", Objects: []projections.Object{{Kind: projections.KindTable, Name: "more", Live: "table"}}},
	}, v.Tables)
	require.Zero(t, v.Drift)
}

// TestSumsThatAreNotTheirIdentityAreDrift although every row is what its events come to.
func TestSumsThatAreNotTheirIdentityAreDrift(t *testing.T) {
	t.Parallel()
	h, _, _ := audited(t)
	wrong := h.engine(h.pool, func() *projections.Projection {
		return kindsFrom("SELECT type, count(*) + 1 AS n FROM trail GROUP BY type")
	})
	v := h.verify(wrong, projections.VerifyOptions{})
	require.Empty(t, differences(v))
	require.Equal(t, []projections.TableDrift{{Table: "totals", Rows: 5}}, v.Tables)
	require.EqualValues(t, 5, v.Drift)
}

func TestASampleFindsRowsOfItsStreamsAndSums(t *testing.T) {
	t.Parallel()
	h, engine, last := audited(t)
	clean := h.verify(engine, everything(1))
	require.True(t, clean.Clean(), clean)
	require.False(t, clean.Complete)
	require.Equal(t, last, clean.Position)
	require.Equal(t, &projections.Sample{
		Seed: 1, Streams: 5, Append: []string{"trail"}, Identity: []string{"totals"}, Not: []string{"devices", "messages"},
	}, clean.Sample)
	require.Contains(t, clean.String(), "  trail: the rows of 5 streams, with their 11 events (seed 1)\n"+
		"  totals: all rows, with the identity, not with the log\nnot compared: devices, messages\n")
	for i, c := range tamperings {
		v := h.tampered(engine, c.table, c.change, everything(uint64(i)))
		switch c.table {
		case "trail":
			require.Len(t, differences(v), 1, c.name)
			require.True(t, strings.HasPrefix(differences(v)[0], c.found), c.name)
			require.Equal(t, projections.TableDrift{Table: "trail", Rows: 1}, v.Tables[0], c.name)
		case "totals":
			require.Empty(t, differences(v), c.name)
			require.Equal(t, []projections.TableDrift{{Table: "totals", Rows: 1}}, v.Tables, c.name)
			require.Contains(t, v.Sums[0].Differences[0].Key, "DeviceL", c.name)
		default:
			require.True(t, v.Clean(), "a Patch row is not compared, and the verdict says so: %s", c.name)
		}
	}
	for limit, complete := range map[int64]bool{0: true, 11: true, 10: false} {
		v := h.verify(engine, projections.VerifyOptions{Sample: 1, Complete: limit})
		require.Equal(t, complete, v.Complete, "a short log is compared whole")
	}
}

// TestASamplePassesOverWhatTheLogDoesNotTell: names that Postgres cannot hold, and streams that may have been hidden.
func TestASamplePassesOverWhatTheLogDoesNotTell(t *testing.T) {
	t.Parallel()
	h, engine, _ := audited(t)
	for _, stream := range []string{"odd\x00", `"odd`} {
		_, err := h.store.Append(t.Context(), stream, events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "Foreign"}})
		require.NoError(t, err)
	}
	_, err := h.store.Append(t.Context(), "$$hidden", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "$metadata", Data: []byte("{}")}})
	require.NoError(t, err)
	h.exec("INSERT INTO sample_v1.trail VALUES ('hidden', 0, 0, 'X', gen_random_uuid(), NULL, true, NULL); INSERT INTO sample_v1.totals VALUES ('X', 1)")
	h.wait(engine, "sample", h.append(1))
	v := h.verify(engine, everything(1))
	require.GreaterOrEqual(t, v.Sample.Passed, 3)
	require.Empty(t, differences(v))
	require.Contains(t, v.String(), "more streams were chosen and passed over")
	require.Contains(t, differences(h.verify(engine, projections.VerifyOptions{})), "trail only_a|hidden|0")
	h.source = beheaded{h.store, "conversation-1"}
	cut := h.verify(h.engine(h.pool, kinds), everything(1))
	require.Greater(t, cut.Sample.Passed, v.Sample.Passed)
	require.Empty(t, differences(cut))
}

// beheaded is a log that does not give the first event of a stream any more.
type beheaded struct {
	projections.Log

	stream string
}

func (l beheaded) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	if stream == l.stream {
		from = max(from, 1)
	}
	return l.Log.ReadStream(ctx, stream, from)
}

// TestRowsOfStreamsThatNeverWereAreDrift, whether all is compared or a sample.
func TestRowsOfStreamsThatNeverWereAreDrift(t *testing.T) {
	t.Parallel()
	h, engine, _ := audited(t)
	h.exec("INSERT INTO sample_v1.trail SELECT 'never ' || n, 0, 1, 'X', gen_random_uuid(), NULL, true, NULL FROM generate_series(1, 100) n")
	v := h.verify(engine, everything(1))
	require.Zero(t, v.Sample.Passed)
	require.Equal(t, projections.TableDrift{Table: "trail", Rows: 100}, v.Tables[0])
	require.Contains(t, differences(v), "trail only_a|never 1|0")
}

// TestASampleIsDrawnBySeed, and not larger than was asked for.
func TestASampleIsDrawnBySeed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var last events.Position
	for n := range 50 {
		last = h.record(fmt.Sprint("devices-", n), events.DeviceLinked{DeviceID: device(n)})
	}
	engine, _ := h.run(h.pool, kinds)
	h.wait(engine, "sample", last)
	o := projections.VerifyOptions{Sample: 3, Complete: 10, Seed: 4}
	first := h.verify(engine, o)
	require.False(t, first.Complete)
	require.Equal(t, first.Sample, h.verify(engine, o).Sample)
	require.GreaterOrEqual(t, first.Sample.Streams, 3)
	require.LessOrEqual(t, first.Sample.Streams, 6)
	require.EqualValues(t, first.Sample.Streams, first.Projected)
}

// TestVerifyingIsOfASnapshot verifies again and again while events are appended and projected.
func TestVerifyingIsOfASnapshot(t *testing.T) {
	t.Parallel()
	h, engine, last := audited(t)
	var appending sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	appending.Go(func() {
		for ctx.Err() == nil {
			h.history()
		}
	})
	for i := range 12 {
		h.wait(engine, "sample", last+1)
		o := projections.VerifyOptions{}
		if i%2 == 1 {
			o = everything(uint64(i))
		}
		v := h.verify(engine, o)
		require.True(t, v.Clean(), v)
		require.Greater(t, v.Position, last)
		if last = v.Position; v.Complete {
			require.Equal(t, v.Events, v.Projected)
		}
	}
	stop()
	appending.Wait()
}

func TestWhatDoesNotRunIsNotVerified(t *testing.T) {
	t.Parallel()
	h, engine, last := audited(t)
	_, err := h.engine(h.pool, func() *projections.Projection { return sampleVersion(2, sampleSchema) }).Verify(t.Context(), "sample", projections.VerifyOptions{})
	require.EqualError(t, err, "projection sample: the live build is sample_v1, which this process does not know how to project")
	_, err = h.engine(h.pool, sample).Verify(t.Context(), "sample", projections.VerifyOptions{})
	require.ErrorContains(t, err, "schema.sql or the list of handled events changed")

	h.exec("ALTER TABLE sample_v1.devices ADD CONSTRAINT narrow CHECK (name <> 'too wide')")
	h.record("devices-1", events.DeviceLinked{DeviceID: device(999), Name: "too wide"})
	h.status(engine, "sample", projections.StatePaused)
	_, err = engine.Verify(t.Context(), "sample", projections.VerifyOptions{})
	require.ErrorContains(t, err, "projection sample_v1 is paused and cannot be verified: ")
	require.ErrorContains(t, err, "narrow")
	other := h.engine(h.pool, kinds)
	v, err := other.Verify(t.Context(), "sample", projections.VerifyOptions{})
	require.NoError(t, err, "what was projected can be verified where nothing is known of that")
	require.Equal(t, []projections.TableDrift{{Table: "devices", Objects: []projections.Object{
		{Kind: projections.KindConstraint, Name: "narrow", Live: "CHECK (name <> 'too wide'::text)"},
	}}}, v.Tables)
	require.Equal(t, last, v.Position)

	h.exec("UPDATE checkpoints SET store_id = gen_random_uuid() WHERE projection = 'sample'")
	_, err = other.Verify(t.Context(), "sample", projections.VerifyOptions{})
	_, history := errors.AsType[*projections.HistoryError](err)
	require.True(t, history, err)
	require.Empty(t, h.scratches())
}

// TestABuildThatWentBackIsNotVerified: its database was set back, or another store's came, while its events were projected.
func TestABuildThatWentBackIsNotVerified(t *testing.T) {
	t.Parallel()
	h, engine, last := audited(t)
	for _, change := range []string{"position = position - 1", "store_id = gen_random_uuid()"} {
		_, err := engine.Verify(t.Context(), "sample", projections.VerifyOptions{Progress: func(projections.Filled) {
			h.exec("UPDATE checkpoints SET " + change + " WHERE projection = 'sample' AND build = 1")
		}})
		require.ErrorContains(t, err, fmt.Sprintf("verifying sample_v1: it went from position %d back to ", last))
		h.exec("UPDATE checkpoints SET position = $1, store_id = $2", int64(last), h.store.ID().Bytes())
	}
	require.True(t, h.verify(engine, projections.VerifyOptions{}).Clean())
}

func TestVerifyingThatIsCutOffLeavesNothing(t *testing.T) {
	t.Parallel()
	h, engine, _ := audited(t)
	h.wait(engine, "sample", h.many(3000))
	for _, o := range []projections.VerifyOptions{{}, everything(1)} {
		ctx, cancel := context.WithCancel(t.Context())
		o.Progress = func(projections.Filled) { cancel() }
		_, err := engine.Verify(ctx, "sample", o)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, h.scratches())
	}
}

// clock is time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// drift is what the status of the sample tells of its last verification.
func (h *house) drift(engine *projections.Engine) *projections.Drift {
	h.t.Helper()
	all, err := engine.Status(h.t.Context())
	require.NoError(h.t, err)
	i := slices.IndexFunc(all, func(s projections.Status) bool { return s.Name == "sample" })
	if i < 0 { // it does not run yet
		return nil
	}
	return all[i].Drift
}

// TestLiveBuildsAreAudited by the process that projects them; all show what it found.
func TestLiveBuildsAreAudited(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := &clock{now: noon}
	h.audit, h.now = 10*time.Millisecond, func() time.Time { return c.add(0) }
	engine, stop := h.run(h.pool, kinds)
	bystander, stopBystander := h.run(h.pool, kinds)
	h.wait(engine, "sample", h.append(20))
	last := h.append(1)
	h.wait(engine, "sample", last)
	audited := func(want func(d *projections.Drift) bool) {
		t.Helper()
		require.Eventually(t, func() bool {
			c.add(time.Second) // the next one is due
			mine, other := h.drift(engine), h.drift(bystander)
			return mine != nil && other != nil && want(mine) && want(other)
		}, 30*time.Second, 5*time.Millisecond)
	}
	audited(func(d *projections.Drift) bool {
		return d.Position == last && d.Complete && d.Compared > 0 && d.Rows == 0 && len(d.Tables) == 0 && d.CheckedAt.After(noon)
	})
	h.exec("UPDATE sample_v1.totals SET n = n + 1 WHERE type = 'DeviceLinked'; DELETE FROM sample_v1.devices WHERE device_id = '" + deviceOne + "'")
	audited(func(d *projections.Drift) bool {
		return d.Rows == 2 && reflect.DeepEqual(d.Tables, []projections.TableDrift{{Table: "devices", Rows: 1}, {Table: "totals", Rows: 1}})
	})
	stop()
	stopBystander()

	h.exec("UPDATE sample_v1.totals SET n = n - 1 WHERE type = 'DeviceLinked'")
	require.True(t, h.verify(engine, everything(2)).Clean())
	require.Len(t, h.drift(bystander).Tables, 2, "a sample does not acquit")
	h.verify(engine, projections.VerifyOptions{})
	require.Equal(t, []projections.TableDrift{{Table: "devices", Rows: 1}}, h.drift(bystander).Tables)
	schema, err := engine.Rebuild(t.Context(), "sample")
	require.NoError(t, err)
	h.exec("UPDATE projections SET phase = 'retired' WHERE phase = 'live'; UPDATE projections SET phase = 'live' WHERE schema_name = '" + schema + "'")
	v := h.verify(engine, projections.VerifyOptions{})
	require.Equal(t, schema, v.Schema)
	require.True(t, v.Clean(), "nothing is projected yet, and that is what is compared")
	require.Zero(t, v.Position)
}
