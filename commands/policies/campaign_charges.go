package policies

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"daybook/commands"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// CampaignChargesName is the name of the policy that NewCampaignCharges returns.
const CampaignChargesName = "campaign_charges"

const campaignChargesShards = 4

// CampaignChargeCommands count charges, each batch once.
type CampaignChargeCommands interface {
	ChargeCampaign(ctx context.Context, meta commands.Meta, c events.CampaignCharged) (events.Position, error)
}

// CampaignStore is what condensing needs of the event store.
type CampaignStore = RepliesStore

// campaignCharges condenses what each batch of rating charged to campaigns. Which batches were counted, a campaign knows by
// their places in the billing period; so those of one period have one shard, and come in order.
type campaignCharges struct {
	store    CampaignStore
	commands CampaignChargeCommands
}

// NewCampaignCharges returns the policy that tells campaigns what their messages cost.
func NewCampaignCharges(store CampaignStore, count CampaignChargeCommands) Policy {
	return &campaignCharges{store, count}
}

func (*campaignCharges) Name() string { return CampaignChargesName }
func (*campaignCharges) Shards() int  { return campaignChargesShards }

func (*campaignCharges) Handles(eventType string) bool {
	return eventType == events.NameOf[events.BatchRated]()
}

func (*campaignCharges) Shard(_ context.Context, in *Input) (int, error) {
	return shardOf(in.Stream, campaignChargesShards), nil
}

func (c *campaignCharges) React(ctx context.Context, _ int, inputs []*Input) error {
	for _, in := range inputs {
		charged, err := c.condense(ctx, in)
		if err != nil {
			return err
		}
		for _, bill := range charged {
			if _, err := c.commands.ChargeCampaign(ctx, becauseOf(CampaignChargesName, in), bill); err != nil {
				return fmt.Errorf("charging campaign %s: %w", bill.CampaignID, err)
			}
		}
	}
	return nil
}

// condense sums up by campaign what one append of rating decided.
func (c *campaignCharges) condense(ctx context.Context, in *Input) ([]events.CampaignCharged, error) {
	records, err := c.batch(ctx, in)
	if err != nil {
		return nil, err
	}
	bills := map[id.Campaign]*bill{}
	for _, record := range records {
		if !bytes.Contains(record.Data, []byte(`"campaign"`)) { // most charges are of no campaign
			continue
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return nil, fmt.Errorf("reading %s revision %d: %w", record.Stream, record.Revision, err)
		}
		count(bills, event)
	}
	var charged []events.CampaignCharged
	for _, which := range slices.SortedFunc(maps.Keys(bills), func(a, b id.Campaign) int { return bytes.Compare(a.UUID[:], b.UUID[:]) }) {
		charged = append(charged, bills[which].total(which, refOf(in)))
	}
	return charged, nil
}

// nearBatch is how far back the beginning of most batches is.
const nearBatch = 16

// batch reads what stands in the append that a BatchRated ends: all since the one before.
func (c *campaignCharges) batch(ctx context.Context, in *Input) (records []events.Record, err error) {
	for back := uint64(nearBatch); ; back *= nearBatch {
		from, whole := in.Revision-min(back, in.Revision), back >= in.Revision
		records = records[:0]
		for record, err := range c.store.ReadStream(ctx, in.Stream, from) {
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", in.Stream, err)
			}
			if record.Revision >= in.Revision {
				break
			}
			if records = append(records, record); record.Type == in.Type {
				records, whole = records[:0], true
			}
		}
		if whole {
			return records, ctx.Err()
		}
	}
}

// bill is what is charged to one campaign.
type bill struct {
	currency money.Currency
	charged  int
	held     int64
	markets  map[string]*events.MarketAmount
}

// count adds what an event means for the campaign of its message. What is held for a message ends with its first charge.
func count(bills map[id.Campaign]*bill, event events.Event) {
	switch e := event.(type) {
	case events.MessageCharged:
		b := billOf(bills, &e.Delivery, e.Charge.Amount.Currency)
		b.add(&e.Charge, 1)
		if e.Delivery.Campaign != nil {
			b.held += e.Delivery.Campaign.Reserved
		}
	case events.ChargeAdjusted:
		b := billOf(bills, &e.Delivery, e.Charge.Amount.Currency)
		b.add(&e.Charge, 1)
		b.add(e.Was, -1)
	case events.ChargePending: // it may take a charge back
		if e.Was != nil {
			billOf(bills, &e.Delivery, e.Currency).add(e.Was, -1)
		}
	}
}

// billOf returns the bill of a delivery's campaign; one that nobody sees where there is none.
func billOf(bills map[id.Campaign]*bill, d *events.Delivered, currency money.Currency) *bill {
	if d.Campaign == nil {
		return &bill{markets: map[string]*events.MarketAmount{}}
	}
	b := bills[d.Campaign.CampaignID]
	if b == nil {
		b = &bill{currency: currency, markets: map[string]*events.MarketAmount{}}
		bills[d.Campaign.CampaignID] = b
	}
	return b
}

func (b *bill) add(c *events.Charge, sign int) {
	if c == nil {
		return
	}
	b.charged += sign
	m := b.markets[c.Market]
	if m == nil {
		m = &events.MarketAmount{Market: c.Market}
		b.markets[c.Market] = m
	}
	m.Charged += sign
	m.Micros += int64(sign) * c.Amount.Micros
}

func (b *bill) total(which id.Campaign, source events.Ref) events.CampaignCharged {
	total := events.CampaignCharged{
		CampaignID: which, Source: source, Charged: b.charged,
		Amount: money.Amount{Currency: b.currency}, Held: money.Amount{Micros: b.held, Currency: b.currency},
	}
	for _, m := range b.markets {
		total.Amount.Micros += m.Micros
		total.Markets = append(total.Markets, *m)
	}
	slices.SortFunc(total.Markets, func(a, b events.MarketAmount) int { return cmp.Compare(a.Market, b.Market) })
	return total
}
