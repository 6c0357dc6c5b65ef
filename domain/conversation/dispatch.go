package conversation

import (
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// dispatch is how far a message is on its way to the platform. A message that waits for its first attempt and was not
// deferred has none.
type dispatch struct {
	state     dispatchState
	attempt   int
	notBefore instant
}

type dispatchState string

const (
	started dispatchState = "started" // given to the platform, or about to be: whoever does it knows more
	unknown dispatchState = "unknown" // nobody knows whether the platform took it
	waiting dispatchState = "waiting" // for the next attempt
)

// Accept is the command to bind the platform's id to a message that was queued.
type Accept struct {
	Conversation id.Conversation
	Message      id.Message
	WamidHash    events.WamidHash
	Held         string        `json:"held,omitempty"` // why the platform does not send it on yet
	Wamid        events.Sealed `json:"-"`
}

// Refused is what the platform answers instead of taking a message.
type Refused struct {
	Conversation id.Conversation
	Message      id.Message
	Attempt      int
	Code         int
	Rejection    string     // ours, where it could not be given to the platform at all
	RetryAt      *time.Time // nil: for good
}

// keepDispatch takes an event of a message's way to the platform into the maps.
func (s State) keepDispatch(event events.Event) {
	switch e := event.(type) {
	case events.DispatchStarted:
		s.dispatches[e.MessageID] = dispatch{state: started, attempt: e.Attempt}
	case events.DispatchUnknown:
		s.dispatches[e.MessageID] = dispatch{state: unknown, attempt: e.Attempt}
	case events.DispatchDeferred:
		s.dispatches[e.MessageID] = dispatch{waiting, s.dispatches[e.MessageID].attempt, instantOf(e.Until)}
	case events.DispatchFailed:
		if e.RetryAt != nil {
			s.dispatches[e.MessageID] = dispatch{waiting, e.Attempt, instantOf(*e.RetryAt)}
			return
		}
		s.end(e.MessageID)
	case events.MessageExpired:
		s.end(e.MessageID)
	}
}

func (s State) end(message id.Message) {
	m := s.sent[message]
	if m.marks = m.marks.with(ended); !m.delivered() {
		m = m.released()
	}
	s.sent[message] = m
	delete(s.dispatches, message)
}

// Start allows the next attempt to give a message to the platform: only if DispatchStarted is decided. Nothing is decided
// where nothing is to be done, or not yet. Consent is asked for once more: what the customer does not want any more fails
// for good, and what lay too long expires. An attempt whose outcome is not recorded refuses the next one: who made it is
// either still at it or gone, and only its caller can tell.
func (s State) Start(message id.Message, now time.Time) ([]events.Event, error) {
	m, err := s.outbound(message)
	if err != nil {
		return nil, err
	}
	d := s.dispatches[message]
	switch {
	case m.marks != 0 || m.told() || d.state == unknown || now.Before(d.notBefore.time()):
		return nil, nil
	case d.state == started:
		return nil, domain.Refuse("DispatchUnderway", "message %s is being sent: attempt %d has no outcome", message, d.attempt)
	case now.After(m.lifeEnds()):
		return s.expired(message, now), nil
	}
	if refused := s.permit(valueOf(m.traits).category, !now.After(s.windowUntil)); refused != nil {
		return []events.Event{events.DispatchFailed{
			ConversationID: s.party.Conversation, MessageID: message, CustomerID: s.party.Customer, Attempt: d.attempt,
			Rejection: domain.CodeOf(refused), FailedAt: now, Sending: s.sending(message),
		}}, nil
	}
	return []events.Event{events.DispatchStarted{
		ConversationID: s.party.Conversation, MessageID: message, Attempt: d.attempt + 1, StartedAt: now,
	}}, nil
}

// Refuse records that the platform did not take a message: also where its outcome was taken for unknown in the meantime, but
// not where the platform told what became of it.
func (s State) Refuse(c Refused, now time.Time) ([]events.Event, error) {
	m, err := s.outbound(c.Message)
	if err != nil {
		return nil, err
	}
	if m.told() || !s.attempting(c.Message, c.Attempt) {
		return nil, nil
	}
	return []events.Event{events.DispatchFailed{
		ConversationID: s.party.Conversation, MessageID: c.Message, CustomerID: s.party.Customer, Attempt: c.Attempt,
		Code: c.Code, Rejection: c.Rejection, RetryAt: c.RetryAt, FailedAt: now, Sending: s.sending(c.Message),
	}}, nil
}

// Lose records that an attempt's outcome will never be known.
func (s State) Lose(message id.Message, attempt int, cause events.DispatchCause, now time.Time) ([]events.Event, error) {
	if _, err := s.outbound(message); err != nil {
		return nil, err
	}
	if s.dispatches[message] != (dispatch{state: started, attempt: attempt}) {
		return nil, nil
	}
	return []events.Event{events.DispatchUnknown{
		ConversationID: s.party.Conversation, MessageID: message, Attempt: attempt, Cause: cause, At: now,
	}}, nil
}

// Defer records that a message has to wait before its next attempt. Only a later instant is news.
func (s State) Defer(message id.Message, until time.Time, cause events.DispatchCause, now time.Time) ([]events.Event, error) {
	m, err := s.outbound(message)
	if err != nil {
		return nil, err
	}
	d := s.dispatches[message]
	if m.marks != 0 || m.told() || d.state == started || d.state == unknown || !until.After(d.notBefore.time()) {
		return nil, nil
	}
	return []events.Event{events.DispatchDeferred{
		ConversationID: s.party.Conversation, MessageID: message, Until: until.UTC(), Cause: cause, At: now,
	}}, nil
}

// Expire records that a message's life is over without a word of its delivery. Before that it decides nothing.
func (s State) Expire(message id.Message, now time.Time) ([]events.Event, error) {
	m, err := s.outbound(message)
	if err != nil {
		return nil, err
	}
	if m.marks.has(ended) || m.marks.has(elsewhere) || m.delivered() || m.failed() || !now.After(m.lifeEnds()) {
		return nil, nil
	}
	return s.expired(message, now), nil
}

func (s State) expired(message id.Message, now time.Time) []events.Event {
	return []events.Event{events.MessageExpired{
		ConversationID: s.party.Conversation, MessageID: message, CustomerID: s.party.Customer,
		ExpiredAt: now, Sending: s.sending(message),
	}}
}

// Accept binds the platform's id to a queued message, whatever was thought to have become of it.
func (s State) Accept(c Accept, now time.Time) ([]events.Event, error) {
	m, err := s.outbound(c.Message)
	if err != nil {
		return nil, err
	}
	if !isPrintable(string(c.WamidHash), wamidHashMax) {
		return nil, domain.Malformed("WamidRequired", "wamid", "wamid must be the platform's message id")
	}
	wamid := InboundID(c.WamidHash)
	switch owner, bound := s.bound[wamid]; {
	case bound && owner == c.Message:
		return nil, nil
	case bound || s.knows(wamid):
		return nil, domain.Refuse("WamidTaken", "the platform's id belongs to another message")
	case m.marks.has(accepted):
		return nil, domain.Refuse("AlreadyAccepted", "message %s is bound to another platform id", c.Message)
	}
	event := s.binding(c.Message, c.WamidHash, now)
	event.Held, event.Wamid = c.Held, c.Wamid
	return []events.Event{event}, nil
}

func (s State) binding(message id.Message, hash events.WamidHash, now time.Time) events.MessageAccepted {
	return events.MessageAccepted{
		ConversationID: s.party.Conversation, MessageID: message, CustomerID: s.party.Customer,
		PhoneNumberID: s.party.PhoneNumberID, WamidHash: hash, AcceptedAt: now,
	}
}

// Underway returns the attempt to send a message that has no outcome yet; zero: none.
func (s State) Underway(message id.Message) int {
	if d := s.dispatches[message]; d.state == started {
		return d.attempt
	}
	return 0
}

// attempting tells whether an attempt is under way, or its outcome unknown.
func (s State) attempting(message id.Message, attempt int) bool {
	d := s.dispatches[message]
	return d.attempt == attempt && (d.state == started || d.state == unknown)
}

func (s State) outbound(message id.Message) (outbound, error) {
	m, known := s.sent[message]
	if !known {
		return outbound{}, domain.Missing("MessageUnknown", "this conversation has no message %s that was sent", message)
	}
	return m, nil
}
