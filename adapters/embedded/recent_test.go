package embedded

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/events/id"
)

// An id that went to a stream twice is known until the second time is forgotten.
func TestRecentIDsForgetTheOlderPlaceOnly(t *testing.T) {
	t.Parallel()
	r := newRecentIDs(3)
	twice, other := id.New[id.Event](), id.New[id.Event]()
	add := func(event id.Event, at int64) { r.add("s", event, tip{revision: at, position: 1}) }
	add(twice, 0)
	add(other, 1)
	add(twice, 2)
	add(id.New[id.Event](), 3) // forgets revision 0
	place, known := r.find("s", twice)
	require.True(t, known)
	require.Equal(t, int64(2), place.revision)
	add(id.New[id.Event](), 4)
	_, known = r.find("s", other)
	require.False(t, known)
	add(id.New[id.Event](), 5)
	_, known = r.find("s", twice)
	require.False(t, known)
	require.Len(t, r.places, 3)
}
