package pricing

import (
	"cmp"
	"strings"
	"time"

	"daybook/events"
	"daybook/events/money"
)

// Terms is what an account's prices depend on.
type Terms struct {
	Currency money.Currency
	Zone     *time.Location // nil: UTC
}

// Day returns the account's day of an instant, which decides policy and card: both change at 12am of the account's time
// zone. Years outside 0 to 9999 count as the nearest of these, so that days as text stay in order.
func (t Terms) Day(at time.Time) events.Date {
	zone := t.Zone
	if zone == nil {
		zone = time.UTC
	}
	year, month, day := at.In(zone).Date()
	switch {
	case year < 0:
		return "0000-01-01"
	case year > 9999:
		return "9999-12-31"
	}
	digit := func(n, unit int) byte { return byte('0' + n/unit%10) }
	return events.Date([]byte{
		digit(year, 1000), digit(year, 100), digit(year, 10), digit(year, 1), '-',
		digit(int(month), 10), digit(int(month), 1), '-', digit(day, 10), digit(day, 1),
	})
}

// Price says what a delivery costs, with the whole basis. AllowanceUsed is how many free service messages its business
// number has had before it in the month of Day. The book is that of the terms' currency: a card of another one prices
// nothing.
//
// The platform's word outranks the policy: its category replaces the one that the message was sent under, and its type
// says whether the message is free. Where the type differs from what the policy alone gives to what was sent,
// Charge.Expected keeps that.
//
// With a reason, the delivery cannot be priced yet, and the charge holds what is known all the same: day, category,
// policy, market; its amount and basis are zero. PolicyUnavailable comes of a day or category without a rule, and of a
// word that no policy knows. A free delivery needs no rate and no market: the market is empty when there is none.
//
// The charge's Card belongs to the book and must not be changed.
func Price(book *Book, terms Terms, d events.Delivered, allowanceUsed int64) (events.Charge, events.PendingReason) {
	if book != nil && book.currency != terms.Currency {
		book = nil
	}
	word := events.Pricing{}
	if d.Pricing != nil {
		word = *d.Pricing
	}
	charge := events.Charge{Day: terms.Day(d.DeliveredAt), Category: priced(d.Category, word.Category)}
	market, marketBasis := book.on(charge.Day).find(d.Dialling)
	if market != nil {
		charge.Market, charge.MarketBasis = market.name, marketBasis
	}

	p := policyOn(charge.Day)
	if p == nil {
		return charge, events.PolicyUnavailable
	}
	charge.Policy = p.id
	basis := p.basis(charge.Category, &d, allowanceUsed)
	heard, understood := told[word.Type]
	if understood {
		basis = p.hear(heard, basis, charge.Category)
	}
	if basis == "" || !understood && word.Type != "" || cmp.Or(word.Model, perMessage) != perMessage {
		return charge, events.PolicyUnavailable
	}
	if basis == events.BasisRegular {
		if d.Dialling == (events.Dialling{}) {
			return charge, events.MarketUnresolved
		}
		rated, rate := market.first(p.rules[charge.Category].rated)
		if rate == nil {
			return charge, events.RateUnavailable
		}
		charge.Amount.Micros, charge.Rated, charge.Card, charge.CardFrom = rate.Micros, rated, &rate.Card, rate.From
	}
	charge.Amount.Currency, charge.Basis = terms.Currency, basis
	if expected := p.basis(d.Category, &d, allowanceUsed); expected != basis {
		charge.Expected = expected
	}
	return charge, ""
}

// priced is the category that sets the price. The platform spells one of them in two ways.
func priced(sent events.Category, word string) events.Category {
	if word == "" {
		return sent
	}
	return events.Category(strings.ReplaceAll(word, "-", "_"))
}
