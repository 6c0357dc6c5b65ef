package projections_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
)

// csv and objects are the rows of a table of a view, in either form.
func csv(t *testing.T, v *projections.View, table string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, v.CSV(t.Context(), table, &out))
	return out.String()
}

func objects(t *testing.T, v *projections.View, table string) (rows []string) {
	t.Helper()
	require.NoError(t, v.JSON(t.Context(), table, func(row json.RawMessage) error {
		rows = append(rows, string(row))
		return nil
	}))
	return rows
}

// TestAViewShowsWhatWasSoThen goes from event to event, beside an engine that is at the end.
func TestAViewShowsWhatWasSoThen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	positions := h.history()
	engine, _ := h.run(h.pool, kinds)
	h.wait(engine, "sample", positions[len(positions)-1])
	counts := map[string]int{}
	for r, err := range h.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		v, err := engine.View(t.Context(), "sample", r.Position, "totals")
		require.NoError(t, err)
		if !r.System() {
			counts[r.Type]++
			require.Equal(t, projections.Place{Stream: r.Stream, Revision: r.Revision}, v.Last.Place)
			require.Equal(t, []any{r.Position, r.Type}, []any{v.Last.Position, v.Last.Type})
			require.NotZero(t, v.Last.RecordedAt)
		}
		var want strings.Builder
		want.WriteString("type,n\n")
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(&want, "%s,%d\n", name, counts[name])
		}
		require.Equal(t, want.String(), csv(t, v, "totals"))
		require.Len(t, objects(t, v, "devices"), counts["DeviceLinked"]-counts["DeviceUnlinked"])
		v.Close()
		v.Close()
		require.Empty(t, h.scratches())
	}
	require.Greater(t, len(counts), 4)
	nothing, err := engine.View(t.Context(), "sample", events.Start, "")
	require.NoError(t, err)
	defer nothing.Close()
	require.Nil(t, nothing.Last)
	require.Equal(t, "type,n\n", csv(t, nothing, "totals"))
	require.Empty(t, objects(t, nothing, "totals"))
}

// odd has values of which the forms differ, in columns that are not in the order of their names.
func odd() *projections.Projection {
	p := projections.New("sample", 1, `CREATE TABLE odd (stream text, revision bigint, "to_json" text DEFAULT '', missing text,
		quoted text DEFAULT 'a "b", c' || chr(10) || 'd', at timestamptz DEFAULT '2026-10-05 12:00:00.5+02', doc jsonb DEFAULT '{"a": [1, null]}',
		amount numeric DEFAULT 0.030000, octets bytea DEFAULT '\x00ff', big bigint DEFAULT 9007199254740993, PRIMARY KEY (revision, stream))`)
	rows := projections.Append[oddRow](p, "odd")
	projections.On(p, func(_ events.DeviceLinked, at projections.At) error { return rows.Add(oddRow{at.Stream, at.Revision}) })
	return p
}

type oddRow struct {
	Stream   string `db:"stream"`
	Revision uint64 `db:"revision"`
}

func TestAViewPrintsValuesAsTheyAre(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	config := h.pool.Config()
	config.ConnConfig.RuntimeParams["TimeZone"], config.ConnConfig.RuntimeParams["DateStyle"] = "Europe/Rome", "SQL, DMY"
	elsewhere, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	defer elsewhere.Close()
	for _, n := range []string{"2", "1", "1"} {
		h.record("devices-"+n, events.DeviceLinked{DeviceID: device(1), Name: "Phone"})
	}
	head, err := h.store.Head(t.Context())
	require.NoError(t, err)
	v, err := h.engine(elsewhere, odd).View(t.Context(), "sample", head, "odd")
	require.NoError(t, err)
	defer v.Close()
	const values = `,"",,"a ""b"", c
d",2026-10-05 10:00:00.5+00,"{""a"": [1, null]}",0.030000,\x00ff,9007199254740993
`
	require.Equal(t, "stream,revision,to_json,missing,quoted,at,doc,amount,octets,big\ndevices-1,0"+values+"devices-2,0"+values+"devices-1,1"+values, csv(t, v, "odd"))
	require.Equal(t, []string{`{"stream":"devices-2","revision":0,"to_json":"","missing":null,"quoted":"a \"b\", c\nd","at":"2026-10-05T10:00:00.5+00:00",` +
		`"doc":{"a": [1, null]},"amount":0.030000,"octets":"\\x00ff","big":9007199254740993}`}, objects(t, v, "odd")[1:2])
}

// TestThePastTellsWhatIsNotInIt: what waits, and what was skipped up to there.
func TestThePastTellsWhatIsNotInIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	engine, _ := h.run(h.pool, ward(new(atomic.Bool)))
	before := h.append(10)
	waits := h.sick(engine, "better")
	last := h.rename(2, "well")
	missing := func(at events.Position) []int64 { // parked and skipped, and how many steps there are
		kept, err := engine.AsOf(t.Context(), "sample", at, nil)
		require.NoError(t, err)
		v, err := engine.View(t.Context(), "sample", at, "")
		require.NoError(t, err)
		defer v.Close()
		require.Equal(t, []int64{kept.Parked, kept.Skipped}, []int64{v.Parked, v.Skipped})
		return []int64{v.Parked, v.Skipped, v.Tables[2].Rows}
	}
	require.Equal(t, []int64{0, 0, 10}, missing(before))
	require.Equal(t, []int64{1, 0, 21}, missing(last))
	h.skip(engine, waits)
	h.parked(engine, 0)
	require.Equal(t, []int64{0, 0, 10}, missing(before))
	require.Equal(t, []int64{0, 1, 22}, missing(last))
}

// TestAViewIsRefusedBeforeItIsMade: projecting may take long.
func TestAViewIsRefusedBeforeItIsMade(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	last := h.append(3)
	log := &counted{Log: h.store}
	h.source = log
	engine := h.engine(h.pool, kinds)
	_, err := engine.View(t.Context(), "sample", last, "nothing")
	var unknown *projections.UnknownTableError
	require.ErrorAs(t, err, &unknown)
	require.EqualError(t, unknown, "projection sample has no table nothing: it has devices, messages, totals, trail")
	for _, name := range []string{"nobody", "head"} {
		_, err = engine.View(t.Context(), name, last, "")
		require.EqualError(t, err, "projection "+name+": there is no such projection")
	}
	require.Zero(t, log.reads.Load())
	require.Empty(t, h.scratches())
	v, err := engine.View(t.Context(), "sample", last, "")
	require.NoError(t, err)
	defer v.Close()
	require.ErrorAs(t, v.CSV(t.Context(), "nothing", &strings.Builder{}), &unknown)
	require.Positive(t, log.reads.Load())
}

// counted counts how often all is read.
type counted struct {
	projections.Log

	reads atomic.Int64
}

func (c *counted) ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error] {
	c.reads.Add(1)
	return c.Log.ReadAll(ctx, after)
}

// TestAViewWhoseReaderLeavesIsRemoved although nobody closes it.
func TestAViewWhoseReaderLeavesIsRemoved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	last := h.many(2500)
	ctx, leave := context.WithCancel(t.Context())
	v, err := h.engine(h.pool, kinds).View(ctx, "sample", last, "trail")
	require.NoError(t, err)
	require.NotEmpty(t, h.scratches())
	seen := 0
	err = v.JSON(ctx, "trail", func(json.RawMessage) error {
		seen++
		leave()
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, seen, "rows come one by one")
	require.Eventually(t, func() bool { return len(h.scratches()) == 0 }, 30*time.Second, 5*time.Millisecond)
	v.Close()

	errFull := errors.New("disk full")
	v, err = h.engine(h.pool, kinds).View(t.Context(), "sample", last, "trail")
	require.NoError(t, err)
	require.ErrorIs(t, v.CSV(t.Context(), "trail", full{errFull}), errFull)
	require.ErrorIs(t, v.JSON(t.Context(), "trail", func(json.RawMessage) error { return errFull }), errFull)
	v.Close()
	require.Empty(t, h.scratches())
}

// TestSlowReadersLeaveConnectionsToOthers: each holds one for as long as it likes.
func TestSlowReadersLeaveConnectionsToOthers(t *testing.T) {
	t.Parallel()
	for connections, views := range map[int32]int{4: 1, 8: 2} {
		t.Run(strconv.Itoa(int(connections)), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			engine, _ := h.run(h.small(connections), kinds)
			last := h.many(300)
			h.wait(engine, "sample", last)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			held, read := make(chan struct{}), make(chan error, views)
			release := sync.OnceFunc(func() { close(held) })
			defer release()
			for range views {
				v, err := engine.View(ctx, "sample", last, "trail")
				require.NoError(t, err)
				go func() { read <- v.CSV(ctx, "trail", slow{held}) }()
			}
			bounded, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := engine.View(bounded, "sample", last, "trail")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "waiting for another view of this process to end")
			_, err = engine.AsOf(t.Context(), "sample", last, nil)
			require.NoError(t, err)
			h.wait(engine, "sample", h.append(1))

			release()
			for range views {
				require.NoError(t, <-read)
			}
			leave()
			for range views {
				_, err = engine.View(t.Context(), "sample", last, "nothing")
				require.Error(t, err)
			}
			v, err := engine.View(t.Context(), "sample", last, "trail")
			require.NoError(t, err, "those who left and those who were refused hold nothing")
			v.Close()
		})
	}
}

// slow takes nothing until it is released.
type slow struct{ held chan struct{} }

func (s slow) Write(p []byte) (int, error) {
	<-s.held
	return len(p), nil
}

// full takes nothing.
type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

// TestAViewThatIsCutOffLeavesNothing ends it at whatever statement it sends, by its context.
func TestAViewThatIsCutOffLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	last := h.many(1500)
	require.NoError(t, h.engine(h.pool, kinds).Prepare(t.Context()))
	look := func(ctx context.Context, n int64) error {
		var sent atomic.Int64
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		pool := h.wired(t, func([]byte) bool {
			if sent.Add(1) == n {
				cancel()
			}
			return false
		})
		defer pool.Close()
		v, err := h.engine(pool, kinds).View(ctx, "sample", last, "trail")
		if err != nil {
			return err
		}
		defer v.Close()
		return errors.Join(v.CSV(ctx, "trail", &strings.Builder{}), v.JSON(ctx, "trail", func(json.RawMessage) error { return nil }))
	}
	ended := false
	for n := int64(1); !ended; n += 3 {
		err := look(t.Context(), n)
		ended = err == nil
		if !ended {
			require.ErrorIs(t, err, context.Canceled)
		}
		require.Empty(t, h.scratches(), "after statement %d", n)
	}
}
