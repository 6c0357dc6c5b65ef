package campaign

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/money"
)

// Start begins a campaign that is due. One that is not, or is not approved, is left alone.
func (s State) Start(now time.Time) ([]events.Event, error) {
	if s.phase != Approved || now.Before(s.scheduled.StartsAt) {
		return nil, nil
	}
	started := events.CampaignStarted{CampaignID: s.drafted.CampaignID, StartedAt: now}
	if s.over(now) {
		return s.complete([]events.Event{started}, events.SkipEnded), nil
	}
	return []events.Event{started}, nil
}

// Pause keeps the campaign from writing to anybody else until it is resumed.
func (s State) Pause(reason events.PauseReason) ([]events.Event, error) {
	if err := s.underWay(); err != nil || s.phase == Paused {
		return nil, err
	}
	return []events.Event{events.CampaignPaused{CampaignID: s.drafted.CampaignID, Reason: reason}}, nil
}

// Resume ends a pause.
func (s State) Resume() ([]events.Event, error) {
	if err := s.underWay(); err != nil || s.phase == Running {
		return nil, err
	}
	return []events.Event{events.CampaignResumed{CampaignID: s.drafted.CampaignID}}, nil
}

func (s State) underWay() error {
	if err := s.known(); err != nil {
		return err
	}
	if s.phase != Running && s.phase != Paused {
		return domain.Refuse("CampaignNotRunning", "the campaign is %s", s.phase)
	}
	return nil
}

// Cancel ends the campaign for good, before or after its start.
func (s State) Cancel() ([]events.Event, error) {
	if err := s.known(); err != nil || s.phase == Cancelled {
		return nil, err
	}
	if s.phase == Completed {
		return nil, domain.Refuse("CampaignNotRunning", "the campaign is %s", s.phase)
	}
	return []events.Event{events.CampaignCancelled{CampaignID: s.drafted.CampaignID}}, nil
}

// Task is what the campaign has to do next.
type Task int

// The tasks.
const (
	Nothing Task = iota // until something else happens
	Reserve             // hold money for recipients of the chunk, from one on
	Write               // write to those that money is held for
	Finish              // nobody else is written to
)

// Next says what there is to do, and for whom. Those that money is held for are written to even when the campaign was paused
// or has ended in between: for an ended one it is only found out who was.
func (s State) Next(now time.Time) (task Task, chunk, from, to int) {
	switch {
	case s.current != nil:
		return Write, s.current.chunk, s.current.index, s.current.to
	case (s.phase == Running || s.phase == Paused) && s.over(now):
		return Finish, 0, 0, 0
	case s.phase == Running:
		return Reserve, s.next.chunk, s.next.index, s.chunkSize(s.next.chunk)
	}
	return Nothing, 0, 0, 0
}

// Price is the most that a message to a recipient can cost, if any rate card tells.
type Price struct {
	Market string
	Micros int64
	Known  bool
}

// Reserve holds what the next recipients of a chunk cost, as many of them as the money suffices for. Who has no price costs
// nothing, and is not written to. It decides nothing when the recipients are not the next, or when it was said already that
// the money does not suffice.
func (s State) Reserve(chunk, from int, prices []Price, now time.Time) ([]events.Event, error) {
	task, nextChunk, nextFrom, to := s.Next(now)
	if task != Reserve || chunk != nextChunk || from != nextFrom || len(prices) == 0 || from+len(prices) > to {
		return nil, nil
	}
	n, amount := s.afford(prices)
	if n > 0 {
		return []events.Event{events.BudgetReserved{
			CampaignID: s.drafted.CampaignID, Chunk: chunk, From: from, To: from + n, Amount: s.money(amount), Rates: ratesOf(prices[:n]),
		}}, nil
	}
	if s.exhausted {
		return nil, nil
	}
	return []events.Event{events.BudgetExhausted{
		CampaignID: s.drafted.CampaignID, Chunk: chunk, From: from,
		Spent: s.money(s.spent), Reserved: s.money(s.reserved), Limit: s.limit,
	}}, nil
}

// afford returns how many of the recipients the money suffices for, in their order, and what they cost.
func (s State) afford(prices []Price) (n int, amount int64) {
	for _, p := range prices {
		if p.held() > s.limit.Micros-s.spent-s.reserved-amount {
			return n, amount
		}
		n, amount = n+1, amount+p.held()
	}
	return n, amount
}

func (p Price) held() int64 {
	if !p.Known {
		return 0
	}
	return p.Micros
}

func ratesOf(prices []Price) []events.ReservedRate {
	byMarket := map[string]events.ReservedRate{}
	for _, p := range prices {
		if p.Known {
			rate := byMarket[p.Market]
			byMarket[p.Market] = events.ReservedRate{Market: p.Market, Micros: p.Micros, Count: rate.Count + 1}
		}
	}
	return slices.SortedFunc(maps.Values(byMarket), func(a, b events.ReservedRate) int { return cmp.Compare(a.Market, b.Market) })
}

// Held returns what is held for each recipient of a market while those that money is held for are written to; not known: no
// rate was, and nobody of that market is written to.
func (s State) Held(market string) Price {
	if s.current == nil {
		return Price{}
	}
	for _, rate := range s.current.rates {
		if rate.Market == market {
			return Price{market, rate.Micros, true}
		}
	}
	return Price{}
}

// Outcome is what became of a recipient that money was held for.
type Outcome struct {
	Price   Price
	Skipped events.SkipReason // empty: the message is written
}

// Use ends the reservation of recipients that were written to or skipped, one outcome each. It decides nothing when that has
// been noted already.
func (s State) Use(chunk, from int, outcomes []Outcome) ([]events.Event, error) {
	if s.current == nil || s.current.place != (place{chunk, from}) || len(outcomes) != s.current.to-from {
		return nil, nil
	}
	used := events.ReservationUsed{CampaignID: s.drafted.CampaignID, Chunk: chunk, From: from, To: s.current.to}
	skipped, released := map[events.SkipReason]int{}, int64(0)
	for _, o := range outcomes {
		if o.Skipped == "" {
			used.Written++
			continue
		}
		skipped[o.Skipped]++
		released += o.Price.held()
	}
	used.Skipped, used.Released = counts(skipped), s.money(released)
	decided := []events.Event{used}
	if s.phase != Cancelled && s.after(chunk, s.current.to).chunk == s.audience.Chunks {
		after := Evolve(s.copied(), used)
		return after.complete(decided, ""), nil
	}
	return decided, nil
}

// Finish ends a campaign whose time is over: who was not written to yet is not.
func (s State) Finish(now time.Time) ([]events.Event, error) {
	if task, _, _, _ := s.Next(now); task != Finish {
		return nil, nil
	}
	if s.exhausted {
		return s.complete(nil, events.SkipBudget), nil
	}
	return s.complete(nil, events.SkipEnded), nil
}

// complete adds that nobody is left: whoever is not decided on yet is skipped for a reason.
func (s State) complete(decided []events.Event, rest events.SkipReason) []events.Event {
	skipped := maps.Clone(s.skipped)
	left := s.audience.Recipients - s.written
	for _, n := range s.skipped {
		left -= n
	}
	if left > 0 {
		if skipped == nil {
			skipped = map[events.SkipReason]int{}
		}
		skipped[rest] += left
	}
	return append(decided, events.CampaignCompleted{
		CampaignID: s.drafted.CampaignID, Written: s.written, Skipped: counts(skipped),
	})
}

// copied is a state whose maps may be changed.
func (s State) copied() State {
	s.skipped, s.charged = maps.Clone(s.skipped), maps.Clone(s.charged)
	return s
}

func counts(skipped map[events.SkipReason]int) (list []events.SkipCount) {
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		list = append(list, events.SkipCount{Reason: reason, Count: skipped[reason]})
	}
	return list
}

// Charge counts what a batch of charges means for the campaign, once.
func (s State) Charge(c events.CampaignCharged) ([]events.Event, error) {
	if last, counted := s.charged[c.Source.Stream]; !s.Exists() || counted && c.Source.Revision <= last {
		return nil, nil
	}
	c.CampaignID = s.drafted.CampaignID
	return []events.Event{c}, nil
}

// ErrCounted says that outcomes were counted since by somebody else: what to count has to be found again.
var ErrCounted = errors.New("outcomes of this campaign were counted by somebody else")

// Count counts outcomes that came after those counted last.
func (s State) Count(after events.Ref, c events.OutcomesCounted) ([]events.Event, error) {
	if s.counted != after {
		return nil, ErrCounted
	}
	c.CampaignID, c.Released = s.drafted.CampaignID, money.Amount{Micros: c.Released.Micros, Currency: s.limit.Currency}
	return []events.Event{c}, nil
}
