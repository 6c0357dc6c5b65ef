package events

import (
	"time"

	"daybook/events/id"
	"daybook/events/money"
)

// CampaignDrafted begins a campaign: one template to a whole audience (S17). A later one replaces what it says, until the
// campaign is approved.
type CampaignDrafted struct {
	CampaignID    id.Campaign         `json:"campaign_id"`
	AccountID     id.Account          `json:"account_id"`
	PhoneNumberID string              `json:"phone_number_id"`
	Name          string              `json:"name"`
	Template      string              `json:"template"`
	Category      Category            `json:"category"` // marketing or utility
	Locales       []string            `json:"locales"`  // languages that the template has, in order of preference
	DefaultLocale string              `json:"default_locale"`
	Parameters    []CampaignParameter `json:"parameters,omitempty"` // in order of place
}

// CampaignParameter is what stands in the place of {{Place}} in each copy (S13): a text, or the customer's name. Where a
// name is not known the copy has the fallback instead, or is not written at all if there is none.
type CampaignParameter struct {
	Place    int             `json:"place"` // from 1
	Source   ParameterSource `json:"source"`
	Text     string          `json:"text,omitempty"`     // of a constant
	Fallback string          `json:"fallback,omitempty"` // of a name
}

// ParameterSource is where a parameter comes from.
type ParameterSource string

// The sources.
const (
	ParameterText ParameterSource = "text"          // the same in all copies
	ParameterName ParameterSource = "customer_name" // as the customer is called on the platform
)

// AudienceTaken is a chunk of an audience, as it was when that was taken. Customers are in order of their ids, over all
// chunks, and nobody is in it twice. It stands in the chunk's own stream.
type AudienceTaken struct {
	CampaignID id.Campaign `json:"campaign_id"`
	AudienceID id.Audience `json:"audience_id"`
	Chunk      int         `json:"chunk"` // from 0
	Recipients []Recipient `json:"recipients"`
	SHA256     string      `json:"sha256"` // of the recipients' clear fields, a line each; see campaign.Digest
}

// Recipient is a customer of an audience. What is sealed is carried as it was found, with what it belongs to.
type Recipient struct {
	CustomerID id.Customer `json:"customer_id"`
	Dialling   Dialling    `json:"dialling,omitzero"`
	Locale     string      `json:"locale,omitempty"` // the customer's language, if it is known
	To         Found       `json:"to"`
	Name       *Found      `json:"name,omitempty"` // nil: not known
}

// Found is a sealed value out of another fact.
type Found struct {
	FactID id.Fact `json:"fact_id"`
	Path   string  `json:"path"`
	Sealed Sealed  `json:"sealed"`
}

// AudienceSet says who the campaign is for: all that its chunks list under this audience.
type AudienceSet struct {
	CampaignID id.Campaign `json:"campaign_id"`
	AudienceID id.Audience `json:"audience_id"`
	Segment    string      `json:"segment"` // how it was chosen: the query in canonical JSON, or "list"
	Recipients int         `json:"recipients"`
	Chunks     int         `json:"chunks"`
	SHA256     string      `json:"sha256"` // of the chunks' digests in order
	TakenAt    time.Time   `json:"taken_at"`
}

// CampaignScheduled says when the campaign starts and when it ends at the latest (S12), and on which device that was
// decided: its messages are that device's.
type CampaignScheduled struct {
	CampaignID       id.Campaign `json:"campaign_id"`
	LocalTime        string      `json:"local_time"` // as it was wanted, "2026-12-01T09:00:00"
	Timezone         string      `json:"timezone"`   // IANA; what it was wanted in
	StartsAt         time.Time   `json:"starts_at"`
	EndsAt           time.Time   `json:"ends_at"` // nobody is written to from then on
	DeviceID         id.Device   `json:"device_id"`
	DeviceName       string      `json:"device_name"`
	RegistryRevision uint64      `json:"registry_revision"`
}

// BudgetSet says how much a campaign may spend, in the account's currency (S16). It may be raised while the campaign runs.
type BudgetSet struct {
	CampaignID id.Campaign  `json:"campaign_id"`
	Limit      money.Amount `json:"limit"`
	Running    bool         `json:"running,omitempty"` // the campaign has started: no approval is taken back
}

// CampaignApproved lets the campaign start when it is due. What it is approved as cannot be changed any more.
type CampaignApproved struct {
	CampaignID id.Campaign `json:"campaign_id"`
}

// CampaignStarted says that the first message may be written.
type CampaignStarted struct {
	CampaignID id.Campaign `json:"campaign_id"`
	StartedAt  time.Time   `json:"started_at"`
}

// CampaignPaused says that nobody is written to until the campaign is resumed. What was written already is sent on.
type CampaignPaused struct {
	CampaignID id.Campaign `json:"campaign_id"`
	Reason     PauseReason `json:"reason"`
}

// PauseReason is why a campaign is paused.
type PauseReason string

// The reasons.
const (
	PausedByOwner    PauseReason = "owner"
	PausedByTemplate PauseReason = "template" // the platform stopped the template
	PausedByPlatform PauseReason = "platform" // the platform restricted the account
)

// CampaignResumed ends a pause.
type CampaignResumed struct {
	CampaignID id.Campaign `json:"campaign_id"`
}

// CampaignCancelled ends a campaign for good. What was written already is sent on, and charged.
type CampaignCancelled struct {
	CampaignID id.Campaign `json:"campaign_id"`
}

// BudgetReserved holds what the next recipients of a chunk cost at most, before they are written to: each the highest
// rate in force within the life of a message.
type BudgetReserved struct {
	CampaignID id.Campaign    `json:"campaign_id"`
	Chunk      int            `json:"chunk"`
	From       int            `json:"from"` // of the chunk's recipients
	To         int            `json:"to"`   // the first that is not among them
	Amount     money.Amount   `json:"amount"`
	Rates      []ReservedRate `json:"rates,omitempty"` // in order of market
	// Recipients tells which of the rates, from 1, is held for each of the recipients; 0 for those whom no rate card prices,
	// who are not written to.
	Recipients []int `json:"recipients"`
}

// ReservedRate is what is held for each recipient of a market.
type ReservedRate struct {
	Market string `json:"market"`
	Micros int64  `json:"micros"`
}

// BudgetExhausted says that the money does not suffice for the next recipient. The campaign goes on as soon as it does:
// when something that was held becomes free, or the budget is raised.
type BudgetExhausted struct {
	CampaignID id.Campaign  `json:"campaign_id"`
	Chunk      int          `json:"chunk"`
	From       int          `json:"from"` // of the chunk's recipients: nobody from here on
	Spent      money.Amount `json:"spent"`
	Reserved   money.Amount `json:"reserved"`
	Limit      money.Amount `json:"limit"`
}

// RecipientsWritten says what became of the recipients that money was reserved for, one outcome each. It stands in the
// chunk's own stream.
type RecipientsWritten struct {
	CampaignID id.Campaign        `json:"campaign_id"`
	Chunk      int                `json:"chunk"`
	From       int                `json:"from"`
	Outcomes   []RecipientOutcome `json:"outcomes"`
}

// RecipientOutcome is the message that was written to a recipient, or why there is none.
type RecipientOutcome struct {
	MessageID *id.Message `json:"message_id,omitempty"`
	Skipped   SkipReason  `json:"skipped,omitempty"`
}

// SkipReason is why a recipient is not written to.
type SkipReason string

// The reasons. Consent is looked at when the message is written, not when the audience is taken.
const (
	SkipNoOptIn    SkipReason = "no_opt_in"
	SkipOptedOut   SkipReason = "opted_out"
	SkipBlocked    SkipReason = "blocked"
	SkipVolume     SkipReason = "volume"
	SkipNoName     SkipReason = "no_name"    // and no fallback
	SkipNoRate     SkipReason = "no_rate"    // no rate card tells what it would cost
	SkipErased     SkipReason = "erased"     // the number cannot be opened any more
	SkipBudget     SkipReason = "budget"     // the campaign ended before there was money
	SkipEnded      SkipReason = "ended"      // the campaign ended before
	SkipUnsendable SkipReason = "unsendable" // the template cannot be sent in this language
)

// SkipCount counts recipients by the reason that they were not written to.
type SkipCount struct {
	Reason SkipReason `json:"reason"`
	Count  int        `json:"count"`
}

// ReservationUsed condenses RecipientsWritten: it ends the reservation of the same recipients. What was held for those who
// were not written to is free.
type ReservationUsed struct {
	CampaignID id.Campaign  `json:"campaign_id"`
	Chunk      int          `json:"chunk"`
	From       int          `json:"from"`
	To         int          `json:"to"`
	Written    int          `json:"written"`
	Skipped    []SkipCount  `json:"skipped,omitempty"` // in order of reason
	Released   money.Amount `json:"released"`
}

// CampaignCharged condenses what one BatchRated of a billing period means for a campaign.
type CampaignCharged struct {
	CampaignID id.Campaign    `json:"campaign_id"`
	Source     Ref            `json:"source"` // the BatchRated
	Charged    int            `json:"charged"`
	Amount     money.Amount   `json:"amount"`  // corrections of earlier charges included
	Held       money.Amount   `json:"held"`    // of reservations, which these charges take the place of
	Markets    []MarketAmount `json:"markets"` // in order of market
}

// MarketAmount is what messages to a market cost (S15).
type MarketAmount struct {
	Market  string `json:"market"`
	Charged int    `json:"charged"`
	Micros  int64  `json:"micros"`
}

// OutcomesCounted condenses which of a campaign's messages reached nobody, since the last one: what was held for them is
// free. It names nobody. Those that were delivered are condensed by CampaignCharged.
type OutcomesCounted struct {
	CampaignID id.Campaign  `json:"campaign_id"`
	Source     Ref          `json:"source"` // the last fact that was counted, in log order: counting goes on after it
	Failed     int          `json:"failed,omitempty"`
	Expired    int          `json:"expired,omitempty"`
	Released   money.Amount `json:"released"` // what was held for them
}

// CampaignCompleted says that nobody is left to be written to.
type CampaignCompleted struct {
	CampaignID id.Campaign `json:"campaign_id"`
	Written    int         `json:"written"`
	Skipped    []SkipCount `json:"skipped,omitempty"` // in order of reason
	// Rest is who among them was not decided on before the end.
	Rest *SkipCount `json:"rest,omitempty"`
}

func (CampaignDrafted) isEvent()   {}
func (AudienceTaken) isEvent()     {}
func (AudienceSet) isEvent()       {}
func (CampaignScheduled) isEvent() {}
func (BudgetSet) isEvent()         {}
func (CampaignApproved) isEvent()  {}
func (CampaignStarted) isEvent()   {}
func (CampaignPaused) isEvent()    {}
func (CampaignResumed) isEvent()   {}
func (CampaignCancelled) isEvent() {}
func (BudgetReserved) isEvent()    {}
func (BudgetExhausted) isEvent()   {}
func (RecipientsWritten) isEvent() {}
func (ReservationUsed) isEvent()   {}
func (CampaignCharged) isEvent()   {}
func (OutcomesCounted) isEvent()   {}
func (CampaignCompleted) isEvent() {}
