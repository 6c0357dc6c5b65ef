package pricing

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"daybook/events"
	"daybook/events/money"
)

// Book holds all rate cards of one currency. It never changes and is safe for concurrent use; nil is the empty book.
type Book struct {
	currency money.Currency
	cards    []recorded      // in order of effective date, then of their stream
	periods  func() []period // made when they are first asked for
}

type recorded struct {
	events.RateCardImported

	at events.Ref
}

// Market is where a recipient belongs on a day.
type Market struct {
	Name  string
	Basis events.MarketBasis
}

// Rate is the price of one message, and the card that it is from.
type Rate struct {
	Micros int64 // greater than 0
	Card   events.Ref
	From   events.Date
	Tiers  []events.RateTier // of later messages; must not be changed
}

// With returns the book with one more card, recorded at a place in its currency's stream. The first card decides the
// book's currency; a card of another one, or one that the book has, changes nothing. The order in which cards are added
// makes no difference.
func (b *Book) With(card events.RateCardImported, at events.Ref) *Book {
	added := recorded{card, at}
	if b == nil {
		b = &Book{currency: card.Currency}
	}
	place, found := slices.BinarySearchFunc(b.cards, added, func(a, b recorded) int {
		return cmp.Or(cmp.Compare(a.EffectiveFrom, b.EffectiveFrom), cmp.Compare(a.at.Revision, b.at.Revision))
	})
	if found || card.Currency != b.currency {
		return b
	}
	cards := slices.Insert(slices.Clip(b.cards), place, added)
	return &Book{b.currency, cards, sync.OnceValue(func() []period { return periods(cards) })}
}

// Market finds where a recipient belongs: by the longest prefix that the cards in force list, by country when the
// recipient has no number, and otherwise in the market that lists nobody. Of each market the newest list counts that is
// in force on the day; what two markets claim belongs to the newer card's. It is not found when the recipient has
// neither prefix nor country, or no card in force covers it.
func (b *Book) Market(to events.Dialling, on events.Date) (Market, bool) {
	m, basis := b.on(on).find(to)
	if m == nil {
		return Market{}, false
	}
	return Market{m.name, basis}, true
}

// Rate returns the price of a category in a market on a day, from the newest card in force that names both. It is not
// found when that card offers none.
func (b *Book) Rate(market string, category events.Category, on events.Date) (Rate, bool) {
	p := b.on(on)
	if p == nil || p.markets[market] == nil || p.markets[market].rates[category] == nil {
		return Rate{}, false
	}
	return *p.markets[market].rates[category], true
}

// Highest returns the highest price of a category in a market, whatever its band, while the cards are in force that count
// on the days from one to another, the last included. It is not found when none of them has one. This is what may be due
// for a message whose day of delivery is not known yet.
func (b *Book) Highest(market string, category events.Category, from, to events.Date) (highest Rate, found bool) {
	if b == nil {
		return Rate{}, false
	}
	all := b.periods()
	for i := range all {
		if all[i].from > to || i+1 < len(all) && all[i+1].from <= from {
			continue
		}
		m := all[i].markets[market]
		if m == nil || m.rates[category] == nil {
			continue
		}
		rate := *m.rates[category]
		for _, t := range rate.Tiers {
			rate.Micros = max(rate.Micros, t.Micros)
		}
		if rate.Micros > highest.Micros {
			highest, found = rate, true
		}
	}
	return highest, found
}

// on returns what is in force on a day; nil before the first card.
func (b *Book) on(day events.Date) *period {
	if b == nil {
		return nil
	}
	all := b.periods()
	for i := len(all) - 1; i >= 0; i-- { // mostly the newest
		if all[i].from <= day {
			return &all[i]
		}
	}
	return nil
}

// period is what is in force from the date of one card to that of the next.
type period struct {
	from      events.Date
	markets   map[string]*market // by name
	prefixes  map[string]*market
	countries map[string]*market
	fallback  *market // nil: the cards say nothing of recipients that they do not list
}

type market struct {
	name      string
	countries []string
	rates     map[events.Category]*Rate
}

// periods works out what is in force from each effective date on.
func periods(cards []recorded) []period {
	var (
		all    []period
		listed []events.MarketRates // the newest list of each market, the newest market last
		rates  = map[string]map[events.Category]*Rate{}
	)
	for i := range cards {
		card := &cards[i]
		for _, m := range card.Markets {
			listed = slices.DeleteFunc(listed, func(older events.MarketRates) bool { return older.Market == m.Market })
			listed = append(listed, m)
			if rates[m.Market] == nil {
				rates[m.Market] = map[events.Category]*Rate{}
			}
			for _, r := range m.Rates {
				delete(rates[m.Market], r.Category)
				if r.Micros != nil && *r.Micros > 0 {
					rates[m.Market][r.Category] = &Rate{*r.Micros, card.at, card.EffectiveFrom, r.Tiers}
				}
			}
		}
		if i+1 == len(cards) || cards[i+1].EffectiveFrom > card.EffectiveFrom {
			all = append(all, newPeriod(card.EffectiveFrom, listed, rates))
		}
	}
	return all
}

func newPeriod(from events.Date, listed []events.MarketRates, rates map[string]map[events.Category]*Rate) period {
	p := period{from: from, markets: map[string]*market{}, prefixes: map[string]*market{}, countries: map[string]*market{}}
	for _, l := range listed {
		m := &market{l.Market, l.Countries, maps.Clone(rates[l.Market])}
		p.markets[l.Market] = m
		for _, prefix := range l.Prefixes {
			p.prefixes[prefix] = m
		}
		for _, country := range l.Countries {
			p.countries[country] = m
		}
		if len(l.Prefixes) == 0 {
			p.fallback = m
		}
	}
	return p
}

// find returns a recipient's market; nil when there is none.
func (p *period) find(to events.Dialling) (*market, events.MarketBasis) {
	if p == nil {
		return nil, ""
	}
	var (
		found *market
		basis events.MarketBasis
	)
	switch {
	case to.Prefix != "":
		found, basis = p.dial(to.Prefix), events.MarketByPrefix
	case to.Country != "":
		found, basis = p.countries[to.Country], events.MarketByUserID
	default:
		return nil, ""
	}
	if found == nil {
		found, basis = p.fallback, events.MarketByFallback
	}
	return found, basis
}

// dial finds the market that lists a dialling prefix, the longest first; nil when none does. A territory is listed by
// digits that tell it, or by its country.
func (p *period) dial(prefix string) *market {
	country, digits := territory(prefix)
	for n := len(prefix); n >= max(len(digits), 1); n-- {
		if m := p.prefixes[prefix[:n]]; m != nil {
			return m
		}
	}
	if country == "" {
		return nil
	}
	return p.countries[country]
}

// first returns the first of the categories that has a rate, and the rate; nil when none has.
func (m *market) first(categories []events.Category) (events.Category, *Rate) {
	if m != nil {
		for _, category := range categories {
			if r := m.rates[category]; r != nil {
				return category, r
			}
		}
	}
	return "", nil
}
