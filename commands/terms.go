package commands

import (
	"context"
	"time"

	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

// termsAge is how long published terms are remembered. Every command of every account asks for them; other processes
// publish, too, and are heard this much later.
const termsAge = 10 * time.Second

// knownTerms is the terms as they were read at an instant.
type knownTerms struct {
	terms account.Terms
	at    time.Time
}

// PublishTerms makes versions of terms of service and privacy policy the current ones. Accounts that have not accepted them
// can do nothing else first: at once in this process, within seconds in others.
func (h *Handler) PublishTerms(ctx context.Context, meta Meta, next account.Terms) (events.Position, error) {
	r := newRequest(meta, id.Account{}, "PublishTerms", next)
	at, err := h.terms.execute(ctx, account.TermsStream, r, func(t account.Terms, _ time.Time) ([]events.Event, error) {
		return t.Publish(next)
	})
	h.knownTerms.Store(nil)
	return at, err
}

// currentTerms returns what was published last; zero when nothing was.
func (h *Handler) currentTerms(ctx context.Context) (account.Terms, error) {
	now := h.now()
	if known := h.knownTerms.Load(); known != nil && now.Sub(known.at).Abs() < termsAge {
		return known.terms, nil
	}
	known := knownTerms{at: now}
	err := h.terms.look(ctx, account.TermsStream, func(t account.Terms, _ uint64) error {
		known.terms = t
		return nil
	})
	if err == nil {
		h.knownTerms.Store(&known)
	}
	return known.terms, err
}
