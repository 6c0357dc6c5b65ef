package events

import "daybook/events/money"

// Date is a day of the calendar, "2026-10-01", without a time zone. As text, dates are in order.
type Date string

// DateFormat is the layout of a Date.
const DateFormat = "2006-01-02"

// RateCardImported publishes the rates of one currency that are in force from a day on, until a later card names the
// same market and category. A card is never edited.
type RateCardImported struct {
	Currency      money.Currency `json:"currency"`
	EffectiveFrom Date           `json:"effective_from"` // begins at 12am in the account's time zone
	FileSHA256    string         `json:"file_sha256"`    // of the imported file, in hex
	Sources       []string       `json:"sources,omitempty"`
	Markets       []MarketRates  `json:"markets"`
}

// MarketRates is one market of a card: who belongs to it, and what a message there costs. A market without prefixes is
// the one that all others fall back to.
type MarketRates struct {
	Market    string   `json:"market"`
	Countries []string `json:"countries,omitempty"` // ISO 3166-1 alpha-2
	Prefixes  []string `json:"prefixes,omitempty"`  // calling codes, with an area code where it decides
	Rates     []Rate   `json:"rates"`
}

// Rate is the price of one delivered message of a category. No price means that the card offers none: it ends the price
// of an older card, and is never 0.
type Rate struct {
	Category Category `json:"category"`
	Micros   *int64   `json:"micros,omitempty"`
	// Tiers are the prices of later messages, in order of From: each counts for the messages of a month from its first one
	// on, and never for those before. None: all messages have one price.
	Tiers []RateTier `json:"tiers,omitempty"`
}

// RateTier is the price from the From-th paid message on that a portfolio has sent to the market in the category and month.
type RateTier struct {
	From   int64 `json:"from"`
	Micros int64 `json:"micros"`
}

// RatesAwaited says that a billing period holds deliveries that no known card prices. It stands in a stream of its own
// per currency, so that an imported card finds all periods that wait for it.
type RatesAwaited struct {
	Currency money.Currency `json:"currency"`
	Stream   string         `json:"stream"` // of the billing period
}

func (RateCardImported) isEvent() {}
func (RatesAwaited) isEvent()     {}
