package embedded_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
)

// requireLastSeen checks that nothing after an append can be seen.
func requireLastSeen(t *testing.T, store *embedded.Store, stream string, at events.Appended) {
	t.Helper()
	require.Equal(t, embedded.View{State: embedded.Live, Last: at.Revision}, view(t, store, stream))
	shared, err := store.ReadShared(at.Position, 10, 1<<20)
	require.NoError(t, err)
	require.Empty(t, shared)
	head, _ := store.Watch()
	require.Equal(t, at.Position, head)
	for _, back := range []iter.Seq2[events.Record, error]{
		store.ReadStreamBack(t.Context(), stream, math.MaxUint64), store.ReadAllBack(t.Context(), math.MaxUint64),
	} {
		for r, err := range back {
			require.NoError(t, err)
			require.Equal(t, at.Position, r.Position)
			break
		}
	}
}

// A delete is not seen before it is synced, not even half of what reviving a stream writes.
func TestDeletesAreNotVisibleBeforeTheyAreSynced(t *testing.T) {
	t.Parallel()
	g := newGate()
	defer g.open() // or a failure could not close the store
	store := open(t, "store", embedded.FileSystem(walFS{vfs.NewMem(), g.pass}))
	at, err := store.Append(t.Context(), "s", events.NoStream, notes(2))
	require.NoError(t, err)
	g.closed.Store(true)
	deleted := make(chan error, 1)
	go func() {
		_, err := store.Delete(t.Context(), "s", events.Exactly(1))
		deleted <- err
	}()
	<-g.arrived
	requireLastSeen(t, store, "s", at)
	require.Equal(t, embedded.Missing, view(t, store, "$$s").State)
	g.release <- nil
	require.NoError(t, <-deleted)
	require.Equal(t, embedded.SoftDeleted, view(t, store, "s").State)
	revived := make(chan error, 1)
	go func() {
		_, err := store.Append(t.Context(), "s", events.Any, notes(1))
		revived <- err
	}()
	<-g.arrived
	require.Equal(t, embedded.SoftDeleted, view(t, store, "s").State)
	g.open()
	require.NoError(t, <-revived)
	require.Equal(t, embedded.View{State: embedded.Live, First: 2, Last: 2}, view(t, store, "s"))
}

// The power goes out before each sync. What a request writes, and what follows from it, is there together or not at all.
func TestNoSyncSplitsWhatFollows(t *testing.T) {
	t.Parallel()
	memory := vfs.NewCrashableMem()
	var crashes []*vfs.MemFS
	store := open(t, "store", embedded.FileSystem(walFS{memory, func() error {
		crashes = append(crashes, memory.CrashClone(vfs.CrashCloneCfg{}))
		return nil
	}}))
	whole := []int{0, 1}
	for _, step := range []func() error{
		func() error { _, err := store.Append(t.Context(), "s", events.Any, notes(2)); return err },
		func() error { _, err := store.Delete(t.Context(), "s", events.Any); return err },
		func() error { _, err := store.Append(t.Context(), "s", events.Any, notes(2)); return err },
		func() error { _, err := store.Delete(t.Context(), "s", events.Any); return err },
		func() error { _, err := store.Append(t.Context(), "$$s", events.Any, metadata(`{"a":1}`)); return err },
		func() error { _, err := store.Tombstone(t.Context(), "s", events.Any); return err },
	} {
		require.NoError(t, step())
		whole = append(whole, len(readAll(t, store, events.Start)))
	}
	require.Equal(t, []int{0, 1, 3, 4, 7, 8, 10, 11}, whole)
	require.GreaterOrEqual(t, len(crashes), len(whole)-1)
	all := readAll(t, store, events.Start)
	for _, after := range crashes {
		again, err := embedded.Open("store", embedded.FileSystem(after))
		require.NoError(t, err)
		found := readAll(t, again, events.Start)
		require.Contains(t, whole, len(found))
		require.NoError(t, again.Close())
		if len(found) > 1 { // else the store has got another identity
			require.Equal(t, all[len(found)-1].ID, found[len(found)-1].ID)
		}
	}
}

// deletions is a stream whose writer deletes it and appends to it in turn, forever.
type deletions struct {
	mu    sync.Mutex
	acked int // requests
}

func (d *deletions) write(ctx context.Context, store *embedded.Store, stream string, reached chan<- struct{}) {
	for i := 0; ctx.Err() == nil; i++ {
		var err error
		if i%2 == 0 {
			_, err = store.Append(ctx, stream, events.Any, notes(2))
		} else {
			_, err = store.Delete(ctx, stream, events.Any)
		}
		if err == nil {
			d.mu.Lock()
			d.acked++
			d.mu.Unlock()
		}
		reached <- struct{}{}
	}
}

func (d *deletions) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.acked
}

// The power goes out while streams are deleted and come back. What was acknowledged is there, an append to a deleted
// stream is never there without the metadata that revives it, and the store goes on from what it finds.
func TestDeletionsSurviveTheCrash(t *testing.T) {
	t.Parallel()
	const streams = 8
	for round := range 8 {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			t.Parallel()
			memory := vfs.NewCrashableMem()
			store := open(t, "store", embedded.FileSystem(memory))
			ctx, stop := context.WithCancel(t.Context())
			reached := make(chan struct{}, 1)
			var writers sync.WaitGroup
			var written [streams]deletions
			for i := range written {
				writers.Go(func() { written[i].write(ctx, store, fmt.Sprintf("s%d", i), reached) })
			}
			for range 10 + rand.IntN(400) {
				<-reached
			}
			var acked [streams]int // before the crash
			for i := range written {
				acked[i] = written[i].count()
			}
			after := memory.CrashClone(vfs.CrashCloneCfg{
				UnsyncedDataPercent: 40 * (round % 3), RNG: rand.New(rand.NewPCG(uint64(round), 1)),
			})
			stop()
			go func() { writers.Wait(); close(reached) }()
			for range reached { // let the writers finish
			}
			again := open(t, "store", embedded.FileSystem(after))
			for i := range streams {
				requireDeletions(t, again, fmt.Sprintf("s%d", i), acked[i])
			}
		})
	}
}

// requireDeletions checks that a stream and its metadata stream hold a number of whole steps of its writer, and then
// makes one more.
func requireDeletions(t *testing.T, store *embedded.Store, stream string, acked int) {
	t.Helper()
	var found []string
	for _, r := range readAll(t, store, events.Start) {
		if strings.TrimPrefix(r.Stream, "$$") == stream {
			found = append(found, fmt.Sprintf("%s %d %s", r.Stream, r.Revision, r.Type+string(r.Data)))
		}
	}
	var want []string
	note := `Noted{"text":"a"}`
	say := func(metadata int, before uint64) {
		want = append(want, fmt.Sprintf(`$$%s %d $metadata{"$tb":%d}`, stream, metadata, before))
	}
	steps, metadata := 0, 0
	for ; len(want) < len(found); steps++ {
		first := uint64(steps / 2 * 2)
		if steps%2 == 1 {
			say(metadata, 1<<63-1)
			metadata++
			continue
		}
		want = append(want, fmt.Sprintf("%s %d %s", stream, first, note), fmt.Sprintf("%s %d %s", stream, first+1, note))
		if first > 0 {
			say(metadata, first)
			metadata++
		}
	}
	require.Equal(t, want, found)
	require.GreaterOrEqual(t, steps, acked)
	if steps == 0 {
		return
	}
	seen := view(t, store, stream)
	require.Equal(t, uint64((steps+1)/2*2-1), seen.Last)
	if steps%2 == 0 {
		require.Equal(t, embedded.SoftDeleted, seen.State)
	} else {
		require.Equal(t, embedded.View{State: embedded.Live, First: seen.Last - 1, Last: seen.Last}, seen)
	}
	at, err := store.Append(t.Context(), stream, events.Any, notes(1))
	require.NoError(t, err)
	require.Equal(t, seen.Last+1, at.Revision)
	if steps%2 == 0 {
		require.Equal(t, embedded.View{State: embedded.Live, First: at.Revision, Last: at.Revision}, view(t, store, stream))
	}
}
