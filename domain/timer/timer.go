// Package timer decides on one instant at which something is due.
//
// Invariants:
//   - A timer is set once: its id follows from what it is for. Setting it again changes nothing, whatever the instant.
//   - It fires at most once, never before it is due, and not after it was cancelled.
package timer

import (
	"strconv"
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// Stream names the stream of one timer.
func Stream(timer id.Timer) string { return "timer-" + timer.String() }

// Set is the command to have something happen at an instant. Who sets a timer in answer to a fact derives all of it from
// what is recorded, the instant too, so that the same fact sets the same timer.
type Set struct {
	Account id.Account // in whose books it is; zero for the installation's own
	Kind    events.TimerKind
	Stream  string // whose it is
	Subject string // what of that stream
	Ordinal int    // tells apart timers of one subject: which attempt, which turn
	Due     time.Time
}

// ID returns the id of the timer.
func (c Set) ID() id.Timer {
	return id.Derive[id.Timer]("timer", string(c.Kind), c.Stream, c.Subject, strconv.Itoa(c.Ordinal))
}

// State is a timer as far as decisions need it. The zero value was never set.
type State struct {
	set   events.TimerSet
	ended bool // fired or cancelled
}

// Evolve folds one event.
func Evolve(s State, event events.Event) State {
	switch e := event.(type) {
	case events.TimerSet:
		s.set = e
	case events.TimerFired, events.TimerCancelled:
		s.ended = true
	}
	return s
}

// Set sets the timer. The instant is rounded up to what its index can tell apart.
func (s State) Set(c Set) ([]events.Event, error) {
	switch {
	case c.Kind == "" || c.Stream == "" || c.Due.IsZero():
		return nil, domain.Malformed("TimerInvalid", "due", "a timer must have a kind, a stream and an instant")
	case !s.set.TimerID.IsZero():
		return nil, nil
	}
	due := c.Due.UTC().Add(time.Microsecond - 1).Truncate(time.Microsecond)
	return []events.Event{events.TimerSet{TimerID: c.ID(), Kind: c.Kind, Due: due, Stream: c.Stream, Subject: c.Subject}}, nil
}

// Fire records that the timer was found due. One that has ended changes nothing.
func (s State) Fire(timer id.Timer, now time.Time) ([]events.Event, error) {
	switch {
	case s.set.TimerID.IsZero():
		return nil, domain.Missing("TimerUnknown", "there is no timer %s", timer)
	case s.ended:
		return nil, nil
	case now.Before(s.set.Due):
		return nil, domain.Refuse("TimerNotDue", "timer %s is due at %s", timer, s.set.Due.Format(time.RFC3339Nano))
	}
	return []events.Event{events.TimerFired{
		TimerID: timer, Kind: s.set.Kind, Due: s.set.Due, Stream: s.set.Stream, Subject: s.set.Subject, FiredAt: now,
	}}, nil
}

// Cancel ends the timer before it fires. One that was never set, or has ended, changes nothing.
func (s State) Cancel() ([]events.Event, error) {
	if s.set.TimerID.IsZero() || s.ended {
		return nil, nil
	}
	return []events.Event{events.TimerCancelled{TimerID: s.set.TimerID}}, nil
}
