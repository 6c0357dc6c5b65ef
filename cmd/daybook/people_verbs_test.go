package main_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

// TestAVerbTakesAUsersKey where it takes the admin token, and shows what the key may see.
func TestAVerbTakesAUsersKey(t *testing.T) {
	environment := append(newBook(t, t.TempDir()).environment(), "DATABASE_URL="+pgtest.Database(t), "DAYBOOK_ADMIN_TOKEN="+adminToken)
	server := serve(t, environment...)
	operator := client.New(server.base, adminToken)
	opened, err := operator.RegisterAccount(t.Context(), api.RegisterAccount{
		Name: "Verb Test", Kind: "app", Country: "IT", Currency: "EUR", Timezone: "Europe/Rome", WABAID: "1",
		Numbers: []api.Number{{PhoneNumberID: "1", DisplayPhoneNumber: "390655500100"}},
	})
	require.NoError(t, err)
	_, err = operator.AcceptTerms(t.Context(), opened.ID, api.AcceptTerms{TermsVersion: "1", PrivacyVersion: "1"})
	require.NoError(t, err)
	owner, err := operator.AddUser(t.Context(), opened.ID, api.AddUser{Name: "Mario", Roles: []string{"owner"}})
	require.NoError(t, err)
	key, err := operator.IssueKey(t.Context(), opened.ID, owner.ID, api.IssueKey{
		Label: "laptop", Scopes: []string{"owner"}, ExpiresAt: time.Now().Add(time.Hour),
	})
	require.NoError(t, err)

	environment = append(environment, "DAYBOOK_URL="+server.base, "DAYBOOK_ADMIN_TOKEN="+key.Key)
	listed, err := daybook(t.Context(), t, environment, "audit", "ls", "--wait-for", key.Token)
	require.NoError(t, err, listed)
	require.Contains(t, listed, "APIKeyIssued")
	require.NotContains(t, listed, "StoreCreated", "the installation's own")
	said, err := daybook(t.Context(), t, environment, "projection", "ls")
	require.Error(t, err)
	require.Contains(t, said, "Forbidden")
	require.NotContains(t, said, key.Key)
	server.stop(t)
}
