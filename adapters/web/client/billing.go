package client

import (
	"context"
	"net/http"
	"strings"
	"time"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
)

// ImportRateCards publishes the rates of a CSV file, all of it or nothing. What is wrong with the file is a *Problem,
// whose Errors name every bad line.
func (c *Client) ImportRateCards(ctx context.Context, file []byte, options ...CallOption) (api.ImportedRateCards, error) {
	return send[api.ImportedRateCards](ctx, c, call{method: http.MethodPost, path: "/rate-cards", body: csv(file)}, options)
}

// LedgerFilter says which postings. The account is required; other zero fields ask for nothing.
type LedgerFilter struct {
	Account  id.Account
	From, To time.Time // when the delivery took effect; To is exclusive
	After    events.Position
	Limit    int // 0: the server's default, 100; at most 1,000
}

// LedgerEntries reads one page of an account's ledger. Go on with After set to Next until that is nil.
func (c *Client) LedgerEntries(ctx context.Context, filter LedgerFilter, options ...CallOption) (api.LedgerEntries, error) {
	request := call{method: http.MethodGet, path: "/ledger/entries"}
	request.set("account", filter.Account.String())
	request.interval(filter.From, filter.To)
	request.page(filter.After, filter.Limit)
	return send[api.LedgerEntries](ctx, c, request, options)
}

// LedgerBalances reads an account's balances: all that is known, or all that took effect before asOf.
func (c *Client) LedgerBalances(ctx context.Context, account id.Account, asOf *time.Time, options ...CallOption) (api.LedgerBalances, error) {
	request := call{method: http.MethodGet, path: "/ledger/balances"}
	request.set("account", account.String())
	if asOf != nil {
		request.set("as_of", asOf.Format(time.RFC3339Nano))
	}
	return send[api.LedgerBalances](ctx, c, request, options)
}

// AnalyticsFilter says which messages to count. The account is required; other zero fields ask for nothing.
type AnalyticsFilter struct {
	Account  id.Account
	From, To time.Time // when they were written; To is exclusive
	Bucket   string    // "hour" or "day"; "": the server's default, day
	By       []string  // parts every bucket: any of "device", "category", "market"
}

// MessageAnalytics counts an account's messages, bucket by bucket.
func (c *Client) MessageAnalytics(ctx context.Context, filter AnalyticsFilter, options ...CallOption) (api.MessageFigures, error) {
	request := call{method: http.MethodGet, path: "/analytics/messages"}
	request.set("account", filter.Account.String())
	request.interval(filter.From, filter.To)
	if filter.Bucket != "" {
		request.set("bucket", filter.Bucket)
	}
	if len(filter.By) > 0 {
		request.set("by", strings.Join(filter.By, ","))
	}
	return send[api.MessageFigures](ctx, c, request, options)
}

func (c *call) interval(from, to time.Time) {
	if !from.IsZero() {
		c.set("from", from.Format(time.RFC3339Nano))
	}
	if !to.IsZero() {
		c.set("to", to.Format(time.RFC3339Nano))
	}
}
