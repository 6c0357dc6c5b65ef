package conversation

import (
	"time"

	"daybook/events"
	"daybook/events/id"
)

// Update is one thing that the platform tells about a conversation: one of the types below. An account that is a stranger to
// the customer is told of in the same way: the conversation starts with it.
// JSON leaves out sealed fields: it is what request digests are taken over.
type Update interface {
	// Events is how many events the update becomes at most, besides the conversation's first.
	Events() int
}

// Inbound is a customer's message. Its sealed fields belong to the fact that has the message's id.
type Inbound struct {
	MessageID id.Message // InboundID(WamidHash)
	WamidHash events.WamidHash
	Kind      string    // the platform's type
	SentAt    time.Time // the platform's clock
	ReplyTo   events.WamidHash
	Referral  string // source type: "ad", "post" or empty
	Intent    events.Intent
	Command   string // the configured command that was typed, with IntentCommand
	Media     string // the kind of the file that the platform holds; empty when there is none
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
	Dialling    events.Dialling // of one participant of a group; zero: the message's
	// WamidHash is set when the message was found by what we gave the platform to repeat, and not by its id: if the message
	// is not bound yet, it is then. Wamid belongs to the fact that has the message's id.
	WamidHash events.WamidHash
	Wamid     events.Sealed `json:"-"`
	Raw       events.Sealed `json:"-"`
}

// Echo is a message that was written in the platform's own app. Its sealed fields belong to the fact that has the
// message's id.
type Echo struct {
	MessageID id.Message // InboundID(WamidHash)
	WamidHash events.WamidHash
	Kind      string
	SentAt    time.Time
	DeviceID  *id.Device // should the platform ever tell it
	Dialling  events.Dialling
	Wamid     events.Sealed `json:"-"`
	To        events.Sealed `json:"-"`
	Content   events.Sealed `json:"-"`
}

// Imported is a message of the time before the business came here. Its sealed fields belong to the fact that has the
// message's id.
type Imported struct {
	MessageID id.Message // InboundID(WamidHash)
	WamidHash events.WamidHash
	Outbound  bool
	Kind      string
	SentAt    time.Time
	Status    events.Status // how far it had come
	Wamid     events.Sealed `json:"-"`
	Content   events.Sealed `json:"-"`
}

// Identified is what the platform says of who the customer is. Its sealed fields belong to FactID, which is derived from
// what was said: the same again is no news.
type Identified struct {
	FactID id.Fact
	At     time.Time
	Card   events.Sealed `json:"-"`
	Name   events.Sealed `json:"-"`
}

// NumberChanged says that the customer has another number now. Its sealed fields belong to FactID.
type NumberChanged struct {
	FactID   id.Fact
	At       time.Time
	Dialling events.Dialling // of the new number
	From     events.Sealed   `json:"-"`
	To       events.Sealed   `json:"-"`
}

// Preference is what the customer chose in the platform's own settings: to receive the messages of a category, or not to.
// Evidence belongs to FactID.
type Preference struct {
	FactID   id.Fact
	Category events.Category // the platform has a choice for marketing only
	Wanted   bool
	At       time.Time
	Evidence events.Sealed `json:"-"`
}

// Events counts the message, and what it asks for besides an answer.
func (u Inbound) Events() int {
	if u.Intent != "" {
		return 2
	}
	return 1
}

// Events counts the status, the platform's id that it binds, and the entry point window that it tells of.
func (u StatusUpdate) Events() int {
	n := 1
	if u.WamidHash != "" {
		n++
	}
	if u.Origin != nil && u.Origin.Type == fromAd {
		n++
	}
	return n
}

// Events is one.
func (Echo) Events() int { return 1 }

// Events is one.
func (Imported) Events() int { return 1 }

// Events is one.
func (Identified) Events() int { return 1 }

// Events is one.
func (NumberChanged) Events() int { return 1 }

// Events is one.
func (Preference) Events() int { return 1 }
