package events

import (
	"time"

	"daybook/events/id"
)

// What the platform tells of messages that were not written here, and of who the customer is.

// MessageEchoed records a message that was written in the platform's own app. The platform does not say by whom, or on
// which device. It opens no window and costs nothing. The sealed fields belong to the fact that has the message's id.
type MessageEchoed struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	PhoneNumberID  string          `json:"phone_number_id"`
	WamidHash      WamidHash       `json:"wamid_hash"`
	Kind           string          `json:"kind"`
	SentAt         time.Time       `json:"sent_at"`
	DeviceID       *id.Device      `json:"device_id,omitempty"` // should the platform ever tell it
	Dialling       Dialling        `json:"dialling,omitzero"`
	Wamid          Sealed          `json:"wamid,omitempty"`   // path "wamid"
	To             Sealed          `json:"to,omitempty"`      // path "to"
	Content        Sealed          `json:"content,omitempty"` // path "content": the platform's message object, whole
}

// MessageImported records a message from the time before the business came here. It opens no window, costs nothing, and
// nothing more is told of it. The sealed fields belong to the fact that has the message's id.
type MessageImported struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	WamidHash      WamidHash       `json:"wamid_hash"`
	Outbound       bool            `json:"outbound,omitempty"`
	Kind           string          `json:"kind"`
	SentAt         time.Time       `json:"sent_at"`
	ImportedAt     time.Time       `json:"imported_at"`
	Status         Status          `json:"status,omitempty"`  // how far it had come
	Wamid          Sealed          `json:"wamid,omitempty"`   // path "wamid"
	Content        Sealed          `json:"content,omitempty"` // path "content": the platform's message object, whole
}

// CustomerIdentified records what the platform, or the business's address book, says of who the customer is. The sealed
// fields belong to the fact FactID.
type CustomerIdentified struct {
	ConversationID id.Conversation `json:"conversation_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	FactID         id.Fact         `json:"fact_id"` // derived from what was told: the same card told again is no news
	At             time.Time       `json:"at"`
	Card           Sealed          `json:"card,omitempty"` // path "card": the platform's contact object, whole
	Name           Sealed          `json:"name,omitempty"` // path "name"
}

// CustomerNumberChanged records that the customer is reached under another number now. The conversation goes on. The
// sealed fields belong to the fact FactID.
type CustomerNumberChanged struct {
	ConversationID id.Conversation `json:"conversation_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	FactID         id.Fact         `json:"fact_id"`
	At             time.Time       `json:"at"`
	Dialling       Dialling        `json:"dialling,omitzero"` // of the new number
	From           Sealed          `json:"from,omitempty"`    // path "from": the old number
	To             Sealed          `json:"to,omitempty"`      // path "to": the new one
}

func (MessageEchoed) isEvent()         {}
func (MessageImported) isEvent()       {}
func (CustomerIdentified) isEvent()    {}
func (CustomerNumberChanged) isEvent() {}
