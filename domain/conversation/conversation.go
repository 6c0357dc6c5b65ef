// Package conversation decides what happens between one business number and one customer.
//
// Invariants:
//   - The first event is ConversationStarted, once; its entry tells how the first message came.
//   - Each inbound message is recorded once, whatever the platform repeats.
//   - The service window ends, inclusive, 24 hours after the newest inbound message; its end never goes back, and never
//     lies more than 24 hours ahead of the moment of recording (S31).
//   - Free-form text is queued only while the window is open; templates at any time, with a category (S29–S32).
//   - A queued message carries the device, its name at that moment, and the registry revision that proves it (S6, S7).
//   - A message is bound to at most one platform id, and a platform id to at most one message.
//   - Sent, delivered, read, played and failed are each recorded at most once per message and recipient, in any order;
//     so there is at most one delivery per message and recipient, for ever (S30). An earlier time told later is a
//     correction, not a second step; so is a first word on the price.
//   - One fact per message and recipient shows that the platform sent it on: the first that tells sent or more.
//   - What is known of a delivery is the same in whatever order it was told, and every fact that changes it says it whole.
package conversation

import (
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// window is how long a customer's message keeps the service window open.
const window = 24 * time.Hour

// State is a conversation as far as decisions need it: some 330 bytes per message sent. The zero
// value has not started.
type State struct {
	party        Party
	windowUntil  time.Time
	answeredAt   time.Time // when the business wrote last
	waitingSince time.Time // when the customer first wrote after that; zero when nothing waits for an answer
	received     map[id.Message]struct{}
	sent         map[id.Message]outbound
	bound        map[id.Message]id.Message // by InboundID of the wamid hash: sixteen bytes instead of its text
}

// Account returns whose books the conversation is in; zero before it has started.
func (s State) Account() id.Account { return s.party.Account }

// Evolve folds one event. It may change the maps of the state that it is given.
func Evolve(s State, event events.Event) State {
	if s.sent == nil {
		s.received, s.sent, s.bound = map[id.Message]struct{}{}, map[id.Message]outbound{}, map[id.Message]id.Message{}
	}
	switch e := event.(type) {
	case events.ConversationStarted:
		s.party = Party{e.ConversationID, e.AccountID, e.PhoneNumberID, e.CustomerID}
	case events.MessageReceived:
		s.received[e.MessageID] = struct{}{}
		s.windowUntil = later(s.windowUntil, e.WindowUntil)
		s.waitingSince = s.waitingAfter(e)
	case events.MessageQueued:
		s.sent[e.MessageID] = written(e)
		s.answeredAt, s.waitingSince = later(s.answeredAt, e.QueuedAt), time.Time{}
	case events.MessageAccepted:
		m := s.sent[e.MessageID]
		m.accepted = true
		s.sent[e.MessageID], s.bound[InboundID(e.WamidHash)] = m, e.MessageID
	case events.MessageSent:
		s.note(events.StatusSent, e.StatusFact)
	case events.MessageDelivered:
		s.note(events.StatusDelivered, e.StatusFact)
	case events.MessageRead:
		s.note(events.StatusRead, e.StatusFact)
	case events.MessagePlayed:
		s.note(events.StatusPlayed, e.StatusFact)
	case events.MessageFailed:
		s.note(events.StatusFailed, e.StatusFact)
	case events.StatusTimeCorrected:
		s.note(e.Status, e.StatusFact)
	case events.PricingTold:
		s.note(e.Status, e.StatusFact)
	}
	return s
}

// waitingAfter is since when an answer is waited for once a message was received. A message that was written before
// the last answer, and is only told now, waits no longer. One that claims to be from the future waits from when it was
// recorded: the window tells when that was.
func (s State) waitingAfter(e events.MessageReceived) time.Time {
	asked := earlier(e.SentAt, e.WindowUntil.Add(-window))
	switch {
	case !asks(e.Kind) || asked.Before(s.answeredAt):
		return s.waitingSince
	case s.waitingSince.IsZero():
		return asked
	}
	return earlier(s.waitingSince, asked)
}

// asks reports whether a customer's message of a kind is one to answer. A reaction comments on what was said, and a
// system message is the platform's.
func asks(kind string) bool { return kind != "reaction" && kind != "system" }

// Send queues a message written on a device.
func (s State) Send(c Send, from Sender, now time.Time) ([]events.Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if s.knows(c.MessageID) {
		return nil, domain.Refuse("MessageExists", "message %s is already in this conversation", c.MessageID)
	}
	open := !now.After(s.windowUntil)
	if c.Kind == kindText && !open {
		return nil, domain.Refuse("ServiceWindowClosed",
			"free-form text needs a message of the customer in the last 24 hours; use a template")
	}
	party := Party{IDOf(c.PhoneNumberID, c.CustomerID), c.Account, c.PhoneNumberID, c.CustomerID}
	queued := events.MessageQueued{
		ConversationID: party.Conversation, MessageID: c.MessageID, CustomerID: c.CustomerID,
		DeviceID: from.DeviceID, DeviceName: from.Name, RegistryRevision: from.RegistryRevision,
		Kind: c.Kind, Category: c.Category, Template: c.Template, QueuedAt: now,
		Market: from.Market, Dialling: c.Dialling, To: c.To, Content: c.Content,
	}
	if c.Kind == kindText {
		queued.Category = events.Service
	}
	if open {
		queued.WindowUntil = new(s.windowUntil)
	}
	if !s.waitingSince.IsZero() {
		queued.AnswersSince = new(earlier(s.waitingSince, now))
	}
	return append(s.start(party, events.EntryBusiness), queued), nil
}

// Accept binds the platform's id to a queued message.
func (s State) Accept(c Accept, now time.Time) ([]events.Event, error) {
	m, known := s.sent[c.Message]
	if !known {
		return nil, domain.Missing("MessageUnknown", "this conversation has no message %s that was sent", c.Message)
	}
	if !isPrintable(string(c.WamidHash), wamidHashMax) {
		return nil, domain.Malformed("WamidRequired", "wamid", "wamid must be the platform's message id")
	}
	wamid := InboundID(c.WamidHash)
	_, inbound := s.received[wamid]
	switch owner, bound := s.bound[wamid]; {
	case bound && owner == c.Message:
		return nil, nil
	case bound || inbound:
		return nil, domain.Refuse("WamidTaken", "the platform's id belongs to another message")
	case m.accepted:
		return nil, domain.Refuse("AlreadyAccepted", "message %s is bound to another platform id", c.Message)
	}
	return []events.Event{events.MessageAccepted{
		ConversationID: s.party.Conversation, MessageID: c.Message, CustomerID: s.party.Customer,
		PhoneNumberID: s.party.PhoneNumberID, WamidHash: c.WamidHash, AcceptedAt: now, Wamid: c.Wamid,
	}}, nil
}

// start returns ConversationStarted when the conversation has not begun.
func (s State) start(p Party, entry events.Entry) []events.Event {
	if !s.party.Account.IsZero() {
		return nil
	}
	return []events.Event{events.ConversationStarted{
		ConversationID: p.Conversation, AccountID: p.Account,
		PhoneNumberID: p.PhoneNumberID, CustomerID: p.Customer, Entry: entry,
	}}
}

func (s State) knows(message id.Message) bool {
	_, in := s.received[message]
	_, out := s.sent[message]
	return in || out
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
