package client

import (
	"context"
	"net/http"

	"daybook/adapters/web/api"
	"daybook/events/id"
)

// Users lists who works for an account, with their keys.
func (c *Client) Users(ctx context.Context, account id.Account) (api.Users, error) {
	return send[api.Users](ctx, c, call{method: http.MethodGet, path: accountPath(account, "/users")}, nil)
}

// AddUser lets somebody work for an account.
func (c *Client) AddUser(ctx context.Context, account id.Account, body api.AddUser, options ...CallOption) (api.UserAdded, error) {
	return send[api.UserAdded](ctx, c, call{method: http.MethodPost, path: accountPath(account, "/users"), body: body}, options)
}

// ChangeRoles gives a user these roles and no others.
func (c *Client) ChangeRoles(ctx context.Context, account id.Account, user id.User, roles []string, options ...CallOption) (api.Recorded, error) {
	path := accountPath(account, "/users/", user.String(), "/roles")
	return send[api.Recorded](ctx, c, call{method: http.MethodPut, path: path, body: api.ChangeRoles{Roles: roles}}, options)
}

// RemoveUser ends a user, with all keys of that user.
func (c *Client) RemoveUser(ctx context.Context, account id.Account, user id.User, options ...CallOption) (api.Recorded, error) {
	return send[api.Recorded](ctx, c, call{method: http.MethodDelete, path: accountPath(account, "/users/", user.String())}, options)
}

// IssueKey gives a user a key. Its text is in the first answer only.
func (c *Client) IssueKey(ctx context.Context, account id.Account, user id.User, body api.IssueKey, options ...CallOption) (api.KeyIssued, error) {
	path := accountPath(account, "/users/", user.String(), "/keys")
	return send[api.KeyIssued](ctx, c, call{method: http.MethodPost, path: path, body: body}, options)
}

// RevokeKey ends a key.
func (c *Client) RevokeKey(ctx context.Context, account id.Account, key id.APIKey, options ...CallOption) (api.Recorded, error) {
	return send[api.Recorded](ctx, c, call{method: http.MethodDelete, path: accountPath(account, "/keys/", key.String())}, options)
}
