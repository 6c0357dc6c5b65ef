package events

import (
	"time"

	"daybook/events/id"
)

// ConversationCarriedForward closes a book of a conversation and, word for word, opens the next: it is the last event of
// one stream and the first of another. It says all that decisions need of what was before.
type ConversationCarriedForward struct {
	ConversationID id.Conversation `json:"conversation_id"`
	AccountID      id.Account      `json:"account_id"`
	PhoneNumberID  string          `json:"phone_number_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	Book           int             `json:"book"`   // the one it opens, from 1
	Events         uint64          `json:"events"` // before it, in all books
	ClosedAt       time.Time       `json:"closed_at"`

	WindowUntil     *time.Time  `json:"window_until,omitempty"`
	AnsweredAt      *time.Time  `json:"answered_at,omitempty"`
	WaitingSince    *time.Time  `json:"waiting_since,omitempty"`
	AdMessageID     *id.Message `json:"ad_message_id,omitempty"` // came from an ad, and is not answered yet
	AdAskedAt       *time.Time  `json:"ad_asked_at,omitempty"`
	EntryPoint      *EntryPoint `json:"entry_point,omitempty"`
	Consent         Consent     `json:"consent,omitzero"`
	IdentifiedBy    *id.Fact    `json:"identified_by,omitempty"`
	IdentifiedAt    *time.Time  `json:"identified_at,omitempty"`
	NumberChangedAt *time.Time  `json:"number_changed_at,omitempty"`

	// Open is the messages of which more may be told or done, whole: those of the last 31 days, and those of which anything
	// was told in the last 8. What is told of an older
	// one is looked up in its book.
	Open      []OpenMessage          `json:"open,omitempty"`
	Received  []ReceivedMessage      `json:"received,omitempty"`  // of the last 8 days: the platform repeats for at most 7
	Platform  []PlatformConversation `json:"platform,omitempty"`  // those whose messages are open
	Campaigns []id.Campaign          `json:"campaigns,omitempty"` // that wrote to this customer: never a second message
	Commands  []PastCommand          `json:"commands,omitempty"`  // that may be repeated
}

// Consent is all that a customer has said of the messages to be sent.
type Consent struct {
	Choices     []Choice   `json:"choices,omitempty"` // the newest by category
	Blocked     bool       `json:"blocked,omitempty"`
	Level       Volume     `json:"level,omitempty"`
	Categories  []Category `json:"categories,omitempty"`
	LevelAt     *time.Time `json:"level_at,omitempty"`
	MarketingAt *time.Time `json:"marketing_at,omitempty"` // when marketing was written last
}

// Choice is what a customer said of a category last.
type Choice struct {
	Category Category  `json:"category"`
	Wanted   bool      `json:"wanted"`
	At       time.Time `json:"at"`
}

// OpenMessage is a message of ours as far as decisions need it.
type OpenMessage struct {
	MessageID id.Message    `json:"message_id"`
	Sending   Sending       `json:"sending"`
	Wamid     *id.Message   `json:"wamid,omitempty"` // stands for the platform's id that it is bound to
	Accepted  bool          `json:"accepted,omitempty"`
	Echoed    bool          `json:"echoed,omitempty"`
	Ended     bool          `json:"ended,omitempty"` // failed for good, or expired, before any status
	Dispatch  *Dispatch     `json:"dispatch,omitempty"`
	Platform  *id.Message   `json:"platform,omitempty"` // stands for the platform\'s conversation that it belongs to
	Receipts  []ReceiptTold `json:"receipts,omitempty"`
}

// Dispatch is how far a message is on its way to the platform.
type Dispatch struct {
	State     string     `json:"state"` // started, unknown, waiting
	Attempt   int        `json:"attempt"`
	NotBefore *time.Time `json:"not_before,omitempty"`
}

// ReceiptTold is what the platform told of a message and one recipient.
type ReceiptTold struct {
	RecipientID id.Customer `json:"recipient_id"`
	Steps       []StepTold  `json:"steps"`
	FirstAt     *time.Time  `json:"first_at,omitempty"`
	Pricing     *Pricing    `json:"pricing,omitempty"`
}

// StepTold is one status of a receipt.
type StepTold struct {
	Status Status    `json:"status"`
	At     time.Time `json:"at"`
	Worded bool      `json:"worded,omitempty"` // it came with a word on the price
}

// ReceivedMessage is a message that may be told again.
type ReceivedMessage struct {
	MessageID id.Message `json:"message_id"`
	SentAt    time.Time  `json:"sent_at"`
}

// PlatformConversation is one that the platform priced as a whole, and the message that opened it.
type PlatformConversation struct {
	Platform id.Message `json:"platform"`
	OpenerID id.Message `json:"opener_id"`
}

// PastCommand is a command that may be repeated, and where its last event is.
type PastCommand struct {
	Command  id.Command `json:"command"`
	Digest   string     `json:"digest"`
	Book     int        `json:"book"`
	Revision uint64     `json:"revision"`
}

// MessageRecalled brings a message into the book in use because something is told of it that its own book is too old for.
type MessageRecalled struct {
	OpenMessage

	ConversationID id.Conversation `json:"conversation_id"`
}

func (ConversationCarriedForward) isEvent() {}
func (MessageRecalled) isEvent()            {}
