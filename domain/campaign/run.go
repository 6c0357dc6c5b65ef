package campaign

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
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
		reserved := events.BudgetReserved{
			CampaignID: s.drafted.CampaignID, Chunk: chunk, From: from, To: from + n, Amount: s.money(amount),
		}
		reserved.Rates, reserved.Recipients = ratesOf(prices[:n])
		return []events.Event{reserved}, nil
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

// ratesOf lists the different prices, and which of them is each recipient's.
func ratesOf(prices []Price) (rates []events.ReservedRate, recipients []int) {
	for _, p := range prices {
		if rate := (events.ReservedRate{Market: p.Market, Micros: p.Micros}); p.Known && !slices.Contains(rates, rate) {
			rates = append(rates, rate)
		}
	}
	slices.SortFunc(rates, func(a, b events.ReservedRate) int {
		return cmp.Or(cmp.Compare(a.Market, b.Market), cmp.Compare(a.Micros, b.Micros))
	})
	for _, p := range prices {
		which := 0
		if p.Known {
			which = 1 + slices.Index(rates, events.ReservedRate{Market: p.Market, Micros: p.Micros})
		}
		recipients = append(recipients, which)
	}
	return rates, recipients
}

// Held returns what is held for the recipients that money is held for, in their order. Not known: no rate card told, and
// the recipient is not written to.
func (s State) Held() []Price {
	if s.current == nil {
		return nil
	}
	held := make([]Price, len(s.current.recipients))
	for i, which := range s.current.recipients {
		if which > 0 {
			rate := s.current.rates[which-1]
			held[i] = Price{rate.Market, rate.Micros, true}
		}
	}
	return held
}

// Use ends the reservation of recipients that were written to, or skipped for a reason, each one. It decides nothing when
// that has been noted already.
func (s State) Use(chunk, from int, outcomes []events.SkipReason) ([]events.Event, error) {
	if s.current == nil || s.current.place != (place{chunk, from}) || len(outcomes) != s.current.to-from {
		return nil, nil
	}
	used := events.ReservationUsed{CampaignID: s.drafted.CampaignID, Chunk: chunk, From: from, To: s.current.to}
	skipped, released := map[events.SkipReason]int{}, int64(0)
	for i, held := range s.Held() {
		if outcomes[i] == "" {
			used.Written++
			continue
		}
		skipped[outcomes[i]]++
		released += held.held()
	}
	used.Skipped, used.Released = counts(skipped), s.money(released)
	decided := []events.Event{used}
	if s.phase != Cancelled && s.after(chunk, s.current.to).chunk == s.audience.Chunks {
		after := Evolve(s.Copy(), used)
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
	completed := events.CampaignCompleted{CampaignID: s.drafted.CampaignID, Written: s.written}
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
		completed.Rest = &events.SkipCount{Reason: rest, Count: left}
	}
	completed.Skipped = counts(skipped)
	return append(decided, completed)
}

// Copy is a state that keeps nothing in common with what is folded on.
func (s State) Copy() State {
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

// TurnAfter names the turn of those who come after recipients that were written to. A campaign goes at the pace at which the
// number sends: what is not written yet can still be paused or cancelled.
func TurnAfter(used events.ReservationUsed) string {
	return strconv.Itoa(used.Chunk) + "-" + strconv.Itoa(used.To)
}

// Goes tells whether the next recipients may be written to when a turn has come, or something else has happened (empty).
func (s State) Goes(turn string) bool { return s.turn == "" || s.turn == turn }

// Writes tells whether those that money is held for may still be written to.
func (s State) Writes(now time.Time) bool { return !s.ended() && !s.over(now) }

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
