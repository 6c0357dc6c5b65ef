package policies

import (
	"context"
	"fmt"

	"daybook/domain/billing"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// settledAtOnce bounds how many charges are held in memory to be adjusted: some tens of megabytes.
const settledAtOnce = 1 << 15

// close gives all charges of a period the tiers and allowances of the order of delivery. Only the last append says that
// the request was met: after a crash before it, what is not adjusted yet is. When nothing came since the period was
// closed, nothing is appended, and nothing will be the next time.
func (r *rater) close(ctx context.Context, in *Input, request *events.PeriodClosingRequested) error {
	stream := billing.Stream(request.Portfolio, request.Month)
	return r.insist(ctx, stream, func() error {
		p, err := r.open(ctx, stream, true)
		if err != nil {
			return err
		}
		if in.Position <= p.passed || p.state.Closed() {
			return nil
		}
		w := &writing{rater: r, period: p, portfolio: request.Portfolio, now: r.now().UTC().Round(0), settling: true}
		w.failed = w.settle(ctx, in, request)
		return w.finish()
	})
}

func (w *writing) settle(ctx context.Context, in *Input, request *events.PeriodClosingRequested) error {
	books, err := w.booksAt(ctx, in.Position)
	if err != nil {
		return err
	}
	s, err := w.survey(ctx, books)
	if err != nil {
		return err
	}
	adjusted := s.Adjusted()
	for more := true; more; {
		var found []billing.Misplaced
		if found, more, err = w.misplaced(ctx, s, books); err != nil {
			return err
		}
		n, err := w.adjust(ctx, in, found, books)
		if err != nil {
			return err
		}
		adjusted += n
	}
	return w.closed(ctx, in, events.PeriodClosed{
		Portfolio: request.Portfolio, Month: request.Month, ClosedAt: w.now, Lines: w.period.state.Lines(), Adjusted: adjusted,
	})
}

// booksAt returns the rate cards, as of a position, of all currencies of the period.
func (w *writing) booksAt(ctx context.Context, position events.Position) (map[money.Currency]*pricing.Book, error) {
	books := map[money.Currency]*pricing.Book{}
	for _, currency := range w.period.state.Currencies() {
		all, err := w.booksOf(ctx, currency, 0)
		if err != nil {
			return nil, err
		}
		books[currency] = all.at(position)
	}
	return books, nil
}

// survey finds where in the order of delivery prices change.
func (w *writing) survey(ctx context.Context, books map[money.Currency]*pricing.Book) (*billing.Settling, error) {
	s := billing.NewSettling(func(c events.Charge) []int64 { return pricing.Borders(books[c.Amount.Currency], &c) }, settledAtOnce)
	err := w.each(ctx, func(event events.Event, _ *events.Envelope, _ events.Ref) { s.Survey(event) })
	if err != nil {
		return nil, err
	}
	s.Locate()
	err = w.each(ctx, func(event events.Event, _ *events.Envelope, _ events.Ref) { s.Collect(event) })
	if err != nil {
		return nil, err
	}
	s.Draw()
	return s, nil
}

// misplaced finds charges that have not the price of their place, and whether there may be more of them.
func (w *writing) misplaced(
	ctx context.Context, s *billing.Settling, books map[money.Currency]*pricing.Book,
) ([]billing.Misplaced, bool, error) {
	wrong := s.Wrong(func(r *billing.Rated, from int64) bool {
		return pricing.Settled(books[r.Charge.Amount.Currency], &r.Delivery, &r.Charge, from)
	})
	err := w.each(ctx, func(event events.Event, envelope *events.Envelope, at events.Ref) {
		wrong.See(event, envelope.Account, at)
	})
	found, more := wrong.Found()
	return found, more, err
}

// adjust gives misplaced charges their prices, and waits until that is recorded. It counts those that still have one.
func (w *writing) adjust(
	ctx context.Context, in *Input, found []billing.Misplaced, books map[money.Currency]*pricing.Book,
) (adjusted int64, err error) {
	before := w.period.state.Source()
	for _, m := range found {
		_, terms, err := w.termsAt(ctx, m.Account, in.Position)
		if err != nil {
			return adjusted, err
		}
		event := w.period.state.Settle(books[terms.Currency], *terms, m)
		if _, unpriced := event.(events.ChargePending); !unpriced {
			adjusted++
		} else if err = w.await(ctx, terms.Currency, in); err != nil {
			return adjusted, err
		}
		if _, err = w.add(ctx, event, m.Account, in, before); err != nil {
			return adjusted, err
		}
	}
	if err = w.flush(ctx); err != nil {
		return adjusted, err
	}
	return adjusted, w.wait()
}

// closed says that everything is settled.
func (w *writing) closed(ctx context.Context, in *Input, event events.PeriodClosed) error {
	proposed, err := events.Encode(id.Event{}, event, w.envelope(w.portfolio, w.now, in))
	if err != nil {
		return err
	}
	w.put(event, proposed, in)
	w.cause, w.source = in, refOf(in)
	return w.flush(ctx)
}

// each shows the period's events, as far as they are known here.
func (w *writing) each(ctx context.Context, show func(event events.Event, envelope *events.Envelope, at events.Ref)) error {
	end := w.period.state.Next()
	if end == 0 {
		return nil
	}
	for record, err := range w.store.ReadStream(ctx, w.period.stream, 0) {
		if err != nil {
			return err
		}
		if record.Revision == end {
			break
		}
		event, envelope, err := events.DecodeRecord(record)
		if err != nil {
			return fmt.Errorf("reading revision %d: %w", record.Revision, err)
		}
		show(event, &envelope, events.Ref{Stream: w.period.stream, Revision: record.Revision})
	}
	return ctx.Err()
}
