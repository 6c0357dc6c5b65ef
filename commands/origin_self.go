package commands

import (
	"strconv"

	"daybook/events"
)

// selfOrigin is originOf for what happens by itself and among the account's own devices.
func selfOrigin(event events.Event, shared events.Envelope) (_ origin, found bool) {
	switch e := event.(type) {
	case events.TimerSet: // one request may set many
		return origin{fact: e.TimerID.String(), at: shared.OccurredAt}, true
	case events.TimerFired:
		return origin{fact: e.TimerID.String(), at: e.FiredAt}, true
	case events.TimerCancelled:
		return origin{fact: e.TimerID.String(), at: shared.OccurredAt}, true
	case events.StaffMessageSent:
		return origin{fact: e.MessageID.String(), at: e.SentAt}, true
	case events.ContentPublished: // one request may publish several
		return origin{shared.Command.String() + shared.Digest, e.Package + " " + e.Locale, shared.OccurredAt}, true
	case events.ContentRefreshScheduled:
		return origin{e.AccountID.String(), e.DeviceID.String(), shared.OccurredAt}, true
	case events.ContentRefreshed:
		return origin{e.DeviceID.String(), strconv.Itoa(e.Turn), e.RefreshedAt}, true
	case events.ContentRefreshFailed:
		return origin{e.DeviceID.String(), strconv.Itoa(e.Turn), e.FailedAt}, true
	}
	return origin{}, false
}
