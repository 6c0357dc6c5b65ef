package commands

import (
	"context"
	"time"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

// Account shows an account as it is now, under the current terms. The error is AccountUnknown when it was never registered.
func (h *Handler) Account(ctx context.Context, owner id.Account, show func(account.State)) error {
	current, err := h.currentTerms(ctx)
	if err != nil {
		return err
	}
	return h.accounts.look(ctx, account.Stream(owner), func(s account.State, _ uint64) error {
		if !s.Exists() {
			return domain.Missing("AccountUnknown", "there is no such account")
		}
		show(s.Under(current))
		return nil
	})
}

// RequestVerification asks to confirm the business.
func (h *Handler) RequestVerification(ctx context.Context, meta Meta, owner id.Account) (events.Position, error) {
	r := newRequest(meta, owner, "RequestVerification", []string{})
	return h.onAccount(ctx, r, func(s account.State, _ time.Time) ([]events.Event, error) { return s.RequestVerification() })
}

// DecideVerification answers a request, or takes a verification back.
func (h *Handler) DecideVerification(ctx context.Context, meta Meta, owner id.Account, verdict account.Verdict) (events.Position, error) {
	r := newRequest(meta, owner, "DecideVerification", verdict)
	return h.onAccount(ctx, r, func(s account.State, _ time.Time) ([]events.Event, error) { return s.DecideVerification(verdict) })
}

// ChangeFeature opens a feature to the account, or closes it.
func (h *Handler) ChangeFeature(ctx context.Context, meta Meta, owner id.Account, feature events.Feature, enabled bool) (events.Position, error) {
	r := newRequest(meta, owner, "ChangeFeature", []any{feature, enabled})
	return h.onAccount(ctx, r, func(s account.State, _ time.Time) ([]events.Event, error) { return s.ChangeFeature(feature, enabled) })
}

// ConfigureCommand adds a command that customers may type, or replaces it.
func (h *Handler) ConfigureCommand(ctx context.Context, meta Meta, owner id.Account, c account.Command) (events.Position, error) {
	r := newRequest(meta, owner, "ConfigureCommand", c)
	return h.onAccount(ctx, r, func(s account.State, _ time.Time) ([]events.Event, error) { return s.ConfigureCommand(c) })
}

// RemoveCommand ends a command.
func (h *Handler) RemoveCommand(ctx context.Context, meta Meta, owner id.Account, name string) (events.Position, error) {
	r := newRequest(meta, owner, "RemoveCommand", name)
	return h.onAccount(ctx, r, func(s account.State, _ time.Time) ([]events.Event, error) { return s.RemoveCommand(name) })
}

// ConfigureAutoReply says what is answered to a trigger.
func (h *Handler) ConfigureAutoReply(ctx context.Context, meta Meta, owner id.Account, trigger events.AutoTrigger, texts []events.LocalizedReply) (events.Position, error) {
	r := newRequest(meta, owner, "ConfigureAutoReply", []any{trigger, texts})
	return h.onAccount(ctx, r, func(s account.State, _ time.Time) ([]events.Event, error) {
		return s.ConfigureAutoReply(trigger, texts)
	})
}

// RemoveAutoReply ends an automatic reply.
func (h *Handler) RemoveAutoReply(ctx context.Context, meta Meta, owner id.Account, trigger events.AutoTrigger) (events.Position, error) {
	r := newRequest(meta, owner, "RemoveAutoReply", trigger)
	return h.onAccount(ctx, r, func(s account.State, _ time.Time) ([]events.Event, error) { return s.RemoveAutoReply(trigger) })
}

// PublishNotice tells all businesses something, from the platform's own account. The notice's id follows from the
// command's id, so a repeat gives the same one.
func (h *Handler) PublishNotice(ctx context.Context, meta Meta, owner id.Account, texts []events.LocalizedReply) (id.Message, events.Position, error) {
	r := newRequest(meta, owner, "PublishNotice", texts)
	notice := id.Derive[id.Message]("notice", r.Command.String())
	var published []events.Event
	err := h.usable(ctx, owner, func(s account.State) (err error) {
		published, err = s.Notice(notice, texts)
		return err
	})
	if err != nil {
		return id.Message{}, events.Start, err
	}
	at, err := h.notices.execute(ctx, account.NoticesStream, r, func(account.Notices, time.Time) ([]events.Event, error) { return published, nil })
	if err != nil {
		return id.Message{}, events.Start, err
	}
	return notice, at, nil
}

// Notices returns what the platform told all businesses last, the newest at the end.
func (h *Handler) Notices(ctx context.Context) (shown []events.PlatformNoticePublished, err error) {
	err = h.notices.look(ctx, account.NoticesStream, func(n account.Notices, _ uint64) error {
		shown = n.Shown()
		return nil
	})
	return shown, err
}

// SuspendAccount stops all sending of an account, as the operator of the installation.
func (h *Handler) SuspendAccount(ctx context.Context, meta Meta, owner id.Account) (events.Position, error) {
	return h.onAccount(ctx, newRequest(meta, owner, "SuspendAccount", []string{}), account.State.Suspend)
}

// ReinstateAccount ends the operator's suspension.
func (h *Handler) ReinstateAccount(ctx context.Context, meta Meta, owner id.Account) (events.Position, error) {
	return h.onAccount(ctx, newRequest(meta, owner, "ReinstateAccount", []string{}), account.State.Reinstate)
}
