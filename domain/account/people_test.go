package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/account"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
)

var (
	anna  = id.Derive[id.User]("test", "anna")
	bruno = id.Derive[id.User]("test", "bruno")
)

func added(who id.User, name string, roles ...events.Role) events.UserAdded {
	return events.UserAdded{AccountID: firm, UserID: who, Name: name, Roles: roles}
}

func changed(who id.User, from []events.Role, to ...events.Role) events.UserRolesChanged {
	return events.UserRolesChanged{AccountID: firm, UserID: who, Roles: to, PreviousRoles: from}
}

func removed(who id.User) events.UserRemoved { return events.UserRemoved{AccountID: firm, UserID: who} }

func addUser(who id.User, name string, roles ...string) func(account.State) ([]events.Event, error) {
	return func(s account.State) ([]events.Event, error) {
		return s.AddUser(who, account.AddUser{Name: name, Roles: roles})
	}
}

func changeRoles(who id.User, roles ...string) func(account.State) ([]events.Event, error) {
	return func(s account.State) ([]events.Event, error) { return s.ChangeRoles(who, roles) }
}

func removeUser(who id.User) func(account.State) ([]events.Event, error) {
	return func(s account.State) ([]events.Event, error) { return s.RemoveUser(who) }
}

// staffed is an account with an owner and an agent.
func staffed() scenario.Scenario[account.State] {
	return inUse().Given(added(anna, "Anna", events.RoleOwner), added(bruno, "Bruno", events.RoleAgent))
}

func TestUsersAreAdded(t *testing.T) {
	t.Parallel()
	inUse().When(addUser(anna, " Anna ", "owner", "agent", "owner")).
		Then(t, added(anna, "Anna", events.RoleAgent, events.RoleOwner)).
		When(addUser(bruno, "Bruno", "auditor")).Then(t, added(bruno, "Bruno", events.RoleAuditor))
	inUse().When(addUser(anna, "Anna", "agent")).Rejected(t, "OwnerRequired")
	staffed().When(addUser(bruno, "Bruno 2", "agent")).Rejected(t, "UserExists")
	staffed().Given(removed(bruno)).When(addUser(bruno, "Bruno", "agent")).Rejected(t, "UserExists")
	scenario.New(account.Evolve).When(addUser(anna, "Anna", "owner")).Rejected(t, "AccountUnknown")
	scenario.New(account.Evolve).Given(registered()).When(addUser(anna, "Anna", "owner")).Rejected(t, "TermsNotAccepted")
}

func TestNamesOfUsersAreUniqueWhateverTheirCase(t *testing.T) {
	t.Parallel()
	carla := id.Derive[id.User]("test", "carla")
	for _, name := range []string{"Bruno", "BRUNO", " bruno"} {
		staffed().When(addUser(carla, name, "agent")).Rejected(t, "UserNameTaken")
	}
	inUse().Given(added(anna, "Straße", events.RoleOwner)).When(addUser(carla, "STRASSE", "agent")).Rejected(t, "UserNameTaken")
	staffed().Given(removed(bruno)).When(addUser(carla, "Bruno", "agent")).Then(t, added(carla, "Bruno", events.RoleAgent))
	for _, name := range []string{"", "  ", strings.Repeat("é", 51), "An\nna", "An\xffna"} {
		require.Equal(t, "name", staffed().When(addUser(carla, name, "agent")).Rejected(t, "UserNameInvalid").Field)
	}
	staffed().When(addUser(carla, strings.Repeat("é", 50), "agent")).Then(t, added(carla, strings.Repeat("é", 50), events.RoleAgent))
}

func TestRolesAreOfTheList(t *testing.T) {
	t.Parallel()
	require.Equal(t, "roles", inUse().When(addUser(anna, "Anna", "owner", "admin")).Rejected(t, "RoleUnknown").Field)
	require.Equal(t, "roles", inUse().When(addUser(anna, "Anna")).Rejected(t, "RoleRequired").Field)
	staffed().When(changeRoles(bruno, "")).Rejected(t, "RoleUnknown")
	staffed().When(changeRoles(bruno)).Rejected(t, "RoleRequired")
	staffed().When(changeRoles(bruno, "billing", "agent")).
		Then(t, changed(bruno, []events.Role{events.RoleAgent}, events.RoleAgent, events.RoleBilling)).
		When(changeRoles(bruno, "agent", "billing")).Then(t)
}

func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	staffed().When(removeUser(anna)).Rejected(t, "LastOwner")
	staffed().When(changeRoles(anna, "agent")).Rejected(t, "LastOwner")
	inUse().Given(added(anna, "Anna", events.RoleOwner)).When(removeUser(anna)).Rejected(t, "LastOwner")
	staffed().When(changeRoles(anna, "owner", "billing")).
		Then(t, changed(anna, []events.Role{events.RoleOwner}, events.RoleBilling, events.RoleOwner))

	two := staffed().Given(changed(bruno, []events.Role{events.RoleAgent}, events.RoleOwner))
	two.When(removeUser(anna)).Then(t, removed(anna)).When(removeUser(bruno)).Rejected(t, "LastOwner")
	two.When(changeRoles(anna, "agent")).Then(t, changed(anna, []events.Role{events.RoleOwner}, events.RoleAgent)).
		When(changeRoles(bruno, "agent")).Rejected(t, "LastOwner")
}

func TestAUserIsRemovedOnce(t *testing.T) {
	t.Parallel()
	staffed().When(removeUser(bruno)).Then(t, removed(bruno)).When(removeUser(bruno)).Then(t)
	nobody := id.Derive[id.User]("test", "nobody")
	staffed().When(removeUser(nobody)).Rejected(t, "UserUnknown")
	staffed().When(changeRoles(nobody, "agent")).Rejected(t, "UserUnknown")
	staffed().Given(removed(bruno)).When(changeRoles(bruno, "agent")).Rejected(t, "UserUnknown")
	for _, decide := range []func(account.State) ([]events.Event, error){removeUser(anna), changeRoles(anna, "agent")} {
		scenario.New(account.Evolve).When(decide).Rejected(t, "AccountUnknown")
	}
}

// fold is the state after events.
func fold(past ...events.Event) (s account.State) {
	for _, event := range past {
		s = account.Evolve(s, event)
	}
	return s
}

func TestUsersAreListedByName(t *testing.T) {
	t.Parallel()
	users, err := fold(registered(), accepted(), added(bruno, "Bruno", events.RoleOwner), added(anna, "Anna", events.RoleAgent),
		issued(first, bruno, noon, events.RoleOwner), issued(second, bruno, noon.Add(time.Hour), events.RoleOwner), revoked(first, bruno)).Users()
	require.NoError(t, err)
	require.Len(t, users, 2)
	require.Equal(t, []string{"Anna", "Bruno"}, []string{users[0].Name, users[1].Name})
	require.Empty(t, users[0].Keys)
	require.Equal(t, []id.APIKey{second, first}, []id.APIKey{users[1].Keys[0].ID, users[1].Keys[1].ID})
	require.True(t, users[1].Keys[1].Revoked)

	users, err = fold(registered(), added(anna, "Anna", events.RoleOwner), added(bruno, "Bruno", events.RoleOwner), removed(bruno)).Users()
	require.NoError(t, err)
	require.Len(t, users, 1)
	_, err = fold().Users()
	require.Error(t, err)
}
