package policies

import (
	"context"
	"fmt"
	"slices"

	"daybook/domain/account"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
)

// tenant is what is known of an account: its portfolio, which never changes, and its terms, of which some do.
type tenant struct {
	portfolio id.Account
	terms     []termsFrom
	next      uint64 // revision to read next
	turn      int    // in which the stream was last read to its end
}

// termsFrom is the terms from an event on.
type termsFrom struct {
	pricing.Terms

	from events.Position
}

// at returns the terms of a position: so the same fact always meets the same terms.
func (t *tenant) at(position events.Position) *pricing.Terms {
	for i := len(t.terms) - 1; i > 0; i-- { // mostly the newest
		if t.terms[i].from <= position {
			return &t.terms[i].Terms
		}
	}
	return &t.terms[0].Terms
}

// termsAt returns an account's portfolio, and its terms as of a position. What is appended later than this reaction's
// inputs lies after them, so one look at the stream is enough.
func (r *rater) termsAt(ctx context.Context, owner id.Account, position events.Position) (id.Account, *pricing.Terms, error) {
	t, _ := r.tenants.Get(owner)
	if t == nil {
		t = &tenant{portfolio: owner}
		r.tenants.Add(owner, t)
	}
	if t.turn != r.turn {
		if err := t.read(ctx, r.store, owner); err != nil {
			return id.Account{}, nil, err
		}
		t.turn = r.turn
	}
	return t.portfolio, t.at(position), nil
}

// read reads what came since the last time.
func (t *tenant) read(ctx context.Context, store RatingStore, owner id.Account) error {
	stream := account.Stream(owner)
	for record, err := range store.ReadStream(ctx, stream, t.next) {
		if err != nil {
			return err
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return fmt.Errorf("reading %s revision %d: %w", stream, record.Revision, err)
		}
		if err = t.learn(event, record.Position); err != nil {
			return err
		}
		t.next = record.Revision + 1
	}
	if len(t.terms) == 0 {
		return fmt.Errorf("account %s is not registered", owner)
	}
	return ctx.Err()
}

func (t *tenant) learn(event events.Event, at events.Position) error {
	var known pricing.Terms
	switch e := event.(type) {
	case events.AccountRegistered:
		t.portfolio = portfolioOf(&e)
	case events.AuthInternationalPriceSet, events.PrimaryLocationChanged:
	default:
		return nil
	}
	if n := len(t.terms); n > 0 {
		known = t.terms[n-1].Terms
	}
	terms, err := known.After(event)
	t.terms = append(slices.Clip(t.terms), termsFrom{terms, at}) // tasks hold pointers into the old ones
	return err
}

func portfolioOf(e *events.AccountRegistered) id.Account {
	if e.PortfolioID.IsZero() {
		return e.AccountID
	}
	return e.PortfolioID
}

// portfolioOf reads whose billing periods an account's deliveries belong to.
func (r *rating) portfolioOf(ctx context.Context, owner id.Account) (id.Account, error) {
	if portfolio, known := r.owners.Get(owner); known {
		return portfolio, nil
	}
	for record, err := range r.store.ReadStream(ctx, account.Stream(owner), 0) {
		if err != nil {
			return id.Account{}, err
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return id.Account{}, fmt.Errorf("reading %s revision %d: %w", record.Stream, record.Revision, err)
		}
		if e, ok := event.(events.AccountRegistered); ok {
			r.owners.Add(owner, portfolioOf(&e))
			return portfolioOf(&e), nil
		}
	}
	return id.Account{}, fmt.Errorf("account %s is not registered", owner)
}
