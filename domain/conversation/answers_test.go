package conversation_test

import (
	"testing"
	"time"

	"daybook/domain/conversation"
	"daybook/events"
)

// open is a service window's end that is later than what these tests tell of.
var open = question.Add(48 * time.Hour)

func minute(n int) time.Time { return question.Add(time.Duration(n) * time.Minute) }

func receivedAs(kind string, n int, at time.Time) events.MessageReceived {
	e := received(n, at, open)
	e.Kind = kind
	return e
}

// answer is what a template is recorded as, given since when the customer waits for it.
func answer(n int, at time.Time, since *time.Time) events.MessageQueued {
	e := queuedTemplate(n, events.Utility)
	e.QueuedAt, e.WindowUntil, e.AnswersSince = at, &open, since
	return e
}

func TestAMessageAnswersTheOldestThatWaits(t *testing.T) {
	t.Parallel()
	asked := given(started(events.EntryInbound), receivedAs("text", 1, minute(0)))
	asked.When(send(template(1, events.Utility), minute(9))).Then(t, answer(1, minute(9), new(minute(0))))

	twice := asked.Given(receivedAs("text", 2, minute(5)))
	once := twice.When(send(template(1, events.Utility), minute(9))).Then(t, answer(1, minute(9), new(minute(0))))
	once.When(send(template(2, events.Utility), minute(10))).Then(t, answer(2, minute(10), nil)) // it is answered
	again := once.Given(receivedAs("text", 3, minute(20)), receivedAs("text", 4, minute(21)))
	again.When(send(template(2, events.Utility), minute(30))).Then(t, answer(2, minute(30), new(minute(20))))

	nobody := queuedTemplate(1, events.Utility)
	nobody.QueuedAt = minute(9)
	given(started(events.EntryBusiness)).When(send(template(1, events.Utility), minute(9))).Then(t, nobody)
}

func TestWhatWaitsDoesNotDependOnTheOrderOfTelling(t *testing.T) {
	t.Parallel()
	given(started(events.EntryInbound), receivedAs("text", 2, minute(5)), receivedAs("text", 1, minute(0))).
		When(send(template(1, events.Utility), minute(9))).Then(t, answer(1, minute(9), new(minute(0))))

	// Written before our answer and told after it, a message waits no longer; one that was written after it does.
	answered := given(started(events.EntryInbound), receivedAs("text", 2, minute(5)), answer(1, minute(9), new(minute(5))))
	late := answered.Given(receivedAs("text", 1, minute(8)))
	late.When(send(template(2, events.Utility), minute(20))).Then(t, answer(2, minute(20), nil))
	late.Given(receivedAs("text", 3, minute(12)), receivedAs("text", 4, minute(11))).
		When(send(template(2, events.Utility), minute(20))).Then(t, answer(2, minute(20), new(minute(11))))
	answered.Given(receivedAs("text", 3, minute(9))).
		When(send(template(2, events.Utility), minute(20))).Then(t, answer(2, minute(20), new(minute(9))))
}

// A reaction opens the service window, as every message of the customer does, but it asks nothing.
func TestAReactionWaitsForNoAnswer(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"reaction", "system"} {
		told := given(started(events.EntryInbound), receivedAs(kind, 1, minute(0)))
		told.When(send(template(1, events.Utility), minute(9))).Then(t, answer(1, minute(9), nil))
		told.Given(receivedAs("audio", 2, minute(3)), receivedAs(kind, 3, minute(4))).
			When(send(template(1, events.Utility), minute(9))).Then(t, answer(1, minute(9), new(minute(3))))
	}
}

// The platform's clock is not ours: nobody is answered before the question.
func TestAMessageFromTheFutureWaitsFromWhenItWasRecorded(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour) // it was recorded at the question's time
	reply := func(n int, at time.Time, since *time.Time) events.MessageQueued {
		e := answer(n, at, since)
		e.WindowUntil = &until
		return e
	}
	told := given(started(events.EntryInbound), received(1, question.AddDate(200, 0, 0), until))
	told.When(send(template(1, events.Utility), minute(-1))).Then(t, reply(1, minute(-1), new(minute(-1))))
	told.When(send(template(1, events.Utility), minute(9))).Then(t, reply(1, minute(9), new(minute(0)))).
		When(send(template(2, events.Utility), minute(20))).Then(t, reply(2, minute(20), nil))
}

func TestAMessageCarriesItsMarket(t *testing.T) {
	t.Parallel()
	c, want := template(1, events.Utility), queuedTemplate(1, events.Utility)
	c.Dialling, want.Dialling, want.Market = events.Dialling{Prefix: "1650"}, events.Dialling{Prefix: "1650"}, "North America"
	sent := given(started(events.EntryBusiness)).When(func(s conversation.State) ([]events.Event, error) {
		return s.Send(c, conversation.Sender{
			DeviceID: iphone, Name: "iPhone Mario", RegistryRevision: 4, Market: "North America",
		}, question)
	}).Then(t, want)

	// Every status says again what the message was when it was written.
	f := fact(1, events.StatusFailed, minute(1))
	f.Sending = sending(want)
	sent.When(tell(t, status(1, events.StatusFailed, minute(1)))).Then(t, events.MessageFailed{StatusFact: f})
}
