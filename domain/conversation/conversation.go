// Package conversation decides what happens between one business number and one customer.
//
// Invariants:
//   - The first event is ConversationStarted, once; its entry tells how the first message came.
//   - Each inbound message is recorded once, whatever the platform repeats.
//   - The service window ends, inclusive, 24 hours after the newest inbound message; its end never goes back, and never
//     lies more than 24 hours ahead of the moment of recording (S31).
//   - Free-form text is queued only while the window is open (or, on days whose prices know a fee for late replies, once
//     the customer has written); templates at any time, with a category (S29–S32).
//   - Nothing is queued or given to the platform for a customer who blocks the number; nothing of a category that the
//     customer opted out of or does not choose; marketing only to those who opted in (S21, S22, S43–S46, S61).
//   - A free entry point window opens with our first answer within 24 hours of a message that came from an ad, and is open
//     for 72 hours, inclusive; an end that the platform tells replaces ours. It never permits free-form text.
//   - A queued message carries the device, its name at that moment, and the registry revision that proves it (S6, S7).
//   - A campaign writes to a customer at most once. What no person writes answers nobody.
//   - Before a message is given to the platform, DispatchStarted is recorded. Only a refusal that allows it is followed by
//     another attempt.
//   - A message is bound to at most one platform id, and a platform id to at most one message.
//   - Sent, delivered, read, played and failed are each recorded at most once per message and recipient, in any order;
//     so there is at most one delivery per message and recipient, for ever (S30). An earlier time told later is a
//     correction, not a second step; so is a first word on the price.
//   - One fact per message and recipient shows that the platform sent it on: the first that tells sent or more.
//   - What is known of a delivery is the same in whatever order it was told (but for the platform's conversation, which
//     the message first told of opens), and every fact that changes it says it whole.
//   - Messages written elsewhere open no window and cost nothing.
//   - A new book decides as the old one did.
package conversation

import (
	"time"

	"daybook/events"
	"daybook/events/id"
)

// window is how long a customer's message keeps the service window open.
const window = 24 * time.Hour

// State is a conversation as far as decisions need it: some 250 bytes per message sent, 35 per
// message received and 900 besides. The zero value has not started.
type State struct {
	standing

	received   map[id.Message]instant
	sent       map[id.Message]outbound
	bound      map[id.Message]id.Message // by InboundID of the wamid hash: sixteen bytes instead of its text
	dispatches map[id.Message]dispatch   // of what is on its way to the platform
	campaigns  map[id.Campaign]struct{}  // that wrote to the customer
	platform   platform
}

// standing is what holds for the conversation as a whole. Copies of it are independent: what it points to never changes.
type standing struct {
	party           Party
	book            int    // the one in use, from 0
	events          uint64 // in all books
	windowUntil     time.Time
	answeredAt      time.Time // when the business wrote last
	waitingSince    time.Time // when the customer first wrote after that; zero when nothing waits for an answer
	entry           entryPoint
	consent         events.Consent
	identifiedBy    id.Fact
	identifiedAt    time.Time
	numberChangedAt time.Time
}

// Account returns whose books the conversation is in; zero before it has started.
func (s State) Account() id.Account { return s.party.Account }

// Party returns between whom the conversation is; zero before it has started.
func (s State) Party() Party { return s.party }

// Stream names the stream of the book in use.
func (s State) Stream() string { return BookStream(s.party.Conversation, s.book) }

// Evolve folds one event. It may change the maps of the state that it is given.
func Evolve(s State, event events.Event) State {
	if e, opens := event.(events.ConversationCarriedForward); opens {
		return opened(e)
	}
	if s.sent == nil {
		s = empty()
	}
	s.standing = s.after(event)
	s.keep(event)
	return s
}

func empty() State {
	return State{
		received: map[id.Message]instant{}, sent: map[id.Message]outbound{}, bound: map[id.Message]id.Message{},
		dispatches: map[id.Message]dispatch{}, campaigns: map[id.Campaign]struct{}{}, platform: newPlatform(),
	}
}

// after is the standing once an event has happened.
func (s standing) after(event events.Event) standing {
	s.events++
	switch e := event.(type) {
	case events.ConversationStarted:
		s.party = Party{e.ConversationID, e.AccountID, e.PhoneNumberID, e.CustomerID}
	case events.MessageReceived:
		s.windowUntil = later(s.windowUntil, e.WindowUntil)
		s.waitingSince = s.waitingAfter(e)
		s.entry = s.entry.asked(e)
	case events.MessageQueued:
		if e.Campaign == nil && e.Automatic == "" {
			s.answeredAt, s.waitingSince = later(s.answeredAt, e.QueuedAt), time.Time{}
		}
		if e.Category == events.Marketing {
			s.consent.MarketingAt = &e.QueuedAt
		}
		s.entry = s.entry.answered()
	case events.MessageEchoed:
		s.answeredAt = later(s.answeredAt, e.SentAt)
		if !e.SentAt.Before(s.waitingSince) {
			s.waitingSince = time.Time{}
		}
		s.entry = s.entry.answered()
	case events.EntryPointWindowOpened:
		s.entry.window = e.EntryPoint
	case events.CustomerIdentified:
		s.identifiedBy, s.identifiedAt = e.FactID, e.At
	case events.CustomerNumberChanged:
		s.numberChangedAt = e.At
	default:
		s.consent = consentAfter(s.consent, event)
	}
	return s
}

// keep takes an event about one message into the maps.
func (s State) keep(event events.Event) {
	switch e := event.(type) {
	case events.MessageReceived:
		s.received[e.MessageID] = instantOf(e.SentAt)
	case events.MessageImported:
		s.received[e.MessageID] = instantOf(e.ImportedAt)
	case events.MessageQueued:
		s.sent[e.MessageID] = written(e)
		if e.Campaign != nil {
			s.campaigns[e.Campaign.CampaignID] = struct{}{}
		}
	case events.MessageEchoed:
		s.sent[e.MessageID] = echoed(e)
	case events.MessageAccepted:
		m := s.sent[e.MessageID]
		m.marks = m.marks.with(accepted).without(ended)
		s.sent[e.MessageID], s.bound[InboundID(e.WamidHash)] = m, e.MessageID
		delete(s.dispatches, e.MessageID)
	case events.MessageRecalled:
		s.open(e.OpenMessage)
	default:
		if fact, status, told := statusOf(event); told {
			s.note(status, fact)
			return
		}
		s.keepDispatch(event)
	}
}

// statusOf returns what a status, or what corrects one, tells.
func statusOf(event events.Event) (_ events.StatusFact, _ events.Status, told bool) {
	switch e := event.(type) {
	case events.MessageSent:
		return e.StatusFact, events.StatusSent, true
	case events.MessageDelivered:
		return e.StatusFact, events.StatusDelivered, true
	case events.MessageRead:
		return e.StatusFact, events.StatusRead, true
	case events.MessagePlayed:
		return e.StatusFact, events.StatusPlayed, true
	case events.MessageFailed:
		return e.StatusFact, events.StatusFailed, true
	case events.StatusTimeCorrected:
		return e.StatusFact, e.Status, true
	case events.PricingTold:
		return e.StatusFact, e.Status, true
	}
	return events.StatusFact{}, "", false
}

// waitingAfter is since when an answer is waited for once a message was received. A message that was written before
// the last answer, and is only told now, waits no longer. One that claims to be from the future waits from when it was
// recorded.
func (s standing) waitingAfter(e events.MessageReceived) time.Time {
	asked := askedAt(e)
	switch {
	case !asks(e.Kind) || asked.Before(s.answeredAt):
		return s.waitingSince
	case s.waitingSince.IsZero():
		return asked
	}
	return earlier(s.waitingSince, asked)
}

// askedAt is when a message was sent, but not later than when it was recorded: the window tells when that was.
func askedAt(e events.MessageReceived) time.Time {
	return earlier(e.SentAt, e.WindowUntil.Add(-window))
}

// asks reports whether a customer's message of a kind is one to answer. A reaction comments on what was said, and a
// system message is the platform's.
func asks(kind string) bool { return kind != "reaction" && kind != "system" }

// start returns ConversationStarted when the conversation has not begun.
func (s standing) start(p Party, entry events.Entry) []events.Event {
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
