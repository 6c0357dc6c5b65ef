// Package ledger posts every charge in double entry: what it costs, and the message that it is for.
//
// It owns the read model of the same name. Money and messages are assets of their own, so a correction of a price never
// touches the count, and a dispute about prices never hides a lost message. Entries take effect when the message was
// delivered, and a reversal when what it takes back did. The chart of accounts is in chart.go.
package ledger

import (
	"errors"
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
	if e.WasDeliveredAt == nil {
		return errUntimed
	}
	return page.post(ledger.Priced, append([]posting{price}, settled(e.Delivery, *e.WasDeliveredAt, count)...)...)
}

// held counts a message that has no price yet, once, whatever else becomes known of it before it has one. A charge that
// it takes back is no longer so, nor is a time at which it was thought to be delivered.
func (b *book) held(e events.ChargePending, at projections.At) error {
	page, is := b.open(at, e.Delivery), unpriced(e.Delivery, e.Delivery.DeliveredAt)
	switch {
	case e.Held == nil && e.Was == nil:
		return page.post(ledger.Pending, is)
	case e.WasDeliveredAt == nil:
		return errUntimed
	case e.Was == nil:
		return page.replace(unpriced(e.Delivery, *e.WasDeliveredAt), ledger.Pending, is)
	}
	price, count, err := postingsOf(*e.Was, *e.WasDeliveredAt)
	if err != nil {
		return err
	}
	if err = page.post(ledger.Reversal, price.reversed(), count.reversed()); err != nil {
		return err
	}
	return page.post(ledger.Pending, is)
}

// adjusted takes back what is no longer so, as of when it was said to be, and posts what is so instead. What stays the
// same is left alone: a new price does not touch the count.
func (b *book) adjusted(e events.ChargeAdjusted, at projections.At) error {
	price, count, err := postingsOf(e.Charge, e.Delivery.DeliveredAt)
	if err != nil {
		return err
	}
	page := b.open(at, e.Delivery)
	if e.Was == nil { // taken back already: it has been pending since
		return page.post(ledger.Priced, append([]posting{price}, settled(e.Delivery, e.WasDeliveredAt, count)...)...)
	}
	wasPrice, wasCount, err := postingsOf(*e.Was, e.WasDeliveredAt)
	if err != nil {
		return err
	}
	if err = page.replace(wasPrice, ledger.Adjustment, price); err != nil {
		return err
	}
	return page.replace(wasCount, ledger.Adjustment, count)
}

// errUntimed refuses an event that replaces another one and does not say when that took effect.
var errUntimed = errors.New("was_delivered_at is missing: it is set where held or was is")

// unpriced counts a message without a price, delivered at some time. It is pending under the category it was sent as,
// which never changes.
func unpriced(d events.Delivered, effective time.Time) posting {
	return posting{pending(d.Category), world, messages(d.Category), 1, effective}
}

// settled moves a message from pending, as of when it was thought to be delivered, to where it is counted. If it is
// priced under another category than it was sent as, it leaves the one asset and enters the other.
func settled(d events.Delivered, was time.Time, count posting) []posting {
	out := unpriced(d, was).reversed()
	if out.asset == count.asset && out.effective.Equal(count.effective) {
		count.credit = out.credit
		return []posting{count}
	}
	return []posting{out, count}
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
