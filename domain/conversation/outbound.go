package conversation

import (
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
	receipts    []receipt // one per recipient
	accepted    bool      // bound to a platform id
}

// traits is what most messages of a conversation have in common. Interned, they take a word instead of a hundred bytes.
type traits struct {
	device   id.Device
	category events.Category
	market   string
	dialling events.Dialling
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
	m := outbound{
		traits:   unique.Make(traits{e.DeviceID, e.Category, e.Market, e.Dialling}),
		queuedAt: instantOf(e.QueuedAt),
	}
	if e.WindowUntil != nil {
		m.windowUntil = instantOf(*e.WindowUntil)
	}
	return m
}

// sending is what a message was when it was written.
func (s State) sending(message id.Message) events.Sending {
	m := s.sent[message]
	common := valueOf(m.traits)
	sending := events.Sending{
		PhoneNumberID: s.party.PhoneNumberID, DeviceID: common.device, Category: common.category,
		QueuedAt: m.queuedAt.time(), Market: common.market, Dialling: common.dialling,
	}
	if m.windowUntil != 0 {
		sending.WindowUntil = new(m.windowUntil.time())
	}
	return sending
}

func (s State) receipt(message id.Message, recipient id.Customer) receipt {
	for _, r := range s.sent[message].receipts {
		if r.recipient == recipient {
			return r
		}
	}
	return receipt{recipient: recipient}
}

// note takes a status, a correction of one or a word on its price into the message's receipt.
func (s State) note(status events.Status, fact events.StatusFact) {
	n := slot(status)
	if n < 0 {
		return
	}
	m := s.sent[fact.MessageID]
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
