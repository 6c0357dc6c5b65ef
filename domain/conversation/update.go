package conversation

import (
	"time"

	"daybook/events"
	"daybook/events/id"
)

// IDOf returns the id of the conversation between a business number and a customer.
func IDOf(phoneNumberID string, customer id.Customer) id.Conversation {
	return id.Derive[id.Conversation]("conversation", phoneNumberID, customer.String())
}

// Stream names the conversation's stream.
func Stream(conversation id.Conversation) string { return "conversation-" + conversation.String() }

// InboundID returns the id of the message that the platform's id stands for: an inbound message has no other id.
func InboundID(wamid events.WamidHash) id.Message {
	return id.Derive[id.Message]("message", string(wamid))
}

// StatusFactID returns the id of the fact that a status is told: the same however often the platform tells it.
func StatusFactID(wamid events.WamidHash, status events.Status, recipient id.Customer) id.Fact {
	return id.Derive[id.Fact]("status", string(wamid), string(status), recipient.String())
}

// Update is one thing that the platform tells about a conversation: an Inbound or a StatusUpdate.
// JSON leaves out sealed fields: it is what request digests are taken over.
type Update interface{ isUpdate() }

// Inbound is a customer's message. Its sealed fields belong to the fact that has the message's id.
type Inbound struct {
	MessageID id.Message // InboundID(WamidHash)
	WamidHash events.WamidHash
	Kind      string    // the platform's type
	SentAt    time.Time // the platform's clock
	ReplyTo   events.WamidHash
	Referral  string // source type: "ad", "post" or empty
	Dialling  events.Dialling
	Wamid     events.Sealed `json:"-"`
	From      events.Sealed `json:"-"`
	Contact   events.Sealed `json:"-"`
	Content   events.Sealed `json:"-"`
}

// StatusUpdate is a step in the life of a message of ours, for one recipient. Raw belongs to the fact FactID.
type StatusUpdate struct {
	MessageID   id.Message
	RecipientID id.Customer
	FactID      id.Fact // StatusFactID of the platform's message id
	Status      events.Status
	At          time.Time // the platform's clock, whole seconds
	Pricing     *events.Pricing
	Origin      *events.Origin
	Errors      []events.PlatformError
	Raw         events.Sealed `json:"-"`
}

func (Inbound) isUpdate()      {}
func (StatusUpdate) isUpdate() {}

// Send is the command to write a message to a customer. Kind is "text" (free-form; Category empty or service) or
// "template" (Category marketing, utility or authentication; Template set). Its sealed fields belong to the fact that
// has the message's id.
type Send struct {
	Account       id.Account
	PhoneNumberID string
	CustomerID    id.Customer
	MessageID     id.Message
	DeviceID      id.Device
	Kind          string
	Category      events.Category
	Template      *events.Template
	Dialling      events.Dialling
	To            events.Sealed `json:"-"`
	Content       events.Sealed `json:"-"`
}

// Sender is the device a message is written on, as the registry has it at that moment, and the recipient's market, as
// the rate card in force has it; empty when no card tells.
type Sender struct {
	DeviceID         id.Device
	Name             string
	RegistryRevision uint64
	Market           string
}

// Party is between whom a conversation is.
type Party struct {
	Conversation  id.Conversation
	Account       id.Account
	PhoneNumberID string
	Customer      id.Customer
}

// Accept binds the platform's id to a message that was queued.
type Accept struct {
	Conversation id.Conversation
	Message      id.Message
	WamidHash    events.WamidHash
	Wamid        events.Sealed `json:"-"`
}
