package messages

import (
	"time"

	"daybook/events/id"
)

// MessageRow is a row of messages. Nil pointers are null, or not yet known.
type MessageRow struct {
	MessageID        id.Message      `db:"message_id,key"`
	ConversationID   id.Conversation `db:"conversation_id,partition"`
	AccountID        *id.Account     `db:"account_id"`
	CustomerID       *id.Customer    `db:"customer_id"`
	Direction        *Direction      `db:"direction"`
	Origin           *Origin         `db:"origin"`
	Kind             *string         `db:"kind"`
	Category         *string         `db:"category"`
	TemplateName     *string         `db:"template_name"`
	TemplateLanguage *string         `db:"template_language"`
	Locale           *string         `db:"locale"`
	CampaignID       *id.Campaign    `db:"campaign_id"`
	DeviceID         *id.Device      `db:"device_id"`
	DeviceName       *string         `db:"device_name"`
	RegistryRevision *uint64         `db:"registry_revision"`
	ReceivedAt       *time.Time      `db:"received_at"`
	QueuedAt         *time.Time      `db:"queued_at"`
	AcceptedAt       *time.Time      `db:"accepted_at"`
	Dispatch         *string         `db:"dispatch_state"`
	Attempt          *int            `db:"dispatch_attempt"`
	RefusalCode      *int            `db:"dispatch_code"`
	Rejection        *string         `db:"dispatch_rejection"`
	NotBefore        *time.Time      `db:"dispatch_not_before"`
	Media            *string         `db:"media"`
	MediaSHA256      *string         `db:"media_sha256"`
	WamidHash        *string         `db:"wamid_hash"`
	SealedFrom       *string         `db:"sealed_from"`
	SealedTo         *string         `db:"sealed_to"`
	SealedContact    *string         `db:"sealed_contact"`
	SealedContent    *string         `db:"sealed_content"`
}

// Direction is who wrote: the customer or the business.
type Direction string

// The directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// Origin is where a message was written.
type Origin string

// The origins.
const (
	FromCustomer  Origin = "customer"
	FromDevice    Origin = "device"
	FromCampaign  Origin = "campaign"
	FromAutomatic Origin = "automatic" // a configured reply or command
	FromEcho      Origin = "echo"      // the platform's own app
	FromImport    Origin = "import"    // the time before the business came here
)

// The states of a message on its way to the platform.
const (
	DispatchStarted  = "started"
	DispatchWaiting  = "waiting" // for the next attempt
	DispatchUnknown  = "unknown" // nobody knows whether the platform took it
	DispatchFailed   = "failed"  // for good
	DispatchAccepted = "accepted"
	DispatchExpired  = "expired" // its life was over
)

// RecipientRow is a row of recipients: how far one message came with one recipient, and what that costs.
type RecipientRow struct {
	MessageID      id.Message      `db:"message_id,key"`
	RecipientID    id.Customer     `db:"recipient_id,key"`
	ConversationID id.Conversation `db:"conversation_id,partition"`
	SentAt         *time.Time      `db:"sent_at"`
	DeliveredAt    *time.Time      `db:"delivered_at"`
	ReadAt         *time.Time      `db:"read_at"`
	PlayedAt       *time.Time      `db:"played_at"`
	FailedAt       *time.Time      `db:"failed_at"`
	FailureCode    *int            `db:"failure_code"`
	ExpiredAt      *time.Time      `db:"expired_at"`
	Late           *bool           `db:"late"`

	ChargeStream       *string    `db:"charge_stream"`
	ChargeRevision     *uint64    `db:"charge_revision"`
	ChargeRecordedAt   *time.Time `db:"charge_recorded_at"`
	ChargeAdjusted     *bool      `db:"charge_adjusted"`
	ChargePending      *string    `db:"charge_pending"`
	ChargeCurrency     *string    `db:"charge_currency"`
	ChargeMicros       *int64     `db:"charge_micros"`
	ChargeBasis        *string    `db:"charge_basis"`
	ChargeExpected     *string    `db:"charge_expected"`
	ChargePolicy       *string    `db:"charge_policy"`
	ChargeDay          *string    `db:"charge_day"`
	ChargeCategory     *string    `db:"charge_category"`
	ChargeMarket       *string    `db:"charge_market"`
	ChargeMarketBasis  *string    `db:"charge_market_basis"`
	ChargeRated        *string    `db:"charge_rated"`
	ChargeCardStream   *string    `db:"charge_card_stream"`
	ChargeCardRevision *uint64    `db:"charge_card_revision"`
	ChargeCardFrom     *string    `db:"charge_card_from"`
	ChargeTier         *int       `db:"charge_tier"`
}

// DeviceRow is a row of devices: a device by the name it has now.
type DeviceRow struct {
	DeviceID   id.Device   `db:"device_id,partition"`
	AccountID  *id.Account `db:"account_id"`
	Name       *string     `db:"name"`
	Kind       *string     `db:"kind"`
	Platform   *string     `db:"platform"`
	LinkedAt   *time.Time  `db:"linked_at"`
	UnlinkedAt *time.Time  `db:"unlinked_at"`
}
