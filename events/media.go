package events

import (
	"time"

	"daybook/events/id"
)

// MediaStored says that the file of a message was fetched from the platform, which forgets it, and is kept sealed.
type MediaStored struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	SHA256         string          `json:"sha256"` // of the sealed bytes, which is their name where they are kept
	Bytes          int64           `json:"bytes"`  // before sealing
	MediaType      string          `json:"media_type"`
	StoredAt       time.Time       `json:"stored_at"`
}

// MediaMissing says that the file of a message could not be fetched.
type MediaMissing struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	Code           int             `json:"code,omitempty"` // the platform's; 0: there was no answer
	Attempt        int             `json:"attempt"`
	RetryAt        *time.Time      `json:"retry_at,omitempty"` // nil: given up, an open item
	MissedAt       time.Time       `json:"missed_at"`
}

func (MediaStored) isEvent()  {}
func (MediaMissing) isEvent() {}
