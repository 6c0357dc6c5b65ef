// Package quarantine decides on one webhook update that was kept whole because it could not be recorded.
//
// Invariants:
//   - It is kept once, however often the platform repeats it.
//   - It is re-driven at most once: when it has found its place, it is closed.
package quarantine

import (
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// Stream names the stream of one quarantined update.
func Stream(item id.Quarantine) string { return "quarantine-" + item.String() }

// State is a quarantined update as far as decisions need it. The zero value was never kept.
type State struct {
	id            id.Quarantine
	phoneNumberID string
	redriven      bool
}

// PhoneNumberID returns the number that the update is about; empty when it names none.
func (s State) PhoneNumberID() string { return s.phoneNumberID }

// Evolve folds one event.
func Evolve(s State, event events.Event) State {
	switch e := event.(type) {
	case events.UpdateQuarantined:
		s.id, s.phoneNumberID = e.QuarantineID, e.PhoneNumberID
	case events.UpdateRedriven:
		s.redriven = true
	}
	return s
}

// Keep records the update. A repeat changes nothing, whatever its reason.
func (s State) Keep(update events.UpdateQuarantined) ([]events.Event, error) {
	if !s.id.IsZero() {
		return nil, nil
	}
	return []events.Event{update}, nil
}

// MarkRedriven closes the item: the update was driven again and landed in a stream.
func (s State) MarkRedriven(item id.Quarantine, stream string, now time.Time) ([]events.Event, error) {
	switch {
	case s.id.IsZero():
		return nil, domain.Missing("QuarantineUnknown", "there is no quarantined update %s", item)
	case s.redriven:
		return nil, nil
	}
	return []events.Event{events.UpdateRedriven{QuarantineID: item, Stream: stream, RedrivenAt: now}}, nil
}
