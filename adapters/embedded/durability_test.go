package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

func note() events.Proposed {
	return events.Proposed{ID: id.New[id.Event](), Type: "Noted", Data: []byte(`{"text":"a"}`), Metadata: []byte(`{}`)}
}

func notes(n int) []events.Proposed {
	all := make([]events.Proposed, n)
	for i := range all {
		all[i] = note()
	}
	return all
}

func readAll(t *testing.T, store *embedded.Store, after events.Position) []events.Record {
	t.Helper()
	var all []events.Record
	for r, err := range store.ReadAll(t.Context(), after) {
		require.NoError(t, err)
		all = append(all, r)
	}
	return all
}

// ledger notes what was tried and what was acknowledged.
type ledger struct {
	mu    sync.Mutex
	tried [][]events.Proposed
	acked []id.Event
}

func (l *ledger) try(proposed []events.Proposed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried = append(l.tried, proposed)
}

func (l *ledger) ack(proposed []events.Proposed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range proposed {
		l.acked = append(l.acked, e.ID)
	}
}

func (l *ledger) ackedIDs() []id.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.acked)
}

// The power goes out at a random moment under load: all that was never synced is lost, or a random part of it. What was
// acknowledged before is there, once, and no append is there in part.
func TestAcknowledgedMeansSynced(t *testing.T) {
	t.Parallel()
	for _, kept := range []int{0, 30, 80} {
		for round := range 5 {
			t.Run(fmt.Sprintf("Keeps%dPercentOfTheUnsynced/%d", kept, round), func(t *testing.T) {
				t.Parallel()
				memory := vfs.NewCrashableMem()
				store := open(t, "store", embedded.FileSystem(memory))
				journal := &ledger{}
				ctx, stop := context.WithCancel(t.Context())
				reached := make(chan struct{}, 1)
				var writers sync.WaitGroup
				for w := range 16 {
					writers.Go(func() { write(ctx, store, journal, w, reached) })
				}
				for range 10 + rand.IntN(400) {
					<-reached
				}
				acked := journal.ackedIDs() // before the crash, so the crash has to keep them
				after := memory.CrashClone(vfs.CrashCloneCfg{
					UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(uint64(round), uint64(kept))),
				})
				stop()
				go func() { writers.Wait(); close(reached) }()
				for range reached { // let the writers finish
				}
				requireIntact(t, open(t, "store", embedded.FileSystem(after)), acked, journal)
			})
		}
	}
}

// write appends to a few streams until ctx ends.
func write(ctx context.Context, store *embedded.Store, journal *ledger, writer int, reached chan<- struct{}) {
	for i := 0; ctx.Err() == nil; i++ {
		proposed := notes(1 + i%4)
		journal.try(proposed)
		_, err := store.Append(ctx, fmt.Sprintf("stream-%d-%d", writer, i%3), events.Any, proposed)
		if err == nil {
			journal.ack(proposed)
		}
		reached <- struct{}{}
	}
}

func requireIntact(t *testing.T, store *embedded.Store, acked []id.Event, journal *ledger) {
	t.Helper()
	seen, next := map[id.Event]int{}, map[string]uint64{}
	for _, r := range readAll(t, store, events.Start) {
		seen[r.ID]++
		require.Equal(t, next[r.Stream], r.Revision, "revisions have no holes")
		next[r.Stream]++
	}
	for _, eventID := range acked {
		require.Equal(t, 1, seen[eventID], "acknowledged event %s", eventID)
	}
	journal.mu.Lock()
	defer journal.mu.Unlock()
	for _, proposed := range journal.tried {
		there := 0
		for _, e := range proposed {
			there += seen[e.ID]
		}
		require.Contains(t, []int{0, len(proposed)}, there, "an append is there whole or not at all")
	}
}

// Nobody sees an append while its sync is still under way, in whatever way they look.
func TestNothingIsVisibleBeforeItIsSynced(t *testing.T) {
	t.Parallel()
	g := newGate()
	defer g.open() // or a failure could not close the store
	store := open(t, "store", embedded.FileSystem(walFS{vfs.NewMem(), g.pass}))
	before, err := store.Append(t.Context(), "s", events.NoStream, notes(2))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	arrived := make(chan []events.Record, 1)
	go func() {
		for batch, err := range store.SubscribeAll(ctx, before.Position, 10) {
			if err == nil {
				arrived <- batch
			}
		}
		close(arrived)
	}()

	g.closed.Store(true)
	proposed, answers := notes(3), make(chan error, 2)
	go func() {
		_, err := store.Append(t.Context(), "s", events.Exactly(1), proposed)
		answers <- err
	}()
	<-g.arrived
	head, err := store.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.Position, head)
	require.Empty(t, readAll(t, store, before.Position))
	for range store.ReadStream(t.Context(), "s", 2) {
		t.Error("the stream shows what is not synced")
	}
	last, _, err := store.ReadLast(t.Context(), "s")
	require.NoError(t, err)
	require.Equal(t, before.Revision, last.Revision)
	requireLastSeen(t, store, "s", before)
	require.Empty(t, arrived)
	// A conflict with it would tell of it too.
	go func() {
		_, err := store.Append(t.Context(), "s", events.Exactly(1), notes(1))
		answers <- err
	}()
	require.Empty(t, answers)

	g.open()
	require.Equal(t, proposed[0].ID, (<-arrived)[0].ID)
	first, second := <-answers, <-answers
	conflict, ok := errors.AsType[*events.WrongRevisionError](errors.Join(first, second))
	require.True(t, ok)
	require.Equal(t, events.Exactly(4), conflict.Actual)
	cancel()
	for range arrived {
	}
}

// A context that ends while the append still waits takes it out; one that ends during the sync is too late.
func TestCancelledAppends(t *testing.T) {
	t.Parallel()
	g := newGate()
	defer g.open() // or a failure could not close the store
	store := open(t, "store", embedded.FileSystem(walFS{vfs.NewMem(), g.pass}))
	g.closed.Store(true)
	late, cancelLate := context.WithCancel(t.Context())
	lateAnswer := make(chan error, 1)
	go func() {
		_, err := store.Append(late, "late", events.NoStream, notes(1))
		lateAnswer <- err
	}()
	<-g.arrived
	parent, cancelEarly := context.WithCancel(t.Context())
	early := watchedContext{parent, make(chan struct{}, 1)}
	earlyAnswer := make(chan error, 1)
	go func() {
		_, err := store.Append(early, "early", events.NoStream, notes(1))
		earlyAnswer <- err
	}()
	<-early.watched
	cancelEarly()
	require.ErrorIs(t, <-earlyAnswer, context.Canceled)
	cancelLate()
	g.open()
	require.NoError(t, <-lateAnswer)
	streams := []string{}
	for _, r := range readAll(t, store, events.Start) {
		streams = append(streams, r.Stream)
	}
	require.Equal(t, []string{events.StoreStream, "late"}, streams)
}

// watchedContext tells when somebody begins to wait for its end.
type watchedContext struct {
	context.Context

	watched chan struct{}
}

func (c watchedContext) Done() <-chan struct{} {
	c.watched <- struct{}{}
	return c.Context.Done()
}

// The disk refuses a sync, or a write: the appends of that commit fail, the head stays, reading goes on, nothing more is
// taken, and what was acknowledged is there when the store is opened again.
func TestFailedCommit(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is broken")
	for name, kinds := range map[string][]errorfs.OpKind{
		"Sync":  {errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo},
		"Write": {errorfs.OpFileWrite},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			memory := vfs.NewCrashableMem()
			fault := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
				if strings.HasSuffix(op.Path, ".log") && slices.Contains(kinds, op.Kind) {
					return broken
				}
				return nil
			})}
			store, err := embedded.Open("store", embedded.FileSystem(errorfs.Wrap(memory, &fault)))
			require.NoError(t, err)
			before, err := store.Append(t.Context(), "s", events.NoStream, notes(2))
			require.NoError(t, err)
			fault.On()

			var writers sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				writers.Go(func() { _, errs[i] = store.Append(t.Context(), "s", events.Any, notes(2)) })
			}
			writers.Wait()
			for _, err := range errs {
				require.ErrorIs(t, err, embedded.ErrFailed)
				require.ErrorIs(t, err, broken)
			}
			fault.Off() // it does not help: what the disk holds is not known
			_, err = store.Append(t.Context(), "s", events.Any, notes(1))
			require.ErrorIs(t, err, embedded.ErrFailed)
			head, err := store.Head(t.Context())
			require.NoError(t, err)
			require.Equal(t, before.Position, head)
			require.Empty(t, readAll(t, store, head))
			require.Len(t, readAll(t, store, events.Start), 3)
			require.ErrorIs(t, store.Close(), broken)

			again := open(t, "store", embedded.FileSystem(memory.CrashClone(vfs.CrashCloneCfg{})))
			require.Equal(t, before.Position, readAll(t, again, events.Start)[2].Position)
			_, err = again.Append(t.Context(), "s", events.Exactly(1), notes(1))
			require.NoError(t, err)
		})
	}
}

// A crash right after the first acknowledged append finds the store where it was made, however many directories had to
// be made for it, also when an earlier process was killed half way through making them.
func TestNewDirectoriesAreDurable(t *testing.T) {
	t.Parallel()
	for dir, made := range map[string]string{
		"store": "", "data/store": "", "/a/b/c/store": "", "made": "made", "made/store": "made", "/made/b/c/store": "/made",
	} {
		t.Run(strings.ReplaceAll(dir, "/", "_"), func(t *testing.T) {
			t.Parallel()
			memory := vfs.NewCrashableMem()
			if made != "" {
				require.NoError(t, memory.MkdirAll(made, 0o700))
			}
			store := open(t, dir, embedded.FileSystem(memory))
			proposed := notes(1)
			_, err := store.Append(t.Context(), "s", events.NoStream, proposed)
			require.NoError(t, err)

			again := open(t, dir, embedded.FileSystem(memory.CrashClone(vfs.CrashCloneCfg{})))
			require.Equal(t, store.ID(), again.ID())
			all := readAll(t, again, events.Start)
			require.Len(t, all, 2)
			require.Equal(t, proposed[0].ID, all[1].ID)
		})
	}
}

// The memory of an append that was cancelled is the caller's again, at once. The race detector sees who else looks.
func TestCancelledAppendsLeaveTheirMemoryAlone(t *testing.T) {
	t.Parallel()
	store := open(t, "store", embedded.InMemory())
	known := notes(2000)
	for i := range known {
		known[i].Data, known[i].Metadata = nil, nil
	}
	_, err := store.Append(t.Context(), "s", events.Any, known)
	require.NoError(t, err)
	for range 100 {
		repeat := slices.Clone(known)
		ctx, cancel := context.WithCancel(t.Context())
		watched := watchedContext{ctx, make(chan struct{}, 1)}
		answer := make(chan error, 1)
		go func() {
			_, err := store.Append(watched, "s", events.Any, repeat)
			for i := range repeat {
				repeat[i].ID = id.Event{}
			}
			answer <- err
		}()
		<-watched.watched // it is queued, and a repeat takes long to recognise
		cancel()
		if err := <-answer; err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
	}
	require.Len(t, readAll(t, store, events.Start), 1+len(known))
}

// A repeat that has to wait for the commit of the original can no longer be cancelled: it is answered.
func TestARepeatInTheSameGroupIsTooLateToCancel(t *testing.T) {
	t.Parallel()
	g := newGate()
	defer g.open() // or a failure could not close the store
	store := open(t, "store", embedded.FileSystem(walFS{vfs.NewMem(), g.pass}))
	g.closed.Store(true)
	type answer struct {
		at  events.Appended
		err error
	}
	ctx, cancel := context.WithCancel(t.Context())
	appended := func(ctx context.Context, stream string, proposed []events.Proposed) chan answer {
		watched, answers := watchedContext{ctx, make(chan struct{}, 1)}, make(chan answer, 1)
		go func() {
			at, err := store.Append(watched, stream, events.NoStream, proposed)
			answers <- answer{at, err}
		}()
		<-watched.watched
		return answers
	}
	first := appended(t.Context(), "other", notes(1))
	<-g.arrived
	proposed := notes(2)
	original := appended(t.Context(), "s", proposed)
	repeat := appended(ctx, "s", proposed)
	g.release <- nil
	require.NoError(t, (<-first).err)
	<-g.arrived // the original's group, which the repeat is too late for
	cancel()
	g.open()
	want := <-original
	require.NoError(t, want.err)
	require.Equal(t, want, <-repeat)
}
