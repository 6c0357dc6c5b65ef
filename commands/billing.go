package commands

import (
	"context"
	"time"

	"daybook/domain/billing"
	"daybook/events"
	"daybook/events/id"
)

// CloseBillingPeriod asks rating to give the charges of a portfolio's month the tiers and allowances of the order of
// delivery. That may be asked again: messages may be delivered for as long as they live. The position is that of the
// request; rating has met it when it has come there.
func (h *Handler) CloseBillingPeriod(ctx context.Context, meta Meta, portfolio id.Account, month string) (events.Position, error) {
	if _, err := billing.OverAt(month); err != nil { // before it names a stream
		return events.Start, err
	}
	r := newRequest(meta, portfolio, "CloseBillingPeriod", month)
	return h.closings.execute(ctx, billing.ClosingStream(portfolio, month), r, func(_ billing.Requests, now time.Time) ([]events.Event, error) {
		return billing.RequestClosing(portfolio, month, now)
	})
}
