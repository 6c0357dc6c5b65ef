package commands

import (
	"context"
	"time"

	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// SetConsent records what a customer said of the messages of a category. An empty PhoneNumberID means the account's first
// number, here as in the commands below.
func (h *Handler) SetConsent(ctx context.Context, meta Meta, c conversation.Consent) (events.Position, error) {
	r := newRequest(meta, c.Account, "SetConsent", c)
	return h.ofCustomer(ctx, r, c.PhoneNumberID, c.CustomerID, func(s conversation.State, number string, now time.Time) ([]events.Event, error) {
		c.PhoneNumberID = number
		return s.Consent(c, now)
	})
}

// SetVolume records how much a customer wants to receive, and of what.
func (h *Handler) SetVolume(ctx context.Context, meta Meta, c conversation.SetVolume) (events.Position, error) {
	r := newRequest(meta, c.Account, "SetVolume", c)
	return h.ofCustomer(ctx, r, c.PhoneNumberID, c.CustomerID, func(s conversation.State, number string, now time.Time) ([]events.Event, error) {
		c.PhoneNumberID = number
		return s.SetVolume(c, now)
	})
}

// SetBlock records that a customer blocks the business number, or no longer does.
func (h *Handler) SetBlock(ctx context.Context, meta Meta, c conversation.SetBlock) (events.Position, error) {
	r := newRequest(meta, c.Account, "SetBlock", c)
	return h.ofCustomer(ctx, r, c.PhoneNumberID, c.CustomerID, func(s conversation.State, number string, now time.Time) ([]events.Event, error) {
		c.PhoneNumberID = number
		return s.SetBlock(c, now)
	})
}

// ReportSpam records that a customer reports a message, or the business.
func (h *Handler) ReportSpam(ctx context.Context, meta Meta, c conversation.ReportSpam) (events.Position, error) {
	r := newRequest(meta, c.Account, "ReportSpam", c)
	return h.ofCustomer(ctx, r, c.PhoneNumberID, c.CustomerID, func(s conversation.State, number string, now time.Time) ([]events.Event, error) {
		c.PhoneNumberID = number
		return s.ReportSpam(c, now)
	})
}

// Wants returns what a customer has said so far of the messages of one of the account's numbers.
func (h *Handler) Wants(ctx context.Context, owner id.Account, wanted string, customer id.Customer) (said events.Consent, err error) {
	number, err := h.numberOf(ctx, owner, wanted)
	if err != nil {
		return events.Consent{}, err
	}
	err = h.conversations.look(ctx, conversation.Stream(conversation.IDOf(number, customer)), func(s conversation.State, _ uint64) error {
		said = s.Wants()
		return nil
	})
	return said, err
}

// ofCustomer decides on the conversation of a customer and one of the account's numbers. Customers may say what they want
// whatever the account may do.
func (h *Handler) ofCustomer(
	ctx context.Context, r request, wanted string, customer id.Customer,
	decide func(s conversation.State, number string, now time.Time) ([]events.Event, error),
) (events.Position, error) {
	number, err := h.numberOf(ctx, r.account, wanted)
	if err != nil {
		return events.Start, err
	}
	stream := conversation.Stream(conversation.IDOf(number, customer))
	return h.conversations.execute(ctx, stream, r, func(s conversation.State, now time.Time) ([]events.Event, error) {
		return decide(s, number, now)
	})
}

// numberOf finds a number that the account holds, whatever the account may do.
func (h *Handler) numberOf(ctx context.Context, owner id.Account, wanted string) (number string, err error) {
	err = h.accounts.look(ctx, account.Stream(owner), func(s account.State, _ uint64) (err error) {
		number, err = s.Number(wanted)
		return err
	})
	if err == nil {
		err = h.holds(ctx, owner, number)
	}
	return number, err
}
