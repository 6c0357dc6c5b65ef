package commands

import (
	"context"
	"time"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/campaign"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// DraftCampaign begins a campaign of an account that has the feature. Its id follows from the command's id, so a repeat
// gives the same one.
func (h *Handler) DraftCampaign(ctx context.Context, meta Meta, owner id.Account, c campaign.Draft) (id.Campaign, events.Position, error) {
	r := newRequest(meta, owner, "DraftCampaign", c)
	drafted := id.Derive[id.Campaign]("campaign", r.Command.String())
	at, err := h.draft(ctx, r, drafted, c)
	if err != nil {
		return id.Campaign{}, events.Start, err
	}
	return drafted, at, nil
}

// RedraftCampaign replaces what a campaign says.
func (h *Handler) RedraftCampaign(ctx context.Context, meta Meta, owner id.Account, which id.Campaign, c campaign.Draft) (events.Position, error) {
	r := newRequest(meta, owner, "RedraftCampaign", c)
	if err := h.rehearseCampaign(ctx, r, which, func(campaign.State, time.Time) ([]events.Event, error) { return nil, nil }); err != nil {
		return events.Start, err
	}
	return h.draft(ctx, r, which, c)
}

func (h *Handler) draft(ctx context.Context, r request, which id.Campaign, c campaign.Draft) (events.Position, error) {
	number, _, err := h.sending(ctx, r.account, c.PhoneNumberID)
	if err != nil {
		return events.Start, err
	}
	if err = h.usable(ctx, r.account, mayCampaign); err != nil {
		return events.Start, err
	}
	c.PhoneNumberID = number
	return h.campaigns.execute(ctx, campaign.Stream(which), r, func(s campaign.State, _ time.Time) ([]events.Event, error) {
		return s.Draft(r.account, which, c)
	})
}

func mayCampaign(s account.State) error { return s.Require(events.FeatureCampaigns) }

// ScheduleCampaign says when a campaign runs, in a time zone; none means the account's. Its messages are those of the
// device that it is scheduled on (S12).
func (h *Handler) ScheduleCampaign(
	ctx context.Context, meta Meta, owner id.Account, which id.Campaign, device id.Device, c campaign.Schedule,
) (events.Position, error) {
	zone := "" // of the account
	if c.Zone != nil {
		zone = c.Zone.String()
	}
	r := newRequest(meta, owner, "ScheduleCampaign", []string{which.String(), device.String(), c.Starts, c.Ends, zone})
	err := h.usable(ctx, owner, func(s account.State) (err error) {
		if c.Zone == nil {
			c.Zone, err = s.Zone()
		}
		return err
	})
	if err != nil {
		return events.Start, err
	}
	from, refusal := h.sender(ctx, owner, device)
	c.Device = campaign.Device{ID: device, Name: from.Name, RegistryRevision: from.RegistryRevision}
	return h.onCampaign(ctx, r, which, func(s campaign.State, now time.Time) ([]events.Event, error) {
		if refusal != nil {
			return nil, refusal
		}
		return s.Schedule(c, now)
	})
}

// SetBudget says how much a campaign may spend, in the account's currency (S16).
func (h *Handler) SetBudget(ctx context.Context, meta Meta, owner id.Account, which id.Campaign, limit money.Amount) (events.Position, error) {
	r := newRequest(meta, owner, "SetBudget", []any{which.String(), limit})
	var currency money.Currency
	err := h.usable(ctx, owner, func(s account.State) error {
		currency = s.Currency()
		return nil
	})
	if err != nil {
		return events.Start, err
	}
	return h.onCampaign(ctx, r, which, func(s campaign.State, _ time.Time) ([]events.Event, error) {
		return s.SetBudget(limit, currency)
	})
}

// ApproveCampaign lets a campaign start when it is due.
func (h *Handler) ApproveCampaign(ctx context.Context, meta Meta, owner id.Account, which id.Campaign) (events.Position, error) {
	if err := h.usable(ctx, owner, mayCampaign); err != nil {
		return events.Start, err
	}
	return h.onCampaign(ctx, newRequest(meta, owner, "ApproveCampaign", which.String()), which, campaign.State.Approve)
}

// PauseCampaign keeps a campaign from writing to anybody else until it is resumed.
func (h *Handler) PauseCampaign(ctx context.Context, meta Meta, owner id.Account, which id.Campaign) (events.Position, error) {
	return h.onCampaign(ctx, newRequest(meta, owner, "PauseCampaign", which.String()), which,
		func(s campaign.State, _ time.Time) ([]events.Event, error) { return s.Pause(events.PausedByOwner) })
}

// ResumeCampaign ends a pause.
func (h *Handler) ResumeCampaign(ctx context.Context, meta Meta, owner id.Account, which id.Campaign) (events.Position, error) {
	if err := h.usable(ctx, owner, mayCampaign); err != nil {
		return events.Start, err
	}
	return h.onCampaign(ctx, newRequest(meta, owner, "ResumeCampaign", which.String()), which,
		func(s campaign.State, _ time.Time) ([]events.Event, error) { return s.Resume() })
}

// CancelCampaign ends a campaign for good.
func (h *Handler) CancelCampaign(ctx context.Context, meta Meta, owner id.Account, which id.Campaign) (events.Position, error) {
	return h.onCampaign(ctx, newRequest(meta, owner, "CancelCampaign", which.String()), which,
		func(s campaign.State, _ time.Time) ([]events.Event, error) { return s.Cancel() })
}

// ChargeCampaign counts what a batch of charges means for a campaign, once.
func (h *Handler) ChargeCampaign(ctx context.Context, meta Meta, c events.CampaignCharged) (events.Position, error) {
	return h.byItself(ctx, meta, "ChargeCampaign", c.CampaignID,
		func(s campaign.State, _ time.Time) ([]events.Event, error) { return s.Charge(c) })
}

// CountOutcomes counts outcomes that came after those counted last; campaign.ErrCounted says that others came first.
func (h *Handler) CountOutcomes(ctx context.Context, meta Meta, after events.Ref, c events.OutcomesCounted) (events.Position, error) {
	return h.byItself(ctx, meta, "CountOutcomes", c.CampaignID,
		func(s campaign.State, _ time.Time) ([]events.Event, error) { return s.Count(after, c) })
}

// Campaign returns a campaign as it is now; the zero state when there is none.
func (h *Handler) Campaign(ctx context.Context, which id.Campaign) (found campaign.State, err error) {
	err = h.campaigns.look(ctx, campaign.Stream(which), func(s campaign.State, _ uint64) error {
		found = s.Copy()
		return nil
	})
	return found, err
}

// onCampaign decides on a campaign of the account that asks. Another account's is not there.
func (h *Handler) onCampaign(ctx context.Context, r request, which id.Campaign, decide decision[campaign.State]) (events.Position, error) {
	return h.campaigns.execute(ctx, campaign.Stream(which), r, owned(r.account, decide))
}

// rehearseCampaign returns the error that onCampaign would, and records nothing.
func (h *Handler) rehearseCampaign(ctx context.Context, r request, which id.Campaign, decide decision[campaign.State]) error {
	return h.campaigns.rehearse(ctx, campaign.Stream(which), r, owned(r.account, decide))
}

func owned(by id.Account, decide decision[campaign.State]) decision[campaign.State] {
	return func(s campaign.State, now time.Time) ([]events.Event, error) {
		if s.Account() != by || !s.Exists() {
			return nil, domain.Missing("CampaignUnknown", "there is no such campaign")
		}
		return decide(s, now)
	}
}

// byItself decides on a campaign for whoever acts by itself, and knows it by natural keys.
func (h *Handler) byItself(ctx context.Context, meta Meta, name string, which id.Campaign, decide decision[campaign.State]) (events.Position, error) {
	s, err := h.Campaign(ctx, which)
	if err != nil {
		return events.Start, err
	}
	return h.campaigns.execute(ctx, campaign.Stream(which), newRequest(meta, s.Account(), name, nil), decide)
}
