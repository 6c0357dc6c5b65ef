package conversation_test

import (
	"testing"
	"time"

	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// clicked is a customer's first message, from an ad.
func clicked(n int, at time.Time) events.MessageReceived {
	e := received(n, at, at.Add(24*time.Hour))
	e.Referral = "ad"
	return e
}

func windowOpened(origin, reply int, at, until time.Time) events.EntryPointWindowOpened {
	return events.EntryPointWindowOpened{ConversationID: party.Conversation, EntryPoint: events.EntryPoint{
		OriginID: conversation.InboundID(wamid(origin)), ReplyID: message(reply), OpenedAt: at, Until: until,
		Basis: events.EntryPointComputed,
	}}
}

// offer is a marketing template as it is recorded, in an entry point window or not.
func offer(n int, at time.Time, entryPoint *time.Time) events.MessageQueued {
	e := queuedTemplate(n, events.Marketing)
	e.QueuedAt, e.EntryPointUntil = at, entryPoint
	return e
}

func inWindow(e events.MessageQueued, until time.Time) events.MessageQueued {
	e.WindowUntil, e.AnswersSince = &until, &question
	return e
}

const day = 24 * time.Hour

func TestVector05_TheFirstAnswerToAnAdOpensAWindow(t *testing.T) {
	t.Parallel()
	came := given(started(events.EntryAd), clicked(1, question), optedIn(events.Marketing, question))
	t1 := question.Add(day)
	until := t1.Add(3 * day)
	opened := came.When(send(template(1, events.Marketing), t1)).
		Then(t, windowOpened(1, 1, t1, until), inWindow(offer(1, t1, &until), t1))
	opened.When(send(template(2, events.Marketing), until)).Then(t, offer(2, until, &until))
	late := until.Add(time.Nanosecond)
	opened.When(send(template(2, events.Marketing), late)).Then(t, offer(2, late, nil))

	tooLate := offer(1, t1.Add(time.Nanosecond), nil)
	tooLate.AnswersSince = &question
	never := came.When(send(template(1, events.Marketing), t1.Add(time.Nanosecond))).Then(t, tooLate)
	// Only the first answer opens one, and only to an ad.
	never.When(send(template(2, events.Marketing), t1.Add(time.Hour))).Then(t, offer(2, t1.Add(time.Hour), nil))
	post := clicked(1, question)
	post.Referral = "post"
	given(started(events.EntryPost), post, optedIn(events.Marketing, question)).
		When(send(template(1, events.Marketing), t1)).Then(t, inWindow(offer(1, t1, nil), t1))

	// Coming from an ad again, the customer opens the next one.
	again := opened.Given(clicked(2, t1.Add(2*day)))
	answered := t1.Add(2 * day)
	next := answered.Add(3 * day)
	want := offer(2, answered, &next)
	want.WindowUntil, want.AnswersSince = new(answered.Add(day)), &answered
	again.When(send(template(2, events.Marketing), answered)).Then(t, windowOpened(2, 2, answered, next), want)

	// Every status says it again: it is what decides on the price.
	f := fact(1, events.StatusDelivered, t1)
	f.Sending = sending(inWindow(offer(1, t1, &until), t1))
	opened.When(tell(t, status(1, events.StatusDelivered, t1))).
		Then(t, events.MessageDelivered{StatusFact: onward(telling(events.Delivery{At: t1}, f))})
}

func TestVector06_TheEntryPointWindowPermitsNoFreeForm(t *testing.T) {
	t.Parallel()
	until := question.Add(3 * day)
	open := given(started(events.EntryAd), clicked(1, question), windowOpened(1, 1, question, until),
		inWindow(queuedTemplate(1, events.Utility), question.Add(day)))
	at := question.Add(30 * time.Hour)
	open.When(send(text(2), at)).Rejected(t, "ServiceWindowClosed")
	want := queuedTemplate(2, events.Utility)
	want.QueuedAt, want.EntryPointUntil = at, &until
	open.When(send(template(2, events.Utility), at)).Then(t, want)
}

// fromAd is what the platform tells of a message inside a free entry point window.
func fromAd(n int, at, until time.Time) (conversation.StatusUpdate, *events.Origin) {
	origin := &events.Origin{PlatformID: "f00d", Type: "referral_conversion", ExpiresAt: &until}
	u := status(n, events.StatusSent, at)
	u.Origin = origin
	return u, origin
}

func TestVector07_ThePlatformsEndReplacesOurs(t *testing.T) {
	t.Parallel()
	first := inWindow(offer(1, question, new(question.Add(3*day))), question.Add(day))
	computed := given(started(events.EntryAd), clicked(1, question), optedIn(events.Marketing, question),
		windowOpened(1, 1, question, question.Add(3*day)), first)
	until := question.Add(5 * day)
	u, origin := fromAd(1, question, until)
	f := onward(fact(1, events.StatusSent, question))
	f.Origin, f.Sending = origin, sending(first)
	longer := windowOpened(1, 1, question, until)
	longer.Basis = events.EntryPointTold
	told := computed.When(tell(t, u)).Then(t, events.MessageSent{StatusFact: f}, longer)
	told.When(send(template(2, events.Marketing), question.Add(4*day))).Then(t, offer(2, question.Add(4*day), &until))
	told.When(send(template(2, events.Marketing), until.Add(1))).Then(t, offer(2, until.Add(1), nil))

	// Also where it is shorter; what the platform told is replaced by a later end only.
	u, origin = fromAd(1, question, question.Add(day))
	f.Origin = origin
	shorter := windowOpened(1, 1, question, question.Add(day))
	shorter.Basis = events.EntryPointTold
	computed.When(tell(t, u)).Then(t, events.MessageSent{StatusFact: f}, shorter)
	told.Given(shorter, longer).When(tell(t, readOf(u))).Then(t, events.MessageRead{StatusFact: readFact(f)})

	// What is told late of an earlier window says nothing of the one that is open.
	second := offer(2, question.Add(4*day), new(question.Add(7*day)))
	computed.Given(clicked(2, question.Add(4*day)), windowOpened(2, 2, second.QueuedAt, question.Add(7*day)), second).
		When(tell(t, u)).Then(t, events.MessageSent{StatusFact: f})

	// A window that we know nothing of is the platform's to tell: here, of a message that nobody answered with.
	unknown := given(started(events.EntryBusiness), queued(1))
	u, origin = fromAd(1, question, until)
	f = onward(fact(1, events.StatusSent, question))
	f.Origin = origin
	alone := longer
	alone.OriginID = id.Message{}
	unknown.When(tell(t, u)).Then(t, events.MessageSent{StatusFact: f}, alone)

	// A conversation that is no entry point's opens none.
	u.Origin = &events.Origin{PlatformID: "f00d", Type: "marketing", ExpiresAt: &until}
	f.Origin = u.Origin
	unknown.When(tell(t, u)).Then(t, events.MessageSent{StatusFact: f})
}

func readOf(u conversation.StatusUpdate) conversation.StatusUpdate {
	u.Status, u.FactID = events.StatusRead, conversation.StatusFactID(wamid(1), events.StatusRead, ada)
	return u
}

func readFact(f events.StatusFact) events.StatusFact {
	f.FactID, f.ShowsSent = conversation.StatusFactID(wamid(1), events.StatusRead, ada), false
	return telling(events.Delivery{At: f.At, Inferred: true}, f)
}

func TestVector02_WherePricesKnowAFeeALateReplyIsAllowed(t *testing.T) {
	t.Parallel()
	late := question.Add(day + time.Nanosecond)
	reply := func(s conversation.State) ([]events.Event, error) {
		return s.Send(text(1), conversation.Sender{DeviceID: iphone, Name: "iPhone Mario", RegistryRevision: 4, LateReplies: true}, late)
	}
	want := queued(1)
	want.QueuedAt, want.AnswersSince = late, &question // and no window: it is charged
	given(started(events.EntryInbound), received(1, question, question.Add(day))).When(reply).Then(t, want)
	given(started(events.EntryBusiness)).When(reply).Rejected(t, "ServiceWindowClosed") // no reply: nobody asked
}

func TestS26_SupportIsGivenInOneConversation(t *testing.T) {
	t.Parallel()
	until := minute(5).Add(day)
	want := queued(1)
	want.QueuedAt, want.WindowUntil, want.AnswersSince = minute(1), new(question.Add(day)), &question
	picture := text(2)
	picture.Kind = "image"
	shown := queued(2)
	shown.Kind, shown.QueuedAt, shown.WindowUntil, shown.AnswersSince = "image", minute(6), &until, new(minute(5))
	given().When(tell(t, inbound(1, question))).Then(t, started(events.EntryInbound), received(1, question, question.Add(day))).
		When(send(text(1), minute(1))).Then(t, want).
		When(tell(t, inbound(2, minute(5)))).Then(t, received(2, minute(5), until)).
		When(send(picture, minute(6))).Then(t, shown)
}
