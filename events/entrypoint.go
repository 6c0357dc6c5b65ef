package events

import (
	"time"

	"daybook/events/id"
)

// EntryPointBasis is who says how long a free entry point window is open.
type EntryPointBasis string

// The bases. The platform's word replaces ours.
const (
	EntryPointComputed EntryPointBasis = "computed"
	EntryPointTold     EntryPointBasis = "platform"
)

// EntryPointWindowOpened says that messages to a customer who came from an ad are free until an instant. It is recorded
// with our first answer, and again when the platform tells another end.
type EntryPointWindowOpened struct {
	EntryPoint

	ConversationID id.Conversation `json:"conversation_id"`
}

// EntryPoint is a free entry point window. It never permits free-form text: that is the service window's.
type EntryPoint struct {
	OriginID id.Message      `json:"origin_id,omitzero"` // the customer's message that came from the ad, if it is known
	ReplyID  id.Message      `json:"reply_id"`           // our first answer, within 24 hours; told: the message it was told of
	OpenedAt time.Time       `json:"opened_at"`
	Until    time.Time       `json:"until"` // inclusive
	Basis    EntryPointBasis `json:"basis"`
}

func (EntryPointWindowOpened) isEvent() {}
