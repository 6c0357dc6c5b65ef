// Package customers posts who an account's customers are, and what they want: whom campaigns can be for.
//
// It owns the read model of the same name. Each column is set by the facts of one conversation, the last in the log.
package customers

import (
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/readmodels/customers"
)

// Define returns the projection.
func Define() *projections.Projection {
	p := projections.New("customers", 1, customers.Schema)
	rows := projections.Patch[customers.CustomerRow](p, "customers")
	postContacts(p, rows)
	postWishes(p, rows)
	return p
}

func postContacts(p *projections.Projection, rows *projections.PatchTable[customers.CustomerRow]) {
	projections.On(p, func(e events.ConversationStarted, _ projections.At) error {
		return rows.Set(customers.CustomerRow{
			ConversationID: e.ConversationID, AccountID: &e.AccountID, PhoneNumberID: &e.PhoneNumberID, CustomerID: &e.CustomerID,
			Prefix: new(""), Country: new(""),
		})
	})
	projections.On(p, func(e events.MessageReceived, _ projections.At) error {
		row := customers.CustomerRow{ConversationID: e.ConversationID, ReceivedAt: &e.SentAt}
		fact := id.Of[id.Fact](e.MessageID)
		address(&row, e.Dialling, e.From, fact, "from")
		name(&row, e.Contact, fact, "contact")
		return rows.Set(row)
	})
	projections.On(p, func(e events.MessageQueued, _ projections.At) error {
		row := customers.CustomerRow{ConversationID: e.ConversationID, WrittenAt: &e.QueuedAt, Market: &e.Market}
		address(&row, e.Dialling, e.To, id.Of[id.Fact](e.MessageID), "to")
		switch {
		case e.Locale != "":
			row.Locale = &e.Locale
		case e.Template != nil:
			row.Locale = &e.Template.Language
		}
		return rows.Set(row)
	})
	projections.On(p, func(e events.CustomerIdentified, _ projections.At) error {
		row := customers.CustomerRow{ConversationID: e.ConversationID}
		if name(&row, e.Name, e.FactID, "name"); row.SealedName == nil {
			return nil
		}
		return rows.Set(row)
	})
	projections.On(p, func(e events.CustomerNumberChanged, _ projections.At) error {
		row := customers.CustomerRow{ConversationID: e.ConversationID}
		if address(&row, e.Dialling, e.To, e.FactID, "to"); row.SealedTo == nil {
			return nil
		}
		return rows.Set(row)
	})
}

func address(row *customers.CustomerRow, dialling events.Dialling, sealed events.Sealed, fact id.Fact, path string) {
	if sealed != "" {
		row.Prefix, row.Country = &dialling.Prefix, &dialling.Country
		row.SealedTo, row.ToFact, row.ToPath = new(string(sealed)), &fact, &path
	}
}

func name(row *customers.CustomerRow, sealed events.Sealed, fact id.Fact, path string) {
	if sealed != "" {
		row.SealedName, row.NameFact, row.NamePath = new(string(sealed)), &fact, &path
	}
}

// postWishes posts what customers want. Campaigns ask again when they write.
func postWishes(p *projections.Projection, rows *projections.PatchTable[customers.CustomerRow]) {
	choice := func(e events.ConsentFact, wanted bool) error {
		if e.Category != events.Marketing {
			return nil
		}
		return rows.Set(customers.CustomerRow{ConversationID: e.ConversationID, Marketing: &wanted})
	}
	projections.On(p, func(e events.CustomerOptedIn, _ projections.At) error { return choice(e.ConsentFact, true) })
	projections.On(p, func(e events.CustomerOptedOut, _ projections.At) error { return choice(e.ConsentFact, false) })
	projections.On(p, func(e events.MessageVolumeSet, _ projections.At) error {
		return rows.Set(customers.CustomerRow{ConversationID: e.ConversationID, Level: new(string(e.Level))})
	})
	projections.On(p, func(e events.BusinessBlocked, _ projections.At) error {
		return rows.Set(customers.CustomerRow{ConversationID: e.ConversationID, Blocked: new(true)})
	})
	projections.On(p, func(e events.BusinessUnblocked, _ projections.At) error {
		return rows.Set(customers.CustomerRow{ConversationID: e.ConversationID, Blocked: new(false)})
	})
}
