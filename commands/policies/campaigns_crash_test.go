package policies_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/money"
)

// due is a campaign that is due, for four people of whom one did not opt in.
func due(t *testing.T) *promotion {
	t.Helper()
	s := open(t, "USD", "Europe/Rome")
	to := audienceOf(people("55119", 4)...)
	for _, r := range to[1:] {
		s.chooses(r.CustomerID, true)
	}
	p := s.plan(saleDraft(), 500_000, to)
	p.clock = p.state().Scheduled().StartsAt
	return p
}

// requireWritten requires that everybody who opted in was written to once, and noted as such, and that nothing is held for
// anybody else.
func requireWritten(t *testing.T, p *promotion) {
	t.Helper()
	require.Equal(t, []events.SkipReason{events.SkipNoOptIn, "", "", ""}, p.skips())
	require.Len(t, p.queued(), 3)
	spent, reserved := p.money()
	require.Equal(t, []int64{0, 187_500}, []int64{spent, reserved})
	require.Equal(t, []events.CampaignCompleted{{
		CampaignID: p.id, Written: 3, Skipped: []events.SkipCount{{Reason: events.SkipNoOptIn, Count: 1}},
	}}, of[events.CampaignCompleted](p))
}

// crashes plays every crash of a policy over histories of which each has its promotion.
func crashes(t *testing.T, history func(*testing.T) *promotion, policy func(*promotion, policiestest.Store) policies.Policy, check func(*testing.T, *promotion)) {
	t.Helper()
	var p *promotion
	policiestest.Crashes(t,
		func(t *testing.T) policiestest.Store { t.Helper(); p = history(t); return p.store },
		func(store policiestest.Store) policies.Policy { return policy(p, store) },
		func(t *testing.T, _ policiestest.Store) { t.Helper(); check(t, p) })
}

// Wherever the process ends: nobody is written to twice, and nobody is forgotten.
func TestAmnesia_campaigns(t *testing.T) {
	t.Parallel()
	crashes(t, due, func(p *promotion, store policiestest.Store) policies.Policy {
		return policies.NewCampaigns(commands.New(store, func() time.Time { return p.clock }), p.copies, 0)
	}, requireWritten)
}

// delivered is a campaign that was written, of whose messages two were delivered and rated, and one failed.
func delivered(t *testing.T) *promotion {
	t.Helper()
	p := due(t)
	policiestest.Run(t, p.store, p.policies(p.store)[1])
	p.fails(1, 131026)
	p.delivered(p.message(2), p.clock)
	policiestest.Run(t, p.store, p.rating())
	p.delivered(p.message(3), p.clock)
	policiestest.Run(t, p.store, p.rating())
	return p
}

func TestAmnesia_campaign_charges(t *testing.T) {
	t.Parallel()
	crashes(t, delivered, func(_ *promotion, store policiestest.Store) policies.Policy {
		return policies.NewCampaignCharges(store, commands.New(store, time.Now))
	}, func(t *testing.T, p *promotion) {
		t.Helper()
		spent, reserved := p.money()
		require.Equal(t, []int64{125_000, 62_500}, []int64{spent, reserved})
		charged := of[events.CampaignCharged](p)
		require.Len(t, charged, 2)
		require.Equal(t, []events.MarketAmount{{Market: "Brazil", Charged: 1, Micros: 62_500}}, charged[0].Markets)
	})
}

func TestAmnesia_campaign_outcomes(t *testing.T) {
	t.Parallel()
	crashes(t, delivered, func(_ *promotion, store policiestest.Store) policies.Policy {
		return policies.NewCampaignOutcomes(store, commands.New(store, time.Now))
	}, func(t *testing.T, p *promotion) {
		t.Helper()
		spent, reserved := p.money()
		require.Equal(t, []int64{0, 125_000}, []int64{spent, reserved})
		counted := of[events.OutcomesCounted](p)
		require.Len(t, counted, 1)
		require.Equal(t, 1, counted[0].Failed)
	})
}

// What rating takes back, corrects and charges again counts each time, also at the end of a long batch, and what was held
// ends with the first charge.
func TestACampaignsChargesAreCorrected(t *testing.T) {
	t.Parallel()
	p := due(t)
	policiestest.Run(t, p.store, p.policies(p.store)[1])
	ref := &events.CampaignRef{CampaignID: p.id, Reserved: 62_500}
	it := events.Delivered{MessageID: p.message(1).id, Campaign: ref}
	charge := func(market string, micros int64) events.Charge {
		return events.Charge{Amount: money.Amount{Micros: micros, Currency: "USD"}, Market: market}
	}
	brazil, other := charge("Brazil", 62_500), charge("Other", 60_400)
	for _, step := range []struct {
		events          []events.Event
		spent, reserved int64
	}{
		{append(slices.Repeat([]events.Event{events.MessageCharged{Charge: brazil}}, 300), events.MessageCharged{Delivery: it, Charge: brazil}), 62_500, 125_000},
		{[]events.Event{events.ChargeAdjusted{Delivery: it, Charge: other, Was: &brazil}}, 60_400, 125_000},
		{[]events.Event{events.ChargePending{Delivery: it, Currency: "USD", Was: &other}}, 0, 125_000},
		{[]events.Event{events.ChargeAdjusted{Delivery: it, Charge: brazil}}, 62_500, 125_000},
	} {
		for _, event := range append(step.events, events.BatchRated{}) {
			happen(t, p.store, "billing-of-the-month", p.account, event)
		}
		policiestest.Run(t, p.store, p.policies(p.store)[3])
		spent, reserved := p.money()
		require.Equal(t, []int64{step.spent, step.reserved}, []int64{spent, reserved})
	}
	charged := of[events.CampaignCharged](p)
	require.Equal(t, []events.MarketAmount{{Market: "Brazil", Charged: -1, Micros: -62_500}, {Market: "Other", Charged: 1, Micros: 60_400}}, charged[1].Markets)
}

// Whatever the platform tells of a campaign's messages, however often and in whatever order: once every message's fate is
// known nothing is held, and what was spent is the sum of the charges. At no time is more spent and held than the limit.
func TestWhatIsHeldIsFreedOnceWhateverTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t, "USD", "Europe/Rome")
		n := rapid.IntRange(1, 4).Draw(rt, "recipients")
		p := s.promote(62_500*int64(n), people("55119", n)...)
		p.starts()
		for range rapid.IntRange(1, 14).Draw(rt, "told") {
			if rapid.IntRange(0, 3).Draw(rt, "in between") == 0 {
				p.settle()
				p.within(62_500 * int64(n))
			}
			p.tells(rt, rapid.IntRange(0, n-1).Draw(rt, "message"))
		}
		for i := range n {
			if _, err := p.handler.ExpireMessage(t.Context(), asAdmin, p.conversation(p.to[i].CustomerID), p.message(i).id); err != nil {
				rt.Fatal(err)
			}
			p.delivered(p.message(i), p.clock)
		}
		p.settle()
		spent, reserved := p.money()
		var sum int64
		for key, r := range p.rate().rated {
			for i := range n {
				if key.Message == p.message(i).id {
					sum += r.Charge.Amount.Micros
				}
			}
		}
		require.Zero(rt, reserved)
		require.Equal(rt, sum, spent)
	})
}

func (p *promotion) within(limit int64) {
	p.Helper()
	spent, reserved := p.money()
	require.GreaterOrEqual(p, reserved, int64(0))
	require.LessOrEqual(p, spent+reserved, limit)
}

// tells says some statuses of a message at once, or that its life is over.
func (p *promotion) tells(t *rapid.T, n int) {
	words := []events.Status{events.StatusSent, events.StatusDelivered, events.StatusRead, events.StatusFailed}
	var updates []conversation.Update
	for _, word := range rapid.SliceOfN(rapid.SampledFrom(words), 1, 3).Draw(t, "statuses") {
		at := p.clock.Add(time.Duration(rapid.IntRange(-30, 30).Draw(t, "minutes")) * time.Minute)
		var told *events.Pricing
		if rapid.Bool().Draw(t, "priced") {
			told = rapid.SampledFrom([]*events.Pricing{
				{Model: "PMP", Type: "regular", Category: "marketing"}, {Model: "PMP", Type: "free_entry_point", Category: "marketing"},
			}).Draw(t, "price")
		}
		updates = append(updates, status(p.message(n), word, at, told))
	}
	p.tell(p.to[n].CustomerID, updates...)
}
