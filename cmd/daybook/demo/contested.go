package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
)

// showContested prints what the owner sees when a customer complains: who wrote it, what became of it, what it cost and
// why, and the trail of the conversation.
func (p *player) showContested(ctx context.Context) error {
	info, err := p.API.MessageInfo(ctx, p.contested.id, client.WaitFor(p.last))
	if err != nil {
		return fmt.Errorf("reading the contested message's info: %w", err)
	}
	if info.Device == nil || info.Device.NameAtSend != "iPhone Mario" || info.Device.NameNow != "iPhone Banco" {
		return fmt.Errorf("the contested message shows the device %+v, not iPhone Mario, now iPhone Banco", info.Device)
	}
	charge, err := chargeOf(info)
	if err != nil {
		return fmt.Errorf("the contested message: %w", err)
	}
	fmt.Fprintf(p.Out, "The contested message %s\n", info.ID)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  written on\t%s (called %s now)\n", info.Device.NameAtSend, info.Device.NameNow)
	for _, step := range []struct {
		name string
		at   *time.Time
	}{{"queued", info.QueuedAt}, {"sent", info.SentAt}, {"delivered", info.DeliveredAt}, {"read", info.ReadAt}} {
		if step.at == nil {
			return fmt.Errorf("the contested message has no time for %s", step.name)
		}
		fmt.Fprintf(w, "  %s\t%s\n", step.name, step.at.Format(time.RFC3339))
	}
	fmt.Fprintf(w, "  charged\t%s\n", reason(charge))
	if err := w.Flush(); err != nil {
		return err
	}
	if charge.Basis != regular || charge.Policy != "P3" || charge.Market != "Italy" || charge.Card == nil ||
		charge.Card.EffectiveFrom != dayOfChange || *charge.Micros != 30_000 {
		return fmt.Errorf("the contested message costs %s, not the 0.0300 of the new card for Italy", reason(charge))
	}
	return p.showTrail(ctx, p.contested.conversation)
}

// chargeOf is the price of a message to one person.
func chargeOf(info api.MessageInfo) (api.Charge, error) {
	if len(info.Recipients) != 1 || info.Recipients[0].Charge == nil || info.Recipients[0].Charge.Micros == nil {
		return api.Charge{}, fmt.Errorf("message %s has no price", info.ID)
	}
	return *info.Recipients[0].Charge, nil
}

// reason says in words what a delivery cost and why.
func reason(c api.Charge) string {
	text := fmt.Sprintf("%s %s under policy %s", dollars(*c.Micros), c.Currency, c.Policy)
	switch {
	case c.Card != nil:
		text += fmt.Sprintf(": %s, %s, card of %s", c.Category, c.Market, c.Card.EffectiveFrom)
	case c.Basis == allowance:
		text += ": one of the free service messages of the month"
	case c.Basis == freeFEP:
		text += ": the customer came from an advertisement"
	default:
		text += ": within the customer service window"
	}
	if c.Adjusted {
		text += ", adjusted"
	}
	return text
}

func (p *player) showTrail(ctx context.Context, conversation id.Conversation) error {
	page, err := p.API.AuditEntries(ctx, client.AuditFilter{Conversation: conversation, Limit: 1000}, client.WaitFor(p.last))
	if err != nil {
		return fmt.Errorf("reading the conversation's trail: %w", err)
	}
	fmt.Fprintf(p.Out, "\nThe audit trail of its conversation, %s\n", conversation)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	for _, e := range page.Entries {
		fmt.Fprintf(w, "  %d\t%s\t%s\t%s\t%s\n", e.Revision, e.OccurredAt.Format(time.RFC3339), e.Type, actor(e), deviceIn(e))
	}
	return w.Flush()
}

func actor(e api.AuditEntry) events.Actor {
	if e.Actor == nil {
		return ""
	}
	return *e.Actor
}

func deviceIn(e api.AuditEntry) string {
	var data struct {
		DeviceName string `json:"device_name"`
	}
	_ = json.Unmarshal(e.Data, &data) // what has no device shows none
	return data.DeviceName
}

// showMidnight prints what the messages cost that were written just before the prices changed.
func (p *player) showMidnight(ctx context.Context) error {
	fmt.Fprintf(p.Out, "Written at %s, ten minutes before the prices changed (%s)\n", p.midnight[0].at.In(p.zone).Format(monthDay), p.zone)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	for _, l := range p.midnight {
		info, err := p.API.MessageInfo(ctx, l.id, client.WaitFor(p.last))
		if err != nil {
			return fmt.Errorf("reading a message's info: %w", err)
		}
		charge, err := chargeOf(info)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  delivered %s\t%s\n", l.delivered().In(p.zone).Format(time.TimeOnly), reason(charge))
	}
	return w.Flush()
}
