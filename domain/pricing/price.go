package pricing

import (
	"strings"
	"time"

	"daybook/events"
)

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

// Used is what was counted of a billing period before a delivery.
type Used struct {
	Allowance int64             // free service messages of its business number
	Paid      map[Counter]int64 // paid messages, of all business numbers and currencies
	Had       *events.Charge    // what the delivery has come to so far: where its counter stays, so does its place in it
}

// Counter is what volume tiers are counted by, in the month of a portfolio.
type Counter struct {
	Market   string
	Category events.Category
}

// Price says what a delivery costs, with the whole basis. Used is what its portfolio and business number have had before
// it in the month of Day. The book is that of the terms' currency: a card of another one prices nothing.
//
// The platform's word outranks the policy: its model says which one counts, its category replaces the one that the
// message was sent under, and its type says whether the message is free. Where that differs from what the policy alone
// gives to what was sent, Charge.Expected and Charge.ExpectedCategory keep it.
//
// With a reason, the delivery cannot be priced yet, and the charge holds what is known all the same: day, category,
// policy, market; its amount and basis are zero. PolicyUnavailable comes of a day or category without a rule, and of a
// word that no policy knows. A free delivery needs no rate and no market: the market is empty when there is none.
//
// The charge's Card belongs to the book and must not be changed.
func Price(book *Book, terms Terms, d events.Delivered, used Used) (events.Charge, events.PendingReason) {
	if book != nil && book.currency != terms.Currency {
		book = nil
	}
	word := events.Pricing{}
	if d.Pricing != nil {
		word = *d.Pricing
	}
	charge := events.Charge{Day: terms.Day(d.DeliveredAt), Late: isLate(&d)}
	market, marketBasis := book.on(charge.Day).find(d.Dialling)
	if market != nil {
		charge.Market, charge.MarketBasis = market.name, marketBasis
	}
	p := policyOn(charge.Day, word.Model)
	own := p.own(&terms, &d, market)
	charge.Category = priced(own, word.Category)
	if p == nil {
		return charge, events.PolicyUnavailable
	}
	charge.Policy = p.id
	heard, understood := told[word.Type]
	basis := p.basis(charge.Category, &d, used.Allowance)
	if understood {
		basis = p.hear(heard, charge.Category, &d, used.Allowance)
	}
	if basis == "" || !understood && word.Type != "" {
		return charge, events.PolicyUnavailable
	}
	rule := p.rules[charge.Category]
	if basis == events.BasisRegular {
		if d.Dialling == (events.Dialling{}) {
			return charge, events.MarketUnresolved
		}
		rated, rate := market.first(rule.rated)
		if rate == nil {
			return charge, events.RateUnavailable
		}
		charge.Amount.Micros, charge.Rated, charge.Card, charge.CardFrom = rate.Micros, rated, &rate.Card, rate.From
		if rule.tiered && len(rate.Tiers) > 0 {
			used.place(&charge, rate)
		}
	}
	charge.Amount.Currency, charge.Basis = terms.Currency, basis
	charge.Provisional = charge.Tier > 0 || rule.when == withinAllowance && inAllowanceCount(basis)
	if expected := p.basis(own, &d, used.Allowance); expected != basis {
		charge.Expected = expected
	}
	if own != charge.Category {
		charge.ExpectedCategory = own
	}
	return charge, ""
}

// own is the category that a delivery has without the platform's word.
func (p *policy) own(terms *Terms, d *events.Delivered, market *market) events.Category {
	if p == nil || d.Category != events.Authentication || market == nil || !terms.international(d, market.countries) {
		return d.Category
	}
	if _, rate := market.first(p.rules[authenticationInternational].rated); rate == nil {
		return d.Category // the card has one price for all
	}
	return authenticationInternational
}

// priced is the category that sets the price. The platform spells one of them in two ways, tells messages to groups from
// others, which cost the same, and has a word of its own for what comes of an ad, whatever it was sent as.
func priced(own events.Category, word string) events.Category {
	if word == "" || word == "referral_conversion" {
		return own
	}
	return events.Category(strings.TrimPrefix(strings.ReplaceAll(word, "-", "_"), "group_"))
}

// Life is how long the platform tries to deliver a message of a category, from when it was sent on.
func Life(category events.Category) time.Duration {
	if category == events.Authentication {
		return 10 * time.Minute
	}
	return 30 * 24 * time.Hour
}

func isLate(d *events.Delivered) bool { return d.DeliveredAt.Sub(d.QueuedAt) > Life(d.Category) }
