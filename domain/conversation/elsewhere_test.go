package conversation_test

import (
	"testing"

	"time"

	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

func echo(n int, at time.Time) (conversation.Echo, events.MessageEchoed) {
	italian := events.Dialling{Prefix: "39"}
	return conversation.Echo{
			MessageID: conversation.InboundID(wamid(n)), WamidHash: wamid(n), Kind: "text", SentAt: at, Dialling: italian,
			Wamid: "sealed wamid", To: "sealed to", Content: "sealed content",
		}, events.MessageEchoed{
			ConversationID: party.Conversation, MessageID: conversation.InboundID(wamid(n)), CustomerID: ada, PhoneNumberID: number,
			WamidHash: wamid(n), Kind: "text", SentAt: at, Dialling: italian,
			Wamid: "sealed wamid", To: "sealed to", Content: "sealed content",
		}
}

func history(n int, at time.Time, outbound bool) (conversation.Imported, events.MessageImported) {
	return conversation.Imported{
			MessageID: conversation.InboundID(wamid(n)), WamidHash: wamid(n), Outbound: outbound, Kind: "text", SentAt: at,
			Status: events.StatusRead, Wamid: "sealed wamid", Content: "sealed content",
		}, events.MessageImported{
			ConversationID: party.Conversation, MessageID: conversation.InboundID(wamid(n)), CustomerID: ada, WamidHash: wamid(n),
			Outbound: outbound, Kind: "text", SentAt: at, ImportedAt: endOfStory, Status: events.StatusRead,
			Wamid: "sealed wamid", Content: "sealed content",
		}
}

func TestVector04_WhatWasWrittenElsewhereOpensNoWindow(t *testing.T) {
	t.Parallel()
	told, echoed := echo(1, question)
	seen := given().When(tell(t, told)).Then(t, started(events.EntryBusiness), echoed)
	seen.When(tell(t, told)).Then(t)
	seen.When(send(text(1), minute(1))).Rejected(t, "ServiceWindowClosed")
	asked, imported := history(2, question, false)
	past := given().When(tell(t, asked)).Then(t, started(events.EntryInbound), imported)
	past.When(tell(t, asked)).Then(t)
	past.When(send(text(1), minute(1))).Rejected(t, "ServiceWindowClosed")
	wrote, imported := history(3, question, true)
	given().When(tell(t, wrote)).Then(t, started(events.EntryBusiness), imported)

	// Nor do they end one that is open, or refresh it; but an answer from the app is one.
	until := question.Add(day)
	want := queued(1)
	want.QueuedAt, want.WindowUntil = minute(9), &until
	told, echoed = echo(3, minute(2))
	open := given(started(events.EntryInbound), received(1, question, until)).When(tell(t, told)).Then(t, echoed)
	open.When(send(text(1), minute(9))).Then(t, want)
	open.When(send(text(1), until.Add(1))).Rejected(t, "ServiceWindowClosed")
}

// Its statuses are recorded, and neither a price nor a figure ever follows from them: they tell of no delivery and of
// nothing that was written here.
func TestVector04_AnEchoIsNeverCharged(t *testing.T) {
	t.Parallel()
	_, echoed := echo(1, question)
	update := status(1, events.StatusDelivered, minute(1))
	update.MessageID = echoed.MessageID
	f := fact(1, events.StatusDelivered, minute(1))
	f.MessageID = echoed.MessageID
	f.Sending = events.Sending{}
	seen := given(started(events.EntryBusiness), echoed)
	seen.When(tell(t, update)).Then(t, events.MessageDelivered{StatusFact: f}).When(tell(t, update)).Then(t)
	seen.When(func(s conversation.State) ([]events.Event, error) { return s.Start(echoed.MessageID, question) }).Then(t)
	seen.When(func(s conversation.State) ([]events.Event, error) {
		return s.Expire(echoed.MessageID, question.AddDate(1, 0, 0))
	}).Then(t)
}

// A message that was written here is echoed or imported as little as one that the customer wrote.
func TestWhatIsKnownIsNotToldFromElsewhere(t *testing.T) {
	t.Parallel()
	known := given(started(events.EntryInbound), received(1, question, question.Add(day)), queued(2), accepted(2, 2))
	for _, n := range []int{1, 2} {
		again, _ := echo(n, question)
		old, _ := history(n, question, n == 2)
		known.When(tell(t, again, old)).Then(t)
	}
	_, echoed := echo(3, question)
	known.Given(echoed, queued(4)).When(accept(4, 3)).Rejected(t, "WamidTaken")
}

// A clock that runs ahead must not answer what the customer is still to ask.
func TestAnEchoFromTheFutureAnswersUntilNow(t *testing.T) {
	t.Parallel()
	told, echoed := echo(1, endOfStory.AddDate(1, 0, 0))
	echoed.SentAt = endOfStory
	given(started(events.EntryBusiness)).When(tell(t, told)).Then(t, echoed)
}

func TestVector24_AParticipantOfAGroupHasTheirOwnNumber(t *testing.T) {
	t.Parallel()
	group := queuedTemplate(1, events.Marketing)
	group.Dialling, group.Market = events.Dialling{Prefix: "39"}, "Italy"
	to := func(recipient id.Customer, dialling events.Dialling) conversation.StatusUpdate {
		u := status(1, events.StatusDelivered, minute(1))
		u.RecipientID, u.Dialling = recipient, dialling
		return u
	}
	of := func(recipient id.Customer, dialling events.Dialling, market string) events.MessageDelivered {
		f := onward(telling(events.Delivery{At: minute(1)}, fact(1, events.StatusDelivered, minute(1))))
		f.RecipientID, f.Sending = recipient, sending(group)
		f.Sending.Dialling, f.Sending.Market = dialling, market
		return events.MessageDelivered{StatusFact: f}
	}
	italian, brazilian := events.Dialling{Prefix: "39"}, events.Dialling{Prefix: "55"}
	given(started(events.EntryBusiness), group).
		When(tell(t, to(ada, italian), to(bob, brazilian))).
		Then(t, of(ada, italian, "Italy"), of(bob, brazilian, ""))
	given(started(events.EntryBusiness), group).
		When(tell(t, to(ada, events.Dialling{}))).Then(t, of(ada, italian, "Italy"))
}

// Where the platform prices conversations, the message first told of is the one that opened it.
func TestVector27_AMessageInsideAConversationThatIsPaidNamesItsOpener(t *testing.T) {
	t.Parallel()
	cbp := &events.Pricing{Model: "CBP", Type: "regular", Category: "utility"}
	tellOf := func(n int, platformID string, s events.Status) conversation.StatusUpdate {
		u := priced(cbp, status(n, s, minute(n)))
		u.Origin = &events.Origin{PlatformID: platformID, Type: "utility"}
		return u
	}
	of := func(n int, platformID string, within *id.Message) events.MessageDelivered {
		d := events.Delivery{At: minute(n), Pricing: cbp, Within: within}
		f := onward(telling(d, worded(cbp, fact(n, events.StatusDelivered, minute(n)))))
		f.Origin = &events.Origin{PlatformID: platformID, Type: "utility"}
		return events.MessageDelivered{StatusFact: f}
	}
	first := new(message(1))
	past := given(started(events.EntryBusiness), queued(1), queued(2), queued(3))
	past.When(tell(t, tellOf(1, "f00d", events.StatusDelivered), tellOf(2, "f00d", events.StatusDelivered), tellOf(3, "beef", events.StatusDelivered))).
		Then(t, of(1, "f00d", nil), of(2, "f00d", first), of(3, "beef", nil))
	opened := past.When(tell(t, tellOf(1, "f00d", events.StatusDelivered))).Then(t, of(1, "f00d", nil))
	inside := opened.When(tell(t, tellOf(2, "f00d", events.StatusDelivered))).Then(t, of(2, "f00d", first))
	// Every later word on the delivery says so again.
	earlier := status(2, events.StatusDelivered, minute(1))
	f := telling(events.Delivery{At: minute(1), Pricing: cbp, Within: first, FirstAt: new(minute(2))}, fact(2, events.StatusDelivered, minute(1)))
	inside.When(tell(t, earlier)).Then(t, events.StatusTimeCorrected{
		StatusFact: f, Status: events.StatusDelivered, PreviousAt: minute(2),
	})
	// Since prices are per message, conversations have none, though some still have ids.
	modern := tellOf(2, "f00d", events.StatusDelivered)
	modern.Pricing = &events.Pricing{Model: "PMP", Type: "regular", Category: "utility"}
	want := of(2, "f00d", nil)
	want.Pricing, want.Delivery.Pricing = modern.Pricing, modern.Pricing
	opened.When(tell(t, modern)).Then(t, want)
}

func TestWhoTheCustomerIsIsRecordedWhenItIsNews(t *testing.T) {
	t.Parallel()
	card := func(name string, at time.Time) (conversation.Identified, events.CustomerIdentified) {
		fact := id.Derive[id.Fact]("test", name)
		return conversation.Identified{FactID: fact, At: at, Card: "sealed card", Name: "sealed name"},
			events.CustomerIdentified{
				ConversationID: party.Conversation, CustomerID: ada, FactID: fact, At: at, Card: "sealed card", Name: "sealed name",
			}
	}
	told, known := card("Ada", minute(2))
	once := given().When(tell(t, told)).Then(t, started(events.EntryConsent), known)
	told, _ = card("Ada", minute(3))
	once.When(tell(t, told)).Then(t)
	told, _ = card("Adele", minute(1))
	once.When(tell(t, told)).Then(t) // older
	told, known = card("Adele", minute(4))
	once.When(tell(t, told)).Then(t, known)

	changed := conversation.NumberChanged{
		FactID: form, At: minute(5), Dialling: events.Dialling{Prefix: "44"}, From: "sealed from", To: "sealed to",
	}
	moved := once.When(tell(t, changed)).Then(t, events.CustomerNumberChanged{
		ConversationID: party.Conversation, CustomerID: ada, FactID: form, At: minute(5), Dialling: events.Dialling{Prefix: "44"},
		From: "sealed from", To: "sealed to",
	})
	moved.When(tell(t, changed)).Then(t)
}
