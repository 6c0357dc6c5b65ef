package billing

import (
	"cmp"

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
	case events.ChargeDiscrepancyFound:
		return &e.Delivery
	}
	return nil
}

// used is what the period has had before a delivery that came to something already, or to nothing yet.
func (s State) used(d *events.Delivered, had *events.Charge) pricing.Used {
	used := pricing.Used{Allowance: s.allowances[d.PhoneNumberID], Paid: s.paid, Had: had}
	if had != nil && had.Basis == events.BasisAllowance {
		used.Allowance = 0 // what was given is not given a second time
	}
	return used
}

// Rate prices a delivery of which the period holds nothing: MessageCharged, or ChargePending when that is not possible.
func (s State) Rate(book *pricing.Book, terms pricing.Terms, d events.Delivered) events.Event {
	charge, reason := pricing.Price(book, terms, d, s.used(&d, nil))
	if reason != "" {
		return pendingOf(d, terms, &charge, reason)
	}
	return events.MessageCharged{Delivery: d, Charge: charge}
}

// Resolve prices a pending delivery, as it is known now: MessageCharged; ChargeAdjusted when it was charged before and
// that was taken back; ChargePending when it still cannot be priced.
func (s State) Resolve(book *pricing.Book, terms pricing.Terms, was Rated, d events.Delivered) events.Event {
	charge, reason := pricing.Price(book, terms, d, s.used(&d, nil))
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
	charge, reason := pricing.Price(book, terms, d, s.used(&d, &was.Charge))
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

// Discrepancy is what is to be recorded beside a charge, recorded at a place: that the platform's word differs from what we
// would have charged, unless that was said of the same delivery before.
func Discrepancy(event events.Event, at events.Ref) (events.ChargeDiscrepancyFound, bool) {
	var d *events.Delivered
	var charge, was events.Charge
	switch e := event.(type) {
	case events.MessageCharged:
		d, charge = &e.Delivery, e.Charge
	case events.ChargeAdjusted:
		d, charge = &e.Delivery, e.Charge
		if e.Was != nil {
			was = *e.Was
		}
	}
	none := charge.Expected == "" && charge.ExpectedCategory == ""
	said := charge.Expected == was.Expected && charge.ExpectedCategory == was.ExpectedCategory &&
		charge.Basis == was.Basis && charge.Category == was.Category
	if none || said {
		return events.ChargeDiscrepancyFound{}, false
	}
	return events.ChargeDiscrepancyFound{
		Delivery: *d, Charged: at, Ours: cmp.Or(charge.Expected, charge.Basis), Platform: charge.Basis,
		OurCategory: cmp.Or(charge.ExpectedCategory, charge.Category), PlatformCategory: charge.Category,
	}, true
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
