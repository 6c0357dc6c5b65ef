package policies

import (
	"context"
	"time"

	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// The platform's limits: messages of a number within any second, unless it told another one, and messages to one person.
const (
	perSecond = 80
	pairBurst = 45
	pairEvery = 6 * time.Second
)

// pacer spaces messages as the platform wants them. It never waits: it gives every message the next free instant, in the
// order in which they ask. It belongs to one shard, and so do all numbers of an account. What it remembers is lost with the
// process: then the platform may refuse some for a while, and they are sent again.
type pacer struct {
	numbers map[string]*window
	pairs   map[conversation.Party]time.Time // by when all of a person's messages so far are spread out
	slots   map[id.Message]slot              // given, and not used yet
}

// slot is when a message may go, and what kept it from going before.
type slot struct {
	at    time.Time
	cause events.DispatchCause
}

// window holds the latest instants given to a number, as many as may lie within a second; next is the oldest.
type window struct {
	instants []time.Time
	next     int
}

func newPacer() *pacer {
	return &pacer{numbers: map[string]*window{}, pairs: map[conversation.Party]time.Time{}, slots: map[id.Message]slot{}}
}

// setRate says how many messages of a number may go within a second. What was given already stays so.
func (p *pacer) setRate(number string, most int) {
	w := &window{instants: make([]time.Time, max(most, 1))}
	if old := p.numbers[number]; old != nil {
		for i := range old.instants {
			w.take(old.instants[(old.next+i)%len(old.instants)])
		}
	}
	p.numbers[number] = w
}

func (w *window) take(at time.Time) {
	w.instants[w.next] = at
	w.next = (w.next + 1) % len(w.instants)
}

// slot gives a message its instant, the same one however often it is asked. The number's rate has been set.
func (p *pacer) slot(party conversation.Party, message id.Message, now time.Time) (time.Time, events.DispatchCause) {
	if given, found := p.slots[message]; found {
		return given.at, given.cause
	}
	w := p.numbers[party.PhoneNumberID]
	s := slot{at: now}
	if spread := p.pairs[party].Add(-(pairBurst - 1) * pairEvery); spread.After(s.at) {
		s = slot{spread, events.CausePairRate}
	}
	if free := w.instants[w.next]; !free.IsZero() && free.Add(time.Second).After(s.at) {
		s = slot{free.Add(time.Second), events.CauseNumberRate}
	}
	w.take(s.at)
	p.spread(party, s.at)
	p.slots[message] = s
	return s.at, s.cause
}

// pairsMax is how many people are remembered before those are forgotten who may be written to at once again.
const pairsMax = 1 << 16

func (p *pacer) spread(party conversation.Party, at time.Time) {
	if len(p.pairs) >= pairsMax {
		for other, until := range p.pairs {
			if !until.After(at) {
				delete(p.pairs, other)
			}
		}
	}
	until := p.pairs[party]
	if at.After(until) {
		until = at
	}
	p.pairs[party] = until.Add(pairEvery)
}

// used forgets the instant of a message once it has come.
func (p *pacer) used(message id.Message, now time.Time) {
	if !p.slots[message].at.After(now) {
		delete(p.slots, message)
	}
}

// Streams reads a stream from an inclusive revision. A missing stream yields nothing.
type Streams = RepliesStore

// rateOf reads what the platform told of a number's rate; perSecond when it told nothing, or nobody can say.
func rateOf(ctx context.Context, streams Streams, p conversation.Party) int {
	rate := perSecond
	for record, err := range streams.ReadStream(ctx, account.Stream(p.Account), 0) {
		if err != nil {
			return perSecond
		}
		if record.Type != events.NameOf[events.NumberQualityChanged]() {
			continue
		}
		event, _, err := events.DecodeRecord(record)
		if told, is := event.(events.NumberQualityChanged); err == nil && is && told.PhoneNumberID == p.PhoneNumberID && told.PerSecond > 0 {
			rate = told.PerSecond
		}
	}
	return rate
}
