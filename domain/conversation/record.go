package conversation

import (
	"time"

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
	for _, update := range distinct(placed) {
		switch u := update.(type) {
		case Inbound:
			decided := s.receive(p, u, now)
			if len(decided) > 0 { // only the scalars of this copy move on; the maps stay untouched
				s.party, s.windowUntil = p, s.windowAfter(u, now)
			}
			recorded = append(recorded, decided...)
		case StatusUpdate:
			if event := s.step(p, u); event != nil {
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

// distinct leaves one update per natural key, in the place of the first. Of a repeated status the earliest counts, as
// it would if they came one by one.
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
		if u, ok := update.(StatusUpdate); ok && u.At.Before(kept[i].(StatusUpdate).At) { //nolint:forcetypeassert // same key, same type
			kept[i] = update
		}
	}
	return kept
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

// step returns the event of a status, or nil when it is a repeat that tells nothing new.
func (s State) step(p Party, u StatusUpdate) events.Event {
	fact := events.StatusFact{
		ConversationID: p.Conversation, MessageID: u.MessageID, RecipientID: u.RecipientID, FactID: u.FactID,
		At: u.At.UTC().Truncate(time.Second), Pricing: u.Pricing, Origin: u.Origin, Raw: u.Raw,
	}
	if previous, recorded := s.recordedAt(u); recorded {
		if !fact.At.Before(previous) {
			return nil
		}
		return events.StatusTimeCorrected{StatusFact: fact, Status: u.Status, PreviousAt: previous}
	}
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

func (s State) recordedAt(u StatusUpdate) (time.Time, bool) {
	n := slot(u.Status)
	for _, r := range s.sent[u.MessageID].receipts {
		if r.recipient == u.RecipientID && n >= 0 && r.recorded[n] {
			return time.Unix(r.at[n], 0).UTC(), true
		}
	}
	return time.Time{}, false
}
