package conversation

import (
	"unique"

	"daybook/events"
)

// echoed is a message of ours that was written in the platform's app.
func echoed(e events.MessageEchoed) outbound {
	common := traits{category: events.Service, dialling: e.Dialling}
	if e.DeviceID != nil {
		common.device = *e.DeviceID
	}
	return outbound{traits: unique.Make(common), queuedAt: instantOf(e.SentAt), marks: elsewhere}
}

// echo records a message that was written in the platform's app. A message that was written here is known.
func (t *telling) echo(u Echo) {
	if t.knowsWamid(u.WamidHash) {
		return
	}
	t.record(t.start(t.party, events.EntryBusiness)...)
	t.record(events.MessageEchoed{
		ConversationID: t.party.Conversation, MessageID: u.MessageID, CustomerID: t.party.Customer,
		PhoneNumberID: t.party.PhoneNumberID, WamidHash: u.WamidHash, Kind: u.Kind,
		SentAt:   earlier(u.SentAt.UTC(), t.now), // a clock that runs ahead must not answer what is still to be asked
		DeviceID: u.DeviceID, Dialling: u.Dialling, Wamid: u.Wamid, To: u.To, Content: u.Content,
	})
}

// imported records a message of the time before the business came here.
func (t *telling) imported(u Imported) {
	if t.knowsWamid(u.WamidHash) {
		return
	}
	entry := events.EntryInbound
	if u.Outbound {
		entry = events.EntryBusiness
	}
	t.record(t.start(t.party, entry)...)
	t.record(events.MessageImported{
		ConversationID: t.party.Conversation, MessageID: u.MessageID, CustomerID: t.party.Customer, WamidHash: u.WamidHash,
		Outbound: u.Outbound, Kind: u.Kind, SentAt: u.SentAt.UTC(), ImportedAt: t.now, Status: u.Status,
		Wamid: u.Wamid, Content: u.Content,
	})
}

// knowsWamid tells whether the platform's id stands for a message that is in the conversation.
func (s State) knowsWamid(hash events.WamidHash) bool {
	wamid := InboundID(hash)
	_, bound := s.bound[wamid]
	return bound || s.knows(wamid)
}

// identified records who the customer is said to be, unless that is what was said last, or is older.
func (t *telling) identified(u Identified) {
	if u.FactID == t.identifiedBy || u.At.Before(t.identifiedAt) {
		return
	}
	t.record(t.start(t.party, events.EntryConsent)...)
	t.record(events.CustomerIdentified{
		ConversationID: t.party.Conversation, CustomerID: t.party.Customer, FactID: u.FactID, At: u.At.UTC(),
		Card: u.Card, Name: u.Name,
	})
}

// numberChanged records the customer's new number, unless a later one is known.
func (t *telling) numberChanged(u NumberChanged) {
	if !u.At.After(t.numberChangedAt) {
		return
	}
	t.record(t.start(t.party, events.EntryInbound)...)
	t.record(events.CustomerNumberChanged{
		ConversationID: t.party.Conversation, CustomerID: t.party.Customer, FactID: u.FactID, At: u.At.UTC(),
		Dialling: u.Dialling, From: u.From, To: u.To,
	})
}

// prefers records what the customer chose in the platform's settings.
func (t *telling) prefers(u Preference) {
	if checkChosen(u.Category) != nil {
		return // the platform has no such choice
	}
	t.choice(events.ConsentFact{
		FactID: u.FactID, Category: u.Category, Source: events.SourcePreferences, At: earlier(u.At.UTC(), t.now), Evidence: u.Evidence,
	}, u.Wanted)
}
