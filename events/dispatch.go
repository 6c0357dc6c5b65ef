package events

import (
	"time"

	"daybook/events/id"
)

// DispatchStarted is recorded before a message is given to the platform. From then on only its outcome, or that there is
// none, allows another attempt: without this fact first, a crash would send a message twice.
type DispatchStarted struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	Attempt        int             `json:"attempt"` // from 1
	StartedAt      time.Time       `json:"started_at"`
}

// DispatchFailed says that a message was not sent: the platform refused it, or we did because the customer had blocked the
// business or opted out since. It says again what the message was when it was written.
type DispatchFailed struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	Attempt        int             `json:"attempt"`             // 0: before the first
	Code           int             `json:"code,omitempty"`      // the platform's
	Rejection      string          `json:"rejection,omitempty"` // ours: Blocked, OptedOut, VolumeLimited, ConsentMissing
	RetryAt        *time.Time      `json:"retry_at,omitempty"`  // when it may be tried again; nil: for good
	FailedAt       time.Time       `json:"failed_at"`
	Sending        Sending         `json:"sending,omitzero"`
}

// DispatchUnknown says that nobody knows whether the platform took a message: the answer never came. It is not sent again;
// a status may show that it was sent.
type DispatchUnknown struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	Attempt        int             `json:"attempt"`
	Cause          DispatchCause   `json:"cause"`
	At             time.Time       `json:"at"`
}

// DispatchDeferred says that a message has to wait before it may be given to the platform.
type DispatchDeferred struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	Until          time.Time       `json:"until"`
	Cause          DispatchCause   `json:"cause"`
	At             time.Time       `json:"at"`
}

// DispatchCause is why the outcome of a dispatch is unknown, or why it has to wait.
type DispatchCause string

// The causes.
const (
	CauseTimeout        DispatchCause = "timeout"         // unknown: the platform did not answer
	CauseCrash          DispatchCause = "crash"           // unknown: whoever gave it to the platform is gone
	CauseNumberRate     DispatchCause = "number_rate"     // deferred: too many messages of the number at once
	CausePairRate       DispatchCause = "pair_rate"       // deferred: too many to this customer at once
	CauseMessagingLimit DispatchCause = "messaging_limit" // deferred: too many people in a day
)

// MessageExpired says that a message's life is over and nobody knows that it was delivered: it counts as lost. The
// platform may still tell a delivery later, which is late and charged.
type MessageExpired struct {
	ConversationID id.Conversation `json:"conversation_id"`
	MessageID      id.Message      `json:"message_id"`
	CustomerID     id.Customer     `json:"customer_id"`
	ExpiredAt      time.Time       `json:"expired_at"`
	Sending        Sending         `json:"sending,omitzero"`
}

func (DispatchStarted) isEvent()  {}
func (DispatchFailed) isEvent()   {}
func (DispatchUnknown) isEvent()  {}
func (DispatchDeferred) isEvent() {}
func (MessageExpired) isEvent()   {}
