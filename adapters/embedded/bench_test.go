package embedded_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

const (
	benchWriters = 64
	benchStreams = 16  // of each writer, in turn
	benchAppends = 160 // of each writer in a round
	benchRounds  = 31
)

// BenchmarkMainAppend measures appends of one 400-byte event by 64 writers against raw Pebble: as many goroutines that
// commit the very same keys and values, each event's as a synced batch of its own, with the same settings and on the
// same disk. The sides take short turns, each going first every other time, and the median of the rounds' ratios counts:
// so whatever else the machine does hits both alike.
func BenchmarkMainAppend(b *testing.B) {
	for b.Loop() {
		ours, raw := newBenchStore(b), newBenchRaw(b)
		ours.round(b, 0)
		var ratios, rates []float64
		ours.syncs.Store(0)
		for n := 1; n <= benchRounds; n++ {
			raw.pairs = embedded.Pairs(b, ours.store, ours.before)
			var mine, theirs float64
			if n%2 == 0 {
				mine, theirs = ours.round(b, n), raw.round(b)
			} else {
				theirs, mine = raw.round(b), ours.round(b, n)
			}
			ratios, rates = append(ratios, mine/theirs), append(rates, mine)
		}
		b.ReportMetric(median(ratios), "append-vs-raw-pebble>=0.9")
		b.ReportMetric(float64(ours.syncs.Load())/(benchRounds*benchWriters*benchAppends), "fsyncs-per-append<=0.0625")
		b.ReportMetric(median(rates), "appends/s")
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// race runs the writers together and returns how many operations per second they did.
func race(b *testing.B, write func(writer, i int) error) float64 {
	b.Helper()
	var writers sync.WaitGroup
	var failed atomic.Pointer[error]
	start := time.Now()
	for w := range benchWriters {
		writers.Go(func() {
			for i := range benchAppends {
				if err := write(w, i); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	writers.Wait()
	took := time.Since(start)
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	return benchWriters * benchAppends / took.Seconds()
}

type benchStore struct {
	store   *embedded.Store
	syncs   atomic.Int64 // of the write-ahead log
	before  events.Position
	streams []string
	event   events.Proposed
}

func newBenchStore(b *testing.B) *benchStore {
	b.Helper()
	return newBenchStoreIn(b, b.TempDir())
}

func newBenchStoreIn(b *testing.B, dir string) *benchStore {
	b.Helper()
	s := &benchStore{event: events.Proposed{
		Type: "MessageReceived", Data: []byte(`{"text":"` + strings.Repeat("x", 389) + `"}`),
	}}
	store, err := embedded.Open(dir, embedded.FileSystem(walFS{vfs.Default, func() error {
		s.syncs.Add(1)
		return nil
	}}))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	s.store = store
	s.event.Metadata, err = events.EncodeEnvelope(events.Envelope{
		Version: 1, Account: id.New[id.Account](), Actor: "platform:whatsapp", Source: "webhook",
	})
	require.NoError(b, err)
	for range benchWriters * benchStreams {
		s.streams = append(s.streams, "conversation-"+id.NewRandom[id.Conversation]().String())
	}
	return s
}

func (s *benchStore) round(b *testing.B, n int) float64 {
	b.Helper()
	ids := make([]id.Event, benchWriters*benchAppends)
	for i := range ids {
		ids[i] = id.New[id.Event]()
	}
	var err error
	s.before, err = s.store.Head(b.Context())
	require.NoError(b, err)
	return race(b, func(w, i int) error {
		e := s.event
		e.ID = ids[w*benchAppends+i]
		expected := events.Expected((n*benchAppends+i)/benchStreams - 1)
		_, err := s.store.Append(b.Context(), s.streams[w*benchStreams+i%benchStreams], expected, []events.Proposed{e})
		return err
	})
}

type benchRaw struct {
	db    *pebble.DB
	pairs [][4][]byte
}

func newBenchRaw(b *testing.B) *benchRaw {
	b.Helper()
	db, err := pebble.Open(b.TempDir(), embedded.PebbleOptions())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	return &benchRaw{db: db}
}

// round writes the pairs in the order of the log, the writers in turn.
func (r *benchRaw) round(b *testing.B) float64 {
	b.Helper()
	require.Len(b, r.pairs, benchWriters*benchAppends)
	return race(b, func(w, i int) error {
		p := r.pairs[i*benchWriters+w]
		batch := r.db.NewBatch()
		if err := batch.Set(p[0], p[1], nil); err != nil {
			return err
		}
		if err := batch.Set(p[2], p[3], nil); err != nil {
			return err
		}
		if err := batch.Commit(pebble.Sync); err != nil {
			return err
		}
		return batch.Close()
	})
}

// BenchmarkStoreRead measures reading the whole log, record by record, against a bare scan of the same keys and values
// in the same database. The sides take turns, and the median of the rounds' ratios counts.
func BenchmarkStoreRead(b *testing.B) {
	const perAppend, appends, rounds = 500, 240, 21
	for b.Loop() {
		dir := b.TempDir()
		s := fillBenchStore(b, dir, perAppend, appends)
		var ratios, rates []float64
		for n := range rounds {
			var mine, theirs float64
			read := func() { mine = perSecond(perAppend*appends, func() int { return readBench(b, s) }) }
			scan := func() {
				theirs = perSecond(perAppend*appends, func() int {
					records, _ := embedded.ScanLog(b, s)
					return records
				})
			}
			if n%2 == 0 {
				read()
				scan()
			} else {
				scan()
				read()
			}
			ratios, rates = append(ratios, mine/theirs), append(rates, mine)
		}
		b.ReportMetric(median(ratios), "store-read-vs-pebble-scan>=0.6")
		b.ReportMetric(median(rates), "records/s")
	}
}

// fillBenchStore returns a store that was opened again after it was filled, so that it lies in tables.
func fillBenchStore(b *testing.B, dir string, perAppend, appends int) *embedded.Store {
	b.Helper()
	filled := newBenchStoreIn(b, dir)
	for n := range appends {
		proposed := make([]events.Proposed, perAppend)
		for i := range proposed {
			proposed[i] = filled.event
			proposed[i].ID = id.New[id.Event]()
		}
		_, err := filled.store.Append(b.Context(), filled.streams[n], events.NoStream, proposed)
		require.NoError(b, err)
	}
	require.NoError(b, filled.store.Close())
	store, err := embedded.Open(dir)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	return store
}

func perSecond(atLeast int, read func() int) float64 {
	start := time.Now()
	n := read()
	if n < atLeast {
		return 0
	}
	return float64(n) / time.Since(start).Seconds()
}

func readBench(b *testing.B, store *embedded.Store) (n int) {
	b.Helper()
	for _, err := range store.ReadAll(b.Context(), events.Start) {
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	return n
}
