package messages_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections/messages"
	"daybook/projections/projectiontest"
	messageinfo "daybook/readmodels/messages"
)

func started(attempt int) events.DispatchStarted {
	return events.DispatchStarted{ConversationID: conversation, MessageID: message, Attempt: attempt, StartedAt: at(1)}
}

func refused(retryAt *time.Time) events.DispatchFailed {
	return events.DispatchFailed{
		ConversationID: conversation, MessageID: message, CustomerID: customer, Attempt: 1, Code: 130429, RetryAt: retryAt, FailedAt: at(1),
	}
}

func echoed() events.MessageEchoed {
	return events.MessageEchoed{
		ConversationID: conversation, MessageID: id.Derive[id.Message]("echo"), CustomerID: customer, Kind: "text", SentAt: at(1),
		WamidHash: "w1:ee", To: "sealed to", Content: "sealed text",
	}
}

func imported(outbound bool) events.MessageImported {
	return events.MessageImported{
		ConversationID: conversation, MessageID: id.Derive[id.Message]("import", strconv.FormatBool(outbound)), CustomerID: customer, Outbound: outbound,
		Kind: "text", SentAt: at(1), ImportedAt: at(30), WamidHash: events.WamidHash("w1:" + strconv.FormatBool(outbound)),
	}
}

func stored() events.MediaStored {
	return events.MediaStored{ConversationID: conversation, MessageID: message, SHA256: "9f86", StoredAt: at(9)}
}

func expired() events.MessageExpired {
	return events.MessageExpired{ConversationID: conversation, MessageID: message, CustomerID: customer, ExpiredAt: at(40)}
}

func TestTheWayToThePlatform(t *testing.T) {
	t.Parallel()
	way := func(past ...events.Event) messageinfo.Info {
		return get(t, projectiontest.For(t, messages.Define).Given(streamOf, append([]events.Event{queued()}, past...)...))
	}
	require.Nil(t, way().Dispatch)
	require.Equal(t, &messageinfo.Dispatch{State: "started", Attempt: 1}, way(started(1)).Dispatch)
	retry := way(started(1), refused(new(at(5)))).Dispatch
	require.Equal(t, []any{"waiting", 1, 130429, true}, []any{retry.State, retry.Attempt, retry.Code, at(5).Equal(*retry.NotBefore)})
	require.Equal(t, &messageinfo.Dispatch{State: "started", Attempt: 2}, way(started(1), refused(new(at(5))), started(2)).Dispatch)
	over := way(started(1), refused(nil))
	require.Equal(t, &messageinfo.Dispatch{State: "failed", Attempt: 1, Code: 130429}, over.Dispatch)
	require.Equal(t, messageinfo.StatusFailed, over.Status)
	unwanted := refused(nil)
	unwanted.Code, unwanted.Rejection = 0, "OptedOut"
	require.Equal(t, &messageinfo.Dispatch{State: "failed", Rejection: "OptedOut"}, way(unwanted).Dispatch)
	lost := events.DispatchUnknown{ConversationID: conversation, MessageID: message, Attempt: 1, Cause: events.CauseCrash, At: at(3)}
	require.Equal(t, "unknown", way(started(1), lost).Dispatch.State)
	taken := way(started(1), lost, accepted())
	require.Equal(t, "accepted", taken.Dispatch.State)
	require.Equal(t, messageinfo.StatusAccepted, taken.Status)
	deferred := events.DispatchDeferred{ConversationID: conversation, MessageID: message, Until: at(7), Cause: events.CausePairRate}
	require.Equal(t, "waiting", way(deferred).Dispatch.State)
}

// S30: what comes late is charged all the same, and shown as late.
func TestVector13_ALateDeliveryOutranksThatAMessageExpired(t *testing.T) {
	t.Parallel()
	s := given(t, sent(3)).Given(streamOf, expired())
	info := get(t, s)
	requireAt(t, 40, info.Recipients[0].ExpiredAt)
	require.Equal(t, messageinfo.StatusSent, info.Status)
	late := fact(customer, 50)
	late.Delivery = &events.Delivery{At: at(50), Late: true}
	info = get(t, s.Given(streamOf, events.MessageDelivered{StatusFact: late}))
	require.Equal(t, messageinfo.StatusDelivered, info.Status)
	require.True(t, info.Recipients[0].Late)
	require.Equal(t, messageinfo.StatusFailed, get(t, projectiontest.For(t, messages.Define).Given(streamOf, queued(), expired())).Status)
}

func TestWhereAMessageWasWritten(t *testing.T) {
	t.Parallel()
	automatic, offer := queued(), queued()
	automatic.MessageID, automatic.Automatic, automatic.DeviceID, automatic.DeviceName = id.Derive[id.Message]("away"), "away", id.Device{}, ""
	autumn := id.Derive[id.Campaign]("autumn")
	offer.MessageID, offer.Campaign, offer.Locale = id.Derive[id.Message]("offer"), &events.CampaignRef{CampaignID: autumn}, "it"
	picture := inbound()
	picture.Media = "image"
	kept := stored()
	kept.MessageID = picture.MessageID
	projectiontest.For(t, messages.Define).
		Given(streamOf, picture, kept, queued(), automatic, offer, echoed(), imported(true), imported(false)).
		Then("SELECT origin, direction, device_id IS NOT NULL, campaign_id, locale, media, media_sha256 FROM messages ORDER BY 1, 2",
			"automatic | out | f | ∅ | ∅ | ∅ | ∅",
			"campaign | out | t | "+autumn.String()+" | it | ∅ | ∅",
			"customer | in | f | ∅ | ∅ | image | 9f86",
			"device | out | t | ∅ | ∅ | ∅ | ∅",
			"echo | out | f | ∅ | ∅ | ∅ | ∅",
			"import | in | f | ∅ | ∅ | ∅ | ∅",
			"import | out | f | ∅ | ∅ | ∅ | ∅")
}
