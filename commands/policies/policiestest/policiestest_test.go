package policiestest_test

import (
	"testing"
	"time"

	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
)

func TestLeasesInMemory(t *testing.T) {
	t.Parallel()
	policiestest.LeasesSuite(t, func(*testing.T) (policies.Leases, func()) {
		leases := policiestest.NewLeases(time.Now)
		return leases, leases.Expire
	})
}
