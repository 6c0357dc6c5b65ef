// Package staff decides on messages between the devices of one account.
//
// Invariants:
//   - Both devices are linked when a message is written, and it carries what they were called then (S9).
//   - A message is recorded once.
package staff

import (
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// Stream names the stream of an account's staff messages of one month, in UTC.
func Stream(account id.Account, at time.Time) string {
	return "staff-" + account.String() + "-" + at.UTC().Format("2006-01")
}

// State is a month of staff messages as far as decisions need it.
type State struct{ sent map[id.Message]struct{} }

// Evolve folds one event. It may change the map of the state that it is given.
func Evolve(s State, event events.Event) State {
	if e, ok := event.(events.StaffMessageSent); ok {
		if s.sent == nil {
			s.sent = map[id.Message]struct{}{}
		}
		s.sent[e.MessageID] = struct{}{}
	}
	return s
}

// Send is the command to write to a colleague.
type Send struct {
	Account    id.Account
	MessageID  id.Message
	DeviceID   id.Device
	ToDeviceID id.Device
	Content    events.Sealed `json:"-"`
}

// Between is what the two devices are called, as the registry has it.
type Between struct {
	From, To         string
	RegistryRevision uint64
}

// Send records a message.
func (s State) Send(c Send, names Between, now time.Time) ([]events.Event, error) {
	if c.DeviceID == c.ToDeviceID {
		return nil, domain.Malformed("RecipientIsSender", "to_device_id", "to_device_id must be another device than device_id")
	}
	if _, sent := s.sent[c.MessageID]; sent {
		return nil, domain.Refuse("MessageExists", "message %s was sent before", c.MessageID)
	}
	return []events.Event{events.StaffMessageSent{
		AccountID: c.Account, MessageID: c.MessageID, DeviceID: c.DeviceID, DeviceName: names.From,
		ToDeviceID: c.ToDeviceID, ToDeviceName: names.To, RegistryRevision: names.RegistryRevision, SentAt: now, Content: c.Content,
	}}, nil
}
