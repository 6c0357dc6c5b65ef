package messages

import (
	"daybook/events"
	"daybook/projections"
	"daybook/readmodels/messages"
)

// postCharges keeps the newest fact on each charge. Those of one delivery follow one another in the stream of one
// billing period, so the newest is the last that comes.
func postCharges(p *projections.Projection, table *projections.PatchTable[messages.RecipientRow]) {
	// What the fact before said and this one does not say must go, such as the reason that a charge was pending.
	replace := func(row messages.RecipientRow) error {
		if err := table.Clear(row, optional...); err != nil {
			return err
		}
		return table.Set(row)
	}
	projections.On(p, func(e events.MessageCharged, at projections.At) error {
		return replace(priced(e.Delivery, e.Charge, at))
	})
	projections.On(p, func(e events.ChargeAdjusted, at projections.At) error {
		row := priced(e.Delivery, e.Charge, at)
		row.ChargeAdjusted = new(true)
		return replace(row)
	})
	projections.On(p, func(e events.ChargePending, at projections.At) error {
		row := charge(e.Delivery, at)
		row.ChargeAdjusted = new(e.Charged != nil) // it takes that charge back
		row.ChargePending = new(string(e.Reason))
		row.ChargeCurrency = new(string(e.Currency))
		row.ChargePolicy = text(e.Policy)
		row.ChargeDay = text(e.Day)
		row.ChargeCategory = text(e.Category)
		row.ChargeMarket = text(e.Market)
		row.ChargeMarketBasis = text(e.MarketBasis)
		return replace(row)
	})
}

// optional are the columns that not every fact on a charge fills.
var optional = []string{
	"charge_pending", "charge_micros", "charge_basis", "charge_expected", "charge_policy", "charge_day", "charge_category",
	"charge_market", "charge_market_basis", "charge_rated", "charge_card_stream", "charge_card_revision", "charge_card_from",
	"charge_tier",
}

// charge is what every fact on a charge says.
func charge(of events.Delivered, at projections.At) messages.RecipientRow {
	return messages.RecipientRow{
		MessageID: of.MessageID, RecipientID: of.RecipientID, ConversationID: of.ConversationID,
		ChargeStream: &at.Stream, ChargeRevision: &at.Revision, ChargeRecordedAt: &at.Envelope.RecordedAt,
		ChargeAdjusted: new(false),
	}
}

func priced(of events.Delivered, c events.Charge, at projections.At) messages.RecipientRow {
	row := charge(of, at)
	row.ChargeCurrency = new(string(c.Amount.Currency))
	row.ChargeMicros = &c.Amount.Micros
	row.ChargeBasis = new(string(c.Basis))
	row.ChargeExpected = text(c.Expected)
	row.ChargePolicy = text(c.Policy)
	row.ChargeDay = text(c.Day)
	row.ChargeCategory = text(c.Category)
	row.ChargeMarket = text(c.Market)
	row.ChargeMarketBasis = text(c.MarketBasis)
	row.ChargeRated = text(c.Rated)
	row.ChargeCardFrom = text(c.CardFrom)
	if c.Card != nil {
		row.ChargeCardStream, row.ChargeCardRevision = &c.Card.Stream, &c.Card.Revision
	}
	if c.Tier != 0 {
		row.ChargeTier = &c.Tier
	}
	return row
}
