package account

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

type user struct {
	name    string
	roles   []events.Role
	removed bool
}

// personMax bounds what people call each other, and their keys, in characters.
const personMax = 50

func (s State) evolvePeople(event events.Event) State {
	if s.users == nil {
		s.users, s.keys = map[id.User]user{}, map[id.APIKey]key{}
	}
	switch e := event.(type) {
	case events.UserAdded:
		s.users[e.UserID] = user{name: e.Name, roles: e.Roles}
	case events.UserRolesChanged:
		s.users[e.UserID] = user{name: s.users[e.UserID].name, roles: e.Roles}
	case events.UserRemoved:
		s.users[e.UserID] = user{removed: true}
	case events.APIKeyIssued:
		s.keys[e.KeyID] = keyOf(e)
	case events.APIKeyRevoked:
		k := s.keys[e.KeyID]
		k.revoked = true
		s.keys[e.KeyID] = k
	}
	return s
}

// AddUser is the command to let somebody work for the account.
type AddUser struct {
	Name  string // trimmed and brought to NFC
	Roles []string
}

// AddUser adds a user. The first one is an owner, because somebody must be able to add the others.
func (s State) AddUser(added id.User, c AddUser) ([]events.Event, error) {
	if err := s.Usable(); err != nil {
		return nil, err
	}
	name, err := normalName(c.Name)
	if err != nil {
		return nil, err
	}
	roles, err := rolesOf("roles", c.Roles)
	if err != nil {
		return nil, err
	}
	if _, known := s.users[added]; known {
		return nil, domain.Refuse("UserExists", "user %s was added before; ids are never used again", added)
	}
	if !s.hasOwner(added) && !slices.Contains(roles, events.RoleOwner) {
		return nil, domain.Refuse("OwnerRequired", "the first user of an account must be an owner")
	}
	if err = s.free(name); err != nil {
		return nil, err
	}
	return []events.Event{events.UserAdded{AccountID: s.id, UserID: added, Name: name, Roles: roles}}, nil
}

// ChangeRoles gives a user these roles and no others. The same again changes nothing.
func (s State) ChangeRoles(changed id.User, to []string) ([]events.Event, error) {
	roles, err := rolesOf("roles", to)
	if err != nil {
		return nil, err
	}
	u, err := s.findUser(changed)
	if err != nil || slices.Equal(u.roles, roles) {
		return nil, err
	}
	if !slices.Contains(roles, events.RoleOwner) && !s.hasOwner(changed) {
		return nil, lastOwner()
	}
	return []events.Event{events.UserRolesChanged{AccountID: s.id, UserID: changed, Roles: roles, PreviousRoles: u.roles}}, nil
}

// RemoveUser ends a user and the user's keys. One that is removed already changes nothing.
func (s State) RemoveUser(removed id.User) ([]events.Event, error) {
	if s.users[removed].removed {
		return nil, nil
	}
	if _, err := s.findUser(removed); err != nil {
		return nil, err
	}
	if !s.hasOwner(removed) {
		return nil, lastOwner()
	}
	return []events.Event{events.UserRemoved{AccountID: s.id, UserID: removed}}, nil
}

// User is somebody who works for the account.
type User struct {
	ID    id.User
	Name  string
	Roles []events.Role // sorted
	Keys  []Key         // all that were issued, newest first
}

// Users lists the account's users by name.
func (s State) Users() ([]User, error) {
	if !s.Exists() {
		return nil, unknown()
	}
	list := []User{}
	for who, u := range s.users {
		if !u.removed {
			list = append(list, User{who, u.name, slices.Clone(u.roles), s.keysOf(who)})
		}
	}
	slices.SortFunc(list, func(a, b User) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func (s State) findUser(wanted id.User) (user, error) {
	if !s.Exists() {
		return user{}, unknown()
	}
	u, known := s.users[wanted]
	if !known || u.removed {
		return user{}, domain.Missing("UserUnknown", "the account has no user %s", wanted)
	}
	return u, nil
}

// hasOwner tells whether anybody but one is an owner.
func (s State) hasOwner(except id.User) bool {
	for who, u := range s.users {
		if who != except && slices.Contains(u.roles, events.RoleOwner) {
			return true
		}
	}
	return false
}

// free refuses a name that another user has, in any case.
func (s State) free(name string) error {
	fold := cases.Fold() // not kept: a Caser is not safe for concurrent use
	wanted := fold.String(name)
	for _, u := range s.users {
		if !u.removed && fold.String(u.name) == wanted {
			return domain.Refuse("UserNameTaken", "another user is called %q", u.name)
		}
	}
	return nil
}

func lastOwner() error {
	return domain.Refuse("LastOwner", "the account must keep an owner; make somebody else an owner first")
}

func normalName(name string) (string, error) {
	name = norm.NFC.String(strings.TrimSpace(name))
	if !isLine(name, personMax) {
		return "", domain.Malformed("UserNameInvalid", "name", "name must have 1 to 50 characters and no control characters")
	}
	return name, nil
}

// rolesOf reads the roles that a field names: in order, each once.
func rolesOf(field string, names []string) ([]events.Role, error) {
	if len(names) == 0 {
		return nil, domain.Malformed("RoleRequired", field, "%s must name at least one role", field)
	}
	roles := make([]events.Role, 0, len(names))
	for _, name := range names {
		if !slices.Contains(events.Roles(), events.Role(name)) {
			return nil, domain.Malformed("RoleUnknown", field, "%s must be of %s, not %q", field, roleNames, name)
		}
		roles = append(roles, events.Role(name))
	}
	slices.Sort(roles)
	return slices.Compact(roles), nil
}

const roleNames = "owner, agent, compliance, billing, developer and auditor"
