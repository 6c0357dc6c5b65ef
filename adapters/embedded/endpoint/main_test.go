package endpoint_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that no test leaves a goroutine behind: not in the endpoint, not in the store, not in a client.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
