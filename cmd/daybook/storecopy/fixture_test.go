package storecopy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/cmd/daybook/storecopy"
	"daybook/events"
	"daybook/events/id"
)

func memory(tb testing.TB, options ...embedded.Option) *embedded.Store {
	tb.Helper()
	store, err := embedded.Open(tb.TempDir(), append(options, embedded.InMemory())...)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, store.Close()) })
	return store
}

func now() time.Time { return time.Date(2026, 10, 5, 10, 0, 0, 0, time.UTC) }

func config(from, to storecopy.Store) storecopy.Config {
	return storecopy.Config{From: from, To: to, Now: now, TooLarge: tooLarge}
}

func tooLarge(err error) bool {
	_, is := errors.AsType[*embedded.TooLargeError](err)
	return is
}

func note(data string) events.Proposed {
	return events.Proposed{ID: id.New[id.Event](), Type: "Noted", Data: []byte(data), Metadata: []byte(`{"version":1}`)}
}

func put(tb testing.TB, store storecopy.Store, stream string, proposed ...events.Proposed) {
	tb.Helper()
	_, err := store.Append(tb.Context(), stream, events.Any, proposed)
	require.NoError(tb, err)
}

// history fills a store with a bit of everything: interleaved streams, streams of the database, odd bytes, an event of
// the store's own stream that is no mark.
func history(tb testing.TB, store storecopy.Store, appends int) {
	tb.Helper()
	bound, err := events.Encode(id.New[id.Event](), events.VaultBound{VaultID: "v1:00"}, events.Envelope{Actor: "system:store", Source: "store"})
	require.NoError(tb, err)
	put(tb, store, events.StoreStream, bound)
	random := rand.New(rand.NewPCG(1, uint64(appends)))
	for n := range appends {
		switch random.IntN(12) {
		case 0:
			put(tb, store, "$stats", note("{}"))
		case 1:
			put(tb, store, fmt.Sprintf("odd/näme %d\x00", n%3), events.Proposed{
				ID: id.New[id.Event](), Type: "Raw \xff", Data: []byte{0, 0xff, byte(n)}, Binary: true,
			})
		case 2:
			put(tb, store, "links", events.Proposed{ID: id.New[id.Event](), Type: "$>", Data: []byte("0@stream-1"), Binary: true})
		default:
			several := make([]events.Proposed, 1+random.IntN(4))
			for i := range several {
				several[i] = note(fmt.Sprintf(`{"n":%d,"padding":"%s"}`, n, strings.Repeat("x", random.IntN(200))))
			}
			put(tb, store, fmt.Sprintf("stream-%d", random.IntN(5)), several...)
		}
	}
}

// contents is what a copy has to keep: everything but positions and times, without what is the database's or a mark. The
// revisions of the stores' own stream are left out, too.
func contents(tb testing.TB, store storecopy.Store) []events.Record {
	tb.Helper()
	var all []events.Record
	for r, err := range store.ReadAll(tb.Context(), events.Start) {
		require.NoError(tb, err)
		own := r.Stream == events.StoreStream
		if strings.HasPrefix(r.Stream, "$") || own && r.Type != "VaultBound" {
			continue
		}
		if r.Position, r.Created = 0, (time.Time{}); own {
			r.Revision = 0
		}
		r.Data, r.Metadata = bytes.Clone(r.Data), bytes.Clone(r.Metadata)
		all = append(all, r)
	}
	return all
}

// marks are the types of the store's own stream.
func marks(tb testing.TB, store storecopy.Store) []string {
	tb.Helper()
	var types []string
	for r, err := range store.ReadStream(tb.Context(), events.StoreStream, 0) {
		require.NoError(tb, err)
		types = append(types, r.Type)
	}
	return types
}

var errFault = errors.New("the store went away")

// faulty is a store that fails once, at the n-th thing it does: reading a record, or appending. A failing append may be
// written all the same, as one is whose answer is lost.
type faulty struct {
	*embedded.Store

	left    *atomic.Int64 // shared by both stores of a copy
	written bool
}

func (f faulty) fails() bool { return f.left.Add(-1) == 0 }

func (f faulty) Append(
	ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
) (events.Appended, error) {
	if !f.fails() {
		return f.Store.Append(ctx, stream, expected, proposed)
	}
	if f.written {
		if _, err := f.Store.Append(ctx, stream, expected, proposed); err != nil {
			return events.Appended{}, err
		}
	}
	return events.Appended{}, errFault
}

func (f faulty) ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error] {
	return f.reading(f.Store.ReadAll(ctx, after))
}

func (f faulty) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	return f.reading(f.Store.ReadStream(ctx, stream, from))
}

func (f faulty) reading(records iter.Seq2[events.Record, error]) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		for r, err := range records {
			if f.fails() {
				yield(events.Record{}, errFault)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// altered is a store that shows its log otherwise than it is.
type altered struct {
	*embedded.Store

	show func(r *events.Record) (shown bool)
}

func (a altered) ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		for r, err := range a.Store.ReadAll(ctx, after) {
			if err == nil && !a.show(&r) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
