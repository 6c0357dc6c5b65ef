package policies

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"daybook/commands"
	"daybook/domain/campaign"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

// CampaignsName is the name of the policy that NewCampaigns returns.
const CampaignsName = "campaigns"

const campaignShards = 8

// CampaignCommands let campaigns go on.
type CampaignCommands interface {
	AdvanceCampaign(ctx context.Context, meta commands.Meta, which id.Campaign, turn string, copies commands.Copies) error
	SetTimer(ctx context.Context, meta commands.Meta, c timer.Set) (events.Position, error)
}

// campaigns lets campaigns start, go on and end. What there is to do follows from the campaign itself; here is only when to
// look: when it is due, when it is the turn of the next recipients, and when there is money again.
type campaigns struct {
	commands  CampaignCommands
	copies    commands.Copies
	perSecond int
}

// NewCampaigns returns the policy that carries out campaigns. They write to as many recipients a second as their number
// sends to; 0 means no such limit.
func NewCampaigns(carryOut CampaignCommands, copies commands.Copies, perSecond int) Policy {
	return &campaigns{carryOut, copies, perSecond}
}

func (*campaigns) Name() string { return CampaignsName }
func (*campaigns) Shards() int  { return campaignShards }

var campaignCauses = map[string]bool{
	events.NameOf[events.CampaignScheduled](): true,
	events.NameOf[events.CampaignApproved]():  true,
	events.NameOf[events.CampaignResumed]():   true,
	events.NameOf[events.CampaignCancelled](): true,
	events.NameOf[events.BudgetSet]():         true,
	events.NameOf[events.ReservationUsed]():   true,
	events.NameOf[events.CampaignCharged]():   true,
	events.NameOf[events.OutcomesCounted]():   true,
	events.NameOf[events.TimerFired]():        true,
}

func (*campaigns) Handles(eventType string) bool { return campaignCauses[eventType] }

// Shard deals by campaign.
func (*campaigns) Shard(_ context.Context, in *Input) (int, error) {
	return shardOf(streamOf(in), campaignShards), nil
}

// streamOf is the stream of what an input is about.
func streamOf(in *Input) string {
	if fired, ok := in.Event.(events.TimerFired); ok {
		return fired.Stream
	}
	return in.Stream
}

func shardOf(stream string, shards uint32) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(stream)) // never fails
	return int(h.Sum32() % shards)
}

func (c *campaigns) React(ctx context.Context, _ int, inputs []*Input) error {
	for _, in := range inputs {
		which, found := campaign.IDOf(streamOf(in))
		if !found {
			continue
		}
		if err := c.react(ctx, in, which); err != nil {
			return fmt.Errorf("campaign %s: %w", which, err)
		}
	}
	return nil
}

func (c *campaigns) react(ctx context.Context, in *Input, which id.Campaign) error {
	switch e := in.Event.(type) {
	case events.CampaignScheduled:
		if err := c.remind(ctx, in, events.TimerCampaignStart, which.String(), e.StartsAt); err != nil {
			return err
		}
		return c.remind(ctx, in, events.TimerCampaignExpiry, which.String(), e.EndsAt)
	case events.ReservationUsed:
		if c.perSecond == 0 {
			return c.advance(ctx, in, which, campaign.TurnAfter(e))
		}
		wait := time.Duration(e.Written) * time.Second / time.Duration(c.perSecond)
		return c.remind(ctx, in, events.TimerCampaignPace, campaign.TurnAfter(e), in.Envelope.RecordedAt.Add(wait))
	case events.TimerFired:
		if e.Kind == events.TimerCampaignPace {
			return c.advance(ctx, in, which, e.Subject)
		}
	}
	return c.advance(ctx, in, which, "")
}

func (c *campaigns) advance(ctx context.Context, in *Input, which id.Campaign, turn string) error {
	return c.commands.AdvanceCampaign(ctx, becauseOf(CampaignsName, in), which, turn, c.copies)
}

// remind sets a timer; the same input sets the same one.
func (c *campaigns) remind(ctx context.Context, in *Input, kind events.TimerKind, subject string, due time.Time) error {
	_, err := c.commands.SetTimer(ctx, becauseOf(CampaignsName, in), timer.Set{
		Account: in.Envelope.Account, Kind: kind, Stream: in.Stream, Subject: subject, Ordinal: int(in.Revision), Due: due,
	})
	return err
}

// becauseOf says that a policy acts by itself because of an input, and goes on with what that began.
func becauseOf(policy string, in *Input) commands.Meta {
	meta := metaOf(policy, in.ID)
	meta.Correlation = in.Envelope.Correlation
	return meta
}
