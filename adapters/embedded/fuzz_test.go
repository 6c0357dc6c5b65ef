package embedded

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Metadata is whatever a client sends. It never gets in the way, and a stream that comes back shows nothing older.
func FuzzMetadata(f *testing.F) {
	for _, data := range []string{
		`{}`, `{"$tb":3,"$maxCount":2,"$maxAge":60,"$acl":{"$r":["a"]}}`, `{"$maxCount":"2"}`, `[1]`, `null`, `{"$tb":1e3}`, "\xff",
	} {
		f.Add([]byte(data), int64(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, from int64) {
		from &= math.MaxInt64
		l := limitsIn(metadataType, false, data)
		require.GreaterOrEqual(t, min(l.before, l.maxAge, l.maxCount), int64(0))
		revived, err := reviving(data, from)
		require.NoError(t, err)
		after := limitsIn(metadataType, false, revived)
		require.Equal(t, from, after.before)
		if l != (limits{}) {
			require.Equal(t, limits{l.maxCount, l.maxAge, from}, after, "the other limits stay")
		}
	})
}
