package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// access says who may use a route, besides the operator, who may use all. A route is not registered without one, and its
// zero value permits nobody else.
type access struct {
	roles []events.Role // in the account that the caller belongs to; any of them is enough
	finds bool          // the input names no account: the handler finds out whose the thing is
	links bool          // for customers with a link, and for nobody else
}

// operator keeps a route for whoever runs the installation.
var operator access

// permit opens a route, for the account that its input names, to whoever has one of the roles there.
func permit(roles ...events.Role) access { return access{roles: roles} }

// permitFound is permit for a route whose input does not name the account. Its handler must find out whose the thing is,
// and ask whether the caller sees that, before it tells or does anything.
func permitFound(roles ...events.Role) access { return access{roles: roles, finds: true} }

// byLink opens a route to whoever has a customer's link, for that customer.
var byLink = access{links: true}

// ofAccount is an input that names the account that it is about.
type ofAccount interface{ Owner() id.Account }

const forbidden = "Forbidden"

// mustSuit stops a server from starting with a route that would not know whose things it is asked for.
func (a access) mustSuit(operation string, in any) {
	if _, names := in.(ofAccount); len(a.roles) > 0 && !a.finds && !names {
		panic("web: the input of " + operation + " names no account")
	}
}

// guard refuses before anything of the request is read. A role is of the caller's own account, so this tells nothing of
// others.
func (a access) guard(of huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if !a.permits(callerOf(ctx.Context())) {
			_ = huma.WriteErr(of, ctx, http.StatusForbidden, "the caller has no role that permits this. "+a.sentence())
			return
		}
		next(ctx)
	}
}

func (a access) permits(c caller) bool {
	if a.links {
		return !c.link.account.IsZero()
	}
	return c.operator || slices.ContainsFunc(a.roles, c.has)
}

// confine keeps a caller to the account that the input names.
func (a access) confine(ctx context.Context, in any) error {
	if named, ok := in.(ofAccount); ok {
		return confined(ctx, named.Owner())
	}
	return nil
}

// confined refuses an account that is not the caller's, as if there were none of that id.
func confined(ctx context.Context, owner id.Account) error {
	if !callerOf(ctx).sees(owner) {
		return accountUnknown()
	}
	return nil
}

func accountUnknown() error { return domain.Missing("AccountUnknown", "there is no such account") }

// sentence is for people who read of the route.
func (a access) sentence() string {
	if a.links {
		return "It is for the customer, by the link."
	}
	if len(a.roles) == 0 {
		return "It is for the operator of the installation."
	}
	names := make([]string, len(a.roles))
	for i, role := range a.roles {
		names[i] = string(role)
	}
	return "It is for the operator and for " + strings.Join(names, ", ") + "."
}

// sees tells whether things of the account are there for the caller. The installation's own are the operator's.
func (c caller) sees(owner id.Account) bool {
	return c.operator || c.account == owner && !owner.IsZero()
}

func (c caller) has(role events.Role) bool { return slices.Contains(c.roles, role) }

// writesWith refuses a device that the caller's key may not write with.
func writesWith(ctx context.Context, device id.Device) error {
	if only := callerOf(ctx).device; !only.IsZero() && device != only {
		return domain.Deny(forbidden, "the key writes with device %s only", only)
	}
	return nil
}
