package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

var (
	first  = id.Derive[id.APIKey]("test", "first")
	second = id.Derive[id.APIKey]("test", "second")
	third  = id.Derive[id.APIKey]("test", "third")
	till   = id.Derive[id.Device]("test", "till")
)

const lasts = 24 * time.Hour

// secret is the digest of a key's secret.
func secret(key id.APIKey) string {
	return strings.Repeat(strings.ReplaceAll(key.String(), "-", ""), 2)
}

func issued(key id.APIKey, who id.User, at time.Time, scopes ...events.Role) events.APIKeyIssued {
	return events.APIKeyIssued{
		AccountID: firm, KeyID: key, UserID: who, Label: "till", SecretSHA256: secret(key), Scopes: scopes, IssuedAt: at, ExpiresAt: at.Add(lasts),
	}
}

func revoked(key id.APIKey, who id.User) events.APIKeyRevoked {
	return events.APIKeyRevoked{AccountID: firm, KeyID: key, UserID: who, RevokedAt: noon}
}

func ofBruno() account.IssueKey {
	return account.IssueKey{User: bruno, Label: " till ", Scopes: []string{"agent"}, ExpiresAt: noon.Add(lasts)}
}

func issue(key id.APIKey, at time.Time, change func(*account.IssueKey)) func(account.State) ([]events.Event, error) {
	c := ofBruno()
	c.ExpiresAt = at.Add(lasts)
	if change != nil {
		change(&c)
	}
	return func(s account.State) ([]events.Event, error) { return s.IssueKey(key, secret(key), c, at) }
}

func revoke(key id.APIKey) func(account.State) ([]events.Event, error) {
	return func(s account.State) ([]events.Event, error) { return s.RevokeKey(key, noon) }
}

func TestAKeyIsIssued(t *testing.T) {
	t.Parallel()
	staffed().When(issue(first, noon, nil)).Then(t, issued(first, bruno, noon, events.RoleAgent)).
		When(issue(first, noon, nil)).Rejected(t, "KeyExists")
	bound := issued(first, bruno, noon, events.RoleAgent)
	bound.DeviceID = &till
	staffed().When(issue(first, noon, func(c *account.IssueKey) { c.Device = till })).Then(t, bound)
}

func TestAKeyIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change      func(*account.IssueKey)
		code, field string
	}{
		"no label":           {func(c *account.IssueKey) { c.Label = " " }, "KeyLabelInvalid", "label"},
		"long label":         {func(c *account.IssueKey) { c.Label = strings.Repeat("é", 51) }, "KeyLabelInvalid", "label"},
		"no scope":           {func(c *account.IssueKey) { c.Scopes = nil }, "RoleRequired", "scopes"},
		"unknown scope":      {func(c *account.IssueKey) { c.Scopes = []string{"root"} }, "RoleUnknown", "scopes"},
		"more than the user": {func(c *account.IssueKey) { c.Scopes = []string{"agent", "billing"} }, "ScopeExceedsRoles", ""},
		"owner for an agent": {func(c *account.IssueKey) { c.Scopes = []string{"owner"} }, "ScopeExceedsRoles", ""},
		"no end":             {func(c *account.IssueKey) { c.ExpiresAt = time.Time{} }, "KeyExpiryInvalid", "expires_at"},
		"ended":              {func(c *account.IssueKey) { c.ExpiresAt = noon }, "KeyExpiryInvalid", "expires_at"},
		"more than a year":   {func(c *account.IssueKey) { c.ExpiresAt = noon.AddDate(1, 0, 0).Add(1) }, "KeyExpiryInvalid", "expires_at"},
		"nobody's":           {func(c *account.IssueKey) { c.User = id.User{} }, "UserUnknown", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.field, staffed().When(issue(first, noon, c.change)).Rejected(t, c.code).Field)
		})
	}
	staffed().Given(removed(bruno)).When(issue(first, noon, nil)).Rejected(t, "UserUnknown")
	year := issued(first, bruno, noon, events.RoleAgent)
	year.ExpiresAt = noon.AddDate(1, 0, 0)
	staffed().When(issue(first, noon, func(c *account.IssueKey) { c.ExpiresAt = year.ExpiresAt })).Then(t, year)
}

func TestTwoKeysOfAUserLiveAtOnce(t *testing.T) {
	t.Parallel()
	two := staffed().Given(issued(first, bruno, noon, events.RoleAgent), issued(second, bruno, noon.Add(time.Hour), events.RoleAgent))
	two.When(issue(third, noon, nil)).Rejected(t, "TooManyKeys")
	two.When(issue(third, noon.Add(lasts-1), nil)).Rejected(t, "TooManyKeys")
	two.When(issue(third, noon.Add(lasts), nil)).Then(t, issued(third, bruno, noon.Add(lasts), events.RoleAgent))
	two.Given(revoked(first, bruno)).When(issue(third, noon, nil)).Then(t, issued(third, bruno, noon, events.RoleAgent))
	two.When(issue(third, noon, func(c *account.IssueKey) { c.User, c.Scopes = anna, []string{"owner"} })).
		Then(t, issued(third, anna, noon, events.RoleOwner))
}

func TestAKeyIsRevokedOnce(t *testing.T) {
	t.Parallel()
	one := staffed().Given(issued(first, bruno, noon, events.RoleAgent))
	one.When(revoke(first)).Then(t, revoked(first, bruno)).When(revoke(first)).Then(t)
	one.Given(removed(bruno)).When(revoke(first)).Then(t)
	one.When(revoke(second)).Rejected(t, "KeyUnknown")
}

func TestAKeyCountsWhileItLives(t *testing.T) {
	t.Parallel()
	past := []events.Event{
		registered(), accepted(), added(anna, "Anna", events.RoleOwner), added(bruno, "Bruno", events.RoleAgent, events.RoleBilling),
		issued(first, bruno, noon, events.RoleAgent),
	}
	who, err := fold(past...).Authenticate(first, secret(first), noon.Add(lasts-1))
	require.NoError(t, err)
	require.Equal(t, account.Identity{User: bruno, Key: first, Roles: []events.Role{events.RoleAgent}}, who)
	require.Equal(t, events.Actor("user:"+bruno.String()+"/key:"+first.String()), who.Actor())

	for name, c := range map[string]struct {
		more   []events.Event
		key    id.APIKey
		secret string
		at     time.Time
		code   string
	}{
		"expired":                  {nil, first, secret(first), noon.Add(lasts), "KeyExpired"},
		"revoked":                  {[]events.Event{revoked(first, bruno)}, first, secret(first), noon, "KeyRevoked"},
		"of a user who is gone":    {[]events.Event{removed(bruno)}, first, secret(first), noon, "KeyRevoked"},
		"another secret":           {nil, first, secret(second), noon, "KeyUnknown"},
		"no secret":                {nil, first, "", noon, "KeyUnknown"},
		"never issued":             {nil, second, secret(second), noon, "KeyUnknown"},
		"never issued, no secret":  {nil, second, "", noon, "KeyUnknown"},
		"revoked, another secret":  {[]events.Event{revoked(first, bruno)}, first, "x", noon, "KeyUnknown"},
		"expired, a longer secret": {nil, first, secret(first) + "0", noon.Add(lasts), "KeyUnknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who, err := fold(append(past[:len(past):len(past)], c.more...)...).Authenticate(c.key, c.secret, c.at)
			var rejection *domain.Rejection
			require.ErrorAs(t, err, &rejection)
			require.Equal(t, c.code, rejection.Code)
			require.Empty(t, who)
		})
	}
}

func TestAKeyLosesTheRolesThatItsUserLoses(t *testing.T) {
	t.Parallel()
	past := []events.Event{
		registered(), added(anna, "Anna", events.RoleOwner), added(bruno, "Bruno", events.RoleAgent, events.RoleBilling),
		issued(first, bruno, noon, events.RoleAgent, events.RoleBilling),
	}
	for _, c := range []struct{ now, roles []events.Role }{
		{[]events.Role{events.RoleBilling, events.RoleOwner}, []events.Role{events.RoleBilling}},
		{[]events.Role{events.RoleOwner}, []events.Role{}},
		{[]events.Role{events.RoleAgent, events.RoleBilling}, []events.Role{events.RoleAgent, events.RoleBilling}},
	} {
		who, err := fold(append(past[:len(past):len(past)], changed(bruno, nil, c.now...))...).Authenticate(first, secret(first), noon)
		require.NoError(t, err)
		require.Equal(t, c.roles, who.Roles)
	}
}
