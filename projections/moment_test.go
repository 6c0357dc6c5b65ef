package projections_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/projections"
)

// times is a log of events that have nothing but places and times.
type times struct {
	records []events.Record
	picky   bool // refuses to read from a position between records
	opened  int
	read    int
}

var errBetween = errors.New("no record is there")

func (l *times) Head(context.Context) (events.Position, error) { return l.head(), nil }

func (l *times) head() events.Position {
	if len(l.records) == 0 {
		return events.Start
	}
	return l.records[len(l.records)-1].Position
}

func (l *times) ReadStream(context.Context, string, uint64) iter.Seq2[events.Record, error] {
	return func(func(events.Record, error) bool) {}
}

func (l *times) ReadAll(_ context.Context, after events.Position) iter.Seq2[events.Record, error] {
	l.opened++
	return func(yield func(events.Record, error) bool) {
		found := after == events.Start
		for _, r := range l.records {
			found = found || r.Position == after
			if r.Position <= after {
				continue
			}
			if l.picky && !found {
				yield(events.Record{}, errBetween)
				return
			}
			l.read++
			if !yield(r, nil) {
				return
			}
		}
	}
}

var noon = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)

// add appends an event, some seconds after noon, a few places on.
func (l *times) add(kind string, gap uint64, seconds int) {
	at := noon.Add(time.Duration(seconds) * time.Second)
	r := events.Record{Position: l.head() + events.Position(gap), Stream: "stream", Type: "Something", Created: at}
	switch kind {
	case "ours":
		r.Created = noon.Add(-time.Hour)
		r.Metadata = fmt.Appendf(nil, `{"version":1,"recorded_at":%q}`, at.Format(time.RFC3339Nano))
	case "system":
		r.Type = "$metadata"
	}
	l.records = append(l.records, r)
}

func (l *times) engine(t require.TestingT) *projections.Engine {
	engine, err := projections.NewEngine(projections.Config{Pool: new(pgxpool.Pool), Log: l, Now: time.Now})
	require.NoError(t, err)
	return engine
}

func (l *times) at(t interface {
	require.TestingT
	Context() context.Context
}, seconds int) events.Position {
	position, err := l.engine(t).PositionAt(t.Context(), noon.Add(time.Duration(seconds)*time.Second))
	require.NoError(t, err)
	return position
}

// when is what a record's time is, in seconds after noon.
func when(r events.Record) int {
	at := r.Created
	if e, err := events.DecodeEnvelope(r.Metadata); err == nil {
		at = e.RecordedAt
	}
	return int(at.Sub(noon) / time.Second)
}

// scan is the definition.
func (l *times) scan(seconds int) (last events.Position) {
	for _, r := range l.records {
		if r.Type == "$metadata" {
			continue
		}
		if when(r) > seconds {
			break
		}
		last = r.Position
	}
	return last
}

// draw makes a log whose times run back by so many seconds at most.
func draw(t *rapid.T, back int) *times {
	l := &times{}
	latest := 0
	for range rapid.IntRange(0, 60).Draw(t, "records") {
		seconds := latest + rapid.IntRange(-back, 40).Draw(t, "seconds")
		kind := rapid.SampledFrom([]string{"ours", "ours", "foreign", "system"}).Draw(t, "kind")
		l.add(kind, rapid.SampledFrom([]uint64{1, 1, 2, 7, 1000, 1 << 40}).Draw(t, "gap"), seconds)
		if kind != "system" {
			latest = max(latest, seconds)
		}
	}
	return l
}

func TestATimeIsTheLastEventBeforeTheFirstLaterOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := draw(t, 60)
		l.picky = rapid.Bool().Draw(t, "picky")
		seconds := rapid.IntRange(-100, 1500).Draw(t, "at")
		require.Equal(t, l.scan(seconds), l.at(t, seconds))
	})
}

// TestATimeIsNotThatOfALaterRun: after the first event that is later there are earlier ones, which halving may find.
func TestATimeIsNotThatOfALaterRun(t *testing.T) {
	t.Parallel()
	l := &times{}
	for _, seconds := range []int{0, 50, 10, 60} {
		l.add("ours", 1, seconds)
	}
	require.Equal(t, l.records[0].Position, l.at(t, 20))
}

// TestATimeInALogOutOfOrder: what is returned is still not later, the next event is, and it stays so when the log grows.
func TestATimeInALogOutOfOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := draw(t, 1000)
		seconds := rapid.IntRange(-100, 1500).Draw(t, "at")
		got := l.at(t, seconds)
		require.LessOrEqual(t, l.scan(seconds), got, "nothing that is certain to be earlier is left out")
		next := got == events.Start
		for _, r := range l.records {
			if r.Type == "$metadata" {
				continue
			}
			if next {
				require.Greater(t, when(r), seconds)
				break
			}
			if next = r.Position == got; next {
				require.LessOrEqual(t, when(r), seconds)
			}
		}
		require.True(t, next, "it is an event")
		require.Equal(t, got, l.at(t, seconds))
		for range rapid.IntRange(1, 50).Draw(t, "more") {
			l.add("ours", rapid.Uint64Range(1, 1<<30).Draw(t, "gap"), seconds+rapid.IntRange(1, 100).Draw(t, "later"))
		}
		require.Equal(t, got, l.at(t, seconds))
	})
}

// TestATimeIsFoundWithoutReadingTheLog: a few records here and there, and those of a minute.
func TestATimeIsFoundWithoutReadingTheLog(t *testing.T) {
	t.Parallel()
	l := &times{}
	for n := range 10_000 {
		l.add("ours", 1000, 10*n)
	}
	require.Equal(t, l.records[7000].Position, l.at(t, 70_009))
	require.Less(t, l.opened, 60)
	require.Less(t, l.read, 70)
}

func TestATimeInAnEmptyLog(t *testing.T) {
	t.Parallel()
	l := &times{}
	require.Equal(t, events.Start, l.at(t, 0))
	l.add("ours", 3, 10)
	require.Equal(t, events.Start, l.at(t, 9))
	require.EqualValues(t, 3, l.at(t, 10))
	require.EqualValues(t, 3, l.at(t, 1_000_000))
}

func TestATimeInAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.engine(h.pool).PositionAt(ctx, noon)
	require.ErrorIs(t, err, context.Canceled)
	last := h.append(3)
	at, err := h.engine(h.pool).PositionAt(t.Context(), noon.AddDate(20, 0, 0))
	require.NoError(t, err)
	require.Equal(t, last, at, "StoreCreated has no envelope, and counts by the store's clock")
}
