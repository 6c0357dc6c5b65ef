package embedded_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
)

// What governs a stream when following begins is told once, however much there is and was; then what changes.
func TestSubscribeMetadata(t *testing.T) {
	t.Parallel()
	const streams = 600 // more than are read together
	dir := t.TempDir()
	store := open(t, dir)
	name := func(n int) string { return fmt.Sprint("s", n) }
	want := map[string]string{}
	for n := range streams {
		_, err := store.Append(t.Context(), name(n), events.Any, notes(1))
		require.NoError(t, err)
		for revision := range 2 {
			_, err = store.Append(t.Context(), "$$"+name(n), events.Any, metadata(fmt.Sprintf(`{"n":%d}`, revision)))
			require.NoError(t, err)
		}
		want["$$"+name(n)] = `{"n":1}`
	}
	_, err := store.Delete(t.Context(), name(1), events.Any)
	require.NoError(t, err)
	_, err = store.Tombstone(t.Context(), name(2), events.Any)
	require.NoError(t, err)
	want["$$"+name(1)] = `{"$tb":9223372036854775807}`
	delete(want, "$$"+name(2))
	want[name(2)] = ""
	require.NoError(t, store.Close())

	store = open(t, dir)
	got, caughtUp, live := map[string]string{}, false, 0
	for batch, err := range store.SubscribeMetadata(t.Context()) {
		if caughtUp && live == 2 {
			require.ErrorIs(t, err, embedded.ErrClosed)
			break
		}
		require.NoError(t, err)
		for _, r := range batch {
			if !caughtUp {
				require.NotContains(t, got, r.Stream)
				got[r.Stream] = string(r.Data)
				continue
			}
			require.Equal(t, []string{"$$" + name(0), name(0)}[live], r.Stream)
			live++
		}
		switch {
		case len(batch) == 0:
			caughtUp = true
			_, err = store.Append(t.Context(), name(0), events.Any, notes(3))
			require.NoError(t, err)
			_, err = store.Append(t.Context(), "$$"+name(0), events.Any, metadata(`{}`))
			require.NoError(t, err)
			_, err = store.Tombstone(t.Context(), name(0), events.Any)
			require.NoError(t, err)
		case live == 2:
			require.NoError(t, store.Close())
		}
	}
	require.Equal(t, want, got)
	for _, err := range store.SubscribeMetadata(t.Context()) {
		require.ErrorIs(t, err, embedded.ErrClosed)
	}
}
