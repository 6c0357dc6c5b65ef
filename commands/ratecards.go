package commands

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"daybook/domain/pricing"
	"daybook/domain/ratecards"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// ImportedCards is what became of a file of rate cards.
type ImportedCards struct {
	FileSHA256 string         // in hex
	Cards      []ImportedCard // in order of currency and effective date
	Position   events.Position
}

// ImportedCard is what a file says of one currency from one day on.
type ImportedCard struct {
	Ref           events.Ref // where it is recorded; the last place, when it came in parts
	Currency      money.Currency
	EffectiveFrom events.Date
	Markets       int
	Rates         int
	New           bool // some of it was not known before
}

// ImportRateCards publishes the rate cards of a CSV file, as pricing.ParseCards reads it. What is known already changes
// nothing; the position is that of the last card, new or known.
//
// The whole file counts, or nothing of it: bad lines, and lines that contradict a recorded card of any currency, refuse
// it as a *pricing.FileError before anything is recorded. Then each currency is one append. A crash between two
// currencies, or a contradicting file that is imported at the same moment, may leave some of them recorded: the same
// file again records the rest, or names the lines that came too late.
func (h *Handler) ImportRateCards(ctx context.Context, meta Meta, file []byte) (ImportedCards, error) {
	cards, err := pricing.ParseCards(bytes.NewReader(file))
	if err != nil {
		return ImportedCards{}, err
	}
	sum := sha256.Sum256(file)
	imported := ImportedCards{FileSHA256: hex.EncodeToString(sum[:])}
	r := newRequest(meta, id.Account{}, "ImportRateCards", imported.FileSHA256)
	if err = h.rehearseCards(ctx, r, cards); err != nil {
		return ImportedCards{}, err
	}
	for same := range byCurrency(cards) {
		recorded, at, err := h.importCards(ctx, r, same)
		if err != nil {
			return ImportedCards{}, err
		}
		imported.Cards = append(imported.Cards, recorded...)
		imported.Position = max(imported.Position, at)
	}
	return imported, nil
}

// rehearseCards refuses a file that contradicts what is recorded of any currency.
func (h *Handler) rehearseCards(ctx context.Context, r request, cards []pricing.Card) error {
	bad := pricing.FileError{Conflict: true}
	for same := range byCurrency(cards) {
		err := h.rateCards.rehearse(ctx, ratecards.Stream(same[0].Currency), r, func(s ratecards.State, _ time.Time) ([]events.Event, error) {
			return s.Import(same)
		})
		if file, ok := errors.AsType[*pricing.FileError](err); ok {
			bad.Add(file.Lines...)
			bad.More += file.More
		} else if err != nil {
			return err
		}
	}
	return bad.Err()
}

// importCards records the cards of one currency.
func (h *Handler) importCards(ctx context.Context, r request, cards []pricing.Card) ([]ImportedCard, events.Position, error) {
	stream := ratecards.Stream(cards[0].Currency)
	added := map[events.Date]bool{}
	at, err := h.rateCards.execute(ctx, stream, r, func(s ratecards.State, _ time.Time) ([]events.Event, error) {
		decided, err := s.Import(cards)
		clear(added) // of an earlier answer, which did not count
		for _, event := range decided {
			if card, ok := event.(events.RateCardImported); ok {
				added[card.EffectiveFrom] = true
			}
		}
		return decided, err
	})
	if err != nil {
		return nil, events.Start, err
	}
	imported := make([]ImportedCard, len(cards))
	err = h.rateCards.look(ctx, stream, func(s ratecards.State, _ uint64) error {
		for i, card := range cards {
			ref, _ := s.Card(card.EffectiveFrom)
			imported[i] = ImportedCard{ref, card.Currency, card.EffectiveFrom, len(card.Markets), card.Rates(), added[card.EffectiveFrom]}
		}
		return nil
	})
	return imported, at, err
}

// byCurrency yields the cards of one currency after the other; they are in this order.
func byCurrency(cards []pricing.Card) iter.Seq[[]pricing.Card] {
	return func(yield func([]pricing.Card) bool) {
		for rest := cards; len(rest) > 0; {
			n := slices.IndexFunc(rest, func(c pricing.Card) bool { return c.Currency != rest[0].Currency })
			if n < 0 {
				n = len(rest)
			}
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// Book returns all rate cards of a currency that are recorded when it is asked for; nil when there are none.
func (h *Handler) Book(ctx context.Context, currency money.Currency) (*pricing.Book, error) {
	for {
		r, first := h.readings.join(currency)
		if first {
			defer close(r.done)
			r.book, r.err = h.readBook(ctx, currency)
			return r.book, r.err
		}
		select {
		case <-r.done:
			if r.err == nil {
				return r.book, nil
			} // it failed with the context of whoever read
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the rate cards of %s: %w", currency, ctx.Err())
		}
	}
}

func (h *Handler) readBook(ctx context.Context, currency money.Currency) (*pricing.Book, error) {
	stream := ratecards.Stream(currency)
	f, release, err := h.rateCards.cache.acquire(ctx, stream)
	h.readings.begin(currency)
	if err != nil {
		return nil, fmt.Errorf("waiting for %s: %w", stream, err)
	}
	defer release()
	if err = h.rateCards.catchUp(ctx, stream, f); err != nil {
		return nil, err
	}
	return f.state.Book(), nil
}

// readings lets all who wait for a currency's cards share one reading. Every message asks, of all accounts with that
// currency: a reading for each would be a queue of round trips to the store.
type readings struct {
	mu   sync.Mutex
	next map[money.Currency]*reading // that has not begun: what was recorded up to now, it will see
}

type reading struct {
	done chan struct{}
	book *pricing.Book
	err  error
}

// join returns the next reading of a currency. Whoever is first has to read.
func (s *readings) join(currency money.Currency) (r *reading, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r = s.next[currency]; r != nil {
		return r, false
	}
	if s.next == nil {
		s.next = map[money.Currency]*reading{}
	}
	r = &reading{done: make(chan struct{})}
	s.next[currency] = r
	return r, true
}

func (s *readings) begin(currency money.Currency) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.next, currency)
}
