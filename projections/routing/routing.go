// Package routing posts what webhook updates are routed by: which message a platform id is bound to, which account a
// business number belongs to and whether it is registered, which accounts are billed through a WABA, and what could not be
// routed.
//
// It owns the read model of the same name. Nothing here decides anything: what has become ready to be driven again is a
// question to the rows.
package routing

import (
	"daybook/events"
	"daybook/projections"
	"daybook/readmodels/routing"
)

// Define returns the projection.
func Define() *projections.Projection {
	p := projections.New("routing", 2, routing.Schema)
	routes := projections.Patch[routing.MessageRow](p, "messages")
	numbers := projections.Patch[routing.NumberRow](p, "numbers")
	accounts := projections.Patch[routing.AccountRow](p, "accounts")
	wabas := projections.Patch[routing.WABARow](p, "wabas")
	quarantine := projections.Patch[routing.QuarantineRow](p, "quarantine")

	projections.On(p, func(e events.MessageAccepted, at projections.At) error {
		return routes.Set(routing.MessageRow{
			WamidHash:      string(e.WamidHash),
			Position:       uint64(at.Position),
			AccountID:      &at.Envelope.Account,
			ConversationID: &e.ConversationID,
			MessageID:      &e.MessageID,
			RecipientID:    &e.CustomerID,
			PhoneNumberID:  &e.PhoneNumberID,
		})
	})
	projections.On(p, func(e events.NumberClaimed, _ projections.At) error {
		return numbers.Set(routing.NumberRow{PhoneNumberID: e.PhoneNumberID, AccountID: &e.AccountID})
	})
	projections.On(p, func(e events.WABAClaimed, _ projections.At) error {
		return wabas.Set(routing.WABARow{WABAID: e.WABAID, AccountID: e.AccountID})
	})
	projections.On(p, func(e events.AccountRegistered, _ projections.At) error {
		return accounts.Set(routing.AccountRow{AccountID: e.AccountID})
	})
	projections.On(p, func(e events.UpdateQuarantined, at projections.At) error {
		return quarantine.Set(routing.QuarantineRow{
			QuarantineID:  e.QuarantineID,
			Position:      new(uint64(at.Position)),
			Reason:        new(string(e.Reason)),
			Detail:        &e.Detail,
			Field:         &e.Field,
			Kind:          &e.Kind,
			WABAID:        &e.WABAID,
			PhoneNumberID: &e.PhoneNumberID,
			WamidHash:     new(string(e.WamidHash)),
			ReceivedAt:    &e.ReceivedAt,
		})
	})
	projections.On(p, func(e events.UpdateRedriven, _ projections.At) error {
		return quarantine.Set(routing.QuarantineRow{
			QuarantineID: e.QuarantineID, RedrivenAt: &e.RedrivenAt, LandedStream: &e.Stream,
		})
	})
	return p
}
