// Package billing decides on a billing period: what the deliveries of one portfolio cost in one month.
//
// Invariants:
//   - A delivery, which is one message to one recipient, is charged once: one MessageCharged, for ever. All that comes
//     after it names it: ChargeAdjusted corrects it, ChargePending takes it back. Nothing recorded is ever changed.
//   - What cannot be priced is pending, and counted. It is never free. Each event of a pending delivery names the
//     ChargePending that it replaces.
//   - Every append ends with BatchRated, which is the whole state: its totals are the sum of all charges and adjustments
//     before it.
//   - Rating goes on after the source of the newest BatchRated, in log order: a fact is rated once.
//   - A delivery belongs to the month in which it was first known, in the account's time zone, whatever becomes known
//     of it later.
//   - Tiers and allowances go by the order of rating until the period is closed; closing adjusts them to the order of
//     delivery. The same sequence of prices is paid either way.
//   - An allowance that was given is taken back only when the platform's word, or another day, says that none was due.
package billing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

const prefix = "billing-"

// Stream names the stream of a portfolio's month. An account without a portfolio is its own.
func Stream(portfolio id.Account, month string) string {
	return prefix + portfolio.String() + "-" + month
}

// Month returns the month of a day, "2026-10".
func Month(day events.Date) string { return string(day[:min(len(day), len("2026-10"))]) }

// Portfolio returns whose billing period a stream is; false for any other stream.
func Portfolio(stream string) (id.Account, bool) {
	const length = len("00000000-0000-0000-0000-000000000000")
	rest, ok := strings.CutPrefix(stream, prefix)
	if !ok || len(rest) != length+len("-2026-10") || rest[length] != '-' {
		return id.Account{}, false
	}
	portfolio, err := id.Parse[id.Account](rest[:length])
	return portfolio, err == nil
}

// State is a billing period. The zero value is one without events.
type State struct {
	next       uint64 // revision of the next event
	source     events.Ref
	charged    int // since the last BatchRated
	totals     map[slot]events.PeriodTotal
	paid       map[pricing.Counter]int64 // of all currencies together
	allowances map[string]int64
	closed     bool // and nothing came since
	pending    int
	since      uint64 // when something is pending: revision of the oldest ChargePending that may be open
	size       int    // see ClosingBytes
	broken     error  // totals that cannot be told any more
}

// slot is what a total is of.
type slot struct {
	currency money.Currency
	market   string
	category events.Category
}

// Open returns the period whose last event is a BatchRated: nothing else is needed.
func Open(last events.BatchRated, revision uint64) State { return Evolve(State{next: revision}, last) }

// Evolve folds one event. It may change the maps of the state that it is given.
func Evolve(s State, event events.Event) State {
	switch e := event.(type) {
	case events.MessageCharged:
		s.closed = false
		s = s.count(e.Charge, 1).use(&e.Delivery, e.Charge, 1)
		s.charged++
		if e.Held != nil {
			s.pending--
		}
	case events.ChargePending:
		s.closed = false
		if s.pending == 0 {
			s.since = s.next
		}
		if e.Held == nil {
			s.pending++
		}
		if e.Was != nil {
			s = s.count(*e.Was, -1).use(&e.Delivery, *e.Was, -1)
		}
	case events.ChargeAdjusted:
		s.closed = false
		if e.Was != nil {
			s = s.count(*e.Was, -1).use(&e.Delivery, *e.Was, -1)
		}
		s = s.count(e.Charge, 1).use(&e.Delivery, e.Charge, 1)
		if e.Held != nil {
			s.pending--
		}
	case events.PeriodClosed:
		s.closed = true
	case events.BatchRated:
		s = restore(e, s.next)
	}
	s.next++
	return s
}

func restore(e events.BatchRated, revision uint64) State {
	s := State{
		next: revision, source: e.Source, pending: e.Pending, closed: e.Closed, paid: map[pricing.Counter]int64{},
		totals: make(map[slot]events.PeriodTotal, len(e.Totals)), allowances: make(map[string]int64, len(e.Allowances)),
	}
	if e.PendingSince != nil {
		s.since = *e.PendingSince
	}
	for _, t := range e.Totals {
		s.totals[slot{t.Amount.Currency, t.Market, t.Category}] = t
		s.paid[pricing.Counter{Market: t.Market, Category: t.Category}] += t.Paid
		s.size += totalBytes(t)
	}
	for _, a := range e.Allowances {
		s.allowances[a.PhoneNumberID] = a.Used
		s.size += allowanceBytes(a.PhoneNumberID)
	}
	return s
}

// count adds a charge to the totals (n = 1) or takes it away (n = -1). What comes to nothing is left out.
func (s State) count(c events.Charge, n int64) State {
	key := slot{c.Amount.Currency, c.Market, c.Category}
	t, there := s.totals[key]
	if !there {
		t = events.PeriodTotal{Amount: money.Amount{Currency: key.currency}, Market: c.Market, Category: c.Category}
	}
	amount, err := c.Amount.Mul(n)
	if err == nil {
		amount, err = t.Amount.Add(amount)
	}
	if err != nil {
		s.broken = fmt.Errorf("totals of %s, %s: %w", c.Market, c.Category, err)
		return s
	}
	t.Amount = amount
	if c.Basis == events.BasisRegular {
		t.Paid += n
		if s.paid == nil {
			s.paid = map[pricing.Counter]int64{}
		}
		s.paid[pricing.Counter{Market: c.Market, Category: c.Category}] += n
	} else {
		t.Free += n
	}
	if s.totals == nil {
		s.totals = map[slot]events.PeriodTotal{}
	}
	switch gone := t.Paid == 0 && t.Free == 0 && t.Amount.Micros == 0; {
	case gone && there:
		delete(s.totals, key)
		s.size -= totalBytes(t)
	case !gone:
		s.totals[key] = t
		if !there {
			s.size += totalBytes(t)
		}
	}
	return s
}

// use counts the allowance of a business number, up or down.
func (s State) use(d *events.Delivered, c events.Charge, n int64) State {
	if c.Basis != events.BasisAllowance {
		return s
	}
	if s.allowances == nil {
		s.allowances = map[string]int64{}
	}
	before := s.allowances[d.PhoneNumberID]
	if before == 0 {
		s.size += allowanceBytes(d.PhoneNumberID)
	}
	if s.allowances[d.PhoneNumberID] = before + n; before+n == 0 {
		delete(s.allowances, d.PhoneNumberID)
		s.size -= allowanceBytes(d.PhoneNumberID)
	}
	return s
}

// Source is the last fact that was rated in this period; zero when there is none.
func (s State) Source() events.Ref { return s.source }

// Next is the revision of the next event.
func (s State) Next() uint64 { return s.next }

// Pending says whether deliveries wait for a price, and the revision from which on their ChargePending stand.
func (s State) Pending() (since uint64, waiting bool) { return s.since, s.pending > 0 }

// Close returns the BatchRated that ends an append, when all events before it are folded. Source is the last fact that
// was rated. The error says that a sum is beyond what 64 bits hold.
func (s State) Close(source events.Ref) (events.BatchRated, error) {
	if s.broken != nil {
		return events.BatchRated{}, s.broken
	}
	e := events.BatchRated{Source: source, Charged: s.charged, Pending: s.pending, Closed: s.closed}
	for _, t := range s.totals {
		e.Totals = append(e.Totals, t)
	}
	slices.SortFunc(e.Totals, func(a, b events.PeriodTotal) int {
		return cmp.Or(
			cmp.Compare(a.Amount.Currency, b.Amount.Currency), cmp.Compare(a.Market, b.Market), cmp.Compare(a.Category, b.Category),
		)
	})
	for number, used := range s.allowances {
		e.Allowances = append(e.Allowances, events.AllowanceUsed{PhoneNumberID: number, Used: used})
	}
	slices.SortFunc(e.Allowances, func(a, b events.AllowanceUsed) int { return cmp.Compare(a.PhoneNumberID, b.PhoneNumberID) })
	if s.pending > 0 {
		e.PendingSince = new(s.since)
	}
	return e, nil
}

// ClosingBytes bounds the size of the BatchRated that Close returns, as it is stored, also when one more event is folded
// before.
func (s State) ClosingBytes() int { return 4096 + s.size }

// Sizes of the lists' elements as JSON, with numbers of any length, and names of which every byte is escaped.
func totalBytes(t events.PeriodTotal) int {
	return 192 + 6*(len(t.Amount.Currency)+len(t.Market)+len(t.Category))
}

func allowanceBytes(number string) int { return 64 + 6*len(number) }
