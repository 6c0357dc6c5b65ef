package eventstoredb_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/eventstoredb"
	"daybook/events"
)

func TestReadAllBack(t *testing.T) {
	t.Parallel()
	server := serve(t)
	store := open(t, server.address)
	for range 3 {
		_, err := store.Append(t.Context(), "a", events.Any, some(400)) // more than is read ahead
		require.NoError(t, err)
	}
	back := func(before events.Position) (records []events.Record) {
		for r, err := range store.ReadAllBack(t.Context(), before) {
			require.NoError(t, err)
			records = append(records, r)
		}
		return records
	}
	log := server.log(events.Start)
	slices.Reverse(log)
	want := placesOf(log)
	require.Equal(t, want, placesOf(back(^events.Position(0))))
	require.Equal(t, want[501:], placesOf(back(log[500].Position)), "the record at the position is not before it")
	require.Empty(t, back(log[len(log)-1].Position))
	require.Empty(t, back(events.Start))
	for r, err := range store.ReadAllBack(t.Context(), ^events.Position(0)) {
		require.NoError(t, err)
		require.Equal(t, want[:1], placesOf([]events.Record{r}))
		break
	}
}

// A read that loses its connection goes on before the record that it came to.
func TestReadAllBackOverAnOutage(t *testing.T) {
	t.Parallel()
	server := serve(t)
	store := open(t, server.address)
	for range 12 {
		_, err := store.Append(t.Context(), "a", events.Any, some(1000))
		require.NoError(t, err)
	}
	want := server.log(events.Start)
	slices.Reverse(want)
	var got []events.Record
	for r, err := range store.ReadAllBack(t.Context(), ^events.Position(0)) {
		require.NoError(t, err)
		if got = append(got, r); len(got)%3000 == 1 {
			server.restart()
		}
	}
	require.Equal(t, placesOf(want), placesOf(got))
}

// placesOf is what tells records apart, without what the wire rounds.
func placesOf(records []events.Record) (places []string) {
	for i := range records {
		r := &records[i]
		places = append(places, fmt.Sprintf("%d %s@%d %s %s", r.Position, r.Stream, r.Revision, r.ID, r.Data))
	}
	return places
}

// Looking at a store marks nothing.
func TestOpenExistingWritesNothing(t *testing.T) {
	t.Parallel()
	server := serve(t)
	node := join(t, server, renamed)
	_, err := eventstoredb.Open(t.Context(), plain(node.address), append(quick(), eventstoredb.Existing())...)
	require.ErrorContains(t, err, "the store has no identity")
	require.Empty(t, server.stream(otherName))
	require.Equal(t, server.inner.ID(), open(t, server.address, eventstoredb.Existing()).ID())
}
