package messages_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections/messages"
	"daybook/projections/projectiontest"
	messageinfo "daybook/readmodels/messages"
)

var (
	account      = projectiontest.Account
	customer     = id.Derive[id.Customer]("anna")
	friend       = id.Derive[id.Customer]("bruno")
	conversation = id.Derive[id.Conversation]("conversation")
	message      = id.Derive[id.Message]("message")
	phone        = id.Derive[id.Device]("phone")
	tablet       = id.Derive[id.Device]("tablet")
	streamOf     = "conversation-" + conversation.String()
	devicesOf    = "devices-" + account.String()
)

// at is the n-th second of the minute in which the messages travel.
func at(n int) time.Time { return time.Date(2026, 10, 5, 10, 42, n, 0, time.UTC) }

func linked() events.DeviceLinked {
	return events.DeviceLinked{AccountID: account, DeviceID: phone, Kind: events.Smartphone, Platform: "ios", Name: "iPhone Mario"}
}

func queued() events.MessageQueued {
	return events.MessageQueued{
		ConversationID: conversation, MessageID: message, CustomerID: customer, DeviceID: phone, DeviceName: "iPhone Mario",
		RegistryRevision: 0, Kind: "template", Category: events.Utility, QueuedAt: at(1), To: "sealed to", Content: "sealed text",
		Template: &events.Template{Name: "order_shipped", Language: "it"},
	}
}

func accepted() events.MessageAccepted {
	return events.MessageAccepted{
		ConversationID: conversation, MessageID: message, CustomerID: customer, WamidHash: "w1:aa", AcceptedAt: at(2),
	}
}

func fact(who id.Customer, when int) events.StatusFact {
	return events.StatusFact{ConversationID: conversation, MessageID: message, RecipientID: who, At: at(when)}
}

func sent(n int) events.Event      { return events.MessageSent{StatusFact: fact(customer, n)} }
func delivered(n int) events.Event { return events.MessageDelivered{StatusFact: fact(customer, n)} }
func read(n int) events.Event      { return events.MessageRead{StatusFact: fact(customer, n)} }
func played(n int) events.Event    { return events.MessagePlayed{StatusFact: fact(customer, n)} }
func failed(n int) events.Event {
	return events.MessageFailed{StatusFact: fact(customer, n), Errors: []events.PlatformError{
		{Code: 131026}, {Code: 1},
	}}
}
func corrected(status events.Status, n int) events.Event {
	return events.StatusTimeCorrected{StatusFact: fact(customer, n), Status: status, PreviousAt: at(59)}
}

// TestOneConversationDoesNotHoldUpTheOthers has one in which a status cannot be read. What rating says of it waits, too.
func TestOneConversationDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	sick := id.Derive[id.Conversation]("sick")
	charge := events.MessageCharged{Delivery: delivery(customer), Charge: price(30_000)}
	charge.Delivery.ConversationID = sick
	s := projectiontest.For(t, messages.Define).
		Given(streamOf, queued()).
		GivenRaw("conversation-"+sick.String(), events.Proposed{
			ID: id.New[id.Event](), Type: "MessageRead", Data: []byte("no JSON"), Metadata: []byte(`{"version":1}`),
		}).
		Given(billing, charge).
		Given(streamOf, delivered(8)).
		Then("SELECT delivered_at IS NOT NULL, charge_micros FROM recipients", "t | ∅")
	waiting := s.Parked()
	require.Len(t, waiting, 1)
	require.Equal(t, sick.String(), waiting[0].Key)
	require.Equal(t, 2, waiting[0].Events)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, messages.Define, func(s *projectiontest.Scenario) {
		s.Given(devicesOf, linked(), events.DeviceLinked{AccountID: account, DeviceID: tablet, Name: "Tablet"})
		s.Given(streamOf, inbound(), queued(), started(1), refused(new(at(5))), started(2), accepted(), read(9), sent(4), corrected(events.StatusSent, 3))
		s.Given(streamOf, echoed(), imported(true), imported(false), stored())
		s.Given(devicesOf,
			events.DeviceRenamed{AccountID: account, DeviceID: phone, Name: "Front desk", PreviousName: "iPhone Mario"},
			events.DeviceUnlinked{AccountID: account, DeviceID: tablet, Reason: events.UnlinkedByOwner})
		s.Given(streamOf, delivered(8), failed(7), played(10))
		s.Given(billing, held(customer), charged(customer, 30_000), adjusted(customer, 0), held(friend))
	})
}

// S7: the owner sees delivery, reading and the device that wrote.
func TestS07_TheDeviceOfAContestedMessage(t *testing.T) {
	t.Parallel()
	info := get(t, given(t, sent(3), delivered(7), read(20)))
	require.Equal(t, messageinfo.Sender{DeviceID: phone, Name: "iPhone Mario", NameNow: "iPhone Mario"}, *info.Device)
	require.Equal(t, messageinfo.Out, info.Direction)
	require.Equal(t, account, info.AccountID)
	require.Equal(t, conversation, info.ConversationID)
	require.Equal(t, customer, info.CustomerID)
	require.Equal(t, "template", info.Kind)
	require.Equal(t, "utility", info.Category)
	require.Equal(t, "order_shipped", info.Template)
	requireAt(t, 1, info.QueuedAt)
	requireAt(t, 2, info.AcceptedAt)
	requireAt(t, 3, info.SentAt)
	requireAt(t, 7, info.DeliveredAt)
	requireAt(t, 20, info.ReadAt)
	require.Nil(t, info.ReceivedAt)
	require.Nil(t, info.FailedAt)
	require.False(t, info.DeliveredInferred)
	require.Equal(t, messageinfo.StatusRead, info.Status)
}

// S6, S7: what the device is called later, or that it is gone, changes nothing about who wrote.
func TestS06_ARenamedDeviceKeepsItsNameOnOldMessages(t *testing.T) {
	t.Parallel()
	s := given(t).Given(devicesOf,
		events.DeviceRenamed{AccountID: account, DeviceID: phone, Name: "Front desk", PreviousName: "iPhone Mario"})
	info := get(t, s)
	require.Equal(t, "iPhone Mario", info.Device.Name)
	require.Equal(t, "Front desk", info.Device.NameNow)
	require.Nil(t, info.Device.UnlinkedAt)

	s.Under(events.Envelope{Account: account, OccurredAt: at(50)}).
		Given(devicesOf, events.DeviceUnlinked{AccountID: account, DeviceID: phone, Reason: events.UnlinkedByOwner})
	info = get(t, s)
	require.Equal(t, "Front desk", info.Device.NameNow)
	requireAt(t, 50, info.Device.UnlinkedAt)
}

// However the platform orders what it tells, the message's info is the same.
func TestTheOrderOfStatusesDoesNotMatter(t *testing.T) {
	t.Parallel()
	s := given(t, sent(3), delivered(7), read(20), failed(5))
	want := get(t, s)
	require.Equal(t, messageinfo.StatusRead, want.Status)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 5 { // each has a store and a database of its own
			return
		}
		shuffled := rapid.Permutation([]events.Event{sent(3), delivered(7), read(20), failed(5)}).Draw(rt, "told")
		require.Equal(rt, want, get(t, given(t, shuffled...)))
	})
}

func TestStatusByRank(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		told     []events.Event
		status   messageinfo.Status
		inferred bool
	}{
		"nothing yet":             {nil, messageinfo.StatusAccepted, false},
		"sent":                    {[]events.Event{sent(3)}, messageinfo.StatusSent, false},
		"failed":                  {[]events.Event{sent(3), failed(5)}, messageinfo.StatusFailed, false},
		"failed, then delivered":  {[]events.Event{failed(5), delivered(7)}, messageinfo.StatusDelivered, false},
		"delivered, then failed":  {[]events.Event{delivered(5), failed(7)}, messageinfo.StatusDelivered, false},
		"read, never delivered":   {[]events.Event{sent(3), read(7)}, messageinfo.StatusRead, true},
		"failed, yet read":        {[]events.Event{failed(3), read(7)}, messageinfo.StatusRead, true},
		"played, never delivered": {[]events.Event{played(7)}, messageinfo.StatusPlayed, true},
		"played before read":      {[]events.Event{played(7), read(9)}, messageinfo.StatusPlayed, true},
		"all":                     {[]events.Event{sent(3), delivered(4), read(7), played(9)}, messageinfo.StatusPlayed, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info := get(t, given(t, c.told...))
			require.Equal(t, c.status, info.Status)
			require.Equal(t, c.inferred, info.DeliveredInferred)
			if c.inferred {
				requireAt(t, 7, info.DeliveredAt)
			}
		})
	}
}

func TestAFailureSaysWhy(t *testing.T) {
	t.Parallel()
	info := get(t, given(t, failed(5)))
	requireAt(t, 5, info.FailedAt)
	require.Equal(t, messageinfo.Failure{Code: 131026}, *info.Failure)

	// The platform's numbers are its own affair: none is too large.
	large := given(t, events.MessageFailed{StatusFact: fact(customer, 5), Errors: []events.PlatformError{{Code: 1 << 40}}})
	require.Equal(t, 1<<40, get(t, large).Failure.Code)

	bare := given(t, events.MessageFailed{StatusFact: fact(customer, 5)})
	require.Nil(t, get(t, bare).Failure)
}

func TestACorrectedTimeReplacesTheFirst(t *testing.T) {
	t.Parallel()
	info := get(t, given(t, sent(9), delivered(12), corrected(events.StatusSent, 3), corrected(events.StatusDelivered, 6)))
	requireAt(t, 3, info.SentAt)
	requireAt(t, 6, info.DeliveredAt)
}

func TestAGroupMessageHasARowPerRecipient(t *testing.T) {
	t.Parallel()
	info := get(t, given(t, sent(3),
		events.MessageFailed{StatusFact: fact(friend, 4), Errors: []events.PlatformError{{Code: 131049}}},
		delivered(9), events.MessageSent{StatusFact: fact(friend, 2)}))
	require.Len(t, info.Recipients, 2)
	progress := map[id.Customer]messageinfo.Progress{}
	for _, r := range info.Recipients {
		progress[r.RecipientID] = r.Progress
	}
	require.Equal(t, messageinfo.StatusDelivered, progress[customer].Status)
	require.Equal(t, messageinfo.StatusFailed, progress[friend].Status)
	require.Equal(t, 131049, progress[friend].Failure.Code)
	require.Nil(t, progress[customer].Failure)

	require.Equal(t, messageinfo.StatusDelivered, info.Status, "of the whole: one of them has it")
	requireAt(t, 2, info.SentAt)
	requireAt(t, 9, info.DeliveredAt)
	requireAt(t, 4, info.FailedAt)
}

func TestAGroupMessageThatReachesNobodyTellsItsFirstFailure(t *testing.T) {
	t.Parallel()
	ofFriend := func(n int) events.Event {
		return events.MessageFailed{StatusFact: fact(friend, n), Errors: []events.PlatformError{{Code: 131049}}}
	}
	for first, told := range map[int][]events.Event{
		131026: {failed(4), ofFriend(5)},
		131049: {failed(5), ofFriend(4)},
	} {
		info := get(t, given(t, told...))
		require.Equal(t, messageinfo.StatusFailed, info.Status)
		require.Equal(t, first, info.Failure.Code)
		requireAt(t, 4, info.FailedAt)
	}
}

func TestAnInboundMessage(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, messages.Define).Given(streamOf, inbound())
	info, err := messageinfo.Get(t.Context(), settled(s).Pool(), s.Schema(), inbound().MessageID)
	require.NoError(t, err)
	require.Equal(t, messageinfo.In, info.Direction)
	require.Equal(t, messageinfo.StatusReceived, info.Status)
	requireAt(t, 30, info.ReceivedAt)
	require.Nil(t, info.Device)
	require.Empty(t, info.Recipients)
	require.Empty(t, info.Category)
	s.Then("SELECT wamid_hash, sealed_from, sealed_to, sealed_contact, sealed_content FROM messages",
		"w1:in | sealed from | ∅ | sealed name | sealed words")
}

func TestTheRowKeepsWhatIsSealed(t *testing.T) {
	t.Parallel()
	given(t).Then("SELECT wamid_hash, sealed_from, sealed_to, sealed_content, template_language, registry_revision FROM messages",
		"w1:aa | ∅ | sealed to | sealed text | it | 0")
}

func TestAQueuedMessageIsNotAcceptedYet(t *testing.T) {
	t.Parallel()
	info := get(t, projectiontest.For(t, messages.Define).Given(streamOf, queued()))
	require.Equal(t, messageinfo.StatusQueued, info.Status)
	require.Nil(t, info.AcceptedAt)
	require.Empty(t, info.Device.NameNow, "the registry has not told of this device")
}

func TestAMessageThatIsNotThere(t *testing.T) {
	t.Parallel()
	for name, told := range map[string][]events.Event{
		"nothing":         {events.ConversationStarted{}},
		"only a status":   {delivered(5)},
		"only a platform": {accepted()},
	} {
		s := settled(projectiontest.For(t, messages.Define).Given(streamOf, told...))
		_, err := messageinfo.Get(t.Context(), s.Pool(), s.Schema(), message)
		require.ErrorIs(t, err, messageinfo.ErrNotFound, name)
	}
}

func inbound() events.MessageReceived {
	return events.MessageReceived{
		ConversationID: conversation, MessageID: id.Derive[id.Message]("inbound"), CustomerID: customer, WamidHash: "w1:in",
		Kind: "text", SentAt: at(30), WindowUntil: at(30).Add(24 * time.Hour), From: "sealed from", Contact: "sealed name",
		Content: "sealed words",
	}
}

// given is a message that the platform has accepted, and what it told of it then.
func given(t *testing.T, told ...events.Event) *projectiontest.Scenario {
	t.Helper()
	s := projectiontest.For(t, messages.Define).Given(devicesOf, linked()).Given(streamOf, queued(), accepted())
	if len(told) > 0 {
		s.Given(streamOf, told...)
	}
	return s
}

func settled(s *projectiontest.Scenario) *projectiontest.Scenario {
	s.Settle()
	return s
}

func get(t *testing.T, s *projectiontest.Scenario) messageinfo.Info {
	t.Helper()
	info, err := messageinfo.Get(t.Context(), settled(s).Pool(), s.Schema(), message)
	require.NoError(t, err)
	return info
}

func requireAt(t *testing.T, second int, got *time.Time) {
	t.Helper()
	require.NotNil(t, got)
	require.Equal(t, at(second), got.UTC())
}
