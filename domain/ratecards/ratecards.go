// Package ratecards decides on the rate cards of one currency.
//
// Invariants:
//   - A card is never edited. Of one effective date, a market and category has one rate, a market one list of countries
//     and one of prefixes, and a country or prefix one market (pricing.Published).
//   - What is known already is not recorded again: importing a file twice changes nothing.
//   - What is imported together is recorded together, the newest card first: who reads event by event never takes the
//     rate of an older card for a day that a newer card of the same file prices.
package ratecards

import (
	"fmt"
	"slices"

	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/money"
)

// Stream names the stream of a currency's rate cards.
func Stream(currency money.Currency) string { return "ratecards-" + string(currency) }

// AwaitedStream names the stream in which billing periods say that they wait for a currency's cards.
func AwaitedStream(currency money.Currency) string { return "rates-awaited-" + string(currency) }

// State is the cards of one currency. The zero value has none.
type State struct {
	book      *pricing.Book
	published pricing.Published
	newest    map[events.Date]events.Ref
	revision  uint64 // of the next event
}

// Evolve folds one event. It may change the maps of the state that it is given.
func Evolve(s State, event events.Event) State {
	card, ok := event.(events.RateCardImported)
	at := events.Ref{Stream: Stream(card.Currency), Revision: s.revision}
	s.revision++
	if !ok {
		return s
	}
	if s.newest == nil {
		s.newest = map[events.Date]events.Ref{}
	}
	s.newest[card.EffectiveFrom] = at
	s.book = s.book.With(card, at)
	where := fmt.Sprintf("%s revision %d", at.Stream, at.Revision)
	for _, m := range card.Markets {
		for _, r := range m.Rates {
			s.published.Add(card.EffectiveFrom, m, r, where)
		}
	}
	return s
}

// Book returns all cards, to price with.
func (s State) Book() *pricing.Book { return s.book }

// Card returns where the card of a date is recorded; when it came in parts, the last one.
func (s State) Card(from events.Date) (at events.Ref, found bool) {
	at, found = s.newest[from]
	return at, found
}

// Import adds what is not known yet of a file's cards of this currency. Lines that contradict what is recorded refuse
// the file as a *pricing.FileError.
func (s State) Import(cards []pricing.Card) ([]events.Event, error) {
	bad := pricing.FileError{Conflict: true}
	var decided []events.Event
	for _, card := range slices.Backward(cards) {
		if added := s.news(&card, &bad); len(added.Markets) > 0 {
			decided = append(decided, added)
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return decided, nil
}

// news is what of a card is not known yet. Lines that contradict what is are added to the bad ones.
func (s State) news(card *pricing.Card, bad *pricing.FileError) events.RateCardImported {
	added := card.RateCardImported
	added.Markets = nil
	for i, m := range card.Markets {
		fresh := m
		fresh.Rates = nil
		for j, r := range m.Rates {
			known, against := s.published.Has(card.EffectiveFrom, m, r)
			for _, c := range against {
				bad.Add(pricing.LineError{Line: card.Lines[i][j], Field: c.Column, Detail: c.Detail})
			}
			if !known {
				fresh.Rates = append(fresh.Rates, r)
			}
		}
		if len(fresh.Rates) > 0 {
			added.Markets = append(added.Markets, fresh)
		}
	}
	return added
}
