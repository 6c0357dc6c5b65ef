// Package media decides on the file of one message, which the platform holds for a while.
//
// Invariants:
//   - A file is kept once; then nothing more is decided.
//   - What could not be fetched is tried again five minutes later (S50), until it is given up: then it is an open item.
package media

import (
	"time"

	"daybook/events"
	"daybook/events/id"
)

// retryEvery is how long after a failure the file is tried again (S50).
const retryEvery = 5 * time.Minute

// How often a file is tried that the platform does not give, and one that could not be asked for: a day.
const (
	triesRefused = 3
	triesSilent  = int(24 * time.Hour / retryEvery)
)

// Stream names the stream of a message's file.
func Stream(message id.Message) string { return "media-" + message.String() }

// File is the message that a file belongs to.
type File struct {
	Account      id.Account
	Conversation id.Conversation
	Message      id.Message
}

// Kept is what is known of a file that was fetched.
type Kept struct {
	File

	SHA256    string // of the sealed bytes
	Bytes     int64
	MediaType string
}

// Missed is a try that failed.
type Missed struct {
	File

	Code    int
	Refused bool // the platform does not give it; else it could not be asked
}

// State is a file as far as decisions need it. The zero value was never tried.
type State struct {
	ended   bool // kept, or given up
	tries   int
	retryAt time.Time
}

// Evolve folds one event.
func Evolve(s State, event events.Event) State {
	switch e := event.(type) {
	case events.MediaStored:
		s.ended = true
	case events.MediaMissing:
		s.tries, s.ended, s.retryAt = e.Attempt, e.RetryAt == nil, time.Time{}
		if e.RetryAt != nil {
			s.retryAt = *e.RetryAt
		}
	}
	return s
}

// Wanted tells whether the file is to be fetched at an instant.
func (s State) Wanted(now time.Time) bool { return !s.ended && !now.Before(s.retryAt) }

// Keep records that the file was fetched.
func (s State) Keep(k Kept, now time.Time) []events.Event {
	if s.ended {
		return nil
	}
	return []events.Event{events.MediaStored{
		ConversationID: k.Conversation, MessageID: k.Message, SHA256: k.SHA256, Bytes: k.Bytes, MediaType: k.MediaType, StoredAt: now,
	}}
}

// Miss records a try that failed, and when the next one is.
func (s State) Miss(m Missed, now time.Time) []events.Event {
	if !s.Wanted(now) {
		return nil
	}
	missing := events.MediaMissing{
		ConversationID: m.Conversation, MessageID: m.Message, Code: m.Code, Attempt: s.tries + 1, MissedAt: now,
	}
	most := triesSilent
	if m.Refused {
		most = triesRefused
	}
	if missing.Attempt < most {
		missing.RetryAt = new(now.Add(retryEvery))
	}
	return []events.Event{missing}
}
