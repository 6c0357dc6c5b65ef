package commands

import (
	"context"
	"time"

	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// AcceptMessage is the command that binds the platform's id to a queued message.
type AcceptMessage = conversation.Accept

// AcceptMessage binds the platform's id to a queued message. The same binding again changes nothing.
func (h *Handler) AcceptMessage(ctx context.Context, meta Meta, c AcceptMessage) (events.Position, error) {
	return h.onMessage(ctx, meta, "AcceptMessage", c, c.Conversation, c.Message,
		func(s conversation.State, now time.Time) ([]events.Event, error) { return s.Accept(c, now) })
}

// Started is what StartDispatch decided.
type Started struct {
	Position events.Position
	Party    conversation.Party
	Attempt  int // zero: nothing is to be sent, or not yet
	Underway int // the attempt that has no outcome, with DispatchUnderway
}

// Pace says until when a message has to wait because of those before it, and why. An instant that has come lets it go. It
// may be asked more than once about one message, and then means the same message. Nil: there is none.
type Pace func(p conversation.Party, now time.Time) (until time.Time, cause events.DispatchCause)

// StartDispatch asks whether a message may be given to the platform now, and records that this begins, or how long the pace
// has it wait. Only after that, and only if there is an attempt, may it be done. While an attempt has no outcome the answer
// is DispatchUnderway.
func (h *Handler) StartDispatch(ctx context.Context, meta Meta, in id.Conversation, message id.Message, pace Pace) (Started, error) {
	var started Started
	at, err := h.onMessage(ctx, meta, "StartDispatch", nil, in, message,
		func(s conversation.State, now time.Time) ([]events.Event, error) {
			started = Started{Party: s.Party(), Underway: s.Underway(message)}
			decided, err := s.Start(message, now)
			for _, event := range decided {
				if e, starts := event.(events.DispatchStarted); starts {
					started.Attempt = e.Attempt
				}
			}
			if started.Attempt > 0 && pace != nil {
				if until, cause := pace(s.Party(), now); until.After(now) {
					started.Attempt = 0
					return s.Defer(message, until, cause, now)
				}
			}
			return decided, err
		})
	started.Position = at
	return started, err
}

// RefuseDispatch records that the platform did not take a message.
func (h *Handler) RefuseDispatch(ctx context.Context, meta Meta, c conversation.Refused) (events.Position, error) {
	return h.onMessage(ctx, meta, "RefuseDispatch", nil, c.Conversation, c.Message,
		func(s conversation.State, now time.Time) ([]events.Event, error) { return s.Refuse(c, now) })
}

// LoseDispatch records that nobody will know what became of an attempt.
func (h *Handler) LoseDispatch(ctx context.Context, meta Meta, in id.Conversation, message id.Message, attempt int, cause events.DispatchCause) (events.Position, error) {
	return h.onMessage(ctx, meta, "LoseDispatch", nil, in, message,
		func(s conversation.State, now time.Time) ([]events.Event, error) {
			return s.Lose(message, attempt, cause, now)
		})
}

// DeferDispatch records that a message has to wait.
func (h *Handler) DeferDispatch(ctx context.Context, meta Meta, in id.Conversation, message id.Message, until time.Time, cause events.DispatchCause) (events.Position, error) {
	return h.onMessage(ctx, meta, "DeferDispatch", nil, in, message,
		func(s conversation.State, now time.Time) ([]events.Event, error) {
			return s.Defer(message, until, cause, now)
		})
}

// ExpireMessage records that a message's life is over, if it is and nothing tells of its delivery.
func (h *Handler) ExpireMessage(ctx context.Context, meta Meta, in id.Conversation, message id.Message) (events.Position, error) {
	return h.onMessage(ctx, meta, "ExpireMessage", nil, in, message,
		func(s conversation.State, now time.Time) ([]events.Event, error) { return s.Expire(message, now) })
}

// onMessage decides on a message of ours, in whichever book it stands.
func (h *Handler) onMessage(
	ctx context.Context, meta Meta, name string, fields any, in id.Conversation, message id.Message, decide decision[conversation.State],
) (events.Position, error) {
	party, _, err := h.Party(ctx, in)
	if err != nil {
		return events.Start, err
	}
	r := newRequest(meta, party.Account, name, fields)
	at, refusal := h.conversations.execute(ctx, conversation.Stream(in), r, decide)
	if domain.CodeOf(refusal) != "MessageUnknown" {
		return at, refusal
	}
	found, err := h.recall(ctx, r, in, []id.Message{message})
	switch {
	case err != nil:
		return events.Start, err
	case !found:
		return at, refusal
	}
	return h.conversations.execute(ctx, conversation.Stream(in), r, decide)
}
