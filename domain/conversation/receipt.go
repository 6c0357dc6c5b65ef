package conversation

import (
	"time"
	"unique"

	"daybook/events"
	"daybook/events/id"
)

// receipt is what the platform told of one message and one recipient. It does not depend on the order in which it was
// told, but for firstAt, and for a status whose word on the price changes: the first stays.
type receipt struct {
	recipient id.Customer
	at        [slots]int64         // unix seconds: the platform's clock has no finer ones
	firstAt   int64                // what at was in the first step that means delivery
	word      unique.Handle[price] // of the first in deciding that is worded
	told      slotSet              // the statuses recorded
	worded    slotSet              // those of them that came with a word on the price
}

// price is events.Pricing as a value that can be compared. Its Billable is nil; billable says it instead.
type price struct {
	events.Pricing

	billable [2]bool // whether it was told, and what
}

// deciding is in whose words a delivery is priced, the first that has one.
var deciding = [...]int{slotDelivered, slotRead, slotPlayed, slotSent}

// meansDelivery is the statuses that tell of a delivery, and meansSent those by which the platform sent the message on.
// Failed tells neither.
const (
	meansDelivery slotSet = 1<<slotDelivered | 1<<slotRead | 1<<slotPlayed
	meansSent             = meansDelivery | 1<<slotSent
)

// with returns the receipt once a status was told. The earliest time and the first word stay.
func (r receipt) with(n int, at int64, pricing *events.Pricing) receipt {
	if !r.told.has(n) || at < r.at[n] {
		r.at[n] = at
	}
	if r.told&meansDelivery == 0 && meansDelivery.has(n) {
		r.firstAt = at
	}
	r.told = r.told.with(n)
	word := priceOf(pricing)
	if word == (unique.Handle[price]{}) || r.worded.has(n) {
		return r
	}
	r.worded = r.worded.with(n)
	for _, m := range deciding {
		if m == n {
			r.word = word
		}
		if r.worded.has(m) {
			break
		}
	}
	return r
}

// delivery is events.Delivery as a value that can be compared.
type delivery struct {
	known    bool
	inferred bool
	at       int64
	word     unique.Handle[price]
	within   id.Message // zero: none
}

// delivery follows the rules of events.Delivery; the zero value is none.
func (r receipt) delivery(within id.Message) delivery {
	read, played := r.told.has(slotRead), r.told.has(slotPlayed)
	d := delivery{known: true, inferred: true, word: r.word, within: within}
	switch {
	case r.told.has(slotDelivered):
		d.inferred, d.at = false, r.at[slotDelivered]
	case read && played:
		d.at = min(r.at[slotRead], r.at[slotPlayed])
	case read:
		d.at = r.at[slotRead]
	case played:
		d.at = r.at[slotPlayed]
	default:
		return delivery{}
	}
	return d
}

// news returns the delivery as it is known now; nil when nothing else was known before. Its life ends where it is late.
func (r receipt) news(is, was delivery, lifeEnds time.Time) *events.Delivery {
	if is == was {
		return nil
	}
	at := time.Unix(is.at, 0).UTC()
	told := &events.Delivery{At: at, Inferred: is.inferred, Pricing: pricingOf(is.word), Late: at.After(lifeEnds)}
	if was.known {
		told.FirstAt = new(time.Unix(r.firstAt, 0).UTC())
	}
	if !is.within.IsZero() {
		told.Within = &is.within
	}
	return told
}

// showsSent tells whether the platform is known to have sent the message on, and was not before.
func (r receipt) showsSent(before receipt) bool {
	return r.told&meansSent != 0 && before.told&meansSent == 0
}

// priceOf interns a word on the price: there are few different ones. None, and one that says nothing, is the zero handle.
func priceOf(told *events.Pricing) (word unique.Handle[price]) {
	if told == nil || *told == (events.Pricing{}) {
		return word
	}
	p := price{Pricing: *told}
	if told.Billable != nil {
		p.Billable, p.billable = nil, [2]bool{true, *told.Billable}
	}
	return unique.Make(p)
}

func pricingOf(word unique.Handle[price]) *events.Pricing {
	p := valueOf(word)
	if p == (price{}) {
		return nil
	}
	if p.billable[0] {
		p.Billable = new(p.billable[1])
	}
	return &p.Pricing
}

// valueOf reads a handle; the zero handle stands for the zero value.
func valueOf[T comparable](h unique.Handle[T]) (value T) {
	if h != (unique.Handle[T]{}) {
		value = h.Value()
	}
	return value
}
