package billing

import (
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
)

// Key is what is charged once.
type Key struct {
	Message   id.Message
	Recipient id.Customer
}

// KeyOf returns the key of a delivery.
func KeyOf(d *events.Delivered) Key { return Key{d.MessageID, d.RecipientID} }

// Rated is what a period holds of one delivery.
type Rated struct {
	Charged  *events.Ref      // the MessageCharged; nil before there is one
	Held     *events.Ref      // the newest ChargePending, while the delivery is pending; nil otherwise
	Delivery events.Delivered // as it was rated last
	Charge   events.Charge    // with all adjustments; zero while pending
}

// RatedBy returns what a period holds of a delivery after its newest event, recorded at a place; false for an event that
// is of no delivery. Earlier events tell nothing beside it.
func RatedBy(event events.Event, at events.Ref) (Rated, bool) {
	switch e := event.(type) {
	case events.MessageCharged:
		return Rated{Charged: &at, Delivery: e.Delivery, Charge: e.Charge}, true
	case events.ChargePending:
		return Rated{Charged: e.Charged, Held: &at, Delivery: e.Delivery}, true
	case events.ChargeAdjusted:
		return Rated{Charged: &e.Charged, Delivery: e.Delivery, Charge: e.Charge}, true
	}
	return Rated{}, false
}

// Subject returns the delivery that an event of a billing period is of; nil when it is of none.
func Subject(event events.Event) *events.Delivered {
	switch e := event.(type) {
	case events.MessageCharged:
		return &e.Delivery
	case events.ChargePending:
		return &e.Delivery
	case events.ChargeAdjusted:
		return &e.Delivery
	}
	return nil
}

// Rate prices a delivery of which the period holds nothing: MessageCharged, or ChargePending when that is not possible.
func (s State) Rate(book *pricing.Book, terms pricing.Terms, d events.Delivered) events.Event {
	charge, reason := pricing.Price(book, terms, d, s.allowances[d.PhoneNumberID])
	if reason != "" {
		return pendingOf(d, terms, &charge, reason)
	}
	return events.MessageCharged{Delivery: d, Charge: charge}
}

// Resolve prices a pending delivery, as it is known now: MessageCharged; ChargeAdjusted when it was charged before and
// that was taken back; ChargePending when it still cannot be priced.
func (s State) Resolve(book *pricing.Book, terms pricing.Terms, was Rated, d events.Delivered) events.Event {
	charge, reason := pricing.Price(book, terms, d, s.allowances[d.PhoneNumberID])
	switch {
	case reason != "":
		pending := pendingOf(d, terms, &charge, reason)
		pending.Held, pending.Charged, pending.WasDeliveredAt = was.Held, was.Charged, &was.Delivery.DeliveredAt
		return pending
	case was.Charged == nil:
		return events.MessageCharged{Delivery: d, Charge: charge, Held: was.Held, WasDeliveredAt: &was.Delivery.DeliveredAt}
	default:
		return events.ChargeAdjusted{
			Delivery: d, Charge: charge, Held: was.Held, WasDeliveredAt: was.Delivery.DeliveredAt, Charged: *was.Charged,
		}
	}
}

// Revise decides on what became known of a delivery after it was rated; nil when that changes nothing. A charge is
// adjusted when its time, amount, basis, category or market differ now, and taken back when it cannot be priced with
// what is known now.
func (s State) Revise(book *pricing.Book, terms pricing.Terms, was Rated, d events.Delivered) events.Event {
	if sameKnowledge(&was.Delivery, &d) {
		return nil
	}
	if was.Held != nil {
		return s.Resolve(book, terms, was, d)
	}
	used := s.allowances[d.PhoneNumberID]
	if was.Charge.Basis == events.BasisAllowance {
		used = 0 // what was given is not given a second time
	}
	charge, reason := pricing.Price(book, terms, d, used)
	switch {
	case reason != "":
		pending := pendingOf(d, terms, &charge, reason)
		pending.Was, pending.Charged, pending.WasDeliveredAt = &was.Charge, was.Charged, &was.Delivery.DeliveredAt
		return pending
	case d.DeliveredAt.Equal(was.Delivery.DeliveredAt) && sameCharge(&charge, &was.Charge):
		return nil
	default:
		return events.ChargeAdjusted{
			Delivery: d, Charge: charge, Was: &was.Charge, WasDeliveredAt: was.Delivery.DeliveredAt, Charged: *was.Charged,
		}
	}
}

// pendingOf keeps what is known of the charge of a delivery that cannot be priced.
func pendingOf(d events.Delivered, terms pricing.Terms, known *events.Charge, reason events.PendingReason) events.ChargePending {
	return events.ChargePending{
		Delivery: d, Reason: reason, Currency: terms.Currency, Day: known.Day, Policy: known.Policy,
		Category: known.Category, Market: known.Market, MarketBasis: known.MarketBasis,
	}
}

// sameKnowledge compares what facts tell of a delivery one after the other.
func sameKnowledge(a, b *events.Delivered) bool {
	return a.DeliveredAt.Equal(b.DeliveredAt) && a.Inferred == b.Inferred && samePricing(a.Pricing, b.Pricing)
}

func samePricing(a, b *events.Pricing) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Model == b.Model && a.Type == b.Type && a.Category == b.Category &&
		(a.Billable == nil) == (b.Billable == nil) && (a.Billable == nil || *a.Billable == *b.Billable)
}

func sameCharge(a, b *events.Charge) bool {
	return a.Amount == b.Amount && a.Basis == b.Basis && a.Category == b.Category && a.Market == b.Market
}
