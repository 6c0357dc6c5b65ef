package api

import (
	"time"

	"daybook/events/money"
)

// Money is an exact sum of one currency.
type Money struct {
	Amount   string         `json:"amount"   doc:"The exact sum in units of the currency, always with six decimals." example:"0.030000"`
	Micros   int64          `json:"micros"   doc:"The same in millionths of a unit." example:"30000"`
	Currency money.Currency `json:"currency" doc:"ISO 4217 code." example:"USD"`
}

// MoneyOf words an amount.
func MoneyOf(a money.Amount) Money { return Money{Decimal(a.Micros), a.Micros, a.Currency} }

// Charge is what the delivery to one recipient costs, with its whole basis. It has an amount, or it is pending.
type Charge struct {
	Amount      string         `json:"amount,omitempty"       doc:"The exact price in units of the currency, always with six decimals; missing while pending." example:"0.030000"`
	Micros      *int64         `json:"micros,omitempty"       doc:"The same in millionths of a unit." example:"30000"`
	Currency    money.Currency `json:"currency"               doc:"ISO 4217 code." example:"USD"`
	Pending     string         `json:"pending,omitempty"      doc:"Why there is no price yet: RateUnavailable, MarketUnresolved or PolicyUnavailable. Unknown is never free. It stays until a card of the currency or a later fact of the delivery comes." example:"RateUnavailable"`
	Basis       string         `json:"basis,omitempty"        doc:"Why it costs that: regular is the card's rate; allowance, free_csw, free_fep, free_group and free_cbp are free." example:"regular"`
	Expected    string         `json:"expected,omitempty"     doc:"The basis by our own policy, where the platform's word differs and outranks it." example:"free_csw"`
	Policy      string         `json:"policy,omitempty"       doc:"The pricing policy in force on the day." example:"P3"`
	Day         string         `json:"day,omitempty"          format:"date" doc:"Day of the delivery in the account's time zone." example:"2026-10-05"`
	Category    string         `json:"category,omitempty"     doc:"What it is priced as; the platform's word outranks what it was sent as." example:"utility"`
	Market      string         `json:"market,omitempty"       doc:"The recipient's market; missing when the price needs none or nothing tells." example:"Italy"`
	MarketBasis string         `json:"market_basis,omitempty" doc:"How the market was found: prefix, bsuid or fallback." example:"prefix"`
	Tier        int            `json:"tier,omitempty"         doc:"Volume tier, where the card has tiers."`
	Card        *CardRate      `json:"card,omitempty"         doc:"The rate that applies; missing when none does."`
	Adjusted    bool           `json:"adjusted,omitempty"     doc:"Whether it corrects what was recorded before. What it was then stands in the ledger."`
	Recorded    Ref            `json:"recorded"               doc:"The fact that says so."`
	RecordedAt  time.Time      `json:"recorded_at"            doc:"Our clock when it was rated."`
}

// CardRate is a rate of a rate card.
type CardRate struct {
	Ref

	EffectiveFrom string `json:"effective_from"  format:"date" doc:"First day that the card is in force." example:"2026-10-01"`
	Rated         string `json:"rated,omitempty" doc:"The category of the card whose rate it is." example:"utility"`
}

// Ref cites a recorded event.
type Ref struct {
	Stream   string `json:"stream"   doc:"Its stream." example:"billing-4f0c…-2026-10"`
	Revision uint64 `json:"revision" doc:"Its place there." example:"12"`
}
