package account_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

// Whatever is asked in whatever order: an account that has users has an owner among them, no user has more than two live
// keys, and a key never does more than its user may at that moment, nor than it was issued for.
func TestAnAccountWithUsersKeepsAnOwner(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := fold(registered(), accepted())
		now := noon
		for n := range rapid.IntRange(1, 40).Draw(t, "commands") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "hours")) * time.Hour)
			list, err := drawCommand(t, s, n, now)
			var rejection *domain.Rejection
			require.True(t, err == nil || errors.As(err, &rejection), err)
			for _, event := range list {
				s = account.Evolve(s, event)
			}
			checkPeople(t, s, now)
		}
	})
}

func drawCommand(t *rapid.T, s account.State, n int, now time.Time) ([]events.Event, error) {
	who := someUser(rapid.IntRange(0, 5).Draw(t, "user"))
	names := []string{"owner", "agent", "compliance", "billing", "developer", "auditor"}
	roles := rapid.SliceOfN(rapid.SampledFrom(names), 1, 3).Draw(t, "roles")
	if rapid.Bool().Draw(t, "owner") {
		roles = append(roles, "owner")
	}
	switch rapid.IntRange(0, 4).Draw(t, "command") {
	case 0:
		return s.AddUser(who, account.AddUser{Name: rapid.SampledFrom([]string{"A", "b", "B", "c", "D"}).Draw(t, "name"), Roles: roles})
	case 1:
		return s.ChangeRoles(who, roles)
	case 2:
		return s.RemoveUser(who)
	case 3:
		return s.RevokeKey(someKey(rapid.IntRange(0, n).Draw(t, "key")), now)
	default:
		key := someKey(n)
		return s.IssueKey(key, secret(key), account.IssueKey{User: who, Label: "x", Scopes: roles[:1], ExpiresAt: now.Add(lasts)}, now)
	}
}

func someUser(n int) id.User  { return id.Derive[id.User]("test", strconv.Itoa(n)) }
func someKey(n int) id.APIKey { return id.Derive[id.APIKey]("test", strconv.Itoa(n)) }

func checkPeople(t *rapid.T, s account.State, now time.Time) {
	users, err := s.Users()
	require.NoError(t, err)
	owners := 0
	for _, u := range users {
		if slices.Contains(u.Roles, events.RoleOwner) {
			owners++
		}
		live := 0
		for _, k := range u.Keys {
			who, err := s.Authenticate(k.ID, secret(k.ID), now)
			require.Equal(t, !k.Revoked && now.Before(k.ExpiresAt), err == nil, "%v", err)
			if err != nil {
				continue
			}
			live++
			require.Equal(t, u.ID, who.User)
			for _, role := range events.Roles() {
				permitted := slices.Contains(u.Roles, role) && slices.Contains(k.Scopes, role)
				require.Equal(t, permitted, slices.Contains(who.Roles, role), role)
			}
		}
		require.LessOrEqual(t, live, 2, "live keys of one user")
	}
	require.Equal(t, len(users) > 0, owners > 0, "%d users, %d owners", len(users), owners)
}
