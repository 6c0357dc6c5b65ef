// Package ledger posts every charge in double entry: what it costs, and the message that it is for.
//
// It owns the read model of the same name. Money and messages are assets of their own, so a correction of a price never
// touches the count, and a dispute about prices never hides a lost message. All entries take effect when the message was
// delivered. The chart of accounts is in chart.go.
package ledger

import (
	"fmt"
	"time"

	"daybook/events"
	"daybook/projections"
	"daybook/readmodels/ledger"
)

// Define returns the projection.
func Define() *projections.Projection {
	p := projections.New("ledger", 1, ledger.Schema)
	b := &book{
		entries:  projections.Append[ledger.Entry](p, "entries"),
		balances: projections.Sum[ledger.BalanceRow](p, "balances", projections.From(ledger.Identity)),
		known:    map[[2]string]bool{},
	}
	projections.On(p, b.charged)
	projections.On(p, b.held)
	projections.On(p, b.adjusted)
	return p
}

// charged posts a price and a message. A message that was pending is not counted again.
func (b *book) charged(e events.MessageCharged, at projections.At) error {
	price, count, err := postingsOf(e.Charge, e.Delivery.DeliveredAt)
	if err != nil {
		return err
	}
	page := b.open(at, e.Delivery)
	if e.Held == nil {
		return page.post(ledger.Charge, price, count)
	}
	return page.post(ledger.Priced, append([]posting{price}, settled(e.Delivery, count)...)...)
}

// settled moves a message from pending to where it is counted. It is pending under the category it was sent as, which
// never changes; if it is priced under another, it leaves the one asset and enters the other.
func settled(d events.Delivered, count posting) []posting {
	out := posting{debit: world, credit: pending(d.Category), asset: messages(d.Category), amount: 1, effective: d.DeliveredAt}
	if out.asset == count.asset {
		count.credit = out.credit
		return []posting{count}
	}
	return []posting{out, count}
}

// held counts a message that has no price yet, once, whatever else becomes known of it before it has one.
func (b *book) held(e events.ChargePending, at projections.At) error {
	if e.Held != nil {
		return nil
	}
	sent := e.Delivery.Category
	return b.open(at, e.Delivery).post(ledger.Pending, posting{
		debit: pending(sent), credit: world, asset: messages(sent), amount: 1, effective: e.Delivery.DeliveredAt,
	})
}

// adjusted takes back what is no longer so, as of when it was said to be, and posts what is so instead. What stays the
// same is left alone: a new price does not touch the count.
func (b *book) adjusted(e events.ChargeAdjusted, at projections.At) error {
	wasPrice, wasCount, err := postingsOf(e.Was, e.WasDeliveredAt)
	if err != nil {
		return err
	}
	price, count, err := postingsOf(e.Charge, e.Delivery.DeliveredAt)
	if err != nil {
		return err
	}
	page := b.open(at, e.Delivery)
	for _, change := range [][2]posting{{wasPrice, price}, {wasCount, count}} {
		was, is := change[0], change[1]
		if was.equal(is) {
			continue
		}
		if err := page.post(ledger.Reversal, was.reversed()); err != nil {
			return err
		}
		if err := page.post(ledger.Adjustment, is); err != nil {
			return err
		}
	}
	return nil
}

// postingsOf is what a charge posts. The price of a free one moves nothing.
func postingsOf(c events.Charge, effective time.Time) (price, count posting, err error) {
	counted, err := usage(c)
	if err != nil {
		return price, count, err
	}
	if free := c.Basis != events.BasisRegular; free && c.Amount.Micros != 0 {
		return price, count, fmt.Errorf("a charge of %s is not %s", c.Amount, c.Basis)
	}
	price = posting{cost(c), payable, string(c.Amount.Currency), c.Amount.Micros, effective}
	count = posting{counted, world, messages(c.Category), 1, effective}
	return price, count, nil
}
