package endpoint

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinksAreParsed(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]target{
		"0@a":                       {"a", 0},
		"12@account@home":           {"account@home", 12},
		"7@@":                       {"@", 7},
		"9223372036854775807@wüste": {"wüste", 1<<63 - 1},
	} {
		got, ok := parseLink([]byte(data))
		require.True(t, ok, data)
		require.Equal(t, want, got)
	}
	for _, data := range []string{"", "@", "1@", "@a", "1", "a", "-1@a", "+1@a", " 1@a", "1 @a", "0x1@a", "1.0@a", "1_0@a", "9223372036854775808@a"} {
		_, ok := parseLink([]byte(data))
		require.False(t, ok, data)
	}
}

func FuzzLink(f *testing.F) {
	f.Add([]byte("1@a"))
	f.Add([]byte("@@"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, ok := parseLink(data); ok {
			again, ok := parseLink(fmt.Appendf(nil, "%d@%s", got.revision, got.stream))
			require.True(t, ok)
			require.Equal(t, got, again)
		}
	})
}
