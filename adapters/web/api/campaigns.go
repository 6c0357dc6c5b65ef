package api

import (
	"time"

	"daybook/events"
	"daybook/events/id"
)

// OnCampaign is what every command to a campaign takes.
type OnCampaign struct {
	OnAccount

	Campaign id.Campaign `path:"campaign" format:"uuid" doc:"The campaign."`
}

// DraftCampaign is what a campaign's messages are.
type DraftCampaign struct {
	PhoneNumberID string              `json:"phone_number_id,omitempty" maxLength:"64" doc:"The business number that writes; the account's first when left out." example:"106540352242922"`
	Name          string              `json:"name" doc:"What the business calls it; 1 to 100 characters." example:"Autumn sale"`
	Template      string              `json:"template" doc:"The name of the template." example:"autumn_offer"`
	Category      string              `json:"category" doc:"marketing or utility." example:"marketing"`
	Locales       []string            `json:"locales" nullable:"false" doc:"The languages that the template has. Customers are written to in theirs, if it is one of them." example:"[\"it\",\"en\"]"`
	DefaultLocale string              `json:"default_locale,omitempty" doc:"The language of all others; may be left out when there is one." example:"it"`
	Parameters    []CampaignParameter `json:"parameters,omitempty" nullable:"false" doc:"What stands in the template's places, in order."`
}

// CampaignParameter is what stands in a place of the template.
type CampaignParameter struct {
	Source   string `json:"source" doc:"text, or customer_name." example:"customer_name"`
	Text     string `json:"text,omitempty" doc:"The text. With text."`
	Fallback string `json:"fallback,omitempty" doc:"What stands there for a customer whose name is not known; without it they are not written to. With customer_name." example:"friend"`
}

// CampaignDrafted answers a draft.
type CampaignDrafted struct {
	Recorded

	ID id.Campaign `json:"id" format:"uuid" doc:"The campaign."`
}

// Audience says whom a campaign is for: a segment of the number's customers, or a list.
type Audience struct {
	Segment    *Segment `json:"segment,omitempty" doc:"Customers whom the number has to do with."`
	Recipients []string `json:"recipients,omitempty" nullable:"false" maxItems:"10000" doc:"Phone numbers with their calling code, or business-scoped user ids. They are sealed before anything is stored."`
}

// Segment is everybody who is in all that it names.
type Segment struct {
	Locales        []string   `json:"locales,omitempty" nullable:"false" doc:"Written to last in one of these languages." example:"[\"it\"]"`
	Markets        []string   `json:"markets,omitempty" nullable:"false" doc:"Written to last in one of these markets." example:"[\"Italy\"]"`
	Prefixes       []string   `json:"prefixes,omitempty" nullable:"false" doc:"With a number that begins so." example:"[\"39\"]"`
	Volumes        []string   `json:"volumes,omitempty" nullable:"false" doc:"Who want as many messages as this: all or fewer." example:"[\"all\"]"`
	OptedIn        bool       `json:"opted_in,omitempty" doc:"Only who opted in to marketing."`
	ContactedSince *time.Time `json:"contacted_since,omitempty" doc:"Only who wrote, or were written to, at this instant or later."`
}

// ScheduleCampaign says when a campaign runs.
type ScheduleCampaign struct {
	StartsAt string    `json:"starts_at" doc:"Local time." example:"2026-12-01T09:00"`
	EndsAt   string    `json:"ends_at,omitempty" doc:"Local time from which nobody is written to any more; seven days later when left out, at most 30." example:"2026-12-03T20:00"`
	Timezone string    `json:"timezone,omitempty" doc:"IANA; the account's when left out." example:"Europe/Rome"`
	DeviceID id.Device `json:"device_id" format:"uuid" doc:"The device that this is decided on: the messages are its."`
}

// Budget is how much a campaign may spend.
type Budget struct {
	Limit    string `json:"limit" doc:"In units of the currency." example:"150.00"`
	Currency string `json:"currency" doc:"The account's currency." example:"EUR"`
}

// Campaign is a campaign as it stands.
type Campaign struct {
	ID            id.Campaign     `json:"id" format:"uuid"`
	Name          string          `json:"name"`
	PhoneNumberID string          `json:"phone_number_id"`
	Template      string          `json:"template"`
	Category      events.Category `json:"category"`
	Phase         string          `json:"phase" doc:"drafted, approved, running, paused, cancelled or completed." example:"running"`
	PausedFor     string          `json:"paused_for,omitempty" doc:"While it is paused: owner, template or platform."`
	Segment       string          `json:"segment,omitempty" doc:"How the audience was chosen: a segment in JSON, or list."`
	Recipients    int64           `json:"recipients"`
	StartsAt      *time.Time      `json:"starts_at,omitempty"`
	EndsAt        *time.Time      `json:"ends_at,omitempty"`
	Timezone      string          `json:"timezone,omitempty"`
	DeviceName    string          `json:"device_name,omitempty" doc:"What the device was called on which it was scheduled."`
	StartedAt     *time.Time      `json:"started_at,omitempty"`
	Limit         *Money          `json:"limit,omitempty" doc:"The budget."`
	Spent         *Money          `json:"spent,omitempty" doc:"What delivered messages cost."`
	Reserved      *Money          `json:"reserved,omitempty" doc:"What is held for messages whose fate is not known."`
}

// Campaigns are all campaigns of an account.
type Campaigns struct {
	Campaigns []Campaign           `json:"campaigns" nullable:"false" doc:"Those that start last come first."`
	Positions []ProjectionPosition `json:"positions" nullable:"false" doc:"How far each projection was that this was read from."`
}

// CampaignFigures is a campaign and what became of its recipients.
type CampaignFigures struct {
	Campaign

	Markets   []CampaignMarket     `json:"markets" nullable:"false" doc:"By the recipients' market."`
	Skipped   []CampaignSkip       `json:"skipped" nullable:"false" doc:"Recipients who were not written to, by reason."`
	Positions []ProjectionPosition `json:"positions" nullable:"false" doc:"How far each projection was that this was read from."`
}

// CampaignMarket is what became of messages to a market, and what they cost.
type CampaignMarket struct {
	Market    string `json:"market" doc:"Empty when no rate card told." example:"Italy"`
	Written   int64  `json:"written"`
	Sent      int64  `json:"sent"`
	Delivered int64  `json:"delivered"`
	Read      int64  `json:"read"`
	Failed    int64  `json:"failed" doc:"Also what reached the recipient all the same."`
	Expired   int64  `json:"expired"`
	Charged   int64  `json:"charged" doc:"Messages that were charged, free ones included."`
	Cost      Money  `json:"cost"`
}

// CampaignSkip is how many recipients were not written to for a reason.
type CampaignSkip struct {
	Reason     string `json:"reason" doc:"no_opt_in, opted_out, blocked, volume, no_name, no_rate, erased, budget, ended or unsendable." example:"opted_out"`
	Recipients int64  `json:"recipients"`
}
