package events

import (
	"strings"
	"time"

	"daybook/events/id"
)

// Entry is how a conversation began.
type Entry string

// Ways in. The platform confirms click-to-message and ad entries by a referral.
const (
	EntryInbound  Entry = "inbound"  // the customer wrote first
	EntryAd       Entry = "ad"       // from a click-to-message ad
	EntryPost     Entry = "post"     // from a click-to-message post or page
	EntryBusiness Entry = "business" // the business wrote first
	EntryConsent  Entry = "consent"  // the customer chose what to receive before any message (S24)
)

// Category sets the price class of an outbound message.
type Category string

// Categories that a business may send under. Service is every free-form message.
const (
	Marketing      Category = "marketing"
	Utility        Category = "utility"
	Authentication Category = "authentication"
	Service        Category = "service"
)

// WamidHash stands for the platform's message id, which encodes the phone number: its HMAC under the installation's
// permanent key, with a prefix that names the key ("w1:…").
type WamidHash string

// CampaignRef says for which campaign a message was written, and what its budget holds for the message until the outcome
// is known. That ends once: with the first fact that tells of a delivery, whose charge takes its place, or, if it comes
// before, the first that tells of a failure or the end of the message's life, which frees it. That fact says what was held;
// a failure after a delivery, and everything after what freed it, says that nothing is.
type CampaignRef struct {
	CampaignID id.Campaign `json:"campaign_id"`
	Chunk      int         `json:"chunk"`    // of the audience, from 0
	Reserved   int64       `json:"reserved"` // micro-units of the account's currency
}

// Intent is what a customer's message asks for besides an answer. It is found at the edge, before the text is sealed; most
// messages ask for nothing else.
type Intent string

// What a message can ask for.
const (
	IntentStop    Intent = "stop"    // no marketing any more
	IntentStart   Intent = "start"   // marketing again
	IntentReport  Intent = "report"  // this is spam
	IntentCommand Intent = "command" // one of the account's configured commands
)

// ConversationStarted opens the history of one business number and one customer.
type ConversationStarted struct {
	ConversationID id.Conversation `json:"conversation_id"`
	AccountID      id.Account      `json:"account_id"`
	PhoneNumberID  string          `json:"phone_number_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	Entry          Entry           `json:"entry"`
}

// MessageReceived records a customer's message. It opens or extends the service window.
// The sealed fields belong to the fact that has the message's id.
type MessageReceived struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	WamidHash      WamidHash       `json:"wamid_hash"`
	Kind           string          `json:"kind"` // the platform's type: text, image, reaction, …
	SentAt         time.Time       `json:"sent_at"`
	WindowUntil    time.Time       `json:"window_until"`       // end of the service window, inclusive
	ReplyTo        WamidHash       `json:"reply_to,omitempty"` // the message this one answers
	Referral       string          `json:"referral,omitempty"` // source type: "ad" or "post"
	Intent         Intent          `json:"intent,omitempty"`
	Command        string          `json:"command,omitempty"` // the configured command that was typed
	Media          string          `json:"media,omitempty"`   // image, video, …: the platform holds a file that is to be fetched
	Dialling       Dialling        `json:"dialling,omitzero"` // what pricing may know of the number
	Wamid          Sealed          `json:"wamid,omitempty"`   // path "wamid"
	From           Sealed          `json:"from,omitempty"`    // path "from"
	Contact        Sealed          `json:"contact,omitempty"` // path "contact": the platform's contact object, whole
	Content        Sealed          `json:"content,omitempty"` // path "content": the platform's message object, whole
}

// MessageQueued records that a message was written, by which device, and what that device was called at that moment. A
// campaign's messages name the device that launched it; an automatic one was written on none, and its device is zero.
type MessageQueued struct {
	ConversationID   id.Conversation `json:"conversation_id"`
	MessageID        id.Message      `json:"message_id"`
	CustomerID       id.Customer     `json:"customer_id"`
	DeviceID         id.Device       `json:"device_id"`
	DeviceName       string          `json:"device_name"`       // the name at this moment (S7)
	RegistryRevision uint64          `json:"registry_revision"` // of devices-{account}, which proves the name
	Kind             string          `json:"kind"`              // text, template, image, interactive or structured
	Category         Category        `json:"category"`
	Template         *Template       `json:"template,omitempty"`
	Locale           string          `json:"locale,omitempty"` // the language it was written in, where it has several
	QueuedAt         time.Time       `json:"queued_at"`
	WindowUntil      *time.Time      `json:"window_until,omitempty"` // the service window it was written in, if open
	// EntryPointUntil is the end, inclusive, of the free entry point window that it was written in, or opened.
	EntryPointUntil *time.Time `json:"entry_point_until,omitempty"`
	// AnswersSince is when the customer had written first without an answer, if this is the answer.
	AnswersSince *time.Time   `json:"answers_since,omitempty"`
	Market       string       `json:"market,omitempty"` // the recipient's, on the rate card in force; empty when no card tells
	Campaign     *CampaignRef `json:"campaign,omitempty"`
	Automatic    string       `json:"automatic,omitempty"` // the configured reply or command that wrote it
	Notice       bool         `json:"notice,omitempty"`    // it tells the recipient that it is marketing (S18)
	Dialling     Dialling     `json:"dialling,omitzero"`
	To           Sealed       `json:"to,omitempty"`      // path "to"
	Content      Sealed       `json:"content,omitempty"` // path "content": the text, or the template's parameters
}

// Template names an approved template; its parameters are personal and sealed.
type Template struct {
	Name     string `json:"name"`
	Language string `json:"language"`
}

// MessageAccepted binds the platform's id to a queued message. Accepted is not sent: the platform may still refuse.
// It says again who receives the message through which number, so that a status finds its way by this fact alone.
type MessageAccepted struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	PhoneNumberID  string          `json:"phone_number_id"`
	WamidHash      WamidHash       `json:"wamid_hash"`
	AcceptedAt     time.Time       `json:"accepted_at"`
	// Held is why the platform does not send it on yet: held_for_quality_assessment or paused.
	Held       string `json:"held,omitempty"`
	Reconciled bool   `json:"reconciled,omitempty"` // learnt from a status: the platform's answer itself never came
	Wamid      Sealed `json:"wamid,omitempty"`      // path "wamid"
}

// StatusFact is what the four steps of a message's life share. Each is recorded at most once per message and
// recipient, in whatever order the platform tells them.
type StatusFact struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	RecipientID    id.Customer     `json:"recipient_id"`
	FactID         id.Fact         `json:"fact_id"` // what Raw belongs to
	At             time.Time       `json:"at"`      // the platform's clock, whole seconds
	Pricing        *Pricing        `json:"pricing,omitempty"`
	Origin         *Origin         `json:"origin,omitempty"`
	// Sending, Delivery and ShowsSent are of messages that were written here: what was written elsewhere is neither charged
	// nor counted.
	Sending  Sending   `json:"sending,omitzero"`
	Delivery *Delivery `json:"delivery,omitempty"` // when this fact changes what is known of it
	// ShowsSent says that this is the first fact recorded of the message and recipient by which the platform sent it on:
	// sent, or what comes after it. Failed alone does not show that.
	ShowsSent bool   `json:"shows_sent,omitempty"`
	Raw       Sealed `json:"raw,omitempty"` // path "raw": the platform's status object, whole
}

// Sending is what the message was when it was written. Every status says it again, so that rating and analytics need no
// other fact beside it. For one participant of a group, the dialling is the participant's.
type Sending struct {
	PhoneNumberID   string       `json:"phone_number_id"`
	DeviceID        id.Device    `json:"device_id"`
	Category        Category     `json:"category"`
	QueuedAt        time.Time    `json:"queued_at"`
	WindowUntil     *time.Time   `json:"window_until,omitempty"`
	EntryPointUntil *time.Time   `json:"entry_point_until,omitempty"`
	Market          string       `json:"market,omitempty"`
	Campaign        *CampaignRef `json:"campaign,omitempty"`
	Dialling        Dialling     `json:"dialling,omitzero"`
}

// Delivery is all that is known of a message's delivery to a recipient: what is billed. It does not depend on the order
// in which the platform told it.
type Delivery struct {
	// At is the time of the delivered status; while the platform has told none, the earlier of read and played.
	At       time.Time `json:"at"`
	Inferred bool      `json:"inferred,omitempty"` // from read or played
	// Pricing is the platform's word: of the delivered status, else of read, played, sent, in this order.
	Pricing *Pricing `json:"pricing,omitempty"`
	// FirstAt is what At was when the delivery was first known, which decides the billing period; nil when that is now.
	FirstAt *time.Time `json:"first_at,omitempty"`
	// Within is the message that opened the platform's conversation which this one belongs to, where the platform prices
	// by conversation (until 2025-06-30); nil for that message itself.
	Within *id.Message `json:"within,omitempty"`
	// Late says that the message was delivered after its life, when it counted as lost. It is charged all the same.
	Late bool `json:"late,omitempty"`
}

// Life is how long the platform tries to deliver a message of a category.
func (c Category) Life() time.Duration {
	if c == Authentication {
		return 10 * time.Minute
	}
	return 30 * 24 * time.Hour
}

// Pricing is the platform's word on a message's price class. It never carries an amount.
type Pricing struct {
	Billable *bool  `json:"billable,omitempty"` // being withdrawn by the platform: Type and Category decide
	Model    string `json:"model,omitempty"`    // CBP or PMP
	Type     string `json:"type,omitempty"`     // regular, free_customer_service, free_entry_point, …
	Category string `json:"category,omitempty"`
}

// Origin is the platform's conversation object, present before Graph v24 and inside a free entry point window.
type Origin struct {
	PlatformID string     `json:"platform_id,omitempty"`
	Type       string     `json:"type,omitempty"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
}

// The steps of a message's life. Read implies delivered when the platform skips delivered.
type (
	// MessageSent says the platform sent it on.
	MessageSent struct{ StatusFact }
	// MessageDelivered says it reached a device of the recipient. At most one per message and recipient, for ever.
	MessageDelivered struct{ StatusFact }
	// MessageRead says the recipient opened it.
	MessageRead struct{ StatusFact }
	// MessagePlayed says the recipient played a voice message.
	MessagePlayed struct{ StatusFact }
	// MessageFailed says the platform gave up for this recipient. It may come before or after a delivery to another of
	// the recipient's devices; a delivery, told at any time, outranks it.
	MessageFailed struct {
		StatusFact

		Errors []PlatformError `json:"errors,omitempty"`
	}
)

// PlatformError is one error by the platform's code. Its words may name people, and are in the sealed status only.
type PlatformError struct {
	Code int `json:"code"`
}

// Status is a step in a message's life, by the platform's word for it.
type Status string

// The statuses, in rising rank; failed stands apart.
const (
	StatusSent      Status = "sent"
	StatusDelivered Status = "delivered"
	StatusRead      Status = "read"
	StatusPlayed    Status = "played"
	StatusFailed    Status = "failed"
)

// StatusTimeCorrected says that the platform repeated a status with an earlier time: the earlier one counts.
type StatusTimeCorrected struct {
	StatusFact

	Status     Status    `json:"status"`
	PreviousAt time.Time `json:"previous_at"`
}

// PricingTold says that the platform repeated a status with a word on its price that it had not given before.
type PricingTold struct {
	StatusFact

	Status Status `json:"status"`
}

func (ConversationStarted) isEvent() {}
func (MessageReceived) isEvent()     {}
func (MessageQueued) isEvent()       {}
func (MessageAccepted) isEvent()     {}
func (MessageSent) isEvent()         {}
func (MessageDelivered) isEvent()    {}
func (MessageRead) isEvent()         {}
func (MessagePlayed) isEvent()       {}
func (MessageFailed) isEvent()       {}
func (StatusTimeCorrected) isEvent() {}
func (PricingTold) isEvent()         {}

// ConversationOf reads the conversation from the name of one of its streams: conversation-{id}, and conversation-{id}-{n} for
// its further books.
func ConversationOf(stream string) (id.Conversation, bool) {
	name, found := strings.CutPrefix(stream, "conversation-")
	const size = len("00000000-0000-0000-0000-000000000000")
	if !found || len(name) > size && name[size] != '-' {
		return id.Conversation{}, false
	}
	conversation, err := id.Parse[id.Conversation](name[:min(size, len(name))])
	return conversation, err == nil
}
