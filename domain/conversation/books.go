package conversation

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// What a new book takes over. The platform repeats what it tells for at most seven days, and delivers for at most thirty.
const (
	repeatedFor = 8 * 24 * time.Hour
	openFor     = 31 * 24 * time.Hour
	openBytes   = 240 << 10 // of open messages, as JSON: with all else an event stays below 512 KiB
	receivedMax = 2_500
)

// BookStream names the stream of one of the conversation's books; the first is 0.
func BookStream(conversation id.Conversation, book int) string {
	if book == 0 {
		return Stream(conversation)
	}
	return Stream(conversation) + "-" + strconv.Itoa(book)
}

// CarryForward is what closes the book in use and opens the next: all that decisions need.
func (s State) CarryForward(now time.Time) events.ConversationCarriedForward {
	carried := events.ConversationCarriedForward{
		ConversationID: s.party.Conversation, AccountID: s.party.Account, PhoneNumberID: s.party.PhoneNumberID,
		CustomerID: s.party.Customer, Book: s.book + 1, Events: s.events, ClosedAt: now,
		WindowUntil: pointer(s.windowUntil), AnsweredAt: pointer(s.answeredAt), WaitingSince: pointer(s.waitingSince),
		AdMessageID: pointer(s.entry.message), AdAskedAt: pointer(s.entry.askedAt), EntryPoint: pointer(s.entry.window),
		Consent: s.consent, IdentifiedBy: pointer(s.identifiedBy), IdentifiedAt: pointer(s.identifiedAt),
		NumberChangedAt: pointer(s.numberChangedAt),
		Open:            s.openMessages(now), Received: s.repeatable(now),
		Campaigns: slices.SortedFunc(maps.Keys(s.campaigns), compareIDs),
	}
	platform := map[id.Message]bool{}
	for _, m := range carried.Open {
		if m.Platform != nil && !platform[*m.Platform] {
			platform[*m.Platform] = true
			carried.Platform = append(carried.Platform, events.PlatformConversation{
				Platform: *m.Platform, OpenerID: s.platform.opener[*m.Platform],
			})
		}
	}
	return carried
}

// opened is the state in which a new book begins.
func opened(e events.ConversationCarriedForward) State {
	s := empty()
	s.standing = standing{
		party: Party{e.ConversationID, e.AccountID, e.PhoneNumberID, e.CustomerID},
		book:  e.Book, events: e.Events + 1, windowUntil: value(e.WindowUntil), answeredAt: value(e.AnsweredAt), waitingSince: value(e.WaitingSince),
		entry:   entryPoint{window: value(e.EntryPoint), message: value(e.AdMessageID), askedAt: value(e.AdAskedAt)},
		consent: e.Consent, identifiedBy: value(e.IdentifiedBy), identifiedAt: value(e.IdentifiedAt),
		numberChangedAt: value(e.NumberChangedAt),
	}
	for _, m := range e.Open {
		s.open(m)
	}
	for _, m := range e.Received {
		s.received[m.MessageID] = instantOf(m.SentAt)
	}
	for _, p := range e.Platform {
		s.platform.opener[p.Platform] = p.OpenerID
	}
	for _, campaign := range e.Campaigns {
		s.campaigns[campaign] = struct{}{}
	}
	return s
}

// openMessages are the messages of the last days, oldest first: as many of the newest as there is room for. What is told
// of one that has no room is looked up in its book.
func (s State) openMessages(now time.Time) []events.OpenMessage {
	since, told := instantOf(now.Add(-openFor)), now.Add(-repeatedFor).Unix()
	var young []id.Message
	for message, m := range s.sent {
		if m.queuedAt >= since || m.toldAt() >= told {
			young = append(young, message)
		}
	}
	slices.SortFunc(young, func(a, b id.Message) int {
		return cmp.Or(cmp.Compare(s.sent[b].queuedAt, s.sent[a].queuedAt), compareIDs(a, b))
	})
	wamids := s.wamids()
	var open []events.OpenMessage
	for room, i := openBytes, 0; i < len(young); i++ {
		m := s.whole(young[i], wamids)
		text, err := json.Marshal(m)
		if room -= len(text); err != nil || room < 0 {
			break
		}
		open = append(open, m)
	}
	slices.Reverse(open)
	return open
}

// wamids is the platform's ids by the messages that they are bound to.
func (s State) wamids() map[id.Message]id.Message {
	wamids := make(map[id.Message]id.Message, len(s.bound))
	for wamid, message := range s.bound {
		wamids[message] = wamid
	}
	return wamids
}

// Message returns a message of ours whole, as another book can take it over.
func (s State) Message(message id.Message) (_ events.OpenMessage, known bool) {
	if _, known = s.sent[message]; !known {
		return events.OpenMessage{}, false
	}
	return s.whole(message, s.wamids()), true
}

// Recall brings a message of an older book into this one; nothing, when it is there.
func (s State) Recall(m events.OpenMessage) []events.Event {
	if _, known := s.sent[m.MessageID]; known {
		return nil
	}
	return []events.Event{events.MessageRecalled{ConversationID: s.party.Conversation, OpenMessage: m}}
}

func (s State) whole(message id.Message, wamids map[id.Message]id.Message) events.OpenMessage {
	m := s.sent[message]
	open := events.OpenMessage{
		MessageID: message, Sending: s.sending(message),
		Accepted: m.marks.has(accepted), Echoed: m.marks.has(elsewhere), Ended: m.marks.has(ended),
	}
	if wamid, bound := wamids[message]; bound {
		open.Wamid = &wamid
	}
	if conversation, priced := s.platform.of[message]; priced {
		open.Platform = &conversation
	}
	if d, underway := s.dispatches[message]; underway {
		open.Dispatch = &events.Dispatch{State: string(d.state), Attempt: d.attempt, NotBefore: d.notBefore.pointer()}
	}
	for _, r := range m.receipts {
		open.Receipts = append(open.Receipts, r.whole())
	}
	return open
}

// open takes a message over from another book.
func (s State) open(o events.OpenMessage) {
	m := outboundOf(o.Sending)
	for mark, set := range map[marks]bool{accepted: o.Accepted, elsewhere: o.Echoed, ended: o.Ended} {
		if set {
			m.marks = m.marks.with(mark)
		}
	}
	for _, r := range o.Receipts {
		m.receipts = append(m.receipts, receiptOf(r))
	}
	s.sent[o.MessageID] = m
	if o.Wamid != nil {
		s.bound[*o.Wamid] = o.MessageID
	}
	if o.Platform != nil {
		s.platform.of[o.MessageID] = *o.Platform
	}
	if d := o.Dispatch; d != nil {
		s.dispatches[o.MessageID] = dispatch{dispatchState(d.State), d.Attempt, instantOf(value(d.NotBefore))}
	}
}

func (r receipt) whole() events.ReceiptTold {
	told := events.ReceiptTold{RecipientID: r.recipient, Pricing: pricingOf(r.word)}
	for n, status := range statuses {
		if r.told.has(n) {
			told.Steps = append(told.Steps, events.StepTold{Status: status, At: time.Unix(r.at[n], 0).UTC(), Worded: r.worded.has(n)})
		}
	}
	if r.told&meansDelivery != 0 {
		told.FirstAt = new(time.Unix(r.firstAt, 0).UTC())
	}
	return told
}

func receiptOf(told events.ReceiptTold) receipt {
	r := receipt{recipient: told.RecipientID}
	for _, step := range told.Steps {
		n := slot(step.Status)
		if n < 0 {
			continue
		}
		r.at[n], r.told = step.At.Unix(), r.told.with(n)
		if step.Worded {
			r.worded = r.worded.with(n)
		}
	}
	if told.FirstAt != nil {
		r.firstAt = told.FirstAt.Unix()
	}
	if told.Pricing != nil {
		r.word = priceOf(told.Pricing)
	}
	return r
}

// repeatable are the messages that the platform may tell again, oldest first: the newest, where there are very many.
func (s State) repeatable(now time.Time) []events.ReceivedMessage {
	since := instantOf(now.Add(-repeatedFor))
	var received []events.ReceivedMessage
	for message, at := range s.received {
		if at >= since {
			received = append(received, events.ReceivedMessage{MessageID: message, SentAt: at.time()})
		}
	}
	slices.SortFunc(received, func(a, b events.ReceivedMessage) int {
		return cmp.Or(a.SentAt.Compare(b.SentAt), compareIDs(a.MessageID, b.MessageID))
	})
	return received[max(0, len(received)-receivedMax):]
}

func compareIDs[K any](a, b id.ID[K]) int { return slices.Compare(a.UUID[:], b.UUID[:]) }

// pointer is nil for the zero value.
func pointer[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
