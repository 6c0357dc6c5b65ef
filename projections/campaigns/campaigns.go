// Package campaigns posts campaigns: what is planned, what it costs, and what becomes of their messages.
//
// It owns the read model of the same name. What became of messages follows from the messages' own facts, each of which says
// which campaign and market it is of; what they cost follows from what the campaign was charged, and what it holds.
package campaigns

import (
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/readmodels/campaigns"
)

// Define returns the projection.
func Define() *projections.Projection {
	p := projections.New("campaigns", 1, campaigns.Schema)
	rows := projections.Patch[campaigns.CampaignRow](p, "campaigns")
	postPlans(p, rows)
	skip := postMoney(p)
	postPhases(p, rows, skip)
	countMessages(p)
	return p
}

// The phases, by the words of the decisions.
const (
	drafted   = "drafted"
	approved  = "approved"
	running   = "running"
	paused    = "paused"
	cancelled = "cancelled"
	completed = "completed"
)

// postPlans posts what is planned. Whatever changes a plan takes its approval back.
func postPlans(p *projections.Projection, rows *projections.PatchTable[campaigns.CampaignRow]) {
	projections.On(p, func(e events.CampaignDrafted, _ projections.At) error {
		return rows.Set(campaigns.CampaignRow{
			CampaignID: e.CampaignID, AccountID: &e.AccountID, PhoneNumberID: &e.PhoneNumberID, Name: &e.Name,
			Template: &e.Template, Category: new(string(e.Category)), Phase: new(drafted),
		})
	})
	projections.On(p, func(e events.AudienceSet, _ projections.At) error {
		return rows.Set(campaigns.CampaignRow{
			CampaignID: e.CampaignID, Segment: &e.Segment, Recipients: new(int64(e.Recipients)), Phase: new(drafted),
		})
	})
	projections.On(p, func(e events.CampaignScheduled, _ projections.At) error {
		return rows.Set(campaigns.CampaignRow{
			CampaignID: e.CampaignID, StartsAt: &e.StartsAt, EndsAt: &e.EndsAt, Timezone: &e.Timezone, DeviceName: &e.DeviceName,
			Phase: new(drafted),
		})
	})
	projections.On(p, func(e events.BudgetSet, _ projections.At) error {
		row := campaigns.CampaignRow{
			CampaignID: e.CampaignID, LimitMicros: &e.Limit.Micros, Currency: new(string(e.Limit.Currency)),
		}
		if !e.Running {
			row.Phase = new(drafted)
		}
		return rows.Set(row)
	})
}

func postPhases(p *projections.Projection, rows *projections.PatchTable[campaigns.CampaignRow], skip func(id.Campaign, events.SkipCount) error) {
	phase := func(which id.Campaign, is string) error {
		return rows.Set(campaigns.CampaignRow{CampaignID: which, Phase: &is, PausedFor: new("")})
	}
	projections.On(p, func(e events.CampaignApproved, _ projections.At) error { return phase(e.CampaignID, approved) })
	projections.On(p, func(e events.CampaignStarted, _ projections.At) error {
		return rows.Set(campaigns.CampaignRow{CampaignID: e.CampaignID, Phase: new(running), StartedAt: &e.StartedAt})
	})
	projections.On(p, func(e events.CampaignPaused, _ projections.At) error {
		return rows.Set(campaigns.CampaignRow{CampaignID: e.CampaignID, Phase: new(paused), PausedFor: new(string(e.Reason))})
	})
	projections.On(p, func(e events.CampaignResumed, _ projections.At) error { return phase(e.CampaignID, running) })
	projections.On(p, func(e events.CampaignCancelled, _ projections.At) error { return phase(e.CampaignID, cancelled) })
	projections.On(p, func(e events.CampaignCompleted, _ projections.At) error {
		if e.Rest != nil {
			if err := skip(e.CampaignID, *e.Rest); err != nil {
				return err
			}
		}
		return phase(e.CampaignID, completed)
	})
}

// postMoney posts what is held and what is charged, and returns how skipped recipients are counted.
func postMoney(p *projections.Projection) (skip func(id.Campaign, events.SkipCount) error) {
	money := projections.Sum[campaigns.MoneyRow](p, "money")
	spend := projections.Sum[campaigns.SpendRow](p, "spend")

	projections.On(p, func(e events.BudgetReserved, _ projections.At) error {
		return money.Add(campaigns.MoneyRow{CampaignID: e.CampaignID, Reserved: e.Amount.Micros})
	})
	projections.On(p, func(e events.OutcomesCounted, _ projections.At) error {
		return money.Add(campaigns.MoneyRow{CampaignID: e.CampaignID, Reserved: -e.Released.Micros})
	})
	projections.On(p, func(e events.CampaignCharged, _ projections.At) error {
		for _, m := range e.Markets {
			if err := spend.Add(campaigns.SpendRow{CampaignID: e.CampaignID, Market: m.Market, Charged: int64(m.Charged), Micros: m.Micros}); err != nil {
				return err
			}
		}
		return money.Add(campaigns.MoneyRow{CampaignID: e.CampaignID, Spent: e.Amount.Micros, Reserved: -e.Held.Micros})
	})
	skips := projections.Sum[campaigns.SkipRow](p, "skips")
	skip = func(which id.Campaign, n events.SkipCount) error {
		return skips.Add(campaigns.SkipRow{CampaignID: which, Reason: string(n.Reason), Recipients: int64(n.Count)})
	}
	projections.On(p, func(e events.ReservationUsed, _ projections.At) error {
		for _, n := range e.Skipped {
			if err := skip(e.CampaignID, n); err != nil {
				return err
			}
		}
		return money.Add(campaigns.MoneyRow{CampaignID: e.CampaignID, Reserved: -e.Released.Micros})
	})
	return skip
}

// countMessages counts messages of campaigns. Each step is recorded once per message.
func countMessages(p *projections.Projection) {
	funnel := projections.Sum[campaigns.FunnelRow](p, "funnel")
	add := func(ref *events.CampaignRef, market string, n campaigns.FunnelRow) error {
		if ref == nil || n == (campaigns.FunnelRow{}) {
			return nil
		}
		n.CampaignID, n.Market = ref.CampaignID, market
		return funnel.Add(n)
	}
	count := func(fact events.StatusFact, n campaigns.FunnelRow) error {
		if fact.ShowsSent {
			n.Sent = 1
		}
		if fact.Delivery != nil && fact.Delivery.FirstAt == nil {
			n.Delivered = 1
		}
		return add(fact.Sending.Campaign, fact.Sending.Market, n)
	}
	projections.On(p, func(e events.MessageQueued, _ projections.At) error {
		return add(e.Campaign, e.Market, campaigns.FunnelRow{Written: 1})
	})
	projections.On(p, func(e events.MessageSent, _ projections.At) error { return count(e.StatusFact, campaigns.FunnelRow{}) })
	projections.On(p, func(e events.MessageDelivered, _ projections.At) error {
		return count(e.StatusFact, campaigns.FunnelRow{})
	})
	projections.On(p, func(e events.MessageRead, _ projections.At) error {
		return count(e.StatusFact, campaigns.FunnelRow{Read: 1})
	})
	projections.On(p, func(e events.MessagePlayed, _ projections.At) error {
		return count(e.StatusFact, campaigns.FunnelRow{})
	})
	projections.On(p, func(e events.MessageFailed, _ projections.At) error {
		return count(e.StatusFact, campaigns.FunnelRow{Failed: 1})
	})
	projections.On(p, func(e events.DispatchFailed, _ projections.At) error {
		if e.RetryAt != nil {
			return nil
		}
		return add(e.Sending.Campaign, e.Sending.Market, campaigns.FunnelRow{Failed: 1})
	})
	projections.On(p, func(e events.MessageExpired, _ projections.At) error {
		return add(e.Sending.Campaign, e.Sending.Market, campaigns.FunnelRow{Expired: 1})
	})
}
