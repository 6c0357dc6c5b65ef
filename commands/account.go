package commands

import (
	"context"
	"time"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

// RegisterAccount opens an account and claims its business numbers and its WABA. The account's id follows from the command's id, so
// a repeat gives the same one. A number that another account holds is refused as NumberTaken; claims made before a
// refusal hold nobody up, because an account that does not exist keeps no number.
func (h *Handler) RegisterAccount(ctx context.Context, meta Meta, c account.Register) (id.Account, events.Position, error) {
	r := newRequest(meta, id.Account{}, "RegisterAccount", c)
	r.account = id.Derive[id.Account]("account", r.Command.String())
	register := func(s account.State, _ time.Time) ([]events.Event, error) { return s.Register(r.account, c) }

	if err := h.accounts.rehearse(ctx, account.Stream(r.account), r, register); err != nil {
		return id.Account{}, events.Start, err // a bad command claims no number
	}
	if err := h.claimAll(ctx, r, c.Numbers); err != nil {
		return id.Account{}, events.Start, err
	}
	if err := h.claimWABA(ctx, r.step(), c.WABAID); err != nil {
		return id.Account{}, events.Start, err
	}
	at, err := h.accounts.execute(ctx, account.Stream(r.account), r, register)
	if err != nil {
		return id.Account{}, events.Start, err
	}
	// While the account did not exist, another registration may have taken its claims over. Then that one has the
	// numbers, and this account is of no use: it is told so now and whenever it tries to send.
	if err = h.claimAll(ctx, r, c.Numbers); err != nil {
		return id.Account{}, events.Start, err
	}
	return r.account, at, nil
}

func (h *Handler) claimAll(ctx context.Context, r request, numbers []events.BusinessNumber) error {
	for _, number := range numbers {
		if err := h.claim(ctx, r.step(), number.PhoneNumberID); err != nil {
			return err
		}
	}
	return nil
}

// claim takes a number for the request's account.
func (h *Handler) claim(ctx context.Context, r request, phoneNumberID string) error {
	holder, err := h.holder(ctx, phoneNumberID)
	if err != nil {
		return err
	}
	abandoned := id.Account{}
	if !holder.IsZero() && holder != r.account {
		exists, err := h.exists(ctx, holder)
		if err != nil {
			return err
		}
		if !exists {
			abandoned = holder
		}
	}
	if err = h.claimFor(ctx, r, r.account, phoneNumberID, abandoned); err != nil || abandoned.IsZero() {
		return err
	}
	// The holder may have come to exist between the look and the claim. It writes its account after its claim, and we
	// read its account after ours: so one of us sees the other, and the one who exists keeps the number.
	exists, err := h.exists(ctx, abandoned)
	if err != nil || !exists {
		return err
	}
	if err = h.claimFor(ctx, r.step(), abandoned, phoneNumberID, r.account); err != nil {
		return err
	}
	return numberTaken(phoneNumberID)
}

func (h *Handler) claimFor(ctx context.Context, r request, owner id.Account, phoneNumberID string, abandoned id.Account) error {
	_, err := h.numbers.execute(ctx, account.NumberStream(phoneNumberID), r,
		func(n account.Number, _ time.Time) ([]events.Event, error) {
			return n.Claim(owner, phoneNumberID, abandoned)
		})
	return err
}

// holder returns whose claim on a number is the last; zero when there is none.
func (h *Handler) holder(ctx context.Context, phoneNumberID string) (holder id.Account, err error) {
	err = h.numbers.look(ctx, account.NumberStream(phoneNumberID), func(n account.Number, _ uint64) error {
		holder = n.Owner()
		return nil
	})
	return holder, err
}

func (h *Handler) exists(ctx context.Context, owner id.Account) (exists bool, err error) {
	err = h.accounts.look(ctx, account.Stream(owner), func(s account.State, _ uint64) error {
		exists = s.Exists()
		return nil
	})
	return exists, err
}

// NumberOwner returns the account that a business number belongs to. A claim counts once its account exists; from then
// on it never changes hands, so a positive answer is remembered.
func (h *Handler) NumberOwner(ctx context.Context, phoneNumberID string) (owner id.Account, found bool, err error) {
	if known, ok := h.owners.Load(phoneNumberID); ok {
		owner, found = known.(id.Account)
		return owner, found, nil
	}
	if owner, err = h.holder(ctx, phoneNumberID); err != nil || owner.IsZero() {
		return id.Account{}, false, err
	}
	if found, err = h.exists(ctx, owner); err != nil || !found {
		return id.Account{}, false, err
	}
	h.owners.Store(phoneNumberID, owner)
	return owner, true, nil
}

// AcceptTerms records consent to terms of service and privacy policy, by version. Nothing else is possible before.
func (h *Handler) AcceptTerms(ctx context.Context, meta Meta, owner id.Account, termsVersion, privacyVersion string) (events.Position, error) {
	r := newRequest(meta, owner, "AcceptTerms", []string{termsVersion, privacyVersion})
	return h.onAccount(ctx, r, func(s account.State, now time.Time) ([]events.Event, error) {
		return s.AcceptTerms(termsVersion, privacyVersion, now)
	})
}

// UpdateProfile replaces the public profile.
func (h *Handler) UpdateProfile(ctx context.Context, meta Meta, owner id.Account, profile account.Profile) (events.Position, error) {
	r := newRequest(meta, owner, "UpdateProfile", profile)
	return h.onAccount(ctx, r, func(s account.State, _ time.Time) ([]events.Event, error) { return s.UpdateProfile(profile) })
}

// ChangePhoto names the new profile photo by the SHA-256 of its bytes, in hex; empty removes it.
func (h *Handler) ChangePhoto(ctx context.Context, meta Meta, owner id.Account, mediaSHA256 string) (events.Position, error) {
	r := newRequest(meta, owner, "ChangePhoto", mediaSHA256)
	return h.onAccount(ctx, r, func(s account.State, _ time.Time) ([]events.Event, error) { return s.ChangePhoto(mediaSHA256) })
}

// SubscribePremium raises the device limits from an instant on; zero means now.
func (h *Handler) SubscribePremium(ctx context.Context, meta Meta, owner id.Account, validFrom time.Time) (events.Position, error) {
	r := newRequest(meta, owner, "SubscribePremium", validFrom.UTC())
	return h.onAccount(ctx, r, func(s account.State, now time.Time) ([]events.Event, error) {
		return s.SubscribePremium(orNow(validFrom, now))
	})
}

// CancelPremium returns the account to the standard limits at an instant; zero means now. No device is unlinked by it.
func (h *Handler) CancelPremium(ctx context.Context, meta Meta, owner id.Account, effectiveAt time.Time) (events.Position, error) {
	r := newRequest(meta, owner, "CancelPremium", effectiveAt.UTC())
	return h.onAccount(ctx, r, func(s account.State, now time.Time) ([]events.Event, error) {
		return s.CancelPremium(orNow(effectiveAt, now))
	})
}

// onAccount decides on the account that the request is about, as it stands under the current terms.
func (h *Handler) onAccount(ctx context.Context, r request, decide decision[account.State]) (events.Position, error) {
	current, err := h.currentTerms(ctx)
	if err != nil {
		return events.Start, err
	}
	return h.accounts.execute(ctx, account.Stream(r.account), r, func(s account.State, now time.Time) ([]events.Event, error) {
		return decide(s.Under(current), now)
	})
}

func orNow(at, now time.Time) time.Time {
	if at.IsZero() {
		return now
	}
	return at.UTC()
}

func numberTaken(phoneNumberID string) error {
	return domain.Refuse("NumberTaken", "business number %s belongs to another account", phoneNumberID)
}
