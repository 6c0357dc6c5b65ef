package policies

import (
	"context"
	"errors"
	"fmt"

	"daybook/commands"
	"daybook/domain/campaign"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// CampaignOutcomesName is the name of the policy that NewCampaignOutcomes returns.
const CampaignOutcomesName = "campaign_outcomes"

const campaignOutcomesShards = 4

// CampaignOutcomeCommands count outcomes, each once.
type CampaignOutcomeCommands interface {
	Campaign(ctx context.Context, which id.Campaign) (campaign.State, error)
	CountOutcomes(ctx context.Context, meta commands.Meta, after events.Ref, c events.OutcomesCounted) (events.Position, error)
}

// campaignOutcomes frees what campaigns hold for messages that reached nobody. Facts of a campaign have one shard, and come in
// log order: the campaign knows the last that was counted.
type campaignOutcomes struct {
	store    CampaignStore
	commands CampaignOutcomeCommands
}

// NewCampaignOutcomes returns the policy that tells campaigns which of their messages reached nobody.
func NewCampaignOutcomes(store CampaignStore, count CampaignOutcomeCommands) Policy {
	return &campaignOutcomes{store, count}
}

func (*campaignOutcomes) Name() string { return CampaignOutcomesName }
func (*campaignOutcomes) Shards() int  { return campaignOutcomesShards }

var endings = map[string]bool{
	events.NameOf[events.MessageFailed]():  true,
	events.NameOf[events.DispatchFailed](): true,
	events.NameOf[events.MessageExpired](): true,
}

func (*campaignOutcomes) Handles(eventType string) bool { return endings[eventType] }

// Shard deals by campaign. What is of none says nothing here.
func (*campaignOutcomes) Shard(_ context.Context, in *Input) (int, error) {
	if ref, _ := freed(in.Event); ref != nil {
		return shardOf(campaign.Stream(ref.CampaignID), campaignOutcomesShards), nil
	}
	return shardOf(in.Stream, campaignOutcomesShards), nil
}

// freed returns the campaign of a message that reached nobody, and what was held for it, if this frees it.
func freed(event events.Event) (ref *events.CampaignRef, expired bool) {
	switch e := event.(type) {
	case events.MessageFailed:
		ref = e.Sending.Campaign
	case events.DispatchFailed:
		if e.RetryAt == nil {
			ref = e.Sending.Campaign
		}
	case events.MessageExpired:
		ref, expired = e.Sending.Campaign, true
	}
	if ref == nil || ref.Reserved == 0 {
		return nil, false
	}
	return ref, expired
}

func (o *campaignOutcomes) React(ctx context.Context, _ int, inputs []*Input) error {
	var order []id.Campaign
	byCampaign := map[id.Campaign][]*Input{}
	for _, in := range inputs {
		ref, _ := freed(in.Event)
		if ref == nil {
			continue
		}
		if byCampaign[ref.CampaignID] == nil {
			order = append(order, ref.CampaignID)
		}
		byCampaign[ref.CampaignID] = append(byCampaign[ref.CampaignID], in)
	}
	for _, which := range order {
		if err := o.count(ctx, which, byCampaign[which]); err != nil {
			return fmt.Errorf("campaign %s: %w", which, err)
		}
	}
	return nil
}

// outcomeConflicts bounds how often outcomes are counted again because another process came first.
const outcomeConflicts = 32

// count counts what comes after what was counted last.
func (o *campaignOutcomes) count(ctx context.Context, which id.Campaign, inputs []*Input) error {
	for conflicts := 0; ; conflicts++ {
		s, err := o.commands.Campaign(ctx, which)
		if err != nil || !s.Exists() {
			return err
		}
		after := s.Counted()
		passed, err := o.positionOf(ctx, after)
		if err != nil {
			return err
		}
		condensed, last := condense(which, inputs, passed)
		if last == nil {
			return nil
		}
		_, err = o.commands.CountOutcomes(ctx, becauseOf(CampaignOutcomesName, last), after, condensed)
		if !errors.Is(err, campaign.ErrCounted) || conflicts == outcomeConflicts {
			return err
		}
	}
}

// condense sums up the inputs after a position; last is nil when there are none.
func condense(which id.Campaign, inputs []*Input, passed events.Position) (c events.OutcomesCounted, last *Input) {
	c.CampaignID = which
	for _, in := range inputs {
		if in.Position <= passed {
			continue
		}
		ref, expired := freed(in.Event)
		if expired {
			c.Expired++
		} else {
			c.Failed++
		}
		c.Released = money.Amount{Micros: c.Released.Micros + ref.Reserved}
		c.Source, last = refOf(in), in
	}
	return c, last
}

// positionOf finds a fact that was counted in the log; everything comes after none.
func (o *campaignOutcomes) positionOf(ctx context.Context, ref events.Ref) (events.Position, error) {
	if ref == (events.Ref{}) {
		return events.Start, nil
	}
	for record, err := range o.store.ReadStream(ctx, ref.Stream, ref.Revision) {
		if err != nil {
			return events.Start, fmt.Errorf("reading %s: %w", ref.Stream, err)
		}
		return record.Position, nil
	}
	return events.Start, fmt.Errorf("%s has no revision %d, which was counted", ref.Stream, ref.Revision)
}
