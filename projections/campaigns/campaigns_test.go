package campaigns_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
	"daybook/projections/campaigns"
	"daybook/projections/projectiontest"
	list "daybook/readmodels/campaigns"
)

var (
	noon   = time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)
	sale   = id.Derive[id.Campaign]("sale")
	stream = "campaign-" + sale.String()
	chat   = "conversation-" + id.Derive[id.Conversation]("chat").String()
)

func dollars(micros int64) money.Amount { return money.Amount{Micros: micros, Currency: "USD"} }

func planned() []events.Event {
	return []events.Event{
		events.CampaignDrafted{
			CampaignID: sale, AccountID: projectiontest.Account, PhoneNumberID: "1", Name: "Autumn sale", Template: "autumn", Category: events.Marketing,
		},
		events.AudienceSet{CampaignID: sale, Segment: "list", Recipients: 5, Chunks: 1},
		events.CampaignScheduled{
			CampaignID: sale, StartsAt: noon, EndsAt: noon.Add(time.Hour), Timezone: "Europe/Rome", DeviceName: "iPhone Mario",
		},
		events.BudgetSet{CampaignID: sale, Limit: dollars(150_000)},
		events.CampaignApproved{CampaignID: sale},
	}
}

func ran() []events.Event {
	return []events.Event{
		events.CampaignStarted{CampaignID: sale, StartedAt: noon},
		events.BudgetReserved{CampaignID: sale, To: 4, Amount: dollars(187_500)},
		events.ReservationUsed{
			CampaignID: sale, To: 4, Written: 3, Skipped: []events.SkipCount{{Reason: events.SkipBlocked, Count: 1}}, Released: dollars(0),
		},
		events.BudgetSet{CampaignID: sale, Limit: dollars(200_000), Running: true},
		events.OutcomesCounted{CampaignID: sale, Failed: 1, Released: dollars(62_500)},
		events.CampaignCharged{
			CampaignID: sale, Charged: 1, Amount: dollars(62_500), Held: dollars(62_500),
			Markets: []events.MarketAmount{{Market: "Brazil", Charged: 1, Micros: 62_500}},
		},
		events.CampaignPaused{CampaignID: sale, Reason: events.PausedByTemplate},
	}
}

func completed() events.Event {
	return events.CampaignCompleted{CampaignID: sale, Written: 3, Rest: &events.SkipCount{Reason: events.SkipBudget, Count: 1}}
}

func messages() []events.Event {
	ref := &events.CampaignRef{CampaignID: sale, Reserved: 62_500}
	fact := func(n string) events.StatusFact {
		return events.StatusFact{MessageID: id.Derive[id.Message](n), At: noon, Sending: events.Sending{Campaign: ref, Market: "Brazil", QueuedAt: noon}}
	}
	queued := func(n string) events.Event {
		return events.MessageQueued{MessageID: id.Derive[id.Message](n), QueuedAt: noon, Market: "Brazil", Campaign: ref}
	}
	read := fact("a")
	read.Delivery, read.ShowsSent = &events.Delivery{At: noon}, true
	again := fact("a")
	again.Delivery = &events.Delivery{At: noon, FirstAt: &noon}
	other := events.StatusFact{MessageID: id.Derive[id.Message]("z"), At: noon, ShowsSent: true}
	return []events.Event{
		queued("a"), queued("b"), queued("c"), events.MessageQueued{MessageID: id.Derive[id.Message]("z"), Market: "Brazil"},
		events.MessageRead{StatusFact: read}, events.MessageDelivered{StatusFact: again}, events.MessageSent{StatusFact: other},
		events.MessageFailed{StatusFact: fact("b")},
		events.DispatchFailed{MessageID: id.Derive[id.Message]("c"), RetryAt: &noon, Sending: fact("c").Sending},
		events.DispatchFailed{MessageID: id.Derive[id.Message]("c"), Sending: fact("c").Sending},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, campaigns.Define, func(s *projectiontest.Scenario) {
		s.Given(stream, planned()...).Given(chat, messages()...).Given(stream, ran()...).Given(stream, completed())
	})
}

func TestS14_AndS15_ACampaignsFiguresAndWhatItCostsByCountry(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, campaigns.Define)
	s.Given(stream, planned()...).Settle()
	find := func() list.Figures {
		f, found, err := list.Find(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, sale)
		require.NoError(t, err)
		require.True(t, found)
		return f
	}
	require.Equal(t, "approved", find().Phase)
	s.Given(chat, messages()...).Given(stream, ran()...).Settle()
	paused := find()
	require.Equal(t, []any{"paused", "template", int64(200_000)}, []any{paused.Phase, paused.PausedFor, paused.Limit})
	s.Given(stream, events.CampaignResumed{CampaignID: sale}, completed()).Settle()

	f := find()
	require.Equal(t, []any{"completed", "", "iPhone Mario", int64(5)}, []any{f.Phase, f.PausedFor, f.DeviceName, f.Recipients})
	require.Equal(t, []int64{62_500, 62_500}, []int64{f.Spent, f.Reserved})
	require.Equal(t, []list.Market{{
		Market: "Brazil", Written: 3, Sent: 1, Delivered: 1, Read: 1, Failed: 2, Charged: 1, Micros: 62_500,
	}}, f.Markets)
	require.Equal(t, []list.Skip{{Reason: "blocked", Recipients: 1}, {Reason: "budget", Recipients: 1}}, f.Skips)

	all, err := list.Of(t.Context(), s.Pool(), s.Schema(), projectiontest.Account)
	require.NoError(t, err)
	require.Equal(t, []list.Campaign{f.Campaign}, all)
	_, found, err := list.Find(t.Context(), s.Pool(), s.Schema(), id.Derive[id.Account]("another"), sale)
	require.NoError(t, err)
	require.False(t, found)
}
