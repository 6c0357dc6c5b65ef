package commands

import (
	"context"
	"fmt"
	"time"

	"daybook/domain/account"
	"daybook/domain/template"
	"daybook/events"
	"daybook/events/id"
)

// Holder is an account that is billed through a WABA, and its numbers.
type Holder struct {
	Account id.Account
	Numbers []events.BusinessNumber
}

// WABAHolders returns the accounts that are billed through a WABA, in the order of their claims. A claim counts once its
// account exists.
func (h *Handler) WABAHolders(ctx context.Context, wabaID string) ([]Holder, error) {
	var owners []id.Account
	err := h.wabas.look(ctx, account.WABAStream(wabaID), func(w account.WABA, _ uint64) error {
		owners = w.Owners()
		return nil
	})
	if err != nil {
		return nil, err
	}
	var holders []Holder
	for _, owner := range owners {
		err = h.accounts.look(ctx, account.Stream(owner), func(s account.State, _ uint64) error {
			if s.Exists() {
				holders = append(holders, Holder{owner, s.Numbers()})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return holders, nil
}

// claimWABA claims the WABA for the request's account. Others may hold it, too.
func (h *Handler) claimWABA(ctx context.Context, r request, wabaID string) error {
	_, err := h.wabas.execute(ctx, account.WABAStream(wabaID), r, func(w account.WABA, _ time.Time) ([]events.Event, error) {
		return w.Claim(r.account, wabaID)
	})
	return err
}

// Told is what one update of the platform tells of an account, or of one of its templates.
type Told struct {
	Account  id.Account
	Template *template.Name     // nil: of the account
	Facts    []events.ToldEvent // one or more; a PlatformTold stands alone
}

// stream is where the facts belong.
func (t Told) stream() string {
	if t.Template != nil {
		return template.Stream(template.IDOf(t.Account, *t.Template))
	}
	if _, alone := t.Facts[0].(events.PlatformTold); alone {
		return account.RecordStream(t.Facts[0].Told().FactID)
	}
	return account.Stream(t.Account)
}

// RecordTold records what the platform tells, whether or not the account may do anything itself, and returns the stream
// that it stands in. A repeat records nothing.
func (h *Handler) RecordTold(ctx context.Context, meta Meta, t Told) (stream string, err error) {
	r := newRequest(meta, t.Account, "RecordTold", nil)
	stream = t.stream()
	alone, isAlone := t.Facts[0].(events.PlatformTold)
	switch {
	case t.Template != nil:
		_, err = h.templates.execute(ctx, stream, r, func(s template.State, _ time.Time) ([]events.Event, error) {
			return s.Hear(t.Account, *t.Template, t.Facts)
		})
	case isAlone:
		_, err = h.told.execute(ctx, stream, r, func(s account.Record, _ time.Time) ([]events.Event, error) { return s.Keep(alone) })
	default:
		_, err = h.accounts.execute(ctx, stream, r, func(s account.State, _ time.Time) ([]events.Event, error) { return s.Hear(t.Facts) })
	}
	if err != nil {
		return "", fmt.Errorf("recording what the platform told in %s: %w", stream, err)
	}
	return stream, nil
}
