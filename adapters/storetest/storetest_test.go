package storetest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/storetest"
)

// TestSuite makes "go test -c" of this package a program that runs the suite by itself.
func TestSuite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Store {
		t.Helper()
		store, err := embedded.Open(t.TempDir(), embedded.InMemory())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		return store
	})
}
