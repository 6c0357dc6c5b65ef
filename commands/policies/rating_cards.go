package policies

import (
	"context"
	"errors"
	"fmt"

	"daybook/domain/billing"
	"daybook/domain/pricing"
	"daybook/domain/ratecards"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// shelf is the cards of one currency, as far as they lie before what is being rated.
type shelf struct {
	book  *pricing.Book
	last  events.Position // of the newest card in the book
	ahead []shelved       // later cards
	next  uint64          // revision to read next
	turn  int             // in which the stream was read last
}

type shelved struct {
	card events.RateCardImported
	at   events.Ref
	in   events.Position
}

// book returns the cards that lie at or before a position: so the same fact always meets the same cards. What a
// reaction was given lies before anything that is appended later, so one look at the stream in each is enough.
func (r *rater) book(ctx context.Context, currency money.Currency, at events.Position) (*pricing.Book, error) {
	s := r.books[currency]
	if s == nil || at < s.last {
		s = &shelf{}
		r.books[currency] = s
	}
	if s.turn != r.turn {
		if err := r.stock(ctx, s, ratecards.Stream(currency)); err != nil {
			return nil, err
		}
	}
	for len(s.ahead) > 0 && s.ahead[0].in <= at {
		s.book, s.last = s.book.With(s.ahead[0].card, s.ahead[0].at), s.ahead[0].in
		s.ahead = s.ahead[1:]
	}
	return s.book, nil
}

func (r *rater) stock(ctx context.Context, s *shelf, stream string) error {
	for record, err := range r.store.ReadStream(ctx, stream, s.next) {
		if err != nil {
			return err
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return fmt.Errorf("reading %s revision %d: %w", stream, record.Revision, err)
		}
		if card, ok := event.(events.RateCardImported); ok {
			s.ahead = append(s.ahead, shelved{card, events.Ref{Stream: stream, Revision: record.Revision}, record.Position})
		}
		s.next = record.Revision + 1
	}
	s.turn = r.turn
	return ctx.Err()
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

// await makes sure that a card which is imported from now on finds the period, before something is pending there.
func (r *rater) await(ctx context.Context, p *period, g *group, cause *Input) error {
	if _, waiting := p.state.Pending(); waiting {
		return nil
	}
	currency := g.terms.Currency
	for conflicts := 1; ; conflicts++ {
		a, err := r.awaitedOf(ctx, currency)
		if err != nil {
			return err
		}
		if _, known := a.known[p.stream]; known {
			return nil
		}
		w := r.write(p, g.account)
		asked, err := events.Encode(id.Derive[id.Event]("RatesAwaited", string(currency), p.stream),
			events.RatesAwaited{Currency: currency, Stream: p.stream}, w.envelope(w.now, cause))
		if err != nil {
			return err
		}
		_, err = r.store.Append(ctx, ratecards.AwaitedStream(currency), events.Expected(a.next)-1, []events.Proposed{asked})
		var wrong *events.WrongRevisionError
		if err != nil && (!errors.As(err, &wrong) || conflicts == ratingConflicts) {
			return err
		}
	}
}

// apply prices, with a new card, what waits for cards of its currency in the periods of this shard.
func (r *rater) apply(ctx context.Context, card *Input, currency money.Currency) error {
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
		if err := r.insist(ctx, stream, func() error { return r.price(ctx, stream, portfolio, card) }); err != nil {
			return fmt.Errorf("in %s: %w", stream, err)
		}
	}
	return nil
}

// price prices what is pending in one period. Only the last append says that the card was rated: after a crash between
// two, the rest is priced as well. When nothing can be priced, nothing is appended, and nothing will be the next time.
func (r *rater) price(ctx context.Context, stream string, portfolio id.Account, card *Input) error {
	p, err := r.open(ctx, stream, true)
	if err != nil {
		return err
	}
	since, waiting := p.state.Pending()
	if !waiting || card.Position <= p.passed {
		return nil
	}
	terms, err := r.termsOf(ctx, portfolio)
	if err != nil {
		return err
	}
	book, err := r.book(ctx, terms.Currency, card.Position)
	if err != nil {
		return err
	}
	open, err := r.openSince(ctx, stream, since)
	if err != nil {
		return err
	}
	w := r.write(p, portfolio)
	defer w.abandon()
	before := p.state.Source()
	for record, err := range r.store.ReadStream(ctx, stream, since) {
		if err != nil {
			return err
		}
		if _, unresolved := open[record.Revision]; !unresolved {
			continue
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return fmt.Errorf("reading revision %d: %w", record.Revision, err)
		}
		pending, _ := event.(events.ChargePending)
		at := events.Ref{Stream: stream, Revision: record.Revision}
		charged, priced := p.state.Rate(book, terms, pending.Delivery, &at).(events.MessageCharged)
		if !priced {
			continue
		}
		if err := w.add(ctx, charged, card, before); err != nil {
			return err
		}
	}
	w.source = refOf(card)
	return w.close(ctx)
}

// openSince returns the revisions, from one on, of the ChargePendings that nothing has resolved.
func (r *rater) openSince(ctx context.Context, stream string, since uint64) (map[uint64]struct{}, error) {
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
		case events.ChargePending:
			held = e.Held
			open[record.Revision] = struct{}{}
		}
		if held != nil {
			delete(open, held.Revision)
		}
	}
	return open, nil
}
