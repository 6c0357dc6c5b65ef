package storecopy_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/cmd/daybook/storecopy"
	"daybook/events"
)

func TestDifferencesAreFound(t *testing.T) {
	t.Parallel()
	is := func(r *events.Record, revision uint64) bool { return r.Stream == "a" && r.Revision == revision }
	for name, c := range map[string]struct {
		show func(r *events.Record) bool
		want string
	}{
		"lost": {func(r *events.Record) bool { return !is(r, 2) }, "Noted"},
		"data": {func(r *events.Record) bool {
			if is(r, 1) {
				r.Data = append(r.Data, ' ')
			}
			return true
		}, "the data of Noted"},
		"metadata": {func(r *events.Record) bool {
			if is(r, 1) {
				r.Metadata = nil
			}
			return true
		}, "the metadata of Noted"},
		"type": {func(r *events.Record) bool {
			if is(r, 1) {
				r.Type = "noted"
			}
			return true
		}, "the type of Noted"},
		"kind": {func(r *events.Record) bool {
			r.Binary = r.Binary != is(r, 1)
			return true
		}, "the kind of data of Noted"},
		"id": {func(r *events.Record) bool {
			if is(r, 1) {
				r.ID.UUID[3]++
			}
			return true
		}, "the id of Noted"},
		"the end is lost": {func(r *events.Record) bool { return !is(r, 3) }, "the target lacks Noted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := memory(t), memory(t)
			put(t, from, "b", note("{}"))
			put(t, from, "a", note("{}"), note("{}"), note("{}"), note("{}"))
			var seen error
			cfg := config(from, altered{to, c.show})
			cfg.Translate = func(_ context.Context, move storecopy.Move) error {
				for _, err := range move.Places {
					seen = err
				}
				return seen
			}
			_, err := storecopy.Run(t.Context(), cfg)
			var difference *storecopy.DifferenceError
			require.ErrorAs(t, err, &difference)
			require.Equal(t, seen, err, "whoever translates learns of it")
			require.Contains(t, difference.First, c.want)
			require.Len(t, difference.Streams, 1)
			require.Equal(t, "a", difference.Streams[0].Stream)
			require.NotContains(t, marks(t, to), "CopyFinished")

			_, err = storecopy.Run(t.Context(), cfg) // and so does the check of a copy that goes on
			require.Error(t, err)
		})
	}
}

// An event that lands in the target from elsewhere is found, wherever it lies, and nothing is added behind it.
func TestATargetThatOthersWriteTo(t *testing.T) {
	t.Parallel()
	for name, upTo := range map[string]uint64{"in the middle": 20, "at the end": math.MaxUint64} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := memory(t), memory(t)
			history(t, from, 30)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			cfg := config(from, to)
			cfg.Progress = func(p storecopy.Progress) {
				if p.Phase == storecopy.Comparing || p.Events >= upTo {
					cancel()
				}
			}
			_, err := storecopy.Run(ctx, cfg)
			require.ErrorIs(t, err, context.Canceled)
			put(t, to, "elsewhere", note("{}"))
			before, err := to.Head(t.Context())
			require.NoError(t, err)

			_, err = storecopy.Run(t.Context(), config(from, to))
			var difference *storecopy.DifferenceError
			require.ErrorAs(t, err, &difference)
			require.Contains(t, difference.First, "elsewhere@0")
			after, err := to.Head(t.Context())
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	sealed := func(t *testing.T, store storecopy.Store) {
		t.Helper()
		require.NoError(t, storecopy.Seal(t.Context(), store, now()))
	}
	begun := func(t *testing.T, store storecopy.Store) {
		t.Helper()
		cfg := config(memory(t), store)
		cfg.Translate = func(context.Context, storecopy.Move) error { return errFault }
		_, err := storecopy.Run(t.Context(), cfg)
		require.ErrorIs(t, err, errFault)
	}
	nothing := func(*testing.T, storecopy.Store) {}
	for name, c := range map[string]struct {
		from, to func(*testing.T, storecopy.Store)
		want     string
	}{
		"unfinished source":     {begun, nothing, "is itself an unfinished copy"},
		"sealed target":         {nothing, sealed, "is sealed"},
		"target of another":     {nothing, begun, "is a copy of store"},
		"target not empty":      {nothing, func(t *testing.T, s storecopy.Store) { t.Helper(); put(t, s, "a", note("{}")) }, "is not empty: it holds Noted as a@0"},
		"target with a history": {nothing, func(t *testing.T, s storecopy.Store) { t.Helper(); history(t, s, 0) }, "is not empty: it holds VaultBound"},
		"written after the seal": {func(t *testing.T, s storecopy.Store) {
			t.Helper()
			sealed(t, s)
			put(t, s, "$fine", note("{}"))
			put(t, s, "a", note("{}"))
		}, nothing, "was written to after it was sealed: Noted as a@0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := memory(t), memory(t)
			c.from(t, from)
			c.to(t, to)
			_, err := storecopy.Run(t.Context(), config(from, to))
			var refused *storecopy.RefusedError
			require.ErrorAs(t, err, &refused)
			require.ErrorContains(t, err, c.want)
		})
	}
	store := memory(t)
	_, err := storecopy.Run(t.Context(), config(store, store))
	require.ErrorContains(t, err, "are the same store")
}

// What others did to the streams of the source cannot be copied; it is said instead of lost.
func TestTruncatedAndDeletedStreams(t *testing.T) {
	t.Parallel()
	from := memory(t)
	put(t, from, "a", note("{}"), note("{}"), note("{}"))
	truncated := altered{from, func(r *events.Record) bool { return r.Stream != "a" || r.Revision > 0 }}
	_, err := storecopy.Run(t.Context(), config(truncated, memory(t)))
	require.ErrorContains(t, err, "the source lacks what was before a@1")

	tombstoned := altered{from, func(r *events.Record) bool {
		if r.Stream == "a" && r.Revision == 2 {
			r.Type, r.Revision = "$streamDeleted", math.MaxInt64
		}
		return true
	}}
	_, err = storecopy.Run(t.Context(), config(tombstoned, memory(t)))
	require.ErrorContains(t, err, "stream a of the source was deleted for good")
}

func TestSealing(t *testing.T) {
	t.Parallel()
	store := memory(t)
	usable := func() error {
		state, err := storecopy.ReadState(t.Context(), store)
		require.NoError(t, err)
		return state.Usable()
	}
	require.NoError(t, usable())
	for range 2 { // the second time is none
		require.NoError(t, storecopy.Seal(t.Context(), store, now()))
		require.ErrorContains(t, usable(), "is sealed")
		require.ErrorContains(t, usable(), "daybook store unseal")
	}
	for range 2 {
		require.NoError(t, storecopy.Unseal(t.Context(), store, now()))
		require.NoError(t, usable())
	}
	require.NoError(t, storecopy.Seal(t.Context(), store, now()))
	require.Equal(t, []string{"StoreCreated", "StoreSealed", "StoreUnsealed", "StoreSealed"}, marks(t, store))

	to := memory(t)
	put(t, store, "$fine", note("{}"))
	_, err := storecopy.Run(t.Context(), config(store, to))
	require.NoError(t, err)
	require.Equal(t, []string{"StoreCreated", "CopyBegun", "CopyFinished"}, marks(t, to))
}

// What is written to a sealed source is not in the copy: it is found before the copy is declared finished, and undoes
// what was done with the places.
func TestASourceThatIsWrittenToMeanwhile(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"while it is compared": false, "after it was compared": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := memory(t), memory(t)
			history(t, from, 30)
			cfg := config(from, to)
			cfg.Translate = func(_ context.Context, move storecopy.Move) error {
				passed := 0
				for _, err := range move.Places {
					if passed++; err != nil {
						require.False(t, late)
						return err
					}
					if passed == 5 && !late {
						put(t, from, "late", note("{}"))
					}
				}
				require.True(t, late)
				put(t, from, "$fine", note("{}"))
				put(t, from, "late", note("{}"))
				return nil
			}
			_, err := storecopy.Run(t.Context(), cfg)
			require.ErrorContains(t, err, "written to after it was sealed: Noted as late@0. Stop whoever does, unseal it, and copy again")
			require.NotContains(t, marks(t, to), "CopyFinished")

			require.NoError(t, storecopy.Unseal(t.Context(), from, now()))
			_, err = storecopy.Run(t.Context(), config(from, to))
			require.NoError(t, err, "what it advises works")
			require.Equal(t, contents(t, from), contents(t, to))
		})
	}
}

// Nothing is added to a copy that was finished, and the advice is one that works.
func TestAFinishedCopyIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	from, to := memory(t), memory(t)
	history(t, from, 10)
	_, err := storecopy.Run(t.Context(), config(from, to))
	require.NoError(t, err)
	put(t, from, "late", note("{}"))
	_, err = storecopy.Run(t.Context(), config(from, to))
	require.ErrorContains(t, err, "Stop whoever does, and copy to another empty store")

	require.NoError(t, storecopy.Unseal(t.Context(), from, now()))
	before := marks(t, from)
	_, err = storecopy.Run(t.Context(), config(from, to))
	require.ErrorContains(t, err, "Copy to another empty store")
	require.Equal(t, before, marks(t, from), "it is not sealed for nothing")

	other := memory(t)
	_, err = storecopy.Run(t.Context(), config(from, other))
	require.NoError(t, err)
	require.Equal(t, contents(t, from), contents(t, other))
	_, err = storecopy.Run(t.Context(), config(from, to))
	require.ErrorContains(t, err, "copy to another empty store")
}
