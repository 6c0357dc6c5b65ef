package conversation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
)

func start(n int, now time.Time) decision {
	return func(s conversation.State) ([]events.Event, error) { return s.Start(message(n), now) }
}

func refuse(n, attempt, code int, retryAt *time.Time) decision {
	return func(s conversation.State) ([]events.Event, error) {
		return s.Refuse(conversation.Refused{
			Conversation: party.Conversation, Message: message(n), Attempt: attempt, Code: code, RetryAt: retryAt,
		}, question)
	}
}

func lose(n, attempt int) decision {
	return func(s conversation.State) ([]events.Event, error) {
		return s.Lose(message(n), attempt, events.CauseTimeout, question)
	}
}

func deferred(n int, until time.Time) decision {
	return func(s conversation.State) ([]events.Event, error) {
		return s.Defer(message(n), until, events.CausePairRate, question)
	}
}

func expire(n int, now time.Time) decision {
	return func(s conversation.State) ([]events.Event, error) { return s.Expire(message(n), now) }
}

func dispatchStarted(n, attempt int) events.DispatchStarted {
	return events.DispatchStarted{ConversationID: party.Conversation, MessageID: message(n), Attempt: attempt, StartedAt: question}
}

func dispatchFailed(n, attempt, code int, retryAt *time.Time) events.DispatchFailed {
	return events.DispatchFailed{
		ConversationID: party.Conversation, MessageID: message(n), CustomerID: ada, Attempt: attempt, Code: code, RetryAt: retryAt,
		FailedAt: question, Sending: sending(queuedTemplate(n, events.Utility)),
	}
}

func dispatchUnknown(n, attempt int) events.DispatchUnknown {
	return events.DispatchUnknown{
		ConversationID: party.Conversation, MessageID: message(n), Attempt: attempt, Cause: events.CauseTimeout, At: question,
	}
}

func dispatchDeferred(n int, until time.Time) events.DispatchDeferred {
	return events.DispatchDeferred{
		ConversationID: party.Conversation, MessageID: message(n), Until: until, Cause: events.CausePairRate, At: question,
	}
}

// failedBefore is a message that we did not even try to send.
func failedBefore(e events.MessageQueued, code string) events.DispatchFailed {
	return events.DispatchFailed{
		ConversationID: party.Conversation, MessageID: e.MessageID, CustomerID: ada, Rejection: code, FailedAt: question, Sending: sending(e),
	}
}

func at(now time.Time, e events.DispatchFailed) events.DispatchFailed {
	e.FailedAt = now
	return e
}

func expired(e events.MessageQueued, now time.Time) events.MessageExpired {
	return events.MessageExpired{
		ConversationID: party.Conversation, MessageID: e.MessageID, CustomerID: ada, ExpiredAt: now, Sending: sending(e),
	}
}

var written = given(started(events.EntryBusiness), queuedTemplate(1, events.Utility))

func TestAMessageIsStartedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	underway := written.When(start(1, question)).Then(t, dispatchStarted(1, 1))
	require.Equal(t, domain.Conflict, underway.When(start(1, question)).Rejected(t, "DispatchUnderway").Kind)
	sent := underway.When(accept(1, 1)).Then(t, accepted(1, 1))
	sent.When(start(1, question)).Then(t)
	sent.When(refuse(1, 1, 131026, nil)).Then(t)
	sent.When(lose(1, 1)).Then(t)
	sent.When(deferred(1, minute(5))).Then(t)
	require.Equal(t, domain.NotFound, written.When(start(2, question)).Rejected(t, "MessageUnknown").Kind)
	// What a person gave to the platform, or a status shows that it was sent, is not sent again.
	written.Given(accepted(1, 1)).When(start(1, question)).Then(t)
	written.Given(events.MessageSent{StatusFact: fact(1, events.StatusSent, question)}).When(start(1, question)).Then(t)
}

func TestARefusalIsForGoodOrUntilTheNextAttempt(t *testing.T) {
	t.Parallel()
	underway := written.Given(dispatchStarted(1, 1))
	final := underway.When(refuse(1, 1, 131026, nil)).Then(t, dispatchFailed(1, 1, 131026, nil))
	final.When(start(1, question.Add(time.Hour))).Then(t)
	final.When(refuse(1, 1, 131026, nil)).Then(t)
	final.When(expire(1, question.AddDate(1, 0, 0))).Then(t)

	retry := underway.When(refuse(1, 1, 130429, new(minute(5)))).Then(t, dispatchFailed(1, 1, 130429, new(minute(5))))
	retry.When(refuse(1, 1, 130429, new(minute(5)))).Then(t)
	retry.When(start(1, minute(5).Add(-time.Nanosecond))).Then(t)
	want := dispatchStarted(1, 2)
	want.StartedAt = minute(5)
	again := retry.When(start(1, minute(5))).Then(t, want)
	again.When(refuse(1, 1, 130429, nil)).Then(t) // the first attempt's, told once more
	again.When(refuse(1, 2, 131026, nil)).Then(t, dispatchFailed(1, 2, 131026, nil))
	written.When(refuse(1, 1, 131026, nil)).Then(t) // nothing was tried
}

// Whether it was sent is unknown: it is never sent again, and whatever is learnt later settles it.
func TestAnUnknownOutcomeIsNeverTriedAgain(t *testing.T) {
	t.Parallel()
	underway := written.Given(dispatchStarted(1, 1))
	lost := underway.When(lose(1, 1)).Then(t, dispatchUnknown(1, 1))
	lost.When(lose(1, 1)).Then(t)
	lost.When(start(1, question.Add(time.Hour))).Then(t)
	lost.When(deferred(1, minute(9))).Then(t)
	underway.When(lose(1, 2)).Then(t)
	// Its first holder was still waiting, and now has the answer.
	lost.When(accept(1, 1)).Then(t, accepted(1, 1))
	lost.When(refuse(1, 1, 131026, nil)).Then(t, dispatchFailed(1, 1, 131026, nil))
	lost.When(refuse(1, 1, 130429, new(minute(5)))).Then(t, dispatchFailed(1, 1, 130429, new(minute(5)))).
		When(start(1, question)).Then(t)
}

func TestAStatusReconcilesAMessageWhoseOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	lost := written.Given(dispatchStarted(1, 1), dispatchUnknown(1, 1))
	told := status(1, events.StatusSent, minute(1))
	told.WamidHash, told.Wamid = wamid(1), "sealed wamid"
	bound := accepted(1, 1)
	bound.AcceptedAt, bound.Reconciled = endOfStory, true
	f := onward(fact(1, events.StatusSent, minute(1)))
	f.Sending = sending(queuedTemplate(1, events.Utility))
	known := lost.When(tell(t, told)).Then(t, bound, events.MessageSent{StatusFact: f})
	known.When(tell(t, told)).Then(t)
	known.When(accept(1, 1)).Then(t)
	known.When(start(1, question)).Then(t)

	// Two statuses in one delivery bind it once; another platform id is no status of it.
	second := told
	second.Status, second.FactID = events.StatusFailed, conversation.StatusFactID(wamid(1), events.StatusFailed, ada)
	g := f
	g.FactID, g.ShowsSent = second.FactID, false
	lost.When(tell(t, told, second)).Then(t, bound, events.MessageSent{StatusFact: f}, events.MessageFailed{StatusFact: g})
	stranger := told
	stranger.WamidHash, stranger.Status = wamid(2), events.StatusRead
	known.When(func(s conversation.State) ([]events.Event, error) {
		recorded, unplaced := s.Record(party, []conversation.Update{stranger}, endOfStory)
		require.Len(t, unplaced, 1)
		return recorded, nil
	}).Then(t)
}

func TestAMessageThatHasToWaitIsDeferred(t *testing.T) {
	t.Parallel()
	waits := written.When(deferred(1, minute(5))).Then(t, dispatchDeferred(1, minute(5)))
	waits.When(deferred(1, minute(5))).Then(t)
	waits.When(deferred(1, minute(4))).Then(t)
	waits.When(start(1, minute(5).Add(-time.Nanosecond))).Then(t)
	longer := waits.When(deferred(1, minute(6))).Then(t, dispatchDeferred(1, minute(6)))
	want := dispatchStarted(1, 1)
	want.StartedAt = minute(6)
	longer.When(start(1, minute(6))).Then(t, want)
	longer.Given(dispatchStarted(1, 1)).When(deferred(1, minute(7))).Then(t)
	// After a refusal, it is still the next attempt.
	tried := written.Given(dispatchStarted(1, 1), dispatchFailed(1, 1, 130429, new(minute(1))), dispatchDeferred(1, minute(6)))
	want.Attempt = 2
	tried.When(start(1, minute(6))).Then(t, want)
}

func TestVector13_AMessageExpiresAndIsDeliveredAllTheSame(t *testing.T) {
	t.Parallel()
	m := queuedTemplate(1, events.Utility)
	over := question.AddDate(0, 0, 30)
	sent := written.Given(accepted(1, 1), events.MessageSent{StatusFact: fact(1, events.StatusSent, question)})
	sent.When(expire(1, over)).Then(t)
	gone := sent.When(expire(1, over.Add(1))).Then(t, expired(m, over.Add(1)))
	gone.When(expire(1, over.Add(2))).Then(t)

	late := over.AddDate(0, 0, 1)
	f := telling(events.Delivery{At: late, Late: true}, fact(1, events.StatusDelivered, late))
	f.Sending = sending(m)
	delivered := events.MessageDelivered{StatusFact: f}
	gone.When(tell(t, status(1, events.StatusDelivered, late))).Then(t, delivered)
	sent.Given(delivered).When(expire(1, late.Add(1))).Then(t)
	sent.Given(events.MessageFailed{StatusFact: fact(1, events.StatusFailed, question)}).When(expire(1, late)).Then(t)

	// A code that is ten minutes old is of no use any more: it is not even sent.
	code := queuedTemplate(1, events.Authentication)
	stale := minute(10).Add(1)
	given(started(events.EntryBusiness), code).When(start(1, stale)).Then(t, expired(code, stale)).
		When(start(1, stale)).Then(t)
	require.Equal(t, domain.NotFound, written.When(expire(2, over)).Rejected(t, "MessageUnknown").Kind)
}

func TestS39_WhatABusinessWroteStays(t *testing.T) {
	t.Parallel()
	require.Equal(t, "MessageNotDeletable", domain.CodeOf(conversation.NotDeletable(message(1))))
}

// What a system writes again is no news; what a person writes again is a mistake.
func TestASystemMayWriteAMessageAgain(t *testing.T) {
	t.Parallel()
	campaign, want := template(1, events.Utility), queuedTemplate(1, events.Utility)
	campaign.Campaign = &events.CampaignRef{Chunk: 1}
	want.Campaign = campaign.Campaign
	once := given(started(events.EntryBusiness)).When(send(campaign, question)).Then(t, want)
	once.When(send(campaign, question)).Then(t)
	other := campaign
	other.MessageID = message(2)
	once.When(send(other, question)).Then(t) // nobody is written to twice
	once.When(send(template(1, events.Utility), question)).Rejected(t, "MessageExists")

	automatic, reply := template(3, events.Utility), queuedTemplate(3, events.Utility)
	automatic.Automatic, reply.Automatic = "away", "away"
	once.When(send(automatic, question)).Then(t, reply).When(send(automatic, question)).Then(t)
}

// What no person wrote answers nobody: a customer still waits.
func TestASystemsMessageIsNoAnswer(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour)
	automatic, away := text(1), queued(1)
	automatic.Automatic, away.Automatic, away.WindowUntil, away.QueuedAt = "away", "away", &until, minute(1)
	want := queued(2)
	want.QueuedAt, want.WindowUntil, want.AnswersSince = minute(9), &until, &question
	given(started(events.EntryInbound), received(1, question, until)).
		When(send(automatic, minute(1))).Then(t, away).
		When(send(text(2), minute(9))).Then(t, want)
}
