package policies

import (
	"context"
	"fmt"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// Sender gives messages to the platform.
type Sender interface {
	// Send gives one message to the platform, once: it never tries again. A *RefusedError says that the message was not
	// sent, and nothing was taken from us; after any other error nobody knows.
	Send(ctx context.Context, m Outgoing) (Accepted, error)
}

// Outgoing is a message on its way to the platform. Its sealed fields belong to the fact that has the message's id, and are
// opened by the sender.
type Outgoing struct {
	Account       id.Account
	PhoneNumberID string
	Conversation  id.Conversation
	Message       id.Message
	Customer      id.Customer
	Kind          string // text, template, image, interactive or structured
	Template      *events.Template
	Locale        string
	To            events.Sealed // path "to"
	Content       events.Sealed // path "content"
}

// Accepted is the platform's word that it took a message.
type Accepted struct {
	WamidHash events.WamidHash
	Wamid     events.Sealed // path "wamid"
	Held      string        // why it does not send it on yet
}

// RefusedError says that a message was not sent.
type RefusedError struct {
	Code      int           // the platform's; 0: the message never got there
	Rejection string        // ours, where the message cannot be sent by anybody: Erased, ContentInvalid
	Retry     bool          // whether it may be tried again
	After     time.Duration // how long to wait before, at the first time
}

func (e *RefusedError) Error() string {
	switch {
	case e.Rejection != "":
		return "the message cannot be sent: " + e.Rejection
	case e.Code == 0:
		return "the message did not get to the platform"
	}
	return fmt.Sprintf("the platform refused the message: code %d", e.Code)
}

// Why a message cannot be sent by anybody.
const (
	RejectionErased  = "Erased"         // whom it was for, or what it said, was erased
	RejectionContent = "ContentInvalid" // its kind has no such content
)
