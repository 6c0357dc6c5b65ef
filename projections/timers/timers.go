// Package timers posts what is due when, so that it is found without reading all timers.
//
// It owns the read model of the same name.
package timers

import (
	"daybook/events"
	"daybook/projections"
	"daybook/readmodels/timers"
)

// Define returns the projection.
func Define() *projections.Projection {
	p := projections.New("timers", 1, timers.Schema)
	rows := projections.Patch[timers.TimerRow](p, "timers")

	projections.On(p, func(e events.TimerSet, at projections.At) error {
		return rows.Set(timers.TimerRow{
			TimerID: e.TimerID, AccountID: &at.Envelope.Account, Kind: new(string(e.Kind)),
			Due: &e.Due, Stream: &e.Stream, Subject: &e.Subject,
		})
	})
	projections.On(p, func(e events.TimerFired, _ projections.At) error {
		return rows.Set(timers.TimerRow{TimerID: e.TimerID, FiredAt: &e.FiredAt})
	})
	projections.On(p, func(e events.TimerCancelled, at projections.At) error {
		return rows.Set(timers.TimerRow{TimerID: e.TimerID, CancelledAt: &at.Envelope.RecordedAt})
	})
	return p
}
