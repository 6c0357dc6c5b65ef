package events

import (
	"time"

	"daybook/events/id"
	"daybook/events/money"
)

// Ref is a durable reference to a recorded event.
type Ref struct {
	Stream   string `json:"stream"`
	Revision uint64 `json:"revision"`
}

// Basis is why a delivery costs what it costs.
type Basis string

// The bases of a charge. All but regular are free.
const (
	BasisRegular        Basis = "regular"    // the card's rate
	BasisAllowance      Basis = "allowance"  // one of the number's free service messages of the month
	BasisFreeWindow     Basis = "free_csw"   // inside the customer service window
	BasisFreeEntryPoint Basis = "free_fep"   // inside a free entry point window
	BasisFreeGroup      Basis = "free_group" // the platform's word for group messages inside the window
	// BasisFreeConversation is a message in a conversation that was paid as a whole (until 2025-06).
	BasisFreeConversation Basis = "free_cbp"
)

// MarketBasis is how a recipient's market was found.
type MarketBasis string

// Ways to find a market.
const (
	MarketByPrefix   MarketBasis = "prefix"   // longest dialling prefix on the card
	MarketByUserID   MarketBasis = "bsuid"    // country of the business-scoped user id
	MarketByFallback MarketBasis = "fallback" // no market lists the recipient: the card's market for all others
)

// Delivered is one delivery as it was rated: everything that its price depends on but the cards.
type Delivered struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	RecipientID    id.Customer     `json:"recipient_id"`
	PhoneNumberID  string          `json:"phone_number_id"`
	Dialling       Dialling        `json:"dialling,omitzero"`
	Category       Category        `json:"category"` // as it was sent
	QueuedAt       time.Time       `json:"queued_at"`
	WindowUntil    *time.Time      `json:"window_until,omitempty"` // the service window it was written in, if open
	// EntryPointUntil is the end of the free entry point window that it was written in, or opened.
	EntryPointUntil *time.Time   `json:"entry_point_until,omitempty"`
	Campaign        *CampaignRef `json:"campaign,omitempty"`
	DeliveredAt     time.Time    `json:"delivered_at"`
	Inferred        bool         `json:"inferred,omitempty"` // from read or played: the platform skipped delivered
	Pricing         *Pricing     `json:"pricing,omitempty"`  // the platform's word
	// Within is the message that opened the platform's conversation which this one belongs to.
	Within *id.Message `json:"within,omitempty"`
	Source Ref         `json:"source"` // the fact that told it
}

// Charge is a price with its whole basis. Amount 0 stands only beside a basis that is free.
type Charge struct {
	Amount      money.Amount `json:"amount"`
	Basis       Basis        `json:"basis"`
	Policy      string       `json:"policy"`   // "P2", "P3": the pricing policy in force on Day
	Day         Date         `json:"day"`      // of the delivery, in the account's time zone
	Category    Category     `json:"category"` // priced under; the platform's word outranks what it was sent as
	Market      string       `json:"market"`
	MarketBasis MarketBasis  `json:"market_basis"`
	Rated       Category     `json:"rated,omitempty"` // category of the card whose rate applies, if any does
	Card        *Ref         `json:"card,omitempty"`  // the RateCardImported that the rate is from
	CardFrom    Date         `json:"card_from,omitempty"`
	// Tier is the band of the rate that applies, from 1; none when the rate has one price for all.
	Tier int `json:"tier,omitempty"`
	// Ordinal is which paid message of market, category and month it was, from 1, in order of rating. Closing assigns tiers
	// in order of delivery and leaves it out.
	Ordinal int64 `json:"ordinal,omitempty"`
	// Provisional says that tier or allowance follow from the order of rating: closing the period may change them.
	Provisional bool `json:"provisional,omitempty"`
	// Late says that it was delivered when the platform had no business to try any more: after the message's life.
	Late bool `json:"late,omitempty"`
	// Expected and ExpectedCategory are what we would have given without the platform's word, where that differs.
	Expected         Basis    `json:"expected,omitempty"`
	ExpectedCategory Category `json:"expected_category,omitempty"`
}

// MessageCharged says what one delivery cost: once per message and recipient, for ever.
type MessageCharged struct {
	Delivery Delivered `json:"delivery"`
	Charge   Charge    `json:"charge"`
	// Held is the ChargePending that this resolves, and WasDeliveredAt the time that the delivery had there.
	Held           *Ref       `json:"held,omitempty"`
	WasDeliveredAt *time.Time `json:"was_delivered_at,omitempty"`
}

// PendingReason is why a delivery cannot be priced.
type PendingReason string

// Reasons for pending charges.
const (
	RateUnavailable   PendingReason = "RateUnavailable"   // no card in force has a rate for market and category
	MarketUnresolved  PendingReason = "MarketUnresolved"  // neither number nor country of the recipient is known
	PolicyUnavailable PendingReason = "PolicyUnavailable" // no pricing policy covers the day or the category
)

// ChargePending says that a delivery is counted and not priced yet. Unknown is never free. It may also come after a
// charge, when what became known of the delivery since cannot be priced: then it takes the charge back.
type ChargePending struct {
	Delivery    Delivered      `json:"delivery"`
	Reason      PendingReason  `json:"reason"`
	Currency    money.Currency `json:"currency"`
	Day         Date           `json:"day"`
	Policy      string         `json:"policy,omitempty"`
	Category    Category       `json:"category"`
	Market      string         `json:"market,omitempty"`
	MarketBasis MarketBasis    `json:"market_basis,omitempty"`
	// Held is the earlier ChargePending of the same delivery, of which more is known now.
	Held *Ref `json:"held,omitempty"`
	// Was is the charge that is taken back, with earlier adjustments, and Charged its MessageCharged, which also stays
	// with a delivery that is pending once more.
	Was     *Charge `json:"was,omitempty"`
	Charged *Ref    `json:"charged,omitempty"`
	// WasDeliveredAt is the time that the delivery had in Held or Was.
	WasDeliveredAt *time.Time `json:"was_delivered_at,omitempty"`
}

// ChargeAdjusted corrects a recorded charge, because more became known of its delivery: an earlier time, or the
// platform's word. The recorded charge stays; Was is what it (with earlier adjustments) came to, or nil when it had been
// taken back by Held.
type ChargeAdjusted struct {
	Delivery       Delivered `json:"delivery"` // as it is known now
	Charge         Charge    `json:"charge"`   // as it is now
	Was            *Charge   `json:"was,omitempty"`
	Held           *Ref      `json:"held,omitempty"` // the ChargePending that this resolves
	WasDeliveredAt time.Time `json:"was_delivered_at"`
	Charged        Ref       `json:"charged"` // the MessageCharged
}

// BatchRated ends every append of rating. The newest one is the whole state of a billing period.
type BatchRated struct {
	// Source is the last fact that was rated, in log order: rating goes on after it. Zero before there is one.
	Source  Ref `json:"source,omitzero"`
	Charged int `json:"charged"` // MessageCharged in this append
	// All that follows is of the whole period so far.
	Totals       []PeriodTotal   `json:"totals,omitempty"`     // in order of currency, market, category
	Allowances   []AllowanceUsed `json:"allowances,omitempty"` // in order of the number's id
	Pending      int             `json:"pending,omitempty"`
	PendingSince *uint64         `json:"pending_since,omitempty"` // revision of the oldest ChargePending that may be open
	// Closed says that the period was closed, and nothing was charged, adjusted or taken back since.
	Closed bool `json:"closed,omitempty"`
}

// PeriodTotal counts the charges of one market and category, adjustments included.
type PeriodTotal struct {
	Amount   money.Amount `json:"amount"`
	Market   string       `json:"market"`
	Category Category     `json:"category"`
	Paid     int64        `json:"paid"` // what tiers count
	Free     int64        `json:"free,omitempty"`
}

// AllowanceUsed counts the free service messages that a business number has used in the month.
type AllowanceUsed struct {
	PhoneNumberID string `json:"phone_number_id"`
	Used          int64  `json:"used"`
}

// ChargeDiscrepancyFound says, beside a charge, that the platform's word differs from what we would have charged. The
// platform's counts.
type ChargeDiscrepancyFound struct {
	Delivery         Delivered `json:"delivery"`
	Charged          Ref       `json:"charged"` // the MessageCharged or ChargeAdjusted that it stands beside
	Ours             Basis     `json:"ours"`
	Platform         Basis     `json:"platform"`
	OurCategory      Category  `json:"our_category"`
	PlatformCategory Category  `json:"platform_category"`
}

// PeriodClosingRequested asks rating to close a billing period, in a stream of its own. A period may be closed again:
// that puts what came since into its place.
type PeriodClosingRequested struct {
	Portfolio   id.Account `json:"portfolio"`
	Month       string     `json:"month"` // "2026-10"
	RequestedAt time.Time  `json:"requested_at"`
}

// PeriodClosed says that tiers and allowances of all lines so far are those of the order of delivery.
type PeriodClosed struct {
	Portfolio id.Account `json:"portfolio"`
	Month     string     `json:"month"`
	ClosedAt  time.Time  `json:"closed_at"`
	Lines     int64      `json:"lines"`    // charges of the period, free ones included
	Adjusted  int64      `json:"adjusted"` // lines that closing has given another tier, or another allowance
}

func (MessageCharged) isEvent()         {}
func (ChargePending) isEvent()          {}
func (ChargeAdjusted) isEvent()         {}
func (BatchRated) isEvent()             {}
func (ChargeDiscrepancyFound) isEvent() {}
func (PeriodClosingRequested) isEvent() {}
func (PeriodClosed) isEvent()           {}
