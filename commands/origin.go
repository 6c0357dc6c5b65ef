package commands

import (
	"strconv"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// conversationOrigin is originOf for those events of conversations that have a fact of their own. Several of one type can
// be in one append.
func conversationOrigin(event events.Event, shared events.Envelope) (_ origin, found bool) {
	if o, status := statusOrigin(event); status {
		return o, true
	}
	switch e := event.(type) {
	case events.MessageReceived:
		return origin{fact: e.MessageID.String(), at: e.SentAt}, true
	case events.EntryPointWindowOpened: // the platform may tell its end more than once
		until := e.Until.UTC().Format(time.RFC3339Nano)
		return origin{e.ConversationID.String() + string(e.Basis) + until, e.ReplyID.String(), e.OpenedAt}, true
	case events.MessageEchoed:
		return origin{fact: e.MessageID.String(), at: e.SentAt}, true
	case events.MessageImported:
		return origin{fact: e.MessageID.String(), at: e.SentAt}, true
	case events.CustomerIdentified:
		return origin{fact: e.FactID.String(), at: e.At}, true
	case events.CustomerNumberChanged:
		return origin{fact: e.FactID.String(), at: e.At}, true
	case events.CustomerOptedIn:
		return origin{e.FactID.String(), string(e.Category), e.At}, true
	case events.CustomerOptedOut:
		return origin{e.FactID.String(), string(e.Category), e.At}, true
	case events.MessageVolumeSet:
		return origin{fact: e.FactID.String(), at: e.At}, true
	case events.BusinessBlocked:
		return origin{fact: e.FactID.String(), at: e.At}, true
	case events.BusinessUnblocked:
		return origin{fact: e.FactID.String(), at: e.At}, true
	case events.SpamReported:
		return origin{fact: e.FactID.String(), at: e.At}, true
	case events.DispatchStarted: // of one command only: two that begin the same attempt at once must not look like a repeat
		return origin{shared.Command.String(), e.MessageID.String(), e.StartedAt}, true
	case events.DispatchFailed:
		return attempt(e.MessageID, e.Attempt, e.FailedAt), true
	case events.DispatchUnknown:
		return attempt(e.MessageID, e.Attempt, e.At), true
	case events.DispatchDeferred: // more than once before an attempt, always to a later instant
		return origin{e.MessageID.String(), e.Until.UTC().Format(time.RFC3339Nano), e.At}, true
	case events.MessageExpired:
		return origin{fact: e.MessageID.String(), at: e.ExpiredAt}, true
	case events.MediaStored:
		return origin{fact: e.MessageID.String(), at: e.StoredAt}, true
	case events.MediaMissing:
		return attempt(e.MessageID, e.Attempt, e.MissedAt), true
	case events.MessageAccepted: // a delivery may reconcile several messages
		return origin{shared.Command.String() + shared.Digest, e.MessageID.String(), shared.OccurredAt}, true
	case events.MessageRecalled: // a message can be recalled into more than one book
		return origin{shared.Command.String(), e.MessageID.String(), shared.OccurredAt}, true
	}
	return origin{}, false
}

func statusOrigin(event events.Event) (_ origin, found bool) {
	switch e := event.(type) {
	case events.MessageSent:
		return stepOrigin(e.StatusFact), true
	case events.MessageDelivered:
		return stepOrigin(e.StatusFact), true
	case events.MessageRead:
		return stepOrigin(e.StatusFact), true
	case events.MessagePlayed:
		return stepOrigin(e.StatusFact), true
	case events.MessageFailed:
		return stepOrigin(e.StatusFact), true
	case events.StatusTimeCorrected: // a status can be corrected more than once, always to an earlier time
		o := stepOrigin(e.StatusFact)
		o.fact += "@" + e.At.UTC().Format(time.RFC3339)
		return o, true
	case events.PricingTold: // at most once per status: the type tells it from the status
		return stepOrigin(e.StatusFact), true
	}
	return origin{}, false
}

func stepOrigin(f events.StatusFact) origin {
	return origin{fact: f.FactID.String(), recipient: f.RecipientID.String(), at: f.At}
}

func attempt(message id.Message, n int, at time.Time) origin {
	return origin{message.String(), strconv.Itoa(n), at}
}
