package embedded_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]embedded.Option{"Disk": nil, "InMemory": {embedded.InMemory()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) storetest.Store {
				t.Helper()
				return open(t, t.TempDir(), opts...)
			})
		})
	}
}

// open opens a store that is closed when the test ends, unless the test closes it before.
func open(t *testing.T, dir string, opts ...embedded.Option) *embedded.Store {
	t.Helper()
	store, err := embedded.Open(dir, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}
