package conversation

import (
	"time"
	"unique"

	"daybook/events"
	"daybook/events/id"
)

// Record decides on what the platform tells, in the order given. Repeats decide nothing, whether they repeat the past
// or one another. Unplaced are the statuses of messages that this conversation has not sent (or with a word that is no
// status): they are for the caller to keep elsewhere; the rest is recorded all the same.
func (s State) Record(p Party, updates []Update, now time.Time) (recorded []events.Event, unplaced []Update) {
	placed := make([]Update, 0, len(updates))
	for _, update := range updates {
		if u, ok := update.(StatusUpdate); ok && !s.places(u) {
			unplaced = append(unplaced, update)
		} else {
			placed = append(placed, update)
		}
	}
	drafts := map[leg]receipt{}
	for _, update := range distinct(placed) {
		switch u := update.(type) {
		case Inbound:
			decided := s.receive(p, u, now)
			if len(decided) > 0 { // only the scalars of this copy move on; the maps stay untouched
				s.party, s.windowUntil = p, s.windowAfter(u, now)
			}
			recorded = append(recorded, decided...)
		case StatusUpdate:
			if event := s.step(p, u, drafts); event != nil {
				recorded = append(recorded, event)
			}
		}
	}
	return recorded, unplaced
}

func (s State) places(u StatusUpdate) bool {
	_, known := s.sent[u.MessageID]
	return known && slot(u.Status) >= 0
}

// distinct leaves one update per natural key, in the place of the first.
func distinct(updates []Update) []Update {
	if len(updates) < 2 {
		return updates
	}
	type key struct {
		message   id.Message
		recipient id.Customer
		status    events.Status
	}
	at := make(map[key]int, len(updates))
	kept := updates[:0]
	for _, update := range updates {
		var k key
		switch u := update.(type) {
		case Inbound:
			k = key{message: u.MessageID}
		case StatusUpdate:
			k = key{u.MessageID, u.RecipientID, u.Status}
		}
		i, repeated := at[k]
		if !repeated {
			at[k] = len(kept)
			kept = append(kept, update)
			continue
		}
		if u, ok := update.(StatusUpdate); ok {
			kept[i] = merge(kept[i].(StatusUpdate), u) //nolint:forcetypeassert // same key, same type
		}
	}
	return kept
}

// merge makes one of a status told twice: the earlier one, with the first word on the price, as if they came one by one.
func merge(first, again StatusUpdate) StatusUpdate {
	merged := first
	if again.At.Before(first.At) {
		merged = again
	}
	merged.Pricing = first.Pricing
	if priceOf(first.Pricing) == (unique.Handle[price]{}) {
		merged.Pricing = again.Pricing
	}
	return merged
}

func (s State) receive(p Party, u Inbound, now time.Time) []events.Event {
	if s.knows(u.MessageID) {
		return nil
	}
	entry := events.EntryInbound
	if told := events.Entry(u.Referral); told == events.EntryAd || told == events.EntryPost {
		entry = told
	}
	return append(s.start(p, entry), events.MessageReceived{
		ConversationID: p.Conversation, MessageID: u.MessageID, CustomerID: p.Customer, WamidHash: u.WamidHash,
		Kind: u.Kind, SentAt: u.SentAt.UTC(), WindowUntil: s.windowAfter(u, now),
		ReplyTo: u.ReplyTo, Referral: u.Referral, Dialling: u.Dialling,
		Wamid: u.Wamid, From: u.From, Contact: u.Contact, Content: u.Content,
	})
}

// windowAfter is where the service window ends once the message is received. A message that claims to come from the
// future counts from now: a wrong clock of the platform's must not give away days.
func (s State) windowAfter(u Inbound, now time.Time) time.Time {
	asked := u.SentAt
	if asked.After(now) {
		asked = now
	}
	return later(s.windowUntil, asked.UTC().Add(window))
}

// leg is one message on its way to one recipient.
type leg struct {
	message   id.Message
	recipient id.Customer
}

// step returns the event of a status, or nil when it is a repeat that tells nothing new. The receipts that this
// delivery has changed so far are in drafts: the state stays untouched.
func (s State) step(p Party, u StatusUpdate, drafts map[leg]receipt) events.Event {
	way := leg{u.MessageID, u.RecipientID}
	before, changed := drafts[way]
	if !changed {
		before = s.receipt(u.MessageID, u.RecipientID)
	}
	n, at := slot(u.Status), u.At.UTC().Truncate(time.Second)
	after := before.with(n, at.Unix(), u.Pricing)
	if after == before {
		return nil
	}
	drafts[way] = after
	fact := events.StatusFact{
		ConversationID: p.Conversation, MessageID: u.MessageID, RecipientID: u.RecipientID, FactID: u.FactID,
		At: at, Pricing: u.Pricing, Origin: u.Origin, Sending: s.sending(u.MessageID), Delivery: after.news(before),
		ShowsSent: after.showsSent(before), Raw: u.Raw,
	}
	switch {
	case !before.told.has(n):
		return stepOf(u, fact)
	case after.at[n] != before.at[n]:
		return events.StatusTimeCorrected{
			StatusFact: fact, Status: u.Status, PreviousAt: time.Unix(before.at[n], 0).UTC(),
		}
	default:
		return events.PricingTold{StatusFact: fact, Status: u.Status}
	}
}

// stepOf returns the event of a status that is told for the first time.
func stepOf(u StatusUpdate, fact events.StatusFact) events.Event {
	switch u.Status {
	case events.StatusSent:
		return events.MessageSent{StatusFact: fact}
	case events.StatusDelivered:
		return events.MessageDelivered{StatusFact: fact}
	case events.StatusRead:
		return events.MessageRead{StatusFact: fact}
	case events.StatusPlayed:
		return events.MessagePlayed{StatusFact: fact}
	case events.StatusFailed:
		return events.MessageFailed{StatusFact: fact, Errors: u.Errors}
	default:
		return nil
	}
}
