package embedded

import (
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// Marks beyond those that memory holds are found in the database.
func TestMoreMarksThanAreKept(t *testing.T) {
	t.Parallel()
	db, err := pebble.Open("marks", &pebble.Options{FS: vfs.NewMem()})
	require.NoError(t, err)
	batch := db.NewBatch()
	m, err := readMarks(db)
	require.NoError(t, err)
	for i := range marksKept + 2 {
		require.NoError(t, m.add(batch, "s"+strconv.Itoa(i)))
	}
	require.NoError(t, batch.Commit(pebble.Sync))
	again, err := readMarks(db)
	require.NoError(t, err)
	for _, m := range []*marks{m, again} {
		require.Len(t, m.streams, marksKept)
		for stream, want := range map[string]bool{
			"s0": true, "s" + strconv.Itoa(marksKept-1): true, "s" + strconv.Itoa(marksKept+1): true, "s": false, "t": false,
		} {
			marked, err := m.has(stream)
			require.NoError(t, err)
			require.Equal(t, want, marked, stream)
		}
	}
	require.NoError(t, db.Close())
}
