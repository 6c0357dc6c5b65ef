package pricing

import (
	"slices"

	"daybook/events"
)

// band returns which band of the rate the n-th paid message is in, from 1, and its price.
func (r *Rate) band(n int64) (tier int, micros int64) {
	for i, t := range slices.Backward(r.Tiers) {
		if n >= t.From {
			return i + 2, t.Micros
		}
	}
	return 1, r.Micros
}

// place puts a charge into its band: the one it has had, or that of the next paid message.
func (u *Used) place(c *events.Charge, rate *Rate) {
	if had := u.Had; had != nil && had.Tier > 0 && had.Market == c.Market && had.Category == c.Category {
		c.Tier, c.Ordinal = min(had.Tier, len(rate.Tiers)+1), had.Ordinal
		if c.Tier > 1 {
			c.Amount.Micros = rate.Tiers[c.Tier-2].Micros
		}
		return
	}
	c.Ordinal = u.Paid[Counter{c.Market, c.Category}] + 1
	c.Tier, c.Amount.Micros = rate.band(c.Ordinal)
}

// Count is a sequence of deliveries in which the place of each decides its price: the service messages of a business
// number, or the paid messages of a counter.
type Count struct {
	Counter

	Number string // empty: of the counter
}

// CountOf returns the count that a charge is in; false when its price depends on no other delivery.
func CountOf(d *events.Delivered, c *events.Charge) (Count, bool) {
	rule := ruleOf(c)
	switch {
	case rule.when == withinAllowance && inAllowanceCount(c.Basis):
		return Count{Number: d.PhoneNumberID}, true
	case rule.tiered && c.Basis == events.BasisRegular:
		return Count{Counter: Counter{c.Market, c.Category}}, true
	}
	return Count{}, false
}

// ruleOf returns the rule by which a charge was priced; the zero value when there is none.
func ruleOf(c *events.Charge) rule {
	for i := len(policies) - 1; i >= 0; i-- { // mostly the newest
		if p := &policies[i]; p.id == c.Policy {
			return p.rules[c.Category]
		}
	}
	return rule{}
}

// inAllowanceCount says whether a message that may be within an allowance is counted for it. What is free for another
// reason is not.
func inAllowanceCount(basis events.Basis) bool {
	return basis == events.BasisAllowance || basis == events.BasisRegular
}

// Borders returns the places from which on a charge's count has other prices, in order.
func Borders(book *Book, c *events.Charge) []int64 {
	if rule := ruleOf(c); rule.when == withinAllowance {
		return []int64{rule.allowance + 1}
	}
	var borders []int64
	if book != nil {
		for _, p := range book.periods() {
			if m := p.markets[c.Market]; m != nil && m.rates[c.Rated] != nil {
				for _, t := range m.rates[c.Rated].Tiers {
					borders = append(borders, t.From)
				}
			}
		}
	}
	slices.Sort(borders)
	return slices.Compact(borders)
}

// Settled says whether a charge has the price of its place in its count, where from is the last border at or before that
// place.
func Settled(book *Book, d *events.Delivered, c *events.Charge, from int64) bool {
	rule := ruleOf(c)
	if rule.when == withinAllowance {
		due := from <= rule.allowance || d.Pricing != nil && told[d.Pricing.Type] == events.BasisFreeWindow
		return due == (c.Basis == events.BasisAllowance)
	}
	rate, found := cardRate(book, c)
	if !found || c.Tier == 0 {
		return true
	}
	tier, _ := rate.band(from)
	return tier == c.Tier
}

// Settle gives a charge the price of its place. Nothing else about it changes, least of all the card; only what has no
// allowance any more is priced by the book, which may not be possible.
func Settle(book *Book, terms Terms, d events.Delivered, c events.Charge, from int64) (events.Charge, events.PendingReason) {
	rule, reason := ruleOf(&c), events.PendingReason("")
	switch rate, found := cardRate(book, &c); {
	case rule.when == withinAllowance && c.Basis == events.BasisAllowance:
		c, reason = Price(book, terms, d, Used{Allowance: rule.allowance})
	case rule.when == withinAllowance:
		c.Amount.Micros, c.Basis, c.Rated, c.Card, c.CardFrom = 0, rule.free, "", nil, ""
	case found:
		c.Tier, c.Amount.Micros = rate.band(from)
		c.Ordinal = 0
	}
	c.Provisional = false
	return c, reason
}

// cardRate is the rate that a charge was priced by: of one day, a market and category has one for ever.
func cardRate(book *Book, c *events.Charge) (Rate, bool) {
	if book == nil || book.currency != c.Amount.Currency {
		return Rate{}, false
	}
	return book.Rate(c.Market, c.Rated, c.CardFrom)
}
