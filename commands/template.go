package commands

import (
	"context"
	"time"

	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/domain/template"
	"daybook/events"
	"daybook/events/id"
)

// SubmitTemplate enters a template as the business submitted it to the platform. It is sent once the platform approves it.
func (h *Handler) SubmitTemplate(ctx context.Context, meta Meta, owner id.Account, c template.Submit) (id.Template, events.Position, error) {
	if err := h.usable(ctx, owner, nil); err != nil {
		return id.Template{}, events.Start, err
	}
	known := template.IDOf(owner, c.Name)
	r := newRequest(meta, owner, "SubmitTemplate", c)
	at, err := h.templates.execute(ctx, template.Stream(known), r, func(s template.State, _ time.Time) ([]events.Event, error) {
		return s.Submit(owner, c)
	})
	if err != nil {
		return id.Template{}, events.Start, err
	}
	return known, at, nil
}

// template returns what the message's template makes of it at the moment of writing: its category is the template's then.
// A template that nothing is known of leaves the message as it is; one that the platform does not send refuses it.
func (h *Handler) template(ctx context.Context, c conversation.Send) (use func(conversation.Send, time.Time) (conversation.Send, error), err error) {
	var s template.State
	if c.Template != nil {
		known := template.IDOf(c.Account, template.Name{Name: c.Template.Name, Language: c.Template.Language})
		err = h.templates.look(ctx, template.Stream(known), func(now template.State, _ uint64) error {
			s = now
			return nil
		})
	}
	return func(c conversation.Send, now time.Time) (_ conversation.Send, err error) {
		if s.Known() {
			c.Category, err = s.Use(c.Category, now)
		}
		return c, err
	}, err
}

// Commands returns what customers of an account may type after a slash.
func (h *Handler) Commands(ctx context.Context, owner id.Account) (configured []events.CommandConfigured, err error) {
	err = h.accounts.look(ctx, account.Stream(owner), func(s account.State, _ uint64) error {
		configured = s.Commands()
		return nil
	})
	return configured, err
}
