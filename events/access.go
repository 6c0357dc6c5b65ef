package events

import (
	"time"

	"daybook/events/id"
)

// ProjectionEventSkipped says that somebody let a build of a projection go on without an event that it could not take. It
// stands in the access stream of the business whose event that is. Nothing folds it.
type ProjectionEventSkipped struct {
	Projection string `json:"projection"`
	Schema     string `json:"schema"` // the build
	Key        string `json:"key"`    // of the partition that waited: an id, never personal data
	Stream     string `json:"stream"` // of the event, with its revision
	Revision   uint64 `json:"revision"`
	EventType  string `json:"event_type"`
	Reason     string `json:"reason"` // in the words of whoever skipped it
}

func (ProjectionEventSkipped) isEvent() {}

// ProjectionReadAsOf says that somebody was given the rows of a table of a projection as they stood after an event. They may
// be of any business, so it stands in the installation's own access stream. Nothing folds it.
type ProjectionReadAsOf struct {
	Projection string `json:"projection"`
	Version    int    `json:"version"`
	Table      string `json:"table"`
	Rows       int64  `json:"rows"`  // how many there were
	After      *Ref   `json:"after"` // the last event that had been recorded; null: none had
}

func (ProjectionReadAsOf) isEvent() {}

// MessageInfoOpened says that somebody was shown which device wrote a message and what became of it (S7). The envelope's
// actor is who. It stands in the access stream of the business whose message that is. Nothing folds it.
type MessageInfoOpened struct {
	MessageID      id.Message      `json:"message_id"`
	ConversationID id.Conversation `json:"conversation_id"`
}

func (MessageInfoOpened) isEvent() {}

// CustomerLinkIssued says that somebody was given a link by which a customer's messages are read and the customer's choices
// changed. The envelope's actor is who. It stands in the access stream of the business. Nothing folds it.
type CustomerLinkIssued struct {
	ConversationID id.Conversation `json:"conversation_id"` // of the customer and the business number
	Until          time.Time       `json:"until"`           // whole seconds; exclusive
}

func (CustomerLinkIssued) isEvent() {}

// AccessStream is the stream of what people did by hand to the books of a business, or were shown of them, on a day of UTC; of the
// installation's own, when the business is none. A day bounds its length.
func AccessStream(account id.Account, at time.Time) string {
	owner := "system"
	if !account.IsZero() {
		owner = account.String()
	}
	return "access-" + owner + "-" + at.UTC().Format(DateFormat)
}
