package conversation

import (
	"slices"
	"time"
	"unique"

	"daybook/events"
	"daybook/events/id"
)

// outbound is a message of ours: what its statuses say again of it, and what the platform told of it.
type outbound struct {
	traits      unique.Handle[traits]
	queuedAt    instant
	windowUntil instant   // zero when it was written outside the service window
	entryUntil  instant   // zero when it was written outside a free entry point window
	receipts    []receipt // one per recipient
	marks       marks
}

// marks is what is so of a message of ours for good.
type marks uint8

const (
	accepted  marks = 1 << iota // the platform took it
	elsewhere                   // it was written in the platform's app
	ended                       // it failed for good, or expired
)

func (m marks) has(mark marks) bool      { return m&mark != 0 }
func (m marks) with(mark marks) marks    { return m | mark }
func (m marks) without(mark marks) marks { return m &^ mark }

// traits is what most messages of a conversation have in common. Interned, they take a word instead of a hundred bytes.
type traits struct {
	device   id.Device
	category events.Category
	market   string
	dialling events.Dialling
	campaign events.CampaignRef // zero: none
}

// instant is a time in nanoseconds since 1970, in a third of the space of a time.Time; zero is none.
type instant int64

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return instant(t.UnixNano())
}

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(i)).UTC()
}

func written(e events.MessageQueued) outbound {
	return outboundOf(events.Sending{
		DeviceID: e.DeviceID, Category: e.Category, QueuedAt: e.QueuedAt, WindowUntil: e.WindowUntil,
		EntryPointUntil: e.EntryPointUntil, Market: e.Market, Campaign: e.Campaign, Dialling: e.Dialling,
	})
}

func outboundOf(sending events.Sending) outbound {
	common := traits{device: sending.DeviceID, category: sending.Category, market: sending.Market, dialling: sending.Dialling}
	if sending.Campaign != nil {
		common.campaign = *sending.Campaign
	}
	m := outbound{traits: unique.Make(common), queuedAt: instantOf(sending.QueuedAt)}
	if sending.WindowUntil != nil {
		m.windowUntil = instantOf(*sending.WindowUntil)
	}
	if sending.EntryPointUntil != nil {
		m.entryUntil = instantOf(*sending.EntryPointUntil)
	}
	return m
}

// sending is what a message was when it was written.
func (s State) sending(message id.Message) events.Sending {
	m := s.sent[message]
	common := valueOf(m.traits)
	sending := events.Sending{
		PhoneNumberID: s.party.PhoneNumberID, DeviceID: common.device, Category: common.category,
		QueuedAt: m.queuedAt.time(), WindowUntil: m.windowUntil.pointer(), EntryPointUntil: m.entryUntil.pointer(),
		Market: common.market, Dialling: common.dialling,
	}
	if common.campaign != (events.CampaignRef{}) {
		sending.Campaign = &common.campaign
	}
	return sending
}

// released is the message once its campaign's budget holds nothing for it any more: the first word that it reached nobody
// frees what was held, and no later fact says again that it is.
func (m outbound) released() outbound {
	if common := valueOf(m.traits); common.campaign.Reserved != 0 {
		common.campaign.Reserved = 0
		m.traits = unique.Make(common)
	}
	return m
}

// lifeEnds is when the platform stops trying to deliver a message.
func (m outbound) lifeEnds() time.Time {
	return m.queuedAt.time().Add(valueOf(m.traits).category.Life())
}

// told reports whether the platform has told anything of a message.
func (m outbound) told() bool { return len(m.receipts) > 0 }

// toldAt is the latest time that the platform told of a message.
func (m outbound) toldAt() (at int64) {
	for _, r := range m.receipts {
		at = max(at, slices.Max(r.at[:]))
	}
	return at
}

// delivered reports whether a message is known to have reached somebody.
func (m outbound) delivered() bool {
	return slices.ContainsFunc(m.receipts, func(r receipt) bool { return r.told&meansDelivery != 0 })
}

// failed reports whether the platform gave up.
func (m outbound) failed() bool {
	return slices.ContainsFunc(m.receipts, func(r receipt) bool { return r.told.has(slotFailed) })
}

func (s State) receipt(message id.Message, recipient id.Customer) receipt {
	for _, r := range s.sent[message].receipts {
		if r.recipient == recipient {
			return r
		}
	}
	return receipt{recipient: recipient}
}

// pointer is nil for none.
func (i instant) pointer() *time.Time {
	if i == 0 {
		return nil
	}
	return new(i.time())
}

// note takes a status, a correction of one or a word on its price into the message's receipt.
func (s State) note(status events.Status, fact events.StatusFact) {
	n := slot(status)
	if n < 0 {
		return
	}
	if concerns(fact.Pricing, fact.Origin) {
		s.platform.note(fact.MessageID, fact.Origin)
	}
	m := s.sent[fact.MessageID]
	if status == events.StatusFailed && !m.delivered() {
		m = m.released()
		s.sent[fact.MessageID] = m
	}
	at, pricing := fact.At.Unix(), fact.Pricing
	for i := range m.receipts {
		if m.receipts[i].recipient == fact.RecipientID {
			m.receipts[i] = m.receipts[i].with(n, at, pricing)
			return
		}
	}
	m.receipts = append(m.receipts, receipt{recipient: fact.RecipientID}.with(n, at, pricing))
	s.sent[fact.MessageID] = m
}
