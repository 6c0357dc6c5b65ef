package conversation

import (
	"time"

	"daybook/events"
	"daybook/events/id"
)

// ReplyID returns the id of the automatic reply to a customer's message: there is at most one, however often somebody
// means to write it.
func ReplyID(to id.Message) id.Message { return id.Derive[id.Message]("reply", to.String()) }

// WaitsSince tells whether a customer's message is the one since which the customer waits for an answer of a person. Once
// it is not, it never is again.
func (s State) WaitsSince(e events.MessageReceived) bool {
	return asks(e.Kind) && s.waitingSince.Equal(earlier(e.SentAt, e.WindowUntil.Add(-window)))
}

// Awaits reports whether a kind of customer's message is one to answer at all.
func Awaits(kind string) bool { return asks(kind) && kind != KindWelcome }

// KindWelcome is the platform's word for a chat that was opened, and in which nothing was written.
const KindWelcome = "request_welcome"

// Recent reports whether a customer's message is young enough at an instant to be answered without anybody writing: its own
// service window is open, whatever the customer wrote since.
func Recent(e events.MessageReceived, now time.Time) bool { return !now.After(e.WindowUntil) }
