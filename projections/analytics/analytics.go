// Package analytics counts messages: received, sent, delivered, read, failed, answered.
//
// It owns the read model of the same name. Every status says again what the message was when it was written, so each
// counter follows from one event, whatever came before it:
//
//   - read, failed: the conversation records each of these steps once per message and recipient
//   - sent: the fact that shows it first, which may be a delivered when the platform skipped sent, or tells it later
//   - delivered: the fact by which the delivery was first known, which may be a read when the platform skipped delivered
//   - read: not played, which does not tell whether read is told, too
//   - failed: also what is delivered all the same, before or after; neither fact tells of the other
//   - received and answers: once per message
//
// The figures declare no identity: it would need a row per status, a hundred times as many as they are. A rebuild from
// the log is their check; and that nobody else writes to them, each batch proves.
package analytics

import (
	"time"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/readmodels/analytics"
)

// Define returns the projection.
func Define() *projections.Projection {
	p := projections.New("analytics", 1, analytics.Schema)
	figures := projections.Sum[analytics.FigureRow](p, "figures")
	countConversations(p, figures)
	countStatuses(p, figures)
	postNames(p)
	return p
}

func countConversations(p *projections.Projection, figures *projections.SumTable[analytics.FigureRow]) {
	projections.On(p, func(e events.MessageReceived, at projections.At) error {
		return figures.Add(analytics.FigureRow{AccountID: at.Envelope.Account, Slot: slotOf(e.SentAt), Received: 1})
	})
	projections.On(p, func(e events.MessageQueued, at projections.At) error {
		if e.AnswersSince == nil {
			return nil
		}
		row := rowOf(at.Envelope.Account, events.Sending{
			DeviceID: e.DeviceID, Category: e.Category, Market: e.Market, QueuedAt: e.QueuedAt,
		})
		row.Answers, row.AnswerSeconds = 1, int64(e.QueuedAt.Sub(*e.AnswersSince)/time.Second)
		return figures.Add(row)
	})
}

func countStatuses(p *projections.Projection, figures *projections.SumTable[analytics.FigureRow]) {
	count := func(status events.Status, fact events.StatusFact, at projections.At) error {
		if row, counts := counted(status, fact, at.Envelope.Account); counts {
			return figures.Add(row)
		}
		return nil
	}
	projections.On(p, func(e events.MessageSent, at projections.At) error {
		return count(events.StatusSent, e.StatusFact, at)
	})
	projections.On(p, func(e events.MessageDelivered, at projections.At) error {
		return count(events.StatusDelivered, e.StatusFact, at)
	})
	projections.On(p, func(e events.MessageRead, at projections.At) error {
		return count(events.StatusRead, e.StatusFact, at)
	})
	projections.On(p, func(e events.MessagePlayed, at projections.At) error {
		return count(events.StatusPlayed, e.StatusFact, at)
	})
	projections.On(p, func(e events.MessageFailed, at projections.At) error {
		return count(events.StatusFailed, e.StatusFact, at)
	})
}

// counted is what a status adds, if anything.
func counted(status events.Status, fact events.StatusFact, account id.Account) (row analytics.FigureRow, counts bool) {
	if fact.Sending.QueuedAt.IsZero() {
		return row, false // recorded before statuses said what the message was: there is no quarter to count it in
	}
	row = rowOf(account, fact.Sending)
	switch status {
	case events.StatusRead:
		row.Read, counts = 1, true
	case events.StatusFailed:
		row.Failed, counts = 1, true
	case events.StatusSent, events.StatusDelivered, events.StatusPlayed: // what they say is told below, if it is news
	}
	if fact.ShowsSent {
		row.Sent, counts = 1, true
	}
	if fact.Delivery != nil && fact.Delivery.FirstAt == nil {
		row.Delivered, counts = 1, true
	}
	return row, counts
}

func postNames(p *projections.Projection) {
	accounts := projections.Patch[analytics.AccountRow](p, "accounts")
	devices := projections.Patch[analytics.DeviceRow](p, "devices")

	projections.On(p, func(e events.AccountRegistered, _ projections.At) error {
		return accounts.Set(analytics.AccountRow{AccountID: e.AccountID, Timezone: &e.Timezone})
	})
	projections.On(p, func(e events.DeviceLinked, _ projections.At) error {
		return devices.Set(analytics.DeviceRow{DeviceID: e.DeviceID, Name: &e.Name})
	})
	projections.On(p, func(e events.DeviceRenamed, _ projections.At) error {
		return devices.Set(analytics.DeviceRow{DeviceID: e.DeviceID, Name: &e.Name})
	})
}

// rowOf is the row in which everything counts that becomes of a message.
func rowOf(account id.Account, s events.Sending) analytics.FigureRow {
	return analytics.FigureRow{
		AccountID: account, Slot: slotOf(s.QueuedAt), DeviceID: s.DeviceID, Category: string(s.Category), Market: s.Market,
	}
}

func slotOf(at time.Time) time.Time { return at.Truncate(analytics.Slot) }
