package policies_test

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/campaign"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// promotion is a campaign of a shop, whose policies run when they are asked to.
type promotion struct {
	*shop

	id        id.Campaign
	to        []events.Recipient // in the campaign's order
	perSecond int
	copies    copies
}

// copies seals in clear, but for who is erased, and knows a name for those who have one.
type copies struct{ erased map[id.Customer]bool }

func (c copies) Seal(
	_ context.Context, _ id.Account, parameters []events.CampaignParameter, all []commands.Copy,
) ([]commands.SealedCopy, error) {
	sealed := make([]commands.SealedCopy, len(all))
	for i, to := range all {
		name := ""
		if to.Recipient.Name != nil {
			name = string(to.Recipient.Name.Sealed)
		}
		texts, skip := campaign.Fill(parameters, name)
		if c.erased[to.Recipient.CustomerID] {
			skip = events.SkipErased
		}
		sealed[i] = commands.SealedCopy{To: "to", Skipped: skip}
		for _, text := range texts {
			sealed[i].Content += events.Sealed(text)
		}
	}
	return sealed, nil
}

// audienceOf are the people behind numbers, in the order that audiences have.
func audienceOf(numbers ...string) []events.Recipient {
	var all []events.Recipient
	for _, digits := range numbers {
		all = append(all, events.Recipient{
			CustomerID: customer(digits), Dialling: events.DialPhone(digits), Locale: "it",
			To:   events.Found{FactID: id.Derive[id.Fact]("test", digits), Path: "to", Sealed: "to"},
			Name: &events.Found{FactID: id.Derive[id.Fact]("test", digits), Path: "name", Sealed: "Ada"},
		})
	}
	slices.SortFunc(all, func(a, b events.Recipient) int { return bytes.Compare(a.CustomerID.UUID[:], b.CustomerID.UUID[:]) })
	return all
}

// people are as many numbers with a prefix.
func people(prefix string, n int) (numbers []string) {
	for i := range n {
		numbers = append(numbers, prefix+strconv.Itoa(100_000_000+i))
	}
	return numbers
}

func listed(recipients []events.Recipient) iter.Seq2[events.Recipient, error] {
	return func(yield func(events.Recipient, error) bool) {
		for _, r := range recipients {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func saleDraft() campaign.Draft {
	return campaign.Draft{
		Name: "Autumn sale", Template: "autumn", Category: events.Marketing, Locales: []string{"it"},
		Parameters: []events.CampaignParameter{{Place: 1, Source: events.ParameterName, Fallback: "friend"}},
	}
}

// promote plans a campaign that starts in an hour, for people who all opted in.
func (s *shop) promote(limit int64, to ...string) *promotion {
	s.Helper()
	for _, r := range audienceOf(to...) {
		s.chooses(r.CustomerID, true)
	}
	return s.plan(saleDraft(), limit, audienceOf(to...))
}

// plan plans a campaign that starts in an hour.
func (s *shop) plan(draft campaign.Draft, limit int64, to []events.Recipient) *promotion {
	s.Helper()
	ctx := s.Context()
	_, err := s.handler.ChangeFeature(ctx, asAdmin, s.account, events.FeatureCampaigns, true)
	require.NoError(s, err)
	p := &promotion{shop: s, to: to, copies: copies{map[id.Customer]bool{}}}
	p.id, _, err = s.handler.DraftCampaign(ctx, asAdmin, s.account, draft)
	require.NoError(s, err)
	_, err = s.handler.TakeAudience(ctx, asAdmin, s.account, p.id, commands.Audience{Segment: "list", Recipients: listed(p.to)})
	require.NoError(s, err)
	starts := s.clock.Add(time.Hour)
	_, err = s.handler.ScheduleCampaign(ctx, asAdmin, s.account, p.id, s.device,
		campaign.Schedule{Starts: starts.Format("2006-01-02T15:04:05"), Zone: time.UTC})
	require.NoError(s, err)
	p.raise(limit)
	_, err = s.handler.ApproveCampaign(ctx, asAdmin, s.account, p.id)
	require.NoError(s, err)
	return p
}

func (p *promotion) raise(limit int64) {
	p.Helper()
	_, err := p.handler.SetBudget(p.Context(), asAdmin, p.account, p.id, money.Amount{Micros: limit, Currency: "USD"})
	require.NoError(p, err)
}

// chooses records what a customer says of marketing.
func (s *shop) chooses(who id.Customer, wanted bool) {
	s.Helper()
	_, err := s.handler.SetConsent(s.Context(), asAdmin, conversation.Consent{
		Account: s.account, CustomerID: who, FactID: id.NewRandom[id.Fact](), Category: events.Marketing, Wanted: wanted, Source: events.SourceForm,
	})
	require.NoError(s, err)
}

func (s *shop) blocks(who id.Customer) {
	s.Helper()
	_, err := s.handler.SetBlock(s.Context(), asAdmin, conversation.SetBlock{
		Account: s.account, CustomerID: who, FactID: id.NewRandom[id.Fact](), Blocked: true, Source: events.SourcePage,
	})
	require.NoError(s, err)
}

func (p *promotion) policies(store policiestest.Store) []policies.Policy {
	now := func() time.Time { return p.clock }
	handler := commands.New(store, now)
	return []policies.Policy{
		policies.NewTimers(&index{store: store}, handler, now),
		policies.NewCampaigns(handler, p.copies, p.perSecond),
		policies.NewRating(store, now),
		policies.NewCampaignCharges(store, handler),
		policies.NewCampaignOutcomes(store, handler),
	}
}

// settle runs the policies, each from 0 and without memory, until nothing follows any more.
func (p *promotion) settle() {
	p.Helper()
	for {
		before, err := p.store.Head(p.Context())
		require.NoError(p, err)
		for _, policy := range p.policies(p.store) {
			policiestest.Run(p, p.store, policy)
		}
		after, err := p.store.Head(p.Context())
		require.NoError(p, err)
		if after == before {
			return
		}
	}
}

// starts lets the hour pass.
func (p *promotion) starts() {
	p.Helper()
	p.clock = p.clock.Add(time.Hour)
	p.settle()
}

func (p *promotion) state() campaign.State {
	p.Helper()
	s, err := commands.New(p.store, func() time.Time { return p.clock }).Campaign(p.Context(), p.id)
	require.NoError(p, err)
	return s
}

func (p *promotion) money() (spent, reserved int64) {
	p.Helper()
	s, r := p.state().Money()
	return s.Micros, r.Micros
}

// message is the one to a recipient.
func (p *promotion) message(n int) message {
	return message{campaign.MessageID(p.id, p.to[n].CustomerID), p.to[n].CustomerID}
}

// queued are the messages that were written, by recipient.
func (p *promotion) queued() map[id.Customer]events.MessageQueued {
	p.Helper()
	all := map[id.Customer]events.MessageQueued{}
	for _, event := range allEvents(p.Context(), p.store) {
		if e, ok := event.(events.MessageQueued); ok && e.Campaign != nil && e.Campaign.CampaignID == p.id {
			_, twice := all[e.CustomerID]
			require.False(p, twice, "nobody is written to twice")
			all[e.CustomerID] = e
		}
	}
	return all
}

// outcomes are what became of the recipients, in their order.
func (p *promotion) outcomes() []events.RecipientOutcome {
	p.Helper()
	var all []events.RecipientOutcome
	for _, event := range allEvents(p.Context(), p.store) {
		if e, ok := event.(events.RecipientsWritten); ok && e.CampaignID == p.id {
			require.Len(p, all, e.Chunk*campaign.ChunkSize+e.From, "in order, nobody is left out")
			all = append(all, e.Outcomes...)
		}
	}
	return all
}

func (p *promotion) skips() (skipped []events.SkipReason) {
	p.Helper()
	for _, outcome := range p.outcomes() {
		skipped = append(skipped, outcome.Skipped)
	}
	return skipped
}

// of returns the events of one type.
func of[E events.Event](p *promotion) (all []E) {
	p.Helper()
	for _, event := range allEvents(p.Context(), p.store) {
		if e, ok := event.(E); ok {
			all = append(all, e)
		}
	}
	return all
}

// fails tells that a message failed for good, with a code of the platform.
func (p *promotion) fails(n, code int) {
	p.Helper()
	update := status(p.message(n), events.StatusFailed, p.clock, nil)
	update.Errors = []events.PlatformError{{Code: code}}
	p.tell(p.to[n].CustomerID, update)
}
