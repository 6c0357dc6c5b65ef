package messages

import (
	"cmp"
	"slices"
	"time"

	"daybook/events/money"
)

// Charge is what the delivery to one recipient costs, with its whole basis: what was recorded last about it.
type Charge struct {
	Amount        *money.Amount // nil while pending: unknown is never free
	Currency      money.Currency
	PendingReason string // why there is no price yet; "" once there is one
	Basis         string // regular, or why it is free: allowance, free_csw, free_fep, free_group, free_cbp
	Expected      string // the basis that our policy alone would have given, where the platform's word differs
	Policy        string // the pricing policy in force on Day
	Day           string // of the delivery in the account's time zone, as in 2026-10-01
	Category      string // priced under; the platform's word outranks what the message was sent as
	Market        string // the recipient's, by the rate card; "" when the price does not need it or nothing tells
	MarketBasis   string // how it was found: prefix, bsuid, fallback
	Card          *Card  // nil when no rate applies
	Tier          int
	Adjusted      bool      // whether this corrects a charge that was recorded before
	Recorded      Ref       // the fact that says so, in the billing period
	RecordedAt    time.Time // by our clock
}

// Card is where a rate is from.
type Card struct {
	Ref

	From  string // the first day on which the rate applies
	Rated string // the category of the card whose rate it is
}

// Ref is a durable reference to a recorded event.
type Ref struct {
	Stream   string
	Revision uint64
}

// charged are the columns of a charge as stored.
type charged struct {
	Stream       *string    `db:"charge_stream"`
	Revision     *uint64    `db:"charge_revision"`
	RecordedAt   *time.Time `db:"charge_recorded_at"`
	Adjusted     *bool      `db:"charge_adjusted"`
	Pending      *string    `db:"charge_pending"`
	Currency     *string    `db:"charge_currency"`
	Micros       *int64     `db:"charge_micros"`
	Basis        *string    `db:"charge_basis"`
	Expected     *string    `db:"charge_expected"`
	Policy       *string    `db:"charge_policy"`
	Day          *string    `db:"charge_day"`
	Category     *string    `db:"charge_category"`
	Market       *string    `db:"charge_market"`
	MarketBasis  *string    `db:"charge_market_basis"`
	Rated        *string    `db:"charge_rated"`
	CardStream   *string    `db:"charge_card_stream"`
	CardRevision *uint64    `db:"charge_card_revision"`
	CardFrom     *string    `db:"charge_card_from"`
	Tier         *int       `db:"charge_tier"`
}

// charge is nil while nothing is charged.
func (c charged) charge() *Charge {
	if c.Revision == nil {
		return nil
	}
	charge := &Charge{
		Currency: money.Currency(*c.Currency), PendingReason: orZero(c.Pending), Basis: orZero(c.Basis),
		Expected: orZero(c.Expected), Policy: orZero(c.Policy), Day: orZero(c.Day), Category: orZero(c.Category),
		Market: orZero(c.Market), MarketBasis: orZero(c.MarketBasis), Tier: orZero(c.Tier), Adjusted: *c.Adjusted,
		Recorded: Ref{*c.Stream, *c.Revision}, RecordedAt: *c.RecordedAt,
	}
	if c.Micros != nil {
		charge.Amount = &money.Amount{Micros: *c.Micros, Currency: charge.Currency}
	}
	if c.CardRevision != nil {
		charge.Card = &Card{Ref{*c.CardStream, *c.CardRevision}, orZero(c.CardFrom), orZero(c.Rated)}
	}
	return charge
}

// addUp sums what the recipients cost.
func (i *Info) addUp() error {
	for _, r := range i.Recipients {
		switch {
		case r.Charge == nil:
		case r.Charge.Amount == nil:
			i.Unpriced++
		default:
			if err := i.cost(*r.Charge.Amount); err != nil {
				return err
			}
		}
	}
	return nil
}

func (i *Info) cost(amount money.Amount) error {
	at, found := slices.BinarySearchFunc(i.Cost, amount.Currency, func(sum money.Amount, currency money.Currency) int {
		return cmp.Compare(sum.Currency, currency)
	})
	if !found {
		i.Cost = slices.Insert(i.Cost, at, amount)
		return nil
	}
	sum, err := i.Cost[at].Add(amount)
	if err != nil {
		return err
	}
	i.Cost[at] = sum
	return nil
}
