package client

import (
	"context"
	"net/http"

	"daybook/adapters/web/api"
	"daybook/events/id"
)

// IssueCustomerLink makes a link for a customer.
func (c *Client) IssueCustomerLink(ctx context.Context, account id.Account, body api.IssueLink, options ...CallOption) (api.CustomerLink, error) {
	return send[api.CustomerLink](ctx, c, call{method: http.MethodPost, path: accountPath(account, "/customer-links"), body: body}, options)
}
