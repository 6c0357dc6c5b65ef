package conversation_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
)

const number = "106540352242922"

var (
	firm     = id.Derive[id.Account]("test", "firm")
	ada      = id.Derive[id.Customer]("test", "ada")
	bob      = id.Derive[id.Customer]("test", "bob")
	iphone   = id.Derive[id.Device]("test", "iphone")
	question = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	// endOfStory is when updates are recorded: later than anything that they tell.
	endOfStory = question.Add(48 * time.Hour)
	party      = conversation.Party{
		Conversation: conversation.IDOf(number, ada), Account: firm, PhoneNumberID: number, Customer: ada,
	}
)

func message(n int) id.Message { return id.Derive[id.Message]("test", strconv.Itoa(n)) }

func wamid(n int) events.WamidHash { return events.WamidHash("w1:" + strconv.Itoa(n)) }

func started(entry events.Entry) events.ConversationStarted {
	return events.ConversationStarted{
		ConversationID: party.Conversation, AccountID: firm, PhoneNumberID: number, CustomerID: ada, Entry: entry,
	}
}

func inbound(n int, at time.Time) conversation.Inbound {
	return conversation.Inbound{
		MessageID: conversation.InboundID(wamid(n)), WamidHash: wamid(n), Kind: "text", SentAt: at,
		Dialling: events.Dialling{Prefix: "39"}, Wamid: "sealed wamid", From: "sealed from", Content: "sealed content",
	}
}

func received(n int, at, windowUntil time.Time) events.MessageReceived {
	return events.MessageReceived{
		ConversationID: party.Conversation, MessageID: conversation.InboundID(wamid(n)), CustomerID: ada, WamidHash: wamid(n),
		Kind: "text", SentAt: at, WindowUntil: windowUntil, Dialling: events.Dialling{Prefix: "39"},
		Wamid: "sealed wamid", From: "sealed from", Content: "sealed content",
	}
}

func text(n int) conversation.Send {
	return conversation.Send{
		Account: firm, PhoneNumberID: number, CustomerID: ada, MessageID: message(n), DeviceID: iphone,
		Kind: "text", Content: "sealed content", To: "sealed to",
	}
}

func template(n int, category events.Category) conversation.Send {
	c := text(n)
	c.Kind, c.Category = "template", category
	c.Template = &events.Template{Name: "order_shipped", Language: "it"}
	return c
}

func queued(n int) events.MessageQueued {
	return events.MessageQueued{
		ConversationID: party.Conversation, MessageID: message(n), CustomerID: ada, DeviceID: iphone, DeviceName: "iPhone Mario",
		RegistryRevision: 4, Kind: "text", Category: events.Service, QueuedAt: question, Content: "sealed content", To: "sealed to",
	}
}

func queuedTemplate(n int, category events.Category) events.MessageQueued {
	e := queued(n)
	e.Kind, e.Category, e.Template = "template", category, &events.Template{Name: "order_shipped", Language: "it"}
	return e
}

func accepted(n, hash int) events.MessageAccepted {
	return events.MessageAccepted{
		ConversationID: party.Conversation, MessageID: message(n), CustomerID: ada, PhoneNumberID: number,
		WamidHash: wamid(hash), AcceptedAt: question, Wamid: "sealed wamid",
	}
}

func status(n int, s events.Status, at time.Time) conversation.StatusUpdate {
	return conversation.StatusUpdate{
		MessageID: message(n), RecipientID: ada, FactID: conversation.StatusFactID(wamid(n), s, ada), Status: s, At: at,
		Raw: "sealed raw",
	}
}

func fact(n int, s events.Status, at time.Time) events.StatusFact {
	return events.StatusFact{
		ConversationID: party.Conversation, MessageID: message(n), RecipientID: ada,
		FactID: conversation.StatusFactID(wamid(n), s, ada), At: at, Sending: sending(queued(n)), Raw: "sealed raw",
	}
}

// sending is what the statuses of a queued message say of it.
func sending(e events.MessageQueued) events.Sending {
	return events.Sending{
		PhoneNumberID: number, DeviceID: e.DeviceID, Category: e.Category, QueuedAt: e.QueuedAt,
		WindowUntil: e.WindowUntil, EntryPointUntil: e.EntryPointUntil, Market: e.Market, Campaign: e.Campaign, Dialling: e.Dialling,
	}
}

// telling is a fact that changes what is known of the delivery.
func telling(d events.Delivery, f events.StatusFact) events.StatusFact {
	f.Delivery = &d
	return f
}

// onward is a fact that shows that the platform sent the message on.
func onward(f events.StatusFact) events.StatusFact {
	f.ShowsSent = true
	return f
}

type decision = func(conversation.State) ([]events.Event, error)

func tell(t *testing.T, updates ...conversation.Update) decision {
	t.Helper()
	return func(s conversation.State) ([]events.Event, error) {
		recorded, unplaced := s.Record(party, updates, endOfStory)
		require.Empty(t, unplaced)
		return recorded, nil
	}
}

func send(c conversation.Send, now time.Time) decision {
	return func(s conversation.State) ([]events.Event, error) {
		return s.Send(c, conversation.Sender{DeviceID: iphone, Name: "iPhone Mario", RegistryRevision: 4}, now)
	}
}

func accept(n, hash int) decision {
	return func(s conversation.State) ([]events.Event, error) {
		return s.Accept(conversation.Accept{
			Conversation: party.Conversation, Message: message(n), WamidHash: wamid(hash), Wamid: "sealed wamid",
		}, question)
	}
}

func given(past ...events.Event) scenario.Scenario[conversation.State] {
	return scenario.New(conversation.Evolve).Given(past...)
}

func TestS25_ConversationStartsByMessageAdOrPost(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour)
	for referral, entry := range map[string]events.Entry{
		"": events.EntryInbound, "ad": events.EntryAd, "post": events.EntryPost, "carrier pigeon": events.EntryInbound,
	} {
		update, event := inbound(1, question), received(1, question, until)
		update.Referral, event.Referral = referral, referral
		begun := given().When(tell(t, update)).Then(t, started(entry), event)
		begun.When(tell(t, update)).Then(t)
		begun.When(tell(t, inbound(2, question))).Then(t, received(2, question, until))
	}
	given().When(send(template(1, events.Utility), question)).
		Then(t, started(events.EntryBusiness), queuedTemplate(1, events.Utility))
	given().When(choose(events.Marketing, true)).Then(t, started(events.EntryConsent), optedIn(events.Marketing, question))
}

func TestS31_RepliesAreFreeWithin24HoursOfTheQuestion(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour)
	asked := given(started(events.EntryInbound), received(1, question, until))
	reply := func(at time.Time) events.MessageQueued {
		e := queued(1)
		e.QueuedAt, e.WindowUntil, e.AnswersSince = at, &until, &question
		return e
	}
	asked.When(send(text(1), question)).Then(t, reply(question))
	asked.When(send(text(1), until)).Then(t, reply(until)) // the instant itself is inside
	rejection := asked.When(send(text(1), until.Add(time.Nanosecond))).Rejected(t, "ServiceWindowClosed")
	require.Equal(t, domain.Conflict, rejection.Kind)
	given().When(send(text(1), question)).Rejected(t, "ServiceWindowClosed")

	service := text(1)
	service.Category = events.Service
	asked.When(send(service, question)).Then(t, reply(question))
}

func TestS31_ANewQuestionExtendsTheWindowAndAnOldOneDoesNotShortenIt(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour)
	later := question.Add(23 * time.Hour)
	asked := given(started(events.EntryInbound), received(1, question, until))
	reply := queued(1)
	reply.QueuedAt, reply.WindowUntil, reply.AnswersSince = until.Add(time.Hour), new(later.Add(24*time.Hour)), &question
	asked.When(tell(t, inbound(2, later))).Then(t, received(2, later, later.Add(24*time.Hour))).
		When(send(text(1), until.Add(time.Hour))).Then(t, reply)
	asked.When(tell(t, inbound(2, question.Add(-time.Hour)))).Then(t, received(2, question.Add(-time.Hour), until))
	// Both at once, the newer first: the window's end does not go back within one delivery either.
	given().When(tell(t, inbound(2, later), inbound(1, question))).Then(t, started(events.EntryInbound),
		received(2, later, later.Add(24*time.Hour)), received(1, question, later.Add(24*time.Hour)))
}

// The platform's clock is not ours: a message that claims to be from the future opens the window from now, no longer.
func TestS31_AMessageFromTheFutureOpensTheWindowFromNow(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour)
	future := question.AddDate(200, 0, 0)
	tellNow := func(updates ...conversation.Update) decision {
		return func(s conversation.State) ([]events.Event, error) {
			recorded, _ := s.Record(party, updates, question)
			return recorded, nil
		}
	}
	given().When(tellNow(inbound(1, future))).Then(t, started(events.EntryInbound), received(1, future, until)).
		When(send(text(1), until.Add(time.Second))).Rejected(t, "ServiceWindowClosed")
	// Nor by the other messages of one delivery.
	given().When(tellNow(inbound(1, future), inbound(2, question.Add(-time.Hour)))).
		Then(t, started(events.EntryInbound), received(1, future, until), received(2, question.Add(-time.Hour), until))
}

func TestS32_AfterTheDeadlineOnlyTemplates(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour)
	late := until.Add(time.Minute)
	asked := given(started(events.EntryInbound), received(1, question, until))
	asked.When(send(text(1), late)).Rejected(t, "ServiceWindowClosed")
	want := queuedTemplate(1, events.Utility)
	want.QueuedAt, want.AnswersSince = late, &question
	asked.When(send(template(1, events.Utility), late)).Then(t, want)
}

func TestS29_NotificationsAreTemplatesWithACategory(t *testing.T) {
	t.Parallel()
	begun := given(started(events.EntryBusiness), optedIn(events.Marketing, question))
	for _, category := range []events.Category{events.Marketing, events.Utility, events.Authentication} {
		begun.When(send(template(1, category), question)).Then(t, queuedTemplate(1, category))
	}
	for _, category := range []events.Category{"", events.Service, "promo"} {
		require.Equal(t, domain.Invalid, begun.When(send(template(1, category), question)).Rejected(t, "CategoryRequired").Kind)
	}
	for _, named := range []*events.Template{nil, {Name: "x"}, {Language: "it"}} {
		c := template(1, events.Utility)
		c.Template = named
		begun.When(send(c, question)).Rejected(t, "TemplateRequired")
	}
	c := text(1)
	c.Template = &events.Template{Name: "x", Language: "it"}
	begun.When(send(c, question)).Rejected(t, "TemplateNotAllowed")
	c = text(1)
	c.Category = events.Marketing
	begun.When(send(c, question)).Rejected(t, "CategoryNotAllowed")
	c.Kind = "smoke signal"
	begun.When(send(c, question)).Rejected(t, "MessageTypeUnknown")
}

// What stands in clear shows: no control characters, which no database and no log takes well, and no endless names.
func TestWhatStandsInClearIsPrintable(t *testing.T) {
	t.Parallel()
	begun := given(started(events.EntryBusiness))
	longest := template(1, events.Utility)
	longest.Template = &events.Template{Name: strings.Repeat("à", 512), Language: strings.Repeat("x", 16)}
	want := queuedTemplate(1, events.Utility)
	want.Template = longest.Template
	begun.When(send(longest, question)).Then(t, want)
	for _, odd := range []string{"x\x00y", "x\ny", "x\x7f", "x\u0085y", "x\u202ey", "\xff", strings.Repeat("x", 513)} {
		name, language, prefix := template(1, events.Utility), template(1, events.Utility), text(1)
		name.Template = &events.Template{Name: odd, Language: "it"}
		rejection := begun.When(send(name, question)).Rejected(t, "TemplateInvalid")
		require.Equal(t, domain.Invalid, rejection.Kind)
		require.Equal(t, "template.name", rejection.Field)
		language.Template = &events.Template{Name: "order_shipped", Language: odd}
		require.Equal(t, "template.language", begun.When(send(language, question)).Rejected(t, "TemplateInvalid").Field)
		given(started(events.EntryBusiness), queued(1)).When(func(s conversation.State) ([]events.Event, error) {
			return s.Accept(conversation.Accept{Conversation: party.Conversation, Message: message(1), WamidHash: events.WamidHash(odd)}, question)
		}).Rejected(t, "WamidRequired")
		prefix.Dialling.Prefix = odd
		begun.When(send(prefix, question)).Rejected(t, "DiallingInvalid")
	}
	tooLong := template(1, events.Utility)
	tooLong.Template = &events.Template{Name: "order_shipped", Language: strings.Repeat("x", 17)}
	begun.When(send(tooLong, question)).Rejected(t, "TemplateInvalid")
}

func TestMessageIDsAreUnique(t *testing.T) {
	t.Parallel()
	past := given(started(events.EntryInbound), received(1, question, question.Add(24*time.Hour)), queued(2))
	past.When(send(text(2), question)).Rejected(t, "MessageExists")
	c := text(1)
	c.MessageID = conversation.InboundID(wamid(1))
	past.When(send(c, question)).Rejected(t, "MessageExists")
}

func TestAcceptBindsOnePlatformIDToOneMessage(t *testing.T) {
	t.Parallel()
	past := given(started(events.EntryInbound), received(9, question, question), queued(1), queued(2))
	bound := past.When(accept(1, 1)).Then(t, accepted(1, 1))
	bound.When(accept(1, 1)).Then(t)
	bound.When(accept(1, 2)).Rejected(t, "AlreadyAccepted")
	bound.When(accept(2, 1)).Rejected(t, "WamidTaken")
	bound.When(accept(2, 9)).Rejected(t, "WamidTaken") // the customer's own message
	bound.When(accept(2, 2)).Then(t, accepted(2, 2))
	require.Equal(t, domain.NotFound, bound.When(accept(3, 3)).Rejected(t, "MessageUnknown").Kind)
	require.Equal(t, domain.NotFound, given().When(accept(1, 1)).Rejected(t, "MessageUnknown").Kind)
	past.When(func(s conversation.State) ([]events.Event, error) {
		return s.Accept(conversation.Accept{Conversation: party.Conversation, Message: message(1)}, question)
	}).Rejected(t, "WamidRequired")
}

func TestS30_AtMostOneDeliveryPerMessageAndRecipient(t *testing.T) {
	t.Parallel()
	past := given(started(events.EntryBusiness), queued(1), queued(2))
	at := question.Add(time.Minute)
	first := events.Delivery{At: at}
	delivered := past.When(tell(t, status(1, events.StatusDelivered, at.Add(200*time.Millisecond)))).
		Then(t, events.MessageDelivered{StatusFact: onward(telling(first, fact(1, events.StatusDelivered, at)))})
	delivered.When(tell(t, status(1, events.StatusDelivered, at))).Then(t)
	delivered.When(tell(t, status(1, events.StatusDelivered, at.Add(time.Hour)))).Then(t)
	delivered.When(tell(t, status(1, events.StatusDelivered, at.Add(700*time.Millisecond)))).Then(t)

	// An earlier time told later corrects the time; it is not a second delivery. Another message is.
	earlier := at.Add(-time.Second)
	corrected := delivered.When(tell(t, status(1, events.StatusDelivered, earlier))).Then(t, events.StatusTimeCorrected{
		StatusFact: telling(events.Delivery{At: earlier, FirstAt: &at}, fact(1, events.StatusDelivered, earlier)),
		Status:     events.StatusDelivered, PreviousAt: at,
	})
	corrected.When(tell(t, status(1, events.StatusDelivered, at))).Then(t)
	corrected.When(tell(t, status(1, events.StatusDelivered, earlier))).Then(t)
	corrected.When(tell(t, status(2, events.StatusDelivered, at))).
		Then(t, events.MessageDelivered{StatusFact: onward(telling(first, fact(2, events.StatusDelivered, at)))})

	// So is another recipient of the same message.
	other := status(1, events.StatusDelivered, at)
	other.RecipientID = bob
	want := onward(telling(first, fact(1, events.StatusDelivered, at)))
	want.RecipientID = bob
	corrected.When(tell(t, other)).Then(t, events.MessageDelivered{StatusFact: want})
}

func TestStatusesAreRecordedOnceInAnyOrder(t *testing.T) {
	t.Parallel()
	past := given(started(events.EntryBusiness), queued(1))
	at := question.Add(time.Minute)
	failed := status(1, events.StatusFailed, at)
	failed.Errors = []events.PlatformError{{Code: 131026}}
	all := []conversation.Update{
		status(1, events.StatusPlayed, at), status(1, events.StatusRead, at), failed,
		status(1, events.StatusDelivered, at), status(1, events.StatusSent, at),
	}
	told := past.When(tell(t, all...)).Then(t,
		events.MessagePlayed{StatusFact: onward(telling(events.Delivery{At: at, Inferred: true}, fact(1, events.StatusPlayed, at)))},
		events.MessageRead{StatusFact: fact(1, events.StatusRead, at)},
		events.MessageFailed{StatusFact: fact(1, events.StatusFailed, at), Errors: failed.Errors},
		events.MessageDelivered{StatusFact: telling(events.Delivery{At: at, FirstAt: &at}, fact(1, events.StatusDelivered, at))},
		events.MessageSent{StatusFact: fact(1, events.StatusSent, at)})
	told.When(tell(t, all...)).Then(t)
}

func TestARepeatWithinOneDeliveryCountsOnceAtItsEarliestTime(t *testing.T) {
	t.Parallel()
	at := question.Add(time.Minute)
	pricing := &events.Pricing{Model: "PMP", Category: "utility"}
	first := status(1, events.StatusSent, at)
	first.Pricing = pricing
	want := onward(fact(1, events.StatusSent, at))
	want.Pricing = pricing
	given(started(events.EntryBusiness), queued(1)).
		When(tell(t, status(1, events.StatusSent, at.Add(time.Minute)), inbound(7, at), first, inbound(7, at))).
		Then(t, events.MessageSent{StatusFact: want}, received(7, at, at.Add(24*time.Hour)))
}

func TestStatusOfAnUnknownMessageIsHandedBackAndTheRestRecorded(t *testing.T) {
	t.Parallel()
	at := question.Add(time.Minute)
	unknown := status(5, events.StatusRead, at)
	repeated := status(5, events.StatusRead, at.Add(time.Second))
	odd := status(1, "warning", at)
	ofInbound := status(1, events.StatusRead, at)
	ofInbound.MessageID = conversation.InboundID(wamid(9))
	var unplaced []conversation.Update
	given(started(events.EntryInbound), received(9, question, question.Add(24*time.Hour)), queued(1)).
		When(func(s conversation.State) (recorded []events.Event, _ error) {
			recorded, unplaced = s.Record(party, []conversation.Update{unknown, status(1, events.StatusSent, at), repeated, odd, ofInbound}, endOfStory)
			return recorded, nil
		}).
		Then(t, events.MessageSent{StatusFact: onward(fact(1, events.StatusSent, at))})
	require.Equal(t, []conversation.Update{unknown, repeated, odd, ofInbound}, unplaced)

	given().When(func(s conversation.State) (recorded []events.Event, _ error) {
		recorded, unplaced = s.Record(party, []conversation.Update{unknown}, endOfStory)
		return recorded, nil
	}).Then(t)
	require.Equal(t, []conversation.Update{unknown}, unplaced)
}
