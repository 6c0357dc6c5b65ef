package policies

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"daybook/domain/billing"
	"daybook/domain/pricing"
	"daybook/domain/ratecards"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// library is the rate cards, shared by all shards. A book is never taken back: a store does not forget cards.
type library struct {
	mu      sync.Mutex
	shelves map[money.Currency]*shelf
}

// shelf is one currency.
type shelf struct {
	books books
	file  string // that the newest card is of
	next  uint64 // revision to read next
}

// books has one for each import of a currency, with all cards before it. What is handed out never changes.
type books []dated

type dated struct {
	*pricing.Book

	from events.Position // of the first card of its newest import
}

// at returns the cards that lie at or before a position: so the same fact always meets the same cards.
func (b books) at(position events.Position) *pricing.Book {
	for _, d := range slices.Backward(b) { // mostly the newest
		if d.from <= position {
			return d.Book
		}
	}
	return nil
}

// booksOf returns all cards of a currency that lie before what this reaction was given, at least: what is appended later
// lies after it, so one look at the stream is enough. Where the log shows more of the stream than the stream itself, as
// may happen when several servers answer, that is an error: the stream has to hold least events.
func (r *rater) booksOf(ctx context.Context, currency money.Currency, least uint64) (books, error) {
	r.cards.mu.Lock()
	defer r.cards.mu.Unlock()
	s := r.cards.shelves[currency]
	if s == nil {
		s = &shelf{}
		r.cards.shelves[currency] = s
	}
	if r.stocked[currency] != r.turn {
		if err := s.stock(ctx, r.store, ratecards.Stream(currency)); err != nil {
			return nil, err
		}
		r.stocked[currency] = r.turn
	}
	if s.next < least {
		return nil, fmt.Errorf("%s does not show revision %d yet", ratecards.Stream(currency), least-1)
	}
	return s.books, nil
}

// stock reads the cards that came since the last time.
func (s *shelf) stock(ctx context.Context, store RatingStore, stream string) error {
	for record, err := range store.ReadStream(ctx, stream, s.next) {
		if err != nil {
			return err
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return fmt.Errorf("reading %s revision %d: %w", stream, record.Revision, err)
		}
		card, ok := event.(events.RateCardImported)
		if ok {
			s.add(&card, &record)
		}
		s.file, s.next = card.FileSHA256, record.Revision+1
	}
	return ctx.Err()
}

// add puts a card into the newest book. The cards of one file were recorded together and lie side by side: they are one
// book, from the first on. The newest of them alone may be a part of what is in force, and its market for all others
// would take whom an older one lists.
func (s *shelf) add(card *events.RateCardImported, record *events.Record) {
	book := s.books.at(record.Position).With(*card, events.Ref{Stream: record.Stream, Revision: record.Revision})
	from := record.Position
	if n := len(s.books); n > 0 && s.file != "" && s.file == card.FileSHA256 {
		from, s.books = s.books[n-1].from, slices.Clip(s.books[:n-1])
	}
	s.books = append(s.books, dated{book, from})
}

// awaited is the billing periods that wait, or have waited, for cards of one currency.
type awaited struct {
	streams []string // in order of their RatesAwaited
	known   map[string]struct{}
	next    uint64 // revision to read next
}

// awaitedOf returns the periods that wait for a currency, read forward to the end.
func (r *rater) awaitedOf(ctx context.Context, currency money.Currency) (*awaited, error) {
	a := r.waiting[currency]
	if a == nil {
		a = &awaited{known: map[string]struct{}{}}
		r.waiting[currency] = a
	}
	stream := ratecards.AwaitedStream(currency)
	for record, err := range r.store.ReadStream(ctx, stream, a.next) {
		if err != nil {
			return nil, err
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return nil, fmt.Errorf("reading %s revision %d: %w", stream, record.Revision, err)
		}
		if e, ok := event.(events.RatesAwaited); ok {
			a.add(e.Stream)
		}
		a.next = record.Revision + 1
	}
	return a, ctx.Err()
}

func (a *awaited) add(stream string) {
	if _, known := a.known[stream]; !known {
		a.known[stream] = struct{}{}
		a.streams = append(a.streams, stream)
	}
}

// await makes sure that a card of a currency which is imported from now on finds the period, before something is pending
// there for want of it.
func (w *writing) await(ctx context.Context, currency money.Currency, cause *Input) error {
	if a := w.waiting[currency]; a != nil {
		if _, known := a.known[w.period.stream]; known {
			return nil
		}
	}
	for conflicts := 1; ; conflicts++ {
		a, err := w.awaitedOf(ctx, currency)
		if err != nil {
			return err
		}
		if _, known := a.known[w.period.stream]; known {
			return nil
		}
		asked, err := events.Encode(id.Derive[id.Event]("RatesAwaited", string(currency), w.period.stream),
			events.RatesAwaited{Currency: currency, Stream: w.period.stream}, w.envelope(w.portfolio, w.now, cause))
		if err != nil {
			return err
		}
		_, err = w.store.Append(ctx, ratecards.AwaitedStream(currency), events.Expected(a.next)-1, []events.Proposed{asked})
		if err != nil && (!lostRace(err) || conflicts == ratingConflicts) {
			return err
		}
	}
}

// apply prices, with a new card, what waits for cards of its currency in the periods of this shard.
func (r *rater) apply(ctx context.Context, card *Input, currency money.Currency) error {
	cards, err := r.booksOf(ctx, currency, card.Revision+1)
	if err != nil {
		return err
	}
	book := cards.at(card.Position)
	a, err := r.awaitedOf(ctx, currency)
	if err != nil {
		return err
	}
	for _, stream := range a.streams {
		portfolio, ok := billing.Portfolio(stream)
		if !ok {
			return fmt.Errorf("%s names %q, which is no billing period", ratecards.AwaitedStream(currency), stream)
		}
		if ratingShard(portfolio) != r.shard {
			continue
		}
		if err := r.insist(ctx, stream, func() error { return r.price(ctx, stream, portfolio, currency, book, card) }); err != nil {
			return fmt.Errorf("in %s: %w", stream, err)
		}
	}
	return nil
}

// price prices what is pending in one period. Only the last append says that the card was rated: after a crash between
// two, the rest is priced as well. When nothing can be priced, nothing is appended, and nothing will be the next time.
//
// What no card can price, for want of a market or a policy, keeps its place in the period: each later card of the
// currency reads from there on again. Both are rare.
func (r *rater) price(
	ctx context.Context, stream string, portfolio id.Account, currency money.Currency, book *pricing.Book, card *Input,
) error {
	p, err := r.open(ctx, stream, true)
	if err != nil {
		return err
	}
	since, waiting := p.state.Pending()
	if !waiting || card.Position <= p.passed {
		return nil
	}
	open, err := r.openSince(ctx, stream, since, currency)
	if err != nil {
		return err
	}
	w := &writing{rater: r, period: p, portfolio: portfolio, now: r.now().UTC().Round(0)}
	w.failed = w.resolve(ctx, open, since, book, card)
	return w.finish()
}

// resolve prices those of the open ChargePendings, the oldest at since, for which the book has a rate.
func (w *writing) resolve(
	ctx context.Context, open map[uint64]struct{}, since uint64, book *pricing.Book, card *Input,
) error {
	before := w.period.state.Source()
	for record, err := range w.store.ReadStream(ctx, w.period.stream, since) {
		if err != nil {
			return err
		}
		if _, unresolved := open[record.Revision]; !unresolved {
			continue
		}
		event, envelope, err := events.DecodeRecord(record)
		if err != nil {
			return fmt.Errorf("reading revision %d: %w", record.Revision, err)
		}
		_, terms, err := w.termsAt(ctx, envelope.Account, card.Position)
		if err != nil {
			return err
		}
		held, _ := billing.RatedBy(event, events.Ref{Stream: w.period.stream, Revision: record.Revision})
		resolved := w.period.state.Resolve(book, *terms, held, held.Delivery)
		if _, still := resolved.(events.ChargePending); still {
			continue
		}
		if _, err = w.add(ctx, resolved, envelope.Account, card, before); err != nil {
			return err
		}
	}
	w.source = refOf(card)
	return w.flush(ctx)
}

// openSince returns the revisions, from one on, of the ChargePendings of a currency that nothing has resolved.
func (r *rater) openSince(ctx context.Context, stream string, since uint64, currency money.Currency) (map[uint64]struct{}, error) {
	open := map[uint64]struct{}{}
	for record, err := range r.store.ReadStream(ctx, stream, since) {
		if err != nil {
			return nil, err
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return nil, fmt.Errorf("reading revision %d: %w", record.Revision, err)
		}
		var held *events.Ref
		switch e := event.(type) {
		case events.MessageCharged:
			held = e.Held
		case events.ChargeAdjusted:
			held = e.Held
		case events.ChargePending:
			held = e.Held
			if e.Currency == currency {
				open[record.Revision] = struct{}{}
			}
		}
		if held != nil {
			delete(open, held.Revision)
		}
	}
	return open, nil
}
