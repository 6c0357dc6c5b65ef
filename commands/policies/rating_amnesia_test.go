package policies_test

import (
	"testing"

	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
)

func TestAmnesia_rating(t *testing.T) {
	t.Parallel()
	store := eventful(t)
	policiestest.Run(t, store, small(store))
	policiestest.Amnesia(t, store, func() policies.Policy { return small(store) })
}
