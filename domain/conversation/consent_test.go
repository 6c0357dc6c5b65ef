package conversation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

var form = id.Derive[id.Fact]("test", "form")

func consent(category events.Category, at time.Time) events.ConsentFact {
	return events.ConsentFact{
		ConversationID: party.Conversation, CustomerID: ada, FactID: form, Category: category, Source: events.SourceForm, At: at,
		Evidence: "sealed evidence",
	}
}

func optedIn(category events.Category, at time.Time) events.CustomerOptedIn {
	return events.CustomerOptedIn{ConsentFact: consent(category, at)}
}

func optedOut(category events.Category, at time.Time) events.CustomerOptedOut {
	return events.CustomerOptedOut{ConsentFact: consent(category, at)}
}

// choose records, at the question's time, what a customer said on a form.
func choose(category events.Category, wanted bool) decision {
	return chooseAt(category, wanted, time.Time{})
}

func chooseAt(category events.Category, wanted bool, at time.Time) decision {
	return func(s conversation.State) ([]events.Event, error) {
		return s.Consent(conversation.Consent{
			Account: firm, PhoneNumberID: number, CustomerID: ada, FactID: form, Category: category, Wanted: wanted,
			Source: events.SourceForm, At: at, Evidence: "sealed evidence",
		}, question)
	}
}

func volume(level events.Volume, categories ...events.Category) decision {
	return func(s conversation.State) ([]events.Event, error) {
		return s.SetVolume(conversation.SetVolume{
			Account: firm, PhoneNumberID: number, CustomerID: ada, FactID: form, Level: level, Categories: categories,
		}, question)
	}
}

func volumeSet(level events.Volume, categories ...events.Category) events.MessageVolumeSet {
	return events.MessageVolumeSet{
		ConversationID: party.Conversation, CustomerID: ada, FactID: form, Level: level, Categories: categories, At: question,
	}
}

func block(blocked bool) decision {
	return func(s conversation.State) ([]events.Event, error) {
		return s.SetBlock(conversation.SetBlock{
			Account: firm, PhoneNumberID: number, CustomerID: ada, FactID: form, Blocked: blocked, Source: events.SourcePage,
		}, question)
	}
}

var blockFact = events.BlockFact{
	ConversationID: party.Conversation, CustomerID: ada, FactID: form, Source: events.SourcePage, At: question,
}

func report(message *id.Message, reason events.SpamReason) decision {
	return func(s conversation.State) ([]events.Event, error) {
		return s.ReportSpam(conversation.ReportSpam{
			Account: firm, PhoneNumberID: number, CustomerID: ada, FactID: form, Message: message, Reason: reason,
		}, question)
	}
}

// asking is a conversation whose service window is open, with an opt-in.
func asking() []events.Event {
	return []events.Event{
		started(events.EntryInbound), received(1, question, question.Add(24*time.Hour)), optedIn(events.Marketing, question),
	}
}

func TestS22_EngagementIsOptional(t *testing.T) {
	t.Parallel()
	begun := given(started(events.EntryBusiness))
	begun.When(send(template(1, events.Marketing), question)).Rejected(t, "ConsentMissing")
	begun.When(send(template(1, events.Utility), question)).Then(t, queuedTemplate(1, events.Utility))
	begun.When(send(template(1, events.Authentication), question)).Then(t, queuedTemplate(1, events.Authentication))

	in := begun.When(choose(events.Marketing, true)).Then(t, optedIn(events.Marketing, question))
	in.When(choose(events.Marketing, true)).Then(t)
	in.When(send(template(1, events.Marketing), question)).Then(t, queuedTemplate(1, events.Marketing))
	out := in.When(choose(events.Marketing, false)).Then(t, optedOut(events.Marketing, question))
	out.When(send(template(1, events.Marketing), question)).Rejected(t, "OptedOut")
	out.When(send(template(1, events.Utility), question)).Then(t, queuedTemplate(1, events.Utility))
	out.When(choose(events.Marketing, true)).Then(t, optedIn(events.Marketing, question))

	// Not only marketing can be refused.
	begun.When(choose(events.Utility, false)).Then(t, optedOut(events.Utility, question)).
		When(send(template(1, events.Utility), question)).Rejected(t, "OptedOut")
	for _, category := range []events.Category{"", events.Service, "promo"} {
		require.Equal(t, domain.Invalid, begun.When(choose(category, true)).Rejected(t, "CategoryUnknown").Kind)
	}
	begun.When(func(s conversation.State) ([]events.Event, error) {
		return s.Consent(conversation.Consent{Category: events.Marketing, Source: "hearsay"}, question)
	}).Rejected(t, "SourceUnknown")
}

// A number that was given on a site, in an app or in a shop is an opt-in, with where that was.
func TestS24_GivingTheNumberIsARecordedOptIn(t *testing.T) {
	t.Parallel()
	given().When(choose(events.Marketing, true)).Then(t, started(events.EntryConsent), optedIn(events.Marketing, question)).
		When(send(template(1, events.Marketing), question)).Then(t, queuedTemplate(1, events.Marketing))
	// A form of last week is told today.
	week := question.AddDate(0, 0, -7)
	old := given(started(events.EntryBusiness)).When(chooseAt(events.Marketing, true, week)).Then(t, optedIn(events.Marketing, week))
	// What was said before the newest word changes nothing, and nobody has said anything in the future.
	old.When(chooseAt(events.Marketing, false, week.Add(-time.Second))).Then(t)
	old.When(chooseAt(events.Marketing, false, question.AddDate(1, 0, 0))).Then(t, optedOut(events.Marketing, question))
}

func TestS21_TheCustomerReportsOrBlocksAtAnyTime(t *testing.T) {
	t.Parallel()
	campaign := &events.CampaignRef{CampaignID: id.Derive[id.Campaign]("test", "autumn"), Chunk: 1, Reserved: 79_500}
	c, want := template(1, events.Marketing), queuedTemplate(1, events.Marketing)
	c.Campaign, want.Campaign = campaign, campaign
	during := given(started(events.EntryBusiness), optedIn(events.Marketing, question)).When(send(c, question)).Then(t, want)

	reported := during.When(report(new(message(1)), events.SpamUnwanted)).Then(t, events.SpamReported{
		ConversationID: party.Conversation, CustomerID: ada, FactID: form, MessageID: new(message(1)), Reason: events.SpamUnwanted, At: question,
	})
	during.When(report(new(message(7)), events.SpamUnwanted)).Rejected(t, "MessageUnknown")
	during.When(report(nil, "rude")).Rejected(t, "ReasonUnknown")
	blocked := reported.When(block(true)).Then(t, events.BusinessBlocked{BlockFact: blockFact})
	next := template(2, events.Marketing)
	next.Campaign = &events.CampaignRef{CampaignID: id.Derive[id.Campaign]("test", "winter")}
	blocked.When(send(next, question)).Rejected(t, "Blocked")
}

func TestS28_ABusinessIsBlockedLikeAContact(t *testing.T) {
	t.Parallel()
	blocked := given(asking()...).When(block(true)).Then(t, events.BusinessBlocked{BlockFact: blockFact})
	blocked.When(block(true)).Then(t)
	free := blocked.When(block(false)).Then(t, events.BusinessUnblocked{BlockFact: blockFact})
	free.When(block(false)).Then(t)
	want := queued(1)
	want.WindowUntil, want.AnswersSince = new(question.Add(24*time.Hour)), &question
	free.When(send(text(1), question)).Then(t, want)
	given().When(block(true)).Then(t, started(events.EntryConsent), events.BusinessBlocked{BlockFact: blockFact})
	given().When(func(s conversation.State) ([]events.Event, error) {
		return s.SetBlock(conversation.SetBlock{Blocked: true, Source: "hearsay"}, question)
	}).Rejected(t, "SourceUnknown")
}

func TestS43_NothingIsSentToWhoBlocksTheNumber(t *testing.T) {
	t.Parallel()
	blocked := given(append(asking(), events.BusinessBlocked{BlockFact: blockFact})...)
	for _, c := range []conversation.Send{
		text(1), template(1, events.Marketing), template(1, events.Utility), template(1, events.Authentication),
	} {
		blocked.When(send(c, question)).Rejected(t, "Blocked")
	}
	// What was written before is not sent any more either.
	given(started(events.EntryBusiness), queuedTemplate(1, events.Utility), events.BusinessBlocked{BlockFact: blockFact}).
		When(start(1, question)).Then(t, failedBefore(queuedTemplate(1, events.Utility), "Blocked"))
}

func TestS44_SpamIsReportedInAMessageToo(t *testing.T) {
	t.Parallel()
	update, event := inbound(1, question), received(1, question, question.Add(24*time.Hour))
	update.Intent, event.Intent = events.IntentReport, events.IntentReport
	told := given().When(tell(t, update)).Then(t, started(events.EntryInbound), event, events.SpamReported{
		ConversationID: party.Conversation, CustomerID: ada, FactID: id.Of[id.Fact](update.MessageID),
		MessageID: &update.MessageID, Reason: events.SpamByKeyword, At: question,
	})
	told.When(tell(t, update)).Then(t)
}

func TestS45_TheCustomerTunesHowMuchComes(t *testing.T) {
	t.Parallel()
	first := queuedTemplate(1, events.Marketing)
	fewer := given(started(events.EntryBusiness), optedIn(events.Marketing, question), first).
		When(volume(events.VolumeFewer)).Then(t, volumeSet(events.VolumeFewer))
	fewer.When(volume(events.VolumeFewer)).Then(t)
	week := question.AddDate(0, 0, 7)
	fewer.When(send(template(2, events.Marketing), week.Add(-time.Nanosecond))).Rejected(t, "VolumeLimited")
	next := queuedTemplate(2, events.Marketing)
	next.QueuedAt = week
	fewer.When(send(template(2, events.Marketing), week)).Then(t, next)
	fewer.When(send(template(2, events.Utility), question)).Then(t, queuedTemplate(2, events.Utility))
	// The one that was written before is still sent.
	fewer.When(start(1, question)).Then(t, dispatchStarted(1, 1))
	more := fewer.When(volume(events.VolumeAll)).Then(t, volumeSet(events.VolumeAll))
	more.When(send(template(2, events.Marketing), question)).Then(t, queuedTemplate(2, events.Marketing))
	fewer.When(volume("loud")).Rejected(t, "VolumeUnknown")
}

func TestS46_TheCustomerChoosesSpecificMessages(t *testing.T) {
	t.Parallel()
	some := given(asking()...).When(volume(events.VolumeAll, events.Utility, events.Authentication, events.Utility)).
		Then(t, volumeSet(events.VolumeAll, events.Authentication, events.Utility))
	some.When(volume(events.VolumeAll, events.Utility, events.Authentication)).Then(t)
	some.When(send(template(1, events.Marketing), question)).Rejected(t, "VolumeLimited")
	want := queuedTemplate(1, events.Utility)
	want.WindowUntil, want.AnswersSince = new(question.Add(24*time.Hour)), &question
	some.When(send(template(1, events.Utility), question)).Then(t, want)
	some.When(volume(events.VolumeAll, "gossip")).Rejected(t, "CategoryUnknown")
}

func TestS61_PrivateMessagesOnly(t *testing.T) {
	t.Parallel()
	until := question.Add(24 * time.Hour)
	private := given(asking()...).When(volume(events.VolumeNone)).Then(t, volumeSet(events.VolumeNone))
	for _, category := range []events.Category{events.Marketing, events.Utility, events.Authentication} {
		private.When(send(template(1, category), question)).Rejected(t, "VolumeLimited")
	}
	// The customer's own question is answered, while it is one.
	want := queued(1)
	want.WindowUntil, want.AnswersSince = &until, &question
	private.When(send(text(1), question)).Then(t, want)
	private.When(send(text(1), until.Add(time.Nanosecond))).Rejected(t, "VolumeLimited")
	private.When(volume(events.VolumeAll)).Then(t, volumeSet(events.VolumeAll))
}

// The first rule that is broken is told: blocked, opted out, too much, no consent.
func TestTheGravestReasonIsTold(t *testing.T) {
	t.Parallel()
	none := given(started(events.EntryBusiness))
	none.When(send(template(1, events.Marketing), question)).Rejected(t, "ConsentMissing")
	limited := none.Given(volumeSet(events.VolumeNone))
	limited.When(send(template(1, events.Marketing), question)).Rejected(t, "VolumeLimited")
	out := limited.Given(optedOut(events.Marketing, question))
	out.When(send(template(1, events.Marketing), question)).Rejected(t, "OptedOut")
	out.Given(events.BusinessBlocked{BlockFact: blockFact}).
		When(send(template(1, events.Marketing), question)).Rejected(t, "Blocked")
}

func TestAKeywordOptsOutAndIn(t *testing.T) {
	t.Parallel()
	asked := func(n int, at time.Time, intent events.Intent) (conversation.Inbound, events.MessageReceived, events.ConsentFact) {
		update, event := inbound(n, at), received(n, at, at.Add(24*time.Hour))
		update.Intent, event.Intent = intent, intent
		return update, event, events.ConsentFact{
			ConversationID: party.Conversation, CustomerID: ada, FactID: id.Of[id.Fact](update.MessageID), Category: events.Marketing,
			Source: events.SourceKeyword, At: at, MessageID: &update.MessageID,
		}
	}
	update, event, fact := asked(1, minute(0), events.IntentStop)
	stopped := given().When(tell(t, update)).Then(t, started(events.EntryInbound), event, events.CustomerOptedOut{ConsentFact: fact})
	stopped.When(tell(t, update)).Then(t)
	stopped.When(send(template(1, events.Marketing), minute(1))).Rejected(t, "OptedOut")
	update, event, fact = asked(2, minute(5), events.IntentStart)
	stopped.When(tell(t, update)).Then(t, event, events.CustomerOptedIn{ConsentFact: fact})
}

func TestThePlatformsSettingsOptOutAndIn(t *testing.T) {
	t.Parallel()
	prefer := func(name string, wanted bool, at time.Time) conversation.Preference {
		return conversation.Preference{
			FactID: id.Derive[id.Fact]("test", name), Category: events.Marketing, Wanted: wanted, At: at, Evidence: "sealed evidence",
		}
	}
	fact := func(name string, at time.Time) events.ConsentFact {
		f := consent(events.Marketing, at)
		f.FactID, f.Source = id.Derive[id.Fact]("test", name), events.SourcePreferences
		return f
	}
	stopped := given().When(tell(t, prefer("stop", false, minute(3)))).
		Then(t, started(events.EntryConsent), events.CustomerOptedOut{ConsentFact: fact("stop", minute(3))})
	stopped.When(tell(t, prefer("stop", false, minute(3)))).Then(t)
	stopped.When(tell(t, prefer("resume", true, minute(1)))).Then(t) // told late, and outdated
	stopped.When(tell(t, prefer("resume", true, minute(4)), prefer("stop again", false, minute(5)))).
		Then(t, events.CustomerOptedIn{ConsentFact: fact("resume", minute(4))},
			events.CustomerOptedOut{ConsentFact: fact("stop again", minute(5))})
}

// A campaign's message that is not sent yet when the customer opts out is not sent at all.
func TestVector26_WhatIsNotSentYetIsSkippedAfterAnOptOut(t *testing.T) {
	t.Parallel()
	campaign := &events.CampaignRef{CampaignID: id.Derive[id.Campaign]("test", "autumn"), Chunk: 1, Reserved: 62_500}
	written := queuedTemplate(1, events.Marketing)
	written.Campaign = campaign
	during := given(started(events.EntryBusiness), optedIn(events.Marketing, question), written)
	skipped := during.Given(optedOut(events.Marketing, question)).When(start(1, minute(1))).Then(t, at(minute(1), failedBefore(written, "OptedOut")))
	skipped.When(start(1, minute(2))).Then(t)
	during.Given(events.BusinessBlocked{BlockFact: blockFact}).When(start(1, minute(1))).Then(t, at(minute(1), failedBefore(written, "Blocked")))
	next := template(2, events.Marketing)
	next.Campaign = &events.CampaignRef{CampaignID: id.Derive[id.Campaign]("test", "winter")}
	skipped.When(send(next, minute(2))).Rejected(t, "OptedOut")

	// One that was sent already fails by the platform's word; what was reserved for it is told with that.
	failed := status(1, events.StatusFailed, minute(1))
	failed.Errors = []events.PlatformError{{Code: 131050}}
	f := fact(1, events.StatusFailed, minute(1))
	f.Sending = sending(written)
	require.Equal(t, campaign, f.Sending.Campaign)
	during.When(start(1, question)).Then(t, dispatchStarted(1, 1)).When(accept(1, 1)).Then(t, accepted(1, 1)).
		When(tell(t, failed)).Then(t, events.MessageFailed{StatusFact: f, Errors: failed.Errors})
}
