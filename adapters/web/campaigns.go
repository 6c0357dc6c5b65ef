package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain"
	"daybook/domain/campaign"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
	"daybook/readmodels/campaigns"
)

type (
	draftInput struct {
		api.OnAccount

		Body api.DraftCampaign
	}
	redraftInput struct {
		api.OnCampaign

		Body api.DraftCampaign
	}
	audienceInput struct {
		api.OnCampaign

		Body api.Audience
	}
	scheduleInput struct {
		api.OnCampaign

		Body api.ScheduleCampaign
	}
	budgetInput struct {
		api.OnCampaign

		Body api.Budget
	}
	campaignsInput struct {
		api.Waiting
		api.OfAccount
	}
	campaignsOutput struct {
		api.Positions

		Body api.Campaigns
	}
	campaignInput struct {
		api.Waiting
		api.OfAccount

		Campaign id.Campaign `path:"campaign" format:"uuid" doc:"The campaign."`
	}
	campaignOutput struct {
		api.Positions

		Body api.CampaignFigures
	}
)

func (s *server) registerCampaigns(a huma.API) {
	operation := func(method, path, name, summary, description string) huma.Operation {
		return huma.Operation{
			Method: method, Path: path, OperationID: name, Summary: summary, Description: description, Tags: []string{"Campaigns"},
			Errors: []int{http.StatusNotFound, http.StatusConflict},
		}
	}
	const one = "/accounts/{id}/campaigns/{campaign}"
	plans, pays := permit(events.RoleOwner, events.RoleDeveloper), permit(events.RoleOwner, events.RoleBilling)
	draft := operation(http.MethodPost, "/accounts/{id}/campaigns", "draftCampaign", "Draft a campaign",
		"Says what one message to many customers is. It needs the feature campaigns. Whatever is changed later takes an approval back.")
	draft.DefaultStatus = http.StatusCreated
	command(s, a, plans, draft, s.draftCampaign)
	command(s, a, plans, operation(http.MethodPut, one, "redraftCampaign", "Draft a campaign anew",
		"Replaces what the campaign says, until it starts."), s.redraftCampaign)
	command(s, a, plans, operation(http.MethodPut, one+"/audience", "setAudience", "Say whom a campaign is for",
		"Writes down who is in a segment or on a list now, each once. Whether a customer wants the message is asked when it is written."), s.setAudience)
	command(s, a, plans, operation(http.MethodPut, one+"/schedule", "scheduleCampaign", "Say when a campaign runs",
		"The times are local ones. One that a change of the clocks leaves out is refused, and of one that it brings twice the first counts."), s.scheduleCampaign)
	command(s, a, pays, operation(http.MethodPut, one+"/budget", "setBudget", "Say how much a campaign may spend",
		"Money is held for a message before it is written, at the highest rate that can count while it lives. The budget may be changed "+
			"while the campaign runs, to no less than what is spent or held."), s.setBudget)
	command(s, a, pays, operation(http.MethodPost, one+"/approval", "approveCampaign", "Approve a campaign",
		"Lets the campaign start when it is due."), s.approveCampaign)
	command(s, a, plans, operation(http.MethodPut, one+"/pause", "pauseCampaign", "Pause a campaign",
		"Nobody else is written to. What was written already is sent."), s.pauseCampaign)
	command(s, a, plans, operation(http.MethodDelete, one+"/pause", "resumeCampaign", "Resume a campaign",
		"Ends the pause, whoever made it."), s.resumeCampaign)
	command(s, a, plans, operation(http.MethodDelete, one, "cancelCampaign", "Cancel a campaign",
		"Ends it for good. What was written already is sent, and charged."), s.cancelCampaign)
	reads := permit(events.RoleOwner, events.RoleDeveloper, events.RoleBilling, events.RoleCompliance, events.RoleAuditor)
	endpoint(s, a, reads, operation(http.MethodGet, "/campaigns", "listCampaigns", "List campaigns",
		"The campaigns of an account, and how far they are."), s.listCampaigns)
	endpoint(s, a, reads, operation(http.MethodGet, "/campaigns/{campaign}", "showCampaign", "Show what became of a campaign",
		"How many recipients were written to, reached and charged, by market, and why others were not written to. Nobody is named."), s.showCampaign)
}

func (s *server) draftCampaign(ctx context.Context, meta commands.Meta, in *draftInput) (*body[api.CampaignDrafted], error) {
	drafted, position, err := s.Commands.DraftCampaign(ctx, meta, in.ID, draftOf(in.Body))
	if err != nil {
		return nil, err
	}
	return &body[api.CampaignDrafted]{api.CampaignDrafted{ID: drafted, Recorded: s.recorded(position)}}, nil
}

func (s *server) redraftCampaign(ctx context.Context, meta commands.Meta, in *redraftInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.RedraftCampaign(ctx, meta, in.ID, in.Campaign, draftOf(in.Body)))
}

func draftOf(d api.DraftCampaign) campaign.Draft {
	draft := campaign.Draft{
		PhoneNumberID: d.PhoneNumberID, Name: d.Name, Template: d.Template, Category: events.Category(d.Category),
		Locales: d.Locales, DefaultLocale: d.DefaultLocale,
	}
	for i, p := range d.Parameters {
		draft.Parameters = append(draft.Parameters, events.CampaignParameter{
			Place: i + 1, Source: events.ParameterSource(p.Source), Text: p.Text, Fallback: p.Fallback,
		})
	}
	return draft
}

func (s *server) setAudience(ctx context.Context, meta commands.Meta, in *audienceInput) (*body[api.Recorded], error) {
	audience, err := s.audience(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.answer(s.Commands.TakeAudience(ctx, meta, in.ID, in.Campaign, audience))
}

func (s *server) scheduleCampaign(ctx context.Context, meta commands.Meta, in *scheduleInput) (*body[api.Recorded], error) {
	if err := writesWith(ctx, in.Body.DeviceID); err != nil {
		return nil, err
	}
	schedule := campaign.Schedule{Starts: in.Body.StartsAt, Ends: in.Body.EndsAt}
	if name := in.Body.Timezone; name != "" {
		zone, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			return nil, domain.Malformed("TimezoneUnknown", "timezone", "timezone must be an IANA name such as Europe/Rome")
		}
		schedule.Zone = zone
	}
	return s.answer(s.Commands.ScheduleCampaign(ctx, meta, in.ID, in.Campaign, in.Body.DeviceID, schedule))
}

func (s *server) setBudget(ctx context.Context, meta commands.Meta, in *budgetInput) (*body[api.Recorded], error) {
	limit, err := money.Parse(in.Body.Limit, money.Currency(in.Body.Currency))
	if err != nil {
		return nil, invalid("BudgetRequired", "body.limit", "expected a decimal number of at most six places, and a currency")
	}
	return s.answer(s.Commands.SetBudget(ctx, meta, in.ID, in.Campaign, limit))
}

func (s *server) approveCampaign(ctx context.Context, meta commands.Meta, in *api.OnCampaign) (*body[api.Recorded], error) {
	return s.answer(s.Commands.ApproveCampaign(ctx, meta, in.ID, in.Campaign))
}

func (s *server) pauseCampaign(ctx context.Context, meta commands.Meta, in *api.OnCampaign) (*body[api.Recorded], error) {
	return s.answer(s.Commands.PauseCampaign(ctx, meta, in.ID, in.Campaign))
}

func (s *server) resumeCampaign(ctx context.Context, meta commands.Meta, in *api.OnCampaign) (*body[api.Recorded], error) {
	return s.answer(s.Commands.ResumeCampaign(ctx, meta, in.ID, in.Campaign))
}

func (s *server) cancelCampaign(ctx context.Context, meta commands.Meta, in *api.OnCampaign) (*body[api.Recorded], error) {
	return s.answer(s.Commands.CancelCampaign(ctx, meta, in.ID, in.Campaign))
}

func (s *server) listCampaigns(ctx context.Context, in *campaignsInput) (*campaignsOutput, error) {
	if err := s.mustExist(ctx, in.Account); err != nil {
		return nil, err
	}
	read, err := s.caughtUp(ctx, in.WaitFor, fromCampaigns)
	if err != nil {
		return nil, err
	}
	found, err := campaigns.Of(ctx, s.Database, read.of(campaignsProjection), in.Account)
	if err != nil {
		return nil, err
	}
	answer := api.Campaigns{Campaigns: make([]api.Campaign, 0, len(found)), Positions: read.positions()}
	for _, c := range found {
		answer.Campaigns = append(answer.Campaigns, shownCampaign(c))
	}
	return &campaignsOutput{header(answer.Positions), answer}, nil
}

func (s *server) showCampaign(ctx context.Context, in *campaignInput) (*campaignOutput, error) {
	if err := s.mustExist(ctx, in.Account); err != nil {
		return nil, err
	}
	read, err := s.caughtUp(ctx, in.WaitFor, fromCampaigns)
	if err != nil {
		return nil, err
	}
	f, found, err := campaigns.Find(ctx, s.Database, read.of(campaignsProjection), in.Account, in.Campaign)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, domain.Missing("CampaignUnknown", "there is no such campaign")
	}
	answer := api.CampaignFigures{
		Campaign: shownCampaign(f.Campaign), Positions: read.positions(),
		Markets: make([]api.CampaignMarket, 0, len(f.Markets)), Skipped: make([]api.CampaignSkip, 0, len(f.Skips)),
	}
	for _, m := range f.Markets {
		answer.Markets = append(answer.Markets, api.CampaignMarket{
			Market: m.Market, Written: m.Written, Sent: m.Sent, Delivered: m.Delivered, Read: m.Read, Failed: m.Failed,
			Expired: m.Expired, Charged: m.Charged, Cost: *moneyOf(m.Micros, f.Currency),
		})
	}
	for _, skip := range f.Skips {
		answer.Skipped = append(answer.Skipped, api.CampaignSkip{Reason: skip.Reason, Recipients: skip.Recipients})
	}
	return &campaignOutput{header(answer.Positions), answer}, nil
}

func shownCampaign(c campaigns.Campaign) api.Campaign {
	shown := api.Campaign{
		ID: c.ID, Name: c.Name, PhoneNumberID: c.PhoneNumberID, Template: c.Template, Category: events.Category(c.Category),
		Phase: c.Phase, PausedFor: c.PausedFor, Segment: c.Segment, Recipients: c.Recipients, StartsAt: c.StartsAt, EndsAt: c.EndsAt,
		Timezone: c.Timezone, DeviceName: c.DeviceName, StartedAt: c.StartedAt,
	}
	if c.Currency != "" {
		shown.Limit, shown.Spent, shown.Reserved = moneyOf(c.Limit, c.Currency), moneyOf(c.Spent, c.Currency), moneyOf(c.Reserved, c.Currency)
	}
	return shown
}

func moneyOf(micros int64, currency string) *api.Money {
	return new(api.MoneyOf(money.Amount{Micros: micros, Currency: money.Currency(currency)}))
}
