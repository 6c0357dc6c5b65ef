package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
)

// RegisterAccount opens an account.
func (c *Client) RegisterAccount(ctx context.Context, body api.RegisterAccount, options ...CallOption) (api.AccountRegistered, error) {
	return send[api.AccountRegistered](ctx, c, call{method: http.MethodPost, path: "/accounts", body: body}, options)
}

// AcceptTerms records consent. Nothing else is possible before.
func (c *Client) AcceptTerms(ctx context.Context, account id.Account, body api.AcceptTerms, options ...CallOption) (api.Recorded, error) {
	return send[api.Recorded](ctx, c, call{method: http.MethodPost, path: accountPath(account, "/terms"), body: body}, options)
}

// UpdateProfile replaces the public profile.
func (c *Client) UpdateProfile(ctx context.Context, account id.Account, body api.Profile, options ...CallOption) (api.Recorded, error) {
	return send[api.Recorded](ctx, c, call{method: http.MethodPut, path: accountPath(account, "/profile"), body: body}, options)
}

// SubscribePremium raises the device limits, from now on.
func (c *Client) SubscribePremium(ctx context.Context, account id.Account, options ...CallOption) (api.Recorded, error) {
	return send[api.Recorded](ctx, c, call{method: http.MethodPost, path: accountPath(account, "/premium")}, options)
}

// CancelPremium returns to the standard limits, from now on.
func (c *Client) CancelPremium(ctx context.Context, account id.Account, options ...CallOption) (api.Recorded, error) {
	return send[api.Recorded](ctx, c, call{method: http.MethodDelete, path: accountPath(account, "/premium")}, options)
}

// LinkDevice adds a device.
func (c *Client) LinkDevice(ctx context.Context, account id.Account, body api.LinkDevice, options ...CallOption) (api.DeviceLinked, error) {
	return send[api.DeviceLinked](ctx, c, call{method: http.MethodPost, path: accountPath(account, "/devices"), body: body}, options)
}

// RenameDevice gives a device another name.
func (c *Client) RenameDevice(ctx context.Context, account id.Account, device id.Device, name string, options ...CallOption) (api.Recorded, error) {
	path := accountPath(account, "/devices/", device.String())
	return send[api.Recorded](ctx, c, call{method: http.MethodPatch, path: path, body: api.RenameDevice{Name: name}}, options)
}

// UnlinkDevice removes a device.
func (c *Client) UnlinkDevice(ctx context.Context, account id.Account, device id.Device, options ...CallOption) (api.Recorded, error) {
	path := accountPath(account, "/devices/", device.String())
	return send[api.Recorded](ctx, c, call{method: http.MethodDelete, path: path}, options)
}

// SendMessage writes a message from a device.
func (c *Client) SendMessage(ctx context.Context, account id.Account, body api.SendMessage, options ...CallOption) (api.MessageQueued, error) {
	return send[api.MessageQueued](ctx, c, call{method: http.MethodPost, path: accountPath(account, "/messages"), body: body}, options)
}

// RecordConsent says what a customer wants to receive.
func (c *Client) RecordConsent(ctx context.Context, account id.Account, body api.RecordConsent, options ...CallOption) (api.Consent, error) {
	return send[api.Consent](ctx, c, call{method: http.MethodPost, path: accountPath(account, "/consents"), body: body}, options)
}

// AcceptMessage binds the platform's id to a message.
func (c *Client) AcceptMessage(ctx context.Context, account id.Account, message id.Message, wamid string, options ...CallOption) (api.Recorded, error) {
	path := accountPath(account, "/messages/", message.String(), "/accepted")
	return send[api.Recorded](ctx, c, call{method: http.MethodPost, path: path, body: api.AcceptMessage{Wamid: wamid}}, options)
}

// MessageInfo tells who sent a message and what became of it.
func (c *Client) MessageInfo(ctx context.Context, message id.Message, options ...CallOption) (api.MessageInfo, error) {
	return send[api.MessageInfo](ctx, c, call{method: http.MethodGet, path: "/messages/" + message.String() + "/info"}, options)
}

// AuditFilter says which entries. Zero fields ask for nothing.
type AuditFilter struct {
	Account      id.Account
	Conversation id.Conversation
	Type         string
	From, To     time.Time // when it happened; To is exclusive
	After        events.Position
	Limit        int // 0: the server's default, 100; at most 1,000
}

// AuditEntries reads one page of the audit trail. Go on with After set to Next until that is nil.
func (c *Client) AuditEntries(ctx context.Context, filter AuditFilter, options ...CallOption) (api.AuditEntries, error) {
	request := call{method: http.MethodGet, path: "/audit/entries"}
	if !filter.Account.IsZero() {
		request.set("account", filter.Account.String())
	}
	if !filter.Conversation.IsZero() {
		request.set("conversation", filter.Conversation.String())
	}
	if filter.Type != "" {
		request.set("type", filter.Type)
	}
	request.interval(filter.From, filter.To)
	request.page(filter.After, filter.Limit)
	return send[api.AuditEntries](ctx, c, request, options)
}

// QuarantineFilter says which items. Zero fields ask for nothing.
type QuarantineFilter struct {
	Open  bool // only items that have not found their place
	After events.Position
	Limit int // 0: the server's default, 100; at most 1,000
}

// Quarantine reads one page of the quarantine, oldest first. Go on with After set to Next until that is nil.
func (c *Client) Quarantine(ctx context.Context, filter QuarantineFilter, options ...CallOption) (api.QuarantineEntries, error) {
	request := call{method: http.MethodGet, path: "/quarantine"}
	if filter.Open {
		request.set("open", "true")
	}
	request.page(filter.After, filter.Limit)
	return send[api.QuarantineEntries](ctx, c, request, options)
}

// Redrive drives a quarantined update again.
func (c *Client) Redrive(ctx context.Context, item id.Quarantine, options ...CallOption) (api.Redriven, error) {
	return send[api.Redriven](ctx, c, call{method: http.MethodPost, path: "/quarantine/" + item.String() + "/redrive"}, options)
}

// Projections tells how every projection stands.
func (c *Client) Projections(ctx context.Context, options ...CallOption) (api.Projections, error) {
	return send[api.Projections](ctx, c, call{method: http.MethodGet, path: "/projections"}, options)
}

// Rebuild begins a new build of a projection beside the one that is read.
func (c *Client) Rebuild(ctx context.Context, projection string, options ...CallOption) (api.ProjectionBuild, error) {
	return send[api.ProjectionBuild](ctx, c, call{method: http.MethodPost, path: projectionPath(projection, "/rebuild")}, options)
}

// AbortRebuild removes the build that is being made, or is ready.
func (c *Client) AbortRebuild(ctx context.Context, projection string, options ...CallOption) (api.ProjectionBuild, error) {
	return send[api.ProjectionBuild](ctx, c, call{method: http.MethodDelete, path: projectionPath(projection, "/rebuild")}, options)
}

// DiffBuilds compares the build that is ready with the one that is read.
func (c *Client) DiffBuilds(ctx context.Context, projection string, options ...CallOption) (api.ProjectionDiff, error) {
	return send[api.ProjectionDiff](ctx, c, call{method: http.MethodGet, path: projectionPath(projection, "/diff"), long: true}, options)
}

// VerifyProjection compares the live build of a projection with the log: about so many streams, or all of it.
func (c *Client) VerifyProjection(ctx context.Context, projection string, sample int, options ...CallOption) (api.ProjectionVerdict, error) {
	return send[api.ProjectionVerdict](ctx, c, call{
		method: http.MethodPost, path: projectionPath(projection, "/verify"), query: url.Values{"sample": {strconv.Itoa(sample)}}, long: true,
	}, options)
}

// WithParked lets a build go live although partitions wait in it that do not wait in the one that is read.
func WithParked() CallOption {
	return func(c *call) { c.set("with_parked", "true") }
}

// OnlyBuild lets no other build go live than that of a physical schema.
func OnlyBuild(schema string) CallOption {
	return func(c *call) { c.set("schema", schema) }
}

// GoLive lets the build be read that is ready.
func (c *Client) GoLive(ctx context.Context, projection string, options ...CallOption) (api.ProjectionBuild, error) {
	return send[api.ProjectionBuild](ctx, c, call{method: http.MethodPost, path: projectionPath(projection, "/go-live")}, options)
}

// GoBack lets the build be read again that was read before.
func (c *Client) GoBack(ctx context.Context, projection string, options ...CallOption) (api.ProjectionBuild, error) {
	return send[api.ProjectionBuild](ctx, c, call{method: http.MethodPost, path: projectionPath(projection, "/go-back")}, options)
}

// Parked lists what waits of a projection because it could not be projected, and what was skipped.
func (c *Client) Parked(ctx context.Context, projection string, options ...CallOption) (api.ParkedEvents, error) {
	return send[api.ParkedEvents](ctx, c, call{method: http.MethodGet, path: projectionPath(projection, "/parked")}, options)
}

// RetryParked asks for another try of what waits.
func (c *Client) RetryParked(ctx context.Context, projection string, body api.RetryParked, options ...CallOption) (api.ProjectionBuild, error) {
	return send[api.ProjectionBuild](ctx, c, call{method: http.MethodPost, path: projectionPath(projection, "/parked/retry"), body: body}, options)
}

// SkipParked leaves an event out for good, and records that.
func (c *Client) SkipParked(ctx context.Context, projection string, body api.SkipParked, options ...CallOption) (api.Recorded, error) {
	return send[api.Recorded](ctx, c, call{method: http.MethodPost, path: projectionPath(projection, "/parked/skip"), body: body}, options)
}

func projectionPath(name, rest string) string { return "/projections/" + url.PathEscape(name) + rest }

// SignInLink makes a link that signs a browser in, once.
func (c *Client) SignInLink(ctx context.Context, options ...CallOption) (api.SignInLink, error) {
	return send[api.SignInLink](ctx, c, call{method: http.MethodPost, path: "/sign-in-links"}, options)
}

func (c *call) page(after events.Position, limit int) {
	if after != events.Start {
		c.set("after", strconv.FormatUint(uint64(after), 10))
	}
	if limit != 0 {
		c.set("limit", strconv.Itoa(limit))
	}
}
