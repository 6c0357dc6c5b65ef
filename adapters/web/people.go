package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

type (
	usersInput struct {
		ID id.Account `path:"id" format:"uuid" doc:"The account."`
	}
	addUserInput struct {
		api.OnAccount

		Body api.AddUser
	}
	rolesInput struct {
		api.OnUser

		Body api.ChangeRoles
	}
	issueKeyInput struct {
		api.OnUser

		Body api.IssueKey
	}
)

// Owner is whose users are asked for.
func (in usersInput) Owner() id.Account { return in.ID }

func (s *server) registerPeople(a huma.API) {
	owner := permit(events.RoleOwner)
	operation := func(method, path, name string, status int, summary, description string) huma.Operation {
		return huma.Operation{
			Method: method, Path: "/accounts/{id}" + path, OperationID: name, Tags: []string{"People"}, DefaultStatus: status,
			Summary: summary, Description: description, Errors: []int{http.StatusNotFound, http.StatusConflict},
		}
	}
	endpoint(s, a, permit(events.RoleOwner, events.RoleCompliance, events.RoleAuditor),
		operation(http.MethodGet, "/users", "listUsers", http.StatusOK, "List users and keys",
			"Who works for the account now, in which roles, and all keys that they were given. It is read from what is recorded: "+
				"there is nothing to wait for."), s.listUsers)
	command(s, a, owner, operation(http.MethodPost, "/users", "addUser", http.StatusCreated, "Add a user",
		"Lets somebody work for the account. The operator adds the first user, who is an owner."), s.addUser)
	command(s, a, owner, operation(http.MethodPut, "/users/{user}/roles", "changeRoles", http.StatusOK, "Change what a user may do",
		"Counts from the next request on, also for the user's keys. The last owner stays one."), s.changeRoles)
	command(s, a, owner, operation(http.MethodDelete, "/users/{user}", "removeUser", http.StatusOK, "Remove a user",
		"Ends the user and all of the user's keys, from the next request on. The last owner stays."), s.removeUser)
	command(s, a, owner, operation(http.MethodPost, "/users/{user}/keys", "issueKey", http.StatusCreated, "Issue a key",
		"Gives a user a key to this API. Two of a user's keys live at once at most, so that one can be replaced without a gap."), s.issueKey)
	command(s, a, owner, operation(http.MethodDelete, "/keys/{key}", "revokeKey", http.StatusOK, "Revoke a key",
		"Ends a key from the next request on."), s.revokeKey)
}

func (s *server) listUsers(ctx context.Context, in *usersInput) (*body[api.Users], error) {
	users, err := s.Commands.Users(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	answer := api.Users{Users: make([]api.User, 0, len(users))}
	for _, u := range users {
		shown := api.User{ID: u.ID, Name: u.Name, Roles: u.Roles, Keys: make([]api.Key, 0, len(u.Keys))}
		for _, k := range u.Keys {
			shown.Keys = append(shown.Keys, api.Key{
				ID: k.ID, Label: k.Label, Scopes: k.Scopes, DeviceID: k.Device, IssuedAt: k.IssuedAt, ExpiresAt: k.ExpiresAt, Revoked: k.Revoked,
			})
		}
		answer.Users = append(answer.Users, shown)
	}
	return &body[api.Users]{answer}, nil
}

func (s *server) addUser(ctx context.Context, meta commands.Meta, in *addUserInput) (*body[api.UserAdded], error) {
	added, position, err := s.Commands.AddUser(ctx, meta, in.ID, account.AddUser(in.Body))
	if err != nil {
		return nil, err
	}
	return &body[api.UserAdded]{api.UserAdded{ID: added, Recorded: s.recorded(position)}}, nil
}

func (s *server) changeRoles(ctx context.Context, meta commands.Meta, in *rolesInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.ChangeRoles(ctx, meta, in.ID, in.User, in.Body.Roles))
}

func (s *server) removeUser(ctx context.Context, meta commands.Meta, in *api.OnUser) (*body[api.Recorded], error) {
	return s.answer(s.Commands.RemoveUser(ctx, meta, in.ID, in.User))
}

func (s *server) issueKey(ctx context.Context, meta commands.Meta, in *issueKeyInput) (*body[api.KeyIssued], error) {
	issued, text, position, err := s.Commands.IssueKey(ctx, meta, in.ID, account.IssueKey{
		User: in.User, Label: in.Body.Label, Scopes: in.Body.Scopes, Device: in.Body.DeviceID, ExpiresAt: in.Body.ExpiresAt,
	})
	if err != nil {
		return nil, err
	}
	return &body[api.KeyIssued]{api.KeyIssued{ID: issued, Key: text, Recorded: s.recorded(position)}}, nil
}

func (s *server) revokeKey(ctx context.Context, meta commands.Meta, in *api.OnKey) (*body[api.Recorded], error) {
	return s.answer(s.Commands.RevokeKey(ctx, meta, in.ID, in.Key))
}
