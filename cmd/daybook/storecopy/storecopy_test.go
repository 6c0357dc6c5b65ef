package storecopy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/embedded"
	"daybook/cmd/daybook/storecopy"
	"daybook/events"
)

func TestACopyKeepsEverythingInOrder(t *testing.T) {
	t.Parallel()
	from, to := memory(t), memory(t)
	history(t, from, 300)
	put(t, to, "$users", note("{}"))
	want := contents(t, from)

	result, err := storecopy.Run(t.Context(), config(from, to))

	require.NoError(t, err)
	require.Equal(t, want, contents(t, to))
	require.Equal(t, uint64(len(want)), result.Events)
	require.False(t, result.Before)
	require.Equal(t, []string{"StoreCreated", "VaultBound", "StoreSealed"}, marks(t, from))
	require.Equal(t, []string{"StoreCreated", "CopyBegun", "VaultBound", "CopyFinished"}, marks(t, to))
	state, err := storecopy.ReadState(t.Context(), to)
	require.NoError(t, err)
	require.NoError(t, state.Usable())
	require.Equal(t, events.CopyFinished{From: from.ID(), Events: result.Events, Digest: result.Digest}, *state.Finished)
}

func TestThereAndBackIsTheSame(t *testing.T) {
	t.Parallel()
	first, second, third := memory(t), memory(t), memory(t)
	history(t, first, 100)
	there, err := storecopy.Run(t.Context(), config(first, second))
	require.NoError(t, err)
	back, err := storecopy.Run(t.Context(), config(second, third))
	require.NoError(t, err)
	require.Equal(t, there, back)
	require.Equal(t, contents(t, first), contents(t, third))
	require.Equal(t, []string{"StoreCreated", "CopyBegun", "VaultBound", "CopyFinished"}, marks(t, third))
}

func TestAnyHistoryIsCopied(t *testing.T) {
	t.Parallel()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 30 {
			return
		}
		from, to := memory(t), memory(t, embedded.MaxAppendBytes(1<<12))
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 7), 0, 60).Draw(rt, "streams") {
			var several []events.Proposed
			for range rapid.IntRange(1, 5).Draw(rt, "events") {
				e := note("")
				e.Data, e.Metadata = rapid.SliceOf(rapid.Byte()).Draw(rt, "data"), rapid.SliceOf(rapid.Byte()).Draw(rt, "metadata")
				e.Binary = rapid.Bool().Draw(rt, "binary")
				several = append(several, e)
			}
			put(t, from, []string{"a", "b", "c", "$d", "$$a", "e-1", "E-1", "f"}[n], several...)
		}
		want := contents(t, from)
		_, err := storecopy.Run(t.Context(), config(from, to))
		require.NoError(rt, err)
		require.Equal(rt, want, contents(t, to))
	})
}

// A copy fails at each thing that it does, once, and is run again: it ends as if nothing had been.
func TestACopyGoesOnWhereverItWasInterrupted(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{false, true} {
		t.Run(fmt.Sprintf("written=%v", written), func(t *testing.T) {
			t.Parallel()
			from := memory(t)
			history(t, from, 25)
			want := contents(t, from)
			steps := int64(1)
			for failed := true; failed; steps++ {
				if steps > 1 && steps%10 == 0 { // a source that is not sealed yet is one of the steps
					from = memory(t)
					history(t, from, 25)
					want = contents(t, from)
				}
				to, left := memory(t), &atomic.Int64{}
				left.Store(steps)
				_, err := storecopy.Run(t.Context(), config(faulty{from, left, written}, faulty{to, left, written}))
				failed = err != nil
				if failed {
					require.ErrorIs(t, err, errFault)
					left.Store(steps / 2) // and once more, elsewhere
					_, err = storecopy.Run(t.Context(), config(faulty{from, left, written}, faulty{to, left, written}))
					if err != nil {
						require.ErrorIs(t, err, errFault)
					}
				}
				_, err = storecopy.Run(t.Context(), config(from, to))
				require.NoError(t, err)
				require.Equal(t, want, contents(t, to))
				require.Equal(t, []string{"StoreCreated", "CopyBegun", "VaultBound", "CopyFinished"}, marks(t, to))
			}
			require.Greater(t, steps, int64(150), "it was interrupted at every step")
		})
	}
}

func TestACancelledCopyEndsAndGoesOn(t *testing.T) {
	t.Parallel()
	from, to := memory(t), memory(t)
	history(t, from, 200)
	ctx, cancel := context.WithCancel(t.Context())
	cfg := config(from, to)
	cfg.Progress = func(p storecopy.Progress) {
		if p.Phase == storecopy.Copying && p.Events > 100 {
			cancel()
		}
	}
	_, err := storecopy.Run(ctx, cfg)
	require.ErrorIs(t, err, context.Canceled)

	var phases []storecopy.Phase
	checked, last := uint64(0), storecopy.Progress{}
	cfg.Progress = func(p storecopy.Progress) {
		if phases = append(phases, p.Phase); p.Phase == storecopy.Checking {
			checked = p.Events
		}
		require.LessOrEqual(t, p.At, p.Of)
		last = p
	}
	result, err := storecopy.Run(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, []storecopy.Phase{storecopy.Checking, storecopy.Copying, storecopy.Comparing}, slices.Compact(phases))
	require.Greater(t, checked, uint64(100), "what was there is not copied again")
	require.Equal(t, result.Events, last.Events)
}

// A finished copy may be used, and grow. Running it again compares what was copied, and no more.
func TestAFinishedCopyIsOnlyCompared(t *testing.T) {
	t.Parallel()
	from, to := memory(t), memory(t)
	history(t, from, 50)
	first, err := storecopy.Run(t.Context(), config(from, to))
	require.NoError(t, err)
	put(t, to, "stream-1", note("{}"))
	head, err := to.Head(t.Context())
	require.NoError(t, err)

	again, err := storecopy.Run(t.Context(), config(from, to))
	require.NoError(t, err)
	first.Before = true
	require.Equal(t, first, again)
	now, err := to.Head(t.Context())
	require.NoError(t, err)
	require.Equal(t, head, now, "nothing was written")
}

func TestLargeEventsAreSentInPartsAsTheTargetTakesThem(t *testing.T) {
	t.Parallel()
	from, to := memory(t), memory(t, embedded.MaxAppendBytes(3000))
	for n := range 20 {
		put(t, from, "large", note(strings.Repeat("x", 100*n)))
	}
	_, err := storecopy.Run(t.Context(), config(from, to))
	require.NoError(t, err)
	require.Equal(t, contents(t, from), contents(t, to))

	from, to = memory(t), memory(t, embedded.MaxAppendBytes(3000))
	put(t, from, "large", note("{}"), note(strings.Repeat("x", 5000)), note("{}"))
	_, err = storecopy.Run(t.Context(), config(from, to))
	var oversized *storecopy.OversizedError
	require.ErrorAs(t, err, &oversized)
	require.Equal(t, "large", oversized.Stream)
	require.Equal(t, uint64(1), oversized.Revision)
	require.Equal(t, 5000+len(`{"version":1}`)+2*len("Noted"), oversized.Size)
	require.ErrorContains(t, err, "large@1 has 5023 bytes, more than the target takes")
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	from, to := memory(t), memory(t)
	history(t, from, 80)
	cfg := config(from, to)
	var places []storecopy.Place
	cfg.Translate = func(_ context.Context, move storecopy.Move) error {
		require.Equal(t, from.ID(), move.From)
		require.Equal(t, to.ID(), move.To)
		for place, err := range move.Places {
			require.NoError(t, err)
			places = append(places, place)
		}
		return nil
	}
	_, err := storecopy.Run(t.Context(), cfg)
	require.NoError(t, err)

	was, counted := map[string]events.Record{}, uint64(0)
	for r, err := range from.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		was[fmt.Sprintf("%s@%d", r.Stream, r.Revision)] = r
	}
	var want []storecopy.Place
	for r, err := range to.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		if strings.HasPrefix(r.Stream, "$") || strings.HasPrefix(r.Type, "$") {
			continue
		}
		counted++
		if r.Stream != events.StoreStream {
			old := was[fmt.Sprintf("%s@%d", r.Stream, r.Revision)]
			want = append(want, storecopy.Place{
				From: old.Position, To: r.Position, Stream: r.Stream, Revision: r.Revision, Event: old.ID, Counted: counted,
			})
		}
	}
	require.Equal(t, want, places)
}

func TestTranslationThatReadsNothingOrFails(t *testing.T) {
	t.Parallel()
	from, to := memory(t), memory(t)
	history(t, from, 20)
	cfg := config(from, to)
	cfg.Translate = func(context.Context, storecopy.Move) error { return errFault }
	_, err := storecopy.Run(t.Context(), cfg)
	require.ErrorIs(t, err, errFault)
	require.NotContains(t, marks(t, to), "CopyFinished")

	cfg.Translate = func(_ context.Context, move storecopy.Move) error {
		for range move.Places {
			break
		}
		return nil
	}
	result, err := storecopy.Run(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, uint64(len(contents(t, from))), result.Events)
	require.Contains(t, marks(t, to), "CopyFinished")
}
