package policies

import (
	"context"
	"errors"
	"time"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// outcome is what came of giving a message to the platform.
type outcome struct {
	conversation id.Conversation
	message      id.Message
	attempt      int
	at           time.Time
	accepted     Accepted
	err          error
}

// retryMax bounds the waits between attempts, which double.
const retryMax = time.Hour

// settle records an outcome. What cannot be recorded now is remembered: it is all that tells what became of the message.
func (s *sending) settle(ctx context.Context, d *desk, meta commands.Meta, o outcome) error {
	err := s.record(ctx, meta, o)
	if domain.CodeOf(err) != "" { // the conversation knows better: it was bound by hand, or by a status
		err = nil
	}
	d.owe(o, err != nil)
	return err
}

func (s *sending) record(ctx context.Context, meta commands.Meta, o outcome) error {
	if o.err == nil {
		_, err := s.commands.AcceptMessage(ctx, meta, commands.AcceptMessage{
			Conversation: o.conversation, Message: o.message, WamidHash: o.accepted.WamidHash, Held: o.accepted.Held, Wamid: o.accepted.Wamid,
		})
		return err
	}
	refused, is := errors.AsType[*RefusedError](o.err)
	if !is {
		_, err := s.commands.LoseDispatch(ctx, meta, o.conversation, o.message, o.attempt, events.CauseTimeout)
		return err
	}
	c := conversation.Refused{
		Conversation: o.conversation, Message: o.message, Attempt: o.attempt, Code: refused.Code, Rejection: refused.Rejection,
	}
	if refused.Retry {
		c.RetryAt = new(o.at.UTC().Add(backedOff(refused.After, o.attempt)))
	}
	_, err := s.commands.RefuseDispatch(ctx, meta, c)
	return err
}

// backedOff is how long to wait after an attempt, from 1.
func backedOff(after time.Duration, attempt int) time.Duration {
	for ; attempt > 1 && after < retryMax; attempt-- {
		after *= 2
	}
	return min(after, retryMax)
}

func (d *desk) owes(message id.Message) (o outcome, owed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o, owed = d.owed[message]
	return o, owed
}

func (d *desk) owe(o outcome, owed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if owed {
		d.owed[o.message] = o
	} else {
		delete(d.owed, o.message)
	}
}

// slot gives a message its instant. The rate of a number is asked for once.
func (d *desk) slot(p conversation.Party, message id.Message, now time.Time, rate func() int) (time.Time, events.DispatchCause) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pacer.numbers[p.PhoneNumberID] == nil {
		d.pacer.setRate(p.PhoneNumberID, rate())
	}
	return d.pacer.slot(p, message, now)
}

func (d *desk) setRate(number string, most int) {
	if most <= 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pacer.setRate(number, most)
}

func (d *desk) used(message id.Message, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pacer.used(message, now)
}
