package eventstoredb_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that a store has left behind, in whatever way the tests have ended it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
