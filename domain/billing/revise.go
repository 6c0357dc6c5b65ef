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
	At       events.Ref       // the MessageCharged; while there is none, the newest ChargePending
	Delivery events.Delivered // as it was rated last
	Charge   events.Charge    // with all adjustments; zero while pending
	Pending  bool
}

// Fold adds an event of the period, recorded at a place, that is of this delivery.
func (r Rated) Fold(event events.Event, at events.Ref) Rated {
	switch e := event.(type) {
	case events.MessageCharged:
		return Rated{At: at, Delivery: e.Delivery, Charge: e.Charge}
	case events.ChargePending:
		return Rated{At: at, Delivery: e.Delivery, Pending: true}
	case events.ChargeAdjusted:
		return Rated{At: e.Charged, Delivery: e.Delivery, Charge: e.Charge}
	}
	return r
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

// Revise decides on what became known of a delivery after it was rated; nil when that changes nothing. A pending one is
// rated again. A charge is adjusted when its time, amount, basis, category or market differ now. A charge that could not
// be priced with what is known now stays as it is.
func (s State) Revise(book *pricing.Book, terms pricing.Terms, was Rated, d events.Delivered) events.Event {
	if sameKnowledge(&was.Delivery, &d) {
		return nil
	}
	if was.Pending {
		return s.Rate(book, terms, d, &was.At)
	}
	used := s.allowances[d.PhoneNumberID]
	if was.Charge.Basis == events.BasisAllowance {
		used = 0 // what was given is not given a second time
	}
	charge, reason := pricing.Price(book, terms, d, used)
	if reason != "" || d.DeliveredAt.Equal(was.Delivery.DeliveredAt) && sameCharge(&charge, &was.Charge) {
		return nil
	}
	return events.ChargeAdjusted{
		Delivery: d, Charge: charge, Was: was.Charge, WasDeliveredAt: was.Delivery.DeliveredAt, Charged: was.At,
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
