package billing_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/billing"
	"daybook/domain/pricing"
	"daybook/domain/scenario"
	"daybook/events"
)

// tieredBook is one card for Italy, with bands of one category.
func tieredBook(category events.Category, micros int64, tiers ...events.RateTier) *pricing.Book {
	var b *pricing.Book
	return b.With(events.RateCardImported{Currency: "USD", EffectiveFrom: "2026-07-01", Markets: []events.MarketRates{{
		Market: "Italy", Countries: []string{"IT"}, Prefixes: []string{"39"},
		Rates: []events.Rate{{Category: category, Micros: &micros, Tiers: tiers}},
	}}}, card)
}

func TestVector18_TheSumOfAMonthWithTiers(t *testing.T) {
	t.Parallel()
	book := tieredBook(events.Utility, 26_000, events.RateTier{From: 100_001, Micros: 24_700})
	var s billing.State
	d := delivery(1, events.Utility)
	var last events.MessageCharged
	for range 100_001 {
		last, _ = s.Rate(book, terms, d).(events.MessageCharged)
		s = billing.Evolve(s, last)
	}
	require.Equal(t, []any{"0.0247 USD", 2, int64(100_001)}, []any{last.Charge.Amount.String(), last.Charge.Tier, last.Charge.Ordinal})
	closing, err := s.Close(card)
	require.NoError(t, err)
	require.Equal(t, "2600.0247 USD", closing.Totals[0].Amount.String())
}

// The sum of a month is that of a formula which knows nothing of single messages, also when the state is forgotten in
// between.
func TestTheSumOfTiersIsTheFormula(t *testing.T) {
	t.Parallel()
	scenario.Often(func() {
		rapid.Check(t, func(t *rapid.T) {
			micros := rapid.Int64Range(1, 100_000)
			base, from := micros.Draw(t, "rate"), int64(1)
			var tiers []events.RateTier
			for range rapid.IntRange(0, 5).Draw(t, "tiers") {
				from += rapid.Int64Range(1, 12).Draw(t, "wide")
				tiers = append(tiers, events.RateTier{From: from, Micros: micros.Draw(t, "rate")})
			}
			category := rapid.SampledFrom([]events.Category{events.Utility, events.Authentication}).Draw(t, "category")
			book := tieredBook(category, base, tiers...)
			n := rapid.Int64Range(0, 80).Draw(t, "messages")
			var s billing.State
			for i := range n {
				s = billing.Evolve(s, s.Rate(book, terms, delivery(int(i), category)))
				if rapid.IntRange(0, 9).Draw(t, "forget") == 0 {
					s = billing.Open(closed(t, s), s.Next())
				}
			}
			var sum int64
			for i, tier := range append([]events.RateTier{{From: 1, Micros: base}}, tiers...) {
				end := n
				if i < len(tiers) {
					end = min(n, tiers[i].From-1)
				}
				sum += max(0, end-tier.From+1) * tier.Micros
			}
			var got int64
			for _, total := range closed(t, s).Totals {
				got += total.Amount.Micros
			}
			require.Equal(t, sum, got)
		})
	})
}

func closed(t require.TestingT, s billing.State) events.BatchRated {
	closing, err := s.Close(card)
	require.NoError(t, err)
	return closing
}

// Settling a period gives each charge the price of its place in order of delivery, whatever was rated first and whatever
// became known since, and in as many passes as its memory demands.
func TestSettlingSortsByDelivery(t *testing.T) {
	t.Parallel()
	scenario.Often(func() {
		rapid.Check(t, func(t *rapid.T) {
			book := tieredBook(events.Utility, 30_000, events.RateTier{From: 3, Micros: 20_000}, events.RateTier{From: 6, Micros: 10_000})
			p := month{rated: map[int]billing.Rated{}}
			for range rapid.IntRange(0, 25).Draw(t, "facts") {
				n := rapid.IntRange(0, 12).Draw(t, "message")
				d := delivery(n, events.Utility)
				d.DeliveredAt = noon.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "second")) * time.Second)
				if rapid.IntRange(0, 3).Draw(t, "free") == 0 {
					d.Pricing = &events.Pricing{Type: "free_entry_point"}
				}
				p.rate(book, n, d)
			}
			p.settle(book, rapid.IntRange(1, 4).Draw(t, "limit"))
			for i, r := range p.inOrder() {
				require.Equal(t, []int64{30_000, 20_000, 10_000}[min(2, (i+1)/3)], r.Charge.Amount.Micros, "place %d", i+1)
			}
			settled := len(p.events)
			p.settle(book, 1)
			require.Len(t, p.events, settled, "what is settled is settled")
		})
	})
}

// month is a billing period that is kept whole.
type month struct {
	state  billing.State
	events []events.Event
	rated  map[int]billing.Rated
}

func (m *month) record(n int, event events.Event) {
	m.rated[n], _ = billing.RatedBy(event, at(m.state.Next()))
	m.state, m.events = billing.Evolve(m.state, event), append(m.events, event)
}

func (m *month) rate(book *pricing.Book, n int, d events.Delivered) {
	if was, known := m.rated[n]; !known {
		m.record(n, m.state.Rate(book, terms, d))
	} else if event := m.state.Revise(book, terms, was, d); event != nil {
		m.record(n, event)
	}
}

func (m *month) settle(book *pricing.Book, limit int) {
	s := billing.NewSettling(func(c events.Charge) []int64 { return pricing.Borders(book, &c) }, limit)
	for _, event := range m.events {
		s.Survey(event)
	}
	s.Locate()
	for _, event := range m.events {
		s.Collect(event)
	}
	s.Draw()
	for more := true; more; {
		wrong := s.Wrong(func(r *billing.Rated, from int64) bool { return pricing.Settled(book, &r.Delivery, &r.Charge, from) })
		for i, event := range m.events {
			wrong.See(event, portfolio, at(uint64(i)))
		}
		var found []billing.Misplaced
		found, more = wrong.Found()
		for _, f := range found {
			for n, r := range m.rated {
				if r.Delivery.MessageID == f.Delivery.MessageID {
					m.record(n, m.state.Settle(book, terms, f))
				}
			}
		}
	}
}

// inOrder lists what was charged in order of delivery.
func (m *month) inOrder() []billing.Rated {
	var all []billing.Rated
	for _, r := range m.rated {
		if r.Charge.Basis == events.BasisRegular {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b billing.Rated) int {
		return cmp.Or(a.Delivery.DeliveredAt.Compare(b.Delivery.DeliveredAt), strings.Compare(a.Delivery.MessageID.String(), b.Delivery.MessageID.String()))
	})
	return all
}

// What becomes known of a delivery that stays in its count leaves it at its place there: nothing else is paid for it.
func TestAChargeKeepsItsPlace(t *testing.T) {
	t.Parallel()
	book := tieredBook(events.Utility, 30_000, events.RateTier{From: 2, Micros: 20_000})
	m := month{rated: map[int]billing.Rated{}}
	m.rate(book, 1, delivery(1, events.Utility))
	m.rate(book, 2, delivery(2, events.Utility))
	earlier := delivery(1, events.Utility)
	earlier.DeliveredAt = noon
	m.rate(book, 1, earlier)
	require.Len(t, m.events, 3)
	require.Equal(t, []int64{1, 1, 30_000}, placeOf(m.rated[1].Charge))
	cheaper := delivery(2, events.Utility)
	cheaper.DeliveredAt = noon
	m.rate(book, 2, cheaper)
	require.Equal(t, []int64{2, 2, 20_000}, placeOf(m.rated[2].Charge))
}

func placeOf(c events.Charge) []int64 { return []int64{c.Ordinal, int64(c.Tier), c.Amount.Micros} }

// In whatever order the answers of a month are told: when it is closed, the first thousand delivered are free and the
// others cost something, and the sum is what it was before.
func TestTheAllowanceIsOfTheFirstThousand(t *testing.T) {
	t.Parallel()
	scenario.Often(func() {
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.IntRange(999, 1010).Draw(t, "messages")
			start, stride := rapid.IntRange(0, n-1).Draw(t, "start"), rapid.SampledFrom([]int{1, 2, 7, 11, 13, n - 1}).Draw(t, "stride")
			m := month{rated: map[int]billing.Rated{}}
			for i := range n {
				m.rate(book, (start+i*stride)%n, delivery((start+i*stride)%n, events.Service)) // some come twice, and some not
			}
			before := closed(t, m.state).Totals
			m.settle(book, rapid.IntRange(1, 20).Draw(t, "limit"))
			require.Equal(t, before, closed(t, m.state).Totals)
			place := 0
			for k := range n {
				r, told := m.rated[k]
				if !told {
					continue
				}
				place++
				require.Equal(t, place <= 1_000, r.Charge.Basis == events.BasisAllowance, "place %d of %d", place, len(m.rated))
			}
		})
	})
}
