package billing

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"daybook/domain"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// ClosingStream names the stream of the requests to close a portfolio's month.
func ClosingStream(portfolio id.Account, month string) string {
	return "closing-" + portfolio.String() + "-" + month
}

// Requests counts how often a period was asked to be closed.
type Requests int

// EvolveRequests folds one event of a closing stream.
func EvolveRequests(r Requests, event events.Event) Requests {
	if _, ok := event.(events.PeriodClosingRequested); ok {
		r++
	}
	return r
}

// RequestClosing asks for a period to be closed: not before its month is over everywhere.
func RequestClosing(portfolio id.Account, month string, now time.Time) ([]events.Event, error) {
	over, err := OverAt(month)
	if err != nil {
		return nil, err
	}
	if now.Before(over) {
		return nil, domain.Refuse("PeriodNotOver", "%s is over in all time zones at %s", month, over.Format(time.RFC3339))
	}
	return []events.Event{events.PeriodClosingRequested{Portfolio: portfolio, Month: month, RequestedAt: now}}, nil
}

// OverAt returns when a month has ended in all time zones: the last one is twelve hours behind UTC.
func OverAt(month string) (time.Time, error) {
	first, err := time.Parse("2006-01", month)
	if err != nil {
		return time.Time{}, domain.Malformed("MonthInvalid", "month", "must be a year and a month, such as 2026-10")
	}
	return first.AddDate(0, 1, 0).Add(12 * time.Hour), nil
}

// Closed says whether the period was closed, and nothing came since.
func (s State) Closed() bool { return s.closed }

// Currencies lists what the period has charges in.
func (s State) Currencies() []money.Currency {
	var all []money.Currency
	for key := range s.totals {
		all = append(all, key.currency)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Lines is how many charges the period has.
func (s State) Lines() int64 {
	var n int64
	for _, t := range s.totals {
		n += t.Paid + t.Free
	}
	return n
}

// Settling finds the charges of a period that do not have the price of their place in order of delivery. It reads the
// period's events in three passes and keeps little of them: how many charges there are in each minute; then those of the
// minutes in which a price changes; then those that are wrong, up to a limit. Of more than that, the third pass is repeated
// for the messages that it had no room for.
type Settling struct {
	borders func(events.Charge) []int64
	limit   int

	counts   map[pricing.Count]*count
	adjusted int64 // by closing, since the period was closed last
	passed   Key   // third passes were made of all keys before it
}

// count is one sequence of deliveries.
type count struct {
	minutes map[int64]int64 // charges by minute
	steps   []*step         // in order
}

// step is where a sequence has another price.
type step struct {
	from   int64 // its first place, from 1
	minute int64 // which that is in
	before int64 // charges in the minutes before
	inside map[place]struct{}
	first  place
}

// place is what the order of delivery is by. No two charges share one.
type place struct {
	at  time.Time // in UTC
	key Key
}

func (p place) compare(o place) int {
	return cmp.Or(p.at.Compare(o.at), p.key.compare(o.key))
}

func (k Key) compare(o Key) int {
	return cmp.Or(bytes.Compare(k.Message.UUID[:], o.Message.UUID[:]), bytes.Compare(k.Recipient.UUID[:], o.Recipient.UUID[:]))
}

// NewSettling begins to settle a period. Borders says at which places the count of a charge has other prices, and limit
// how many wrong charges are found in one pass.
func NewSettling(borders func(events.Charge) []int64, limit int) *Settling {
	return &Settling{borders: borders, limit: limit, counts: map[pricing.Count]*count{}}
}

// Survey is the first pass.
func (s *Settling) Survey(event events.Event) {
	if _, closed := event.(events.PeriodClosed); closed {
		s.adjusted = 0
	}
	if e, ok := event.(events.ChargeAdjusted); ok && !e.Charge.Provisional {
		c, counted := pricing.CountOf(&e.Delivery, &e.Charge)
		if byClosing := counted && (c.Number != "" || e.Charge.Tier > 0); byClosing {
			s.adjusted++
		}
	}
	moves(event, func(c pricing.Count, at place, charge *events.Charge, n int64) {
		own := s.counts[c]
		if own == nil {
			own = &count{minutes: map[int64]int64{}}
			s.counts[c] = own
		}
		if own.minutes[minute(at)] += n; own.minutes[minute(at)] == 0 {
			delete(own.minutes, minute(at))
		}
		for _, from := range s.borders(*charge) {
			if i, known := slices.BinarySearchFunc(own.steps, from, func(s *step, from int64) int { return cmp.Compare(s.from, from) }); !known {
				own.steps = slices.Insert(own.steps, i, &step{from: from})
			}
		}
	})
}

// Locate ends the first pass: it finds the minutes in which prices change. With none, every charge has the first price.
func (s *Settling) Locate() {
	for _, own := range s.counts {
		minutes := slices.Sorted(maps.Keys(own.minutes))
		var before int64
		reached := own.steps[:0]
		rest := own.steps
		for _, m := range minutes {
			for len(rest) > 0 && rest[0].from <= before+own.minutes[m] {
				rest[0].minute, rest[0].before, rest[0].inside = m, before, map[place]struct{}{}
				reached, rest = append(reached, rest[0]), rest[1:]
			}
			before += own.minutes[m]
		}
		own.steps, own.minutes = reached, nil
	}
}

// Collect is the second pass.
func (s *Settling) Collect(event events.Event) {
	moves(event, func(c pricing.Count, at place, _ *events.Charge, n int64) {
		for _, step := range s.counts[c].steps {
			switch {
			case step.minute != minute(at):
			case n > 0:
				step.inside[at] = struct{}{}
			default:
				delete(step.inside, at)
			}
		}
	})
}

// Draw ends the second pass: it finds the charges from which on prices are others.
func (s *Settling) Draw() {
	for _, own := range s.counts {
		for _, step := range own.steps {
			inside := slices.SortedFunc(maps.Keys(step.inside), place.compare)
			step.first, step.inside = inside[step.from-step.before-1], nil
		}
	}
}

// from returns the border at or before a place: which prices count there.
func (c *count) from(at place) int64 {
	from := int64(1)
	for _, step := range c.steps {
		if step.first.compare(at) <= 0 {
			from = step.from
		}
	}
	return from
}

// Misplaced is a charge that has not the price of its place.
type Misplaced struct {
	Rated

	Account id.Account
	From    int64 // the border at or before its place
}

// Wrong is one third pass.
type Wrong struct {
	*Settling

	right func(charge *Rated, from int64) bool
	found map[Key]Misplaced
	until *Key // there is no room for this and later ones; nil: for all
}

// Wrong begins a third pass. Right says whether a charge has the price of what follows a border.
func (s *Settling) Wrong(right func(charge *Rated, from int64) bool) *Wrong {
	return &Wrong{s, right, map[Key]Misplaced{}, nil}
}

// See looks at an event of an account, recorded at a place.
func (w *Wrong) See(event events.Event, account id.Account, at events.Ref) {
	rated, ok := RatedBy(event, at)
	if !ok {
		return
	}
	key := KeyOf(&rated.Delivery)
	if key.compare(w.passed) < 0 || w.until != nil && key.compare(*w.until) >= 0 {
		return
	}
	delete(w.found, key)
	c, counted := pricing.CountOf(&rated.Delivery, &rated.Charge)
	if rated.Held != nil || !counted {
		return
	}
	if from := w.counts[c].from(placeOf(key, rated.Delivery.DeliveredAt)); !w.right(&rated, from) {
		w.found[key] = Misplaced{rated, account, from}
		w.shrink()
	}
}

// shrink leaves the later half of the keys to another pass when there are more than there is room for. What is found may
// be superseded by a later event: so it is by keys, and not by what came first, that passes share the work.
func (w *Wrong) shrink() {
	if len(w.found) <= w.limit {
		return
	}
	keys := slices.SortedFunc(maps.Keys(w.found), Key.compare)
	half := (len(keys) + 1) / 2
	w.until = &keys[half]
	for _, key := range keys[half:] {
		delete(w.found, key)
	}
}

// Found ends the pass: it returns what was found, in order of delivery, and whether another pass is needed.
func (w *Wrong) Found() (found []Misplaced, more bool) {
	if w.until != nil {
		w.passed = *w.until
	}
	return slices.SortedFunc(maps.Values(w.found), func(a, b Misplaced) int {
		return placeOf(KeyOf(&a.Delivery), a.Delivery.DeliveredAt).compare(placeOf(KeyOf(&b.Delivery), b.Delivery.DeliveredAt))
	}), w.until != nil
}

// Settle gives a misplaced charge the price of its place.
func (s State) Settle(book *pricing.Book, terms pricing.Terms, m Misplaced) events.Event {
	charge, reason := pricing.Settle(book, terms, m.Delivery, m.Charge, m.From)
	if reason != "" {
		pending := pendingOf(m.Delivery, terms, &charge, reason)
		pending.Was, pending.Charged, pending.WasDeliveredAt = &m.Charge, m.Charged, &m.Delivery.DeliveredAt
		return pending
	}
	return events.ChargeAdjusted{
		Delivery: m.Delivery, Charge: charge, Was: &m.Charge, WasDeliveredAt: m.Delivery.DeliveredAt, Charged: *m.Charged,
	}
}

// Adjusted is how many charges were adjusted by closing since the period was closed last, when the first pass ended.
func (s *Settling) Adjusted() int64 { return s.adjusted }

// moves tells which charges an event takes out of their count, and which it puts into one.
func moves(event events.Event, move func(c pricing.Count, at place, charge *events.Charge, n int64)) {
	tell := func(d *events.Delivered, at time.Time, charge *events.Charge, n int64) {
		if c, counted := pricing.CountOf(d, charge); counted {
			move(c, placeOf(KeyOf(d), at), charge, n)
		}
	}
	switch e := event.(type) {
	case events.MessageCharged:
		tell(&e.Delivery, e.Delivery.DeliveredAt, &e.Charge, 1)
	case events.ChargePending:
		if e.Was != nil {
			tell(&e.Delivery, *e.WasDeliveredAt, e.Was, -1)
		}
	case events.ChargeAdjusted:
		if e.Was != nil {
			tell(&e.Delivery, e.WasDeliveredAt, e.Was, -1)
		}
		tell(&e.Delivery, e.Delivery.DeliveredAt, &e.Charge, 1)
	}
}

func placeOf(key Key, at time.Time) place { return place{at.UTC().Round(0), key} }

func minute(p place) int64 { return p.at.Unix() / 60 }
