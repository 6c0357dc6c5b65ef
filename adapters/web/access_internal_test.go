package web

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
)

// TestARouteThatNamesNoAccountDoesNotStart for roles: it would not know whose things it is asked for.
func TestARouteThatNamesNoAccountDoesNotStart(t *testing.T) {
	t.Parallel()
	require.PanicsWithValue(t, "web: the input of lookAround names no account", func() {
		permit(events.RoleOwner).mustSuit("lookAround", new(api.Waiting))
	})
	for who, in := range map[*access]any{
		new(permit(events.RoleOwner)):      new(api.OnAccount),
		new(permitFound(events.RoleOwner)): new(api.Waiting),
		new(operator):                      new(api.Waiting),
	} {
		require.NotPanics(t, func() { who.mustSuit("lookAround", in) })
	}
}

// TestNobodySeesNothing: a request that lost its caller on the way has no account, and so has the installation.
func TestNobodySeesNothing(t *testing.T) {
	t.Parallel()
	nobody := callerOf(t.Context())
	require.False(t, nobody.sees(id.Account{}))
	require.False(t, nobody.sees(id.New[id.Account]()))
	require.False(t, nobody.has(events.RoleOwner))
	require.True(t, asOperator("api:admin", "api").sees(id.Account{}))
}
