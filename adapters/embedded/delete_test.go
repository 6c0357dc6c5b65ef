package embedded_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

func metadata(data string) []events.Proposed {
	return []events.Proposed{{ID: id.New[id.Event](), Type: "$metadata", Data: []byte(data)}}
}

func view(t *testing.T, store *embedded.Store, stream string) embedded.View {
	t.Helper()
	v, err := store.View(t.Context(), stream)
	require.NoError(t, err)
	return v
}

func lastOf(t *testing.T, store *embedded.Store, stream string) events.Record {
	t.Helper()
	last, found, err := store.ReadLast(t.Context(), stream)
	require.NoError(t, err)
	require.True(t, found)
	return last
}

// A stream is deleted, appended to again, and ended for ever.
func TestDeleteReviveTombstone(t *testing.T) {
	t.Parallel()
	store := open(t, "store", embedded.InMemory())
	_, err := store.Append(t.Context(), "s", events.NoStream, notes(3))
	require.NoError(t, err)
	_, err = store.Append(t.Context(), "$$s", events.NoStream, metadata(`{"$acl":{"$r":"me"},"$maxCount":2}`))
	require.NoError(t, err)
	require.Equal(t, embedded.View{State: embedded.Live, First: 1, Last: 2}, view(t, store, "s"))

	at, err := store.Delete(t.Context(), "s", events.Exactly(2))
	require.NoError(t, err)
	deleted := lastOf(t, store, "$$s")
	require.Equal(t, at, deleted.Position)
	require.Equal(t, "$metadata", deleted.Type)
	require.Equal(t, uint64(1), deleted.Revision)
	require.JSONEq(t, `{"$tb":9223372036854775807}`, string(deleted.Data), "all that was said of it before is gone")
	require.Equal(t, embedded.SoftDeleted, view(t, store, "s").State)
	require.Equal(t, embedded.View{State: embedded.Live, First: 1, Last: 1}, view(t, store, "$$s"))

	_, err = store.Append(t.Context(), "s", events.StreamExists, notes(1))
	require.ErrorAs(t, err, new(*embedded.DeletedError))
	again, err := store.Append(t.Context(), "s", events.NoStream, notes(2))
	require.NoError(t, err)
	require.Equal(t, uint64(4), again.Revision, "revisions go on")
	revived := lastOf(t, store, "$$s")
	require.JSONEq(t, `{"$tb":3}`, string(revived.Data))
	require.Greater(t, revived.Position, again.Position)
	require.Equal(t, embedded.View{State: embedded.Live, First: 3, Last: 4}, view(t, store, "s"))

	at, err = store.Tombstone(t.Context(), "s", events.Any)
	require.NoError(t, err)
	end := lastOf(t, store, "s")
	require.Equal(t, at, end.Position)
	require.Equal(t, "$streamDeleted", end.Type)
	require.Equal(t, uint64(1<<63-1), end.Revision)
	require.Empty(t, end.Data)
	for _, stream := range []string{"s", "$$s"} {
		require.Equal(t, embedded.View{State: embedded.Tombstoned}, view(t, store, stream))
		for _, expected := range []events.Expected{events.Any, events.NoStream, events.StreamExists, 2} {
			_, err = store.Append(t.Context(), stream, expected, notes(1))
			var gone *embedded.DeletedError
			require.ErrorAs(t, err, &gone)
			require.Equal(t, embedded.DeletedError{Stream: stream}, *gone)
		}
	}
	_, err = store.Delete(t.Context(), "s", events.Any)
	require.ErrorAs(t, err, new(*embedded.DeletedError))
	_, err = store.Tombstone(t.Context(), "s", events.Any)
	require.ErrorAs(t, err, new(*embedded.DeletedError))
}

func TestDeletingWhatIsNotThere(t *testing.T) {
	t.Parallel()
	store := open(t, "store", embedded.InMemory())
	for _, expected := range []events.Expected{events.Any, events.NoStream, events.StreamExists, 0} {
		_, err := store.Delete(t.Context(), "s", expected)
		var conflict *events.WrongRevisionError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, events.WrongRevisionError{Stream: "s", Expected: expected, Actual: events.NoStream}, *conflict)
	}
	_, err := store.Tombstone(t.Context(), "s", events.StreamExists)
	require.ErrorAs(t, err, new(*events.WrongRevisionError))
	require.Len(t, readAll(t, store, events.Start), 1, "nothing was written")

	_, err = store.Append(t.Context(), "$$s", events.Any, metadata(`{}`))
	require.NoError(t, err)
	require.Equal(t, embedded.View{State: embedded.Live, Empty: true}, view(t, store, "s"))
	empty, err := store.Append(t.Context(), "s", events.StreamExists, nil)
	require.NoError(t, err)
	require.Zero(t, empty, "metadata alone is a stream without events")
	_, err = store.Delete(t.Context(), "s", events.StreamExists)
	require.NoError(t, err, "metadata alone can be deleted")
	_, err = store.Tombstone(t.Context(), "never", events.NoStream)
	require.NoError(t, err)
	require.Equal(t, embedded.Tombstoned, view(t, store, "never").State)
}

func TestRefusedDeletes(t *testing.T) {
	t.Parallel()
	store := open(t, "store", embedded.InMemory())
	longest := strings.Repeat("n", 1024)
	for stream, reason := range map[string]string{
		"": "reserved", "$all": "reserved", "$$": "reserved", "$$s": "with the stream", longest + "n": "longer than 1024",
	} {
		var invalid *embedded.InvalidError
		_, err := store.Delete(t.Context(), stream, events.Any)
		require.ErrorAs(t, err, &invalid)
		require.ErrorContains(t, err, reason)
		_, err = store.Tombstone(t.Context(), stream, events.Any)
		require.ErrorAs(t, err, &invalid)
		require.ErrorContains(t, err, reason)
	}
	_, err := store.Delete(t.Context(), "s", -3)
	require.ErrorContains(t, err, "-3 is not an expectation")

	_, err = store.Append(t.Context(), longest, events.Any, notes(1))
	require.NoError(t, err)
	_, err = store.Delete(t.Context(), longest, events.Any)
	require.NoError(t, err, "the longest name leaves room for its metadata's")
	require.Equal(t, embedded.SoftDeleted, view(t, store, longest).State)
	require.Equal(t, embedded.Missing, view(t, store, longest+"n").State)
	for _, err := range store.ReadStreamBack(t.Context(), longest+"n", 0) {
		t.Error("no stream has a longer name", err)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Delete(ended, "s", events.Any)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "deleting s")
	_, err = store.View(ended, "s")
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, store.Close())
	_, err = store.Tombstone(t.Context(), "s", events.Any)
	require.ErrorIs(t, err, embedded.ErrClosed)
	_, err = store.View(t.Context(), "s")
	require.ErrorIs(t, err, embedded.ErrClosed)
	_, err = store.ReadShared(events.Start, 1, 1<<20)
	require.ErrorIs(t, err, embedded.ErrClosed)
}

// Limits of any size hide what they should and overflow nowhere.
func TestViewOfExtremeMetadata(t *testing.T) {
	t.Parallel()
	store := open(t, "store", embedded.InMemory())
	_, err := store.Append(t.Context(), "s", events.Any, notes(3))
	require.NoError(t, err)
	const centuries = 9223372036 * time.Second
	for data, want := range map[string]embedded.View{
		`{"$maxCount":9223372036854775807}`: {State: embedded.Live, Last: 2},
		`{"$maxAge":9223372036854775807}`:   {State: embedded.Live, Last: 2, MaxAge: centuries},
		`{"$tb":9223372036854775806}`:       {State: embedded.Live, First: 1<<63 - 2, Last: 2},
		`{"$tb":-9223372036854775808}`:      {State: embedded.Live, Last: 2},
		`{"$maxAge":1,"$maxCount":1}`:       {State: embedded.Live, First: 2, Last: 2, MaxAge: time.Second},
	} {
		_, err := store.Append(t.Context(), "$$s", events.Any, metadata(data))
		require.NoError(t, err)
		require.Equal(t, want, view(t, store, "s"), data)
	}
}
