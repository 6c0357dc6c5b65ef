package conversation

import (
	"daybook/events"
	"daybook/events/id"
)

// IDOf returns the id of the conversation between a business number and a customer.
func IDOf(phoneNumberID string, customer id.Customer) id.Conversation {
	return id.Derive[id.Conversation]("conversation", phoneNumberID, customer.String())
}

// Stream names the stream of the conversation's first book.
func Stream(conversation id.Conversation) string { return "conversation-" + conversation.String() }

// InboundID returns the id of the message that the platform's id stands for: an inbound message has no other id.
func InboundID(wamid events.WamidHash) id.Message {
	return id.Derive[id.Message]("message", string(wamid))
}

// StatusFactID returns the id of the fact that a status is told: the same however often the platform tells it.
func StatusFactID(wamid events.WamidHash, status events.Status, recipient id.Customer) id.Fact {
	return id.Derive[id.Fact]("status", string(wamid), string(status), recipient.String())
}

// Send is the command to write a message to a customer. Kind is text, image, interactive or structured (free-form; Category
// empty or service) or "template" (Category marketing, utility or authentication; Template set). Its sealed fields belong to
// the fact that has the message's id.
type Send struct {
	Account       id.Account
	PhoneNumberID string
	CustomerID    id.Customer
	MessageID     id.Message
	DeviceID      id.Device
	Kind          string
	Category      events.Category
	Template      *events.Template
	Locale        string              `json:"locale,omitempty"`
	Campaign      *events.CampaignRef `json:"campaign,omitempty"`
	Automatic     string              `json:"automatic,omitempty"` // the configured reply or command that writes it; its device is zero
	Notice        bool                `json:"notice,omitempty"`    // it tells the recipient that it is marketing
	Dialling      events.Dialling
	To            events.Sealed `json:"-"`
	Content       events.Sealed `json:"-"`
}

// bySystem tells that no person writes the message at this moment. It answers nobody, and is recognised by its own id.
func (c Send) bySystem() bool { return c.Campaign != nil || c.Automatic != "" }

// Sender is the device a message is written on, as the registry has it at that moment, and the recipient's market, as
// the rate card in force has it; empty when no card tells.
type Sender struct {
	DeviceID         id.Device
	Name             string
	RegistryRevision uint64
	Market           string
	LateReplies      bool // whether prices of the day allow free-form text after the service window, for a fee
}

// Party is between whom a conversation is.
type Party struct {
	Conversation  id.Conversation
	Account       id.Account
	PhoneNumberID string
	Customer      id.Customer
}
