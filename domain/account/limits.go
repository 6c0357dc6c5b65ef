package account

import (
	"strings"
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// limits is what the platform lets the account do, as it was told. Of two words on one matter the one that was told last
// holds, whatever came in last.
type limits struct {
	heard       map[id.Fact]struct{} // a repeat is recognised by it
	suspensions map[events.SuspensionReason]suspension
	tiers       map[tier]time.Time // since when
	limit       int64
	limitTold   domain.Heard
}

type suspension struct {
	on   bool
	told domain.Heard
}

// tier is a band of prices that the account's month has reached.
type tier struct {
	category events.Category
	market   string // in small letters: the platform writes both India and INDIA
	month    string
	lower    int64
}

func tierOf(e events.VolumeTierTold) tier {
	return tier{e.Category, strings.ToLower(e.Market), e.Month, e.Lower}
}

// evolve may change the maps of what it is given.
func (l limits) evolve(event events.Event) limits {
	told, ok := event.(events.ToldEvent)
	if !ok {
		return l
	}
	if l.heard == nil {
		l = limits{
			heard: map[id.Fact]struct{}{}, suspensions: map[events.SuspensionReason]suspension{}, tiers: map[tier]time.Time{},
		}
	}
	if fact := told.Told().FactID; !fact.IsZero() {
		l.heard[fact] = struct{}{}
	}
	when := domain.HeardIn(told)
	switch e := event.(type) {
	case events.AccountSuspended:
		l.suspend(e.Reason, suspension{true, when})
	case events.AccountReinstated:
		l.suspend(e.Reason, suspension{false, when})
	case events.VolumeTierTold:
		l.tiers[tierOf(e)] = e.ToldAt // only an earlier one is recorded after another
	case events.MessagingLimitChanged:
		if when.After(l.limitTold) {
			l.limit, l.limitTold = e.Limit, when
		}
	}
	return l
}

// suspend notes a word. Ours come in the order in which they were decided.
func (l limits) suspend(reason events.SuspensionReason, s suspension) {
	if reason == events.SuspendedByOperator || s.told.After(l.suspensions[reason].told) {
		l.suspensions[reason] = s
	}
}

// MessagingLimit returns how many customers may be written to first in 24 hours; false when it is not limited, or not
// known.
func (s State) MessagingLimit() (limit int64, limited bool) {
	return s.limits.limit, s.limits.limit > 0
}

// TierSince returns when the account reached a price tier, by the platform's count: the earliest time that it told. Zero:
// it told none.
func (s State) TierSince(category events.Category, market, month string, lower int64) time.Time {
	return s.limits.tiers[tier{category, strings.ToLower(market), month, lower}]
}

// Sendable refuses an account that may send nothing.
func (s State) Sendable() error {
	for _, reason := range []events.SuspensionReason{
		events.SuspendedDeleted, events.SuspendedDisabled, events.SuspendedOffboarded, events.SuspendedByOperator,
	} {
		if s.limits.suspensions[reason].on {
			return domain.Refuse("AccountSuspended", "the account is suspended and sends nothing: %s", reason)
		}
	}
	return nil
}

// Hear takes what one update of the platform tells. A repeat tells nothing new; nor does a tier that was known to be
// reached as early: the smallest time counts.
func (s State) Hear(told []events.ToldEvent) ([]events.Event, error) {
	if !s.Exists() {
		return nil, unknown()
	}
	var news []events.Event
	for _, e := range told {
		if _, repeated := s.limits.heard[e.Told().FactID]; repeated {
			continue
		}
		if t, ok := e.(events.VolumeTierTold); ok {
			if since, known := s.limits.tiers[tierOf(t)]; known && !t.ToldAt.Before(since) {
				continue
			}
		}
		news = append(news, e)
	}
	return news, nil
}

// Suspend stops all sending, as the operator of the installation.
func (s State) Suspend(now time.Time) ([]events.Event, error) {
	if !s.Exists() {
		return nil, unknown()
	}
	if s.limits.suspensions[events.SuspendedByOperator].on {
		return nil, nil
	}
	return []events.Event{events.AccountSuspended{ToldFact: s.byOperator(now), Reason: events.SuspendedByOperator}}, nil
}

// Reinstate ends the operator's suspension. Those of the platform are the platform's to end.
func (s State) Reinstate(now time.Time) ([]events.Event, error) {
	if !s.Exists() {
		return nil, unknown()
	}
	if !s.limits.suspensions[events.SuspendedByOperator].on {
		return nil, nil
	}
	return []events.Event{events.AccountReinstated{ToldFact: s.byOperator(now), Reason: events.SuspendedByOperator}}, nil
}

func (s State) byOperator(now time.Time) events.ToldFact {
	return events.ToldFact{AccountID: s.id, ToldAt: now}
}

// RecordStream names the stream of something that the platform told and nothing follows from.
func RecordStream(fact id.Fact) string { return "told-" + fact.String() }

// Record is such a thing. Its invariant: it is kept once, however often it is told.
type Record struct{ kept bool }

// EvolveRecord folds one event.
func EvolveRecord(r Record, event events.Event) Record {
	if _, ok := event.(events.PlatformTold); ok {
		r.kept = true
	}
	return r
}

// Keep records it.
func (r Record) Keep(e events.PlatformTold) ([]events.Event, error) {
	if r.kept {
		return nil, nil
	}
	return []events.Event{e}, nil
}
