package analytics_test

import (
	"testing"
	"time"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections/analytics"
	"daybook/projections/projectiontest"
)

var (
	account   = projectiontest.Account
	anna      = id.Derive[id.Customer]("anna")
	bruno     = id.Derive[id.Customer]("bruno")
	letter    = id.Derive[id.Message]("letter")
	phone     = id.Derive[id.Device]("phone")
	tablet    = id.Derive[id.Device]("tablet")
	streamOf  = "conversation-anna"
	devicesOf = "devices-" + account.String()
	written   = time.Date(2026, 10, 5, 8, 44, 59, 0, time.UTC)
)

func registered(timezone string) events.AccountRegistered {
	return events.AccountRegistered{AccountID: account, Name: "Mario", Currency: "EUR", Timezone: timezone}
}

func linked(device id.Device, name string) events.DeviceLinked {
	return events.DeviceLinked{AccountID: account, DeviceID: device, Name: name}
}

// fact is a status of the letter to Anna; the platform tells it the next day.
func fact(to id.Customer) events.StatusFact {
	return events.StatusFact{
		MessageID: letter, RecipientID: to, At: written.Add(26 * time.Hour),
		Sending: events.Sending{DeviceID: phone, Category: events.Utility, Market: "Italy", QueuedAt: written},
	}
}

// first is a fact by which the delivery becomes known.
func first(to id.Customer) events.StatusFact {
	f := fact(to)
	f.Delivery = &events.Delivery{At: f.At}
	return f
}

// again is a fact that changes what is known of the delivery.
func again(to id.Customer) events.StatusFact {
	f := first(to)
	f.Delivery.FirstAt = &f.At
	return f
}

// onward is a fact that shows that the platform sent the message on.
func onward(f events.StatusFact) events.StatusFact {
	f.ShowsSent = true
	return f
}

func received(sentAt time.Time) events.MessageReceived {
	return events.MessageReceived{CustomerID: anna, SentAt: sentAt}
}

func queued(device id.Device, at time.Time, answers *time.Time) events.MessageQueued {
	return events.MessageQueued{
		CustomerID: anna, DeviceID: device, Category: events.Utility, Market: "Italy", QueuedAt: at, AnswersSince: answers,
	}
}

const counters = `SELECT to_char(slot AT TIME ZONE 'UTC', 'HH24:MI'), category, market, received, sent, delivered, read, failed,
	answers, answer_seconds FROM figures ORDER BY slot, category`

func TestConformance(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, analytics.Define, func(s *projectiontest.Scenario) {
		s.Given("account-"+account.String(), registered("Europe/Rome"))
		s.Given(devicesOf, linked(phone, "iPhone Mario"), linked(tablet, "Tablet"))
		s.Given(streamOf, received(written.Add(-time.Hour)), queued(phone, written, new(written.Add(-time.Hour))),
			events.MessageSent{StatusFact: onward(fact(anna))}, events.MessageRead{StatusFact: first(anna)},
			events.MessageDelivered{StatusFact: again(anna)}, events.MessagePlayed{StatusFact: fact(anna)},
			events.MessageFailed{StatusFact: fact(bruno)}, received(written))
		s.Given(devicesOf, events.DeviceRenamed{AccountID: account, DeviceID: phone, Name: "Front desk"})
	})
}

func TestAMessageCountsWhereItWasWritten(t *testing.T) {
	t.Parallel()
	projectiontest.For(t, analytics.Define).Given(streamOf,
		events.MessageSent{StatusFact: onward(fact(anna))}, events.MessageDelivered{StatusFact: first(anna)},
		events.MessageRead{StatusFact: fact(anna)}, events.MessagePlayed{StatusFact: fact(anna)},
	).Then(counters, "08:30 | utility | Italy | 0 | 1 | 1 | 1 | 0 | 0 | 0").
		Then("SELECT account_id, device_id FROM figures", account.String()+" | "+phone.String())
}

// What was sent on, and what was delivered, counts once, by whatever fact it is known first.
func TestEachStepCountsOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		told []events.Event
		want string
	}{
		"read told first": {[]events.Event{
			events.MessageRead{StatusFact: onward(first(anna))}, events.MessageDelivered{StatusFact: again(anna)},
		}, "1 | 1 | 1 | 0"},
		"read alone": {[]events.Event{events.MessageRead{StatusFact: onward(first(anna))}}, "1 | 1 | 1 | 0"},
		"sent told last": {[]events.Event{
			events.MessageDelivered{StatusFact: onward(first(anna))}, events.MessageSent{StatusFact: fact(anna)},
		}, "1 | 1 | 0 | 0"},
		"played alone is not read": {[]events.Event{
			events.MessageSent{StatusFact: onward(fact(anna))}, events.MessagePlayed{StatusFact: first(anna)},
		}, "1 | 1 | 0 | 0"},
		"corrections are no steps": {[]events.Event{
			events.MessageDelivered{StatusFact: onward(first(anna))},
			events.StatusTimeCorrected{StatusFact: again(anna), Status: events.StatusDelivered},
			events.PricingTold{StatusFact: again(anna), Status: events.StatusDelivered},
		}, "1 | 1 | 0 | 0"},
		"failed before it was sent on": {[]events.Event{events.MessageFailed{StatusFact: fact(anna)}}, "0 | 0 | 0 | 1"},
		"failed and delivered": {[]events.Event{
			events.MessageFailed{StatusFact: fact(anna)}, events.MessageDelivered{StatusFact: onward(first(anna))},
		}, "1 | 1 | 0 | 1"},
		"each recipient of a group": {[]events.Event{
			events.MessageSent{StatusFact: onward(fact(anna))}, events.MessageSent{StatusFact: onward(fact(bruno))},
			events.MessageDelivered{StatusFact: first(anna)}, events.MessageFailed{StatusFact: fact(bruno)},
		}, "2 | 1 | 0 | 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			projectiontest.For(t, analytics.Define).Given(streamOf, c.told...).
				Then("SELECT sent, delivered, read, failed FROM figures", c.want)
		})
	}
}

func TestAnAnswerCountsWhenItIsWritten(t *testing.T) {
	t.Parallel()
	asked := written.Add(-20*time.Minute - 300*time.Millisecond)
	projectiontest.For(t, analytics.Define).
		Given(streamOf, received(asked), queued(phone, written, &asked), queued(phone, written.Add(time.Second), nil)).
		Then(counters,
			"08:15 |  |  | 1 | 0 | 0 | 0 | 0 | 0 | 0",
			"08:30 | utility | Italy | 0 | 0 | 0 | 0 | 0 | 1 | 1200").
		Then("SELECT count(*) FROM figures WHERE device_id = '00000000-0000-0000-0000-000000000000'", "1")
}

// What was recorded before statuses said what the message was counts nowhere, and stops nothing.
func TestAStatusWithoutItsMessage(t *testing.T) {
	t.Parallel()
	bare := first(anna)
	bare.Sending = events.Sending{}
	projectiontest.For(t, analytics.Define).Given(streamOf,
		events.MessageSent{StatusFact: onward(bare)}, events.MessageDelivered{StatusFact: bare}).Then(counters)
}
