package policies_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain/campaign"
	"daybook/domain/template"
	"daybook/events"
	"daybook/events/id"
)

// The budget is for two and a bit; when one fails, there is money for another.
func TestVector16_MoneyThatIsFreeAgainIsUsed(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(150_000, people("55119", 5)...)
	p.settle()
	require.Empty(t, p.queued(), "it is not due")
	p.starts()
	require.Len(t, p.queued(), 2)
	spent, reserved := p.money()
	require.Equal(t, []int64{0, 125_000}, []int64{spent, reserved})
	require.Len(t, of[events.BudgetExhausted](p), 1)

	p.fails(0, 131026)
	p.settle()
	require.Len(t, p.queued(), 3)
	p.delivered(p.message(1), p.clock)
	p.delivered(p.message(2), p.clock)
	p.settle()
	spent, reserved = p.money()
	require.Equal(t, []int64{125_000, 0}, []int64{spent, reserved})
	require.Len(t, p.queued(), 3, "what is left does not suffice for another")

	p.clock = p.state().Scheduled().EndsAt
	p.settle()
	require.Equal(t, []events.CampaignCompleted{{
		CampaignID: p.id, Written: 3, Skipped: []events.SkipCount{{Reason: events.SkipBudget, Count: 2}},
		Rest: &events.SkipCount{Reason: events.SkipBudget, Count: 2},
	}}, of[events.CampaignCompleted](p))
}

// What is held is the highest rate of the cards that can count before the message's life ends.
func TestVector17_TheHighestRateOfTheMessagesLifeIsHeld(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "America/Mexico_City")
	s.clock = time.Date(2026, 9, 30, 15, 0, 0, 0, time.UTC)
	p := s.promote(70_000, people("52155", 2)...)
	p.starts()
	require.Len(t, p.queued(), 1)
	spent, reserved := p.money()
	require.Equal(t, []int64{0, 39_700}, []int64{spent, reserved})

	p.delivered(p.message(0), time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC))
	p.settle()
	spent, reserved = p.money()
	require.Equal(t, []int64{39_700, 0}, []int64{spent, reserved})
}

// A failure frees what was held. A delivery that another device of the customer tells of is charged all the same.
func TestVector11_AFailureFreesWhatWasHeld(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(150_000, people("55119", 2)...)
	p.starts()
	regular := &events.Pricing{Model: "PMP", Type: "regular", Category: "marketing"}
	p.tell(p.to[0].CustomerID, status(p.message(0), events.StatusSent, p.clock, regular))
	p.fails(0, 131049)
	p.fails(1, 131049)
	p.settle()
	spent, reserved := p.money()
	require.Equal(t, []int64{0, 0}, []int64{spent, reserved})
	require.Equal(t, line{}, p.rate().line(p.message(0)))

	p.delivered(p.message(1), p.clock)
	p.settle()
	spent, reserved = p.money()
	require.Equal(t, []int64{62_500, 0}, []int64{spent, reserved})
}

// What nobody tells anything of expires, and frees what was held; a delivery after that is late, and charged.
func TestVector13_WhatExpiresFreesWhatWasHeld(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(150_000, people("55119", 1)...)
	p.starts()
	p.tell(p.to[0].CustomerID, status(p.message(0), events.StatusSent, p.clock, nil))
	p.clock = p.clock.Add(31 * day)
	_, err := p.handler.ExpireMessage(t.Context(), asAdmin, p.conversation(p.to[0].CustomerID), p.message(0).id)
	require.NoError(t, err)
	p.settle()
	spent, reserved := p.money()
	require.Equal(t, []int64{0, 0}, []int64{spent, reserved})

	p.delivered(p.message(0), p.clock)
	p.settle()
	spent, reserved = p.money()
	require.Equal(t, []int64{62_500, 0}, []int64{spent, reserved})
	charged := of[events.MessageCharged](p)
	require.Len(t, charged, 1)
	require.True(t, charged[0].Charge.Late)
}

// Whoever opts out or blocks while the campaign runs is not written to any more; what was written already fails.
func TestVector26_ConsentIsLookedAtWhenTheMessageIsWritten(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(62_500, people("55119", 4)...)
	p.starts()
	require.Len(t, p.queued(), 1, "there is money for one")
	p.chooses(p.to[0].CustomerID, false)
	p.chooses(p.to[1].CustomerID, false)
	p.blocks(p.to[2].CustomerID)
	p.fails(0, 131050)
	p.settle()
	require.Equal(t, []events.SkipReason{"", events.SkipOptedOut, events.SkipBlocked, ""}, p.skips())
	spent, reserved := p.money()
	require.Equal(t, []int64{0, 62_500}, []int64{spent, reserved})
	require.Empty(t, of[events.MessageCharged](p))
	require.Equal(t, campaign.Completed, p.state().Phase())
}

func TestS12_ACampaignStartsWhenItIsDue(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(150_000, people("55119", 1)...)
	p.clock = p.clock.Add(time.Hour - time.Nanosecond)
	p.settle()
	require.Empty(t, p.queued())
	p.clock = p.clock.Add(time.Nanosecond)
	p.settle()
	require.Len(t, p.queued(), 1)
	require.Equal(t, []events.CampaignStarted{{CampaignID: p.id, StartedAt: p.state().Scheduled().StartsAt}}, of[events.CampaignStarted](p))
}

func TestS13_EachCopyHasTheCustomersName(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	to := audienceOf(people("55119", 3)...)
	for _, r := range to {
		s.chooses(r.CustomerID, true)
	}
	to[1].Name = nil
	p := s.plan(saleDraft(), 500_000, to)
	strict := saleDraft()
	strict.Name, strict.Parameters[0].Fallback = "Without a fallback", ""
	q := s.plan(strict, 500_000, to)
	p.starts()
	q.settle()
	content := func(p *promotion, n int) events.Sealed { return p.queued()[to[n].CustomerID].Content }
	require.Equal(t, []events.Sealed{"Ada", "friend", "Ada"}, []events.Sealed{content(p, 0), content(p, 1), content(p, 2)})
	require.Equal(t, []events.SkipReason{"", events.SkipNoName, ""}, q.skips())
	require.NotContains(t, q.queued(), to[1].CustomerID, "a bare placeholder is never sent")
}

func TestS17_OneMessageReachesManyPeopleAtOnce(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(100_000_000, people("55119", campaign.ChunkSize+20)...)
	p.starts()
	require.Len(t, p.queued(), campaign.ChunkSize+20)
	require.Len(t, of[events.AudienceTaken](p), 2)
	require.Equal(t, []events.CampaignCompleted{{CampaignID: p.id, Written: campaign.ChunkSize + 20}}, of[events.CampaignCompleted](p))
}

func TestS18_EveryCopyTellsThatItIsMarketing(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	p := s.promote(500_000, people("55119", 1)...)
	notes := saleDraft()
	notes.Category = events.Utility
	q := s.plan(notes, 500_000, p.to)
	p.starts()
	q.settle()
	require.True(t, p.queued()[p.to[0].CustomerID].Notice)
	require.False(t, q.queued()[p.to[0].CustomerID].Notice)
	require.Equal(t, "iPhone", p.queued()[p.to[0].CustomerID].DeviceName)
}

// A campaign goes at the number's pace: what is not written yet is not when it is paused, or cancelled.
func TestACampaignGoesAtTheNumbersPace(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(100_000_000, people("55119", 2*campaign.ChunkSize+1)...)
	p.perSecond = 80
	p.starts()
	require.Len(t, p.queued(), campaign.ChunkSize)
	p.clock = p.clock.Add(6 * time.Second)
	p.settle()
	require.Len(t, p.queued(), campaign.ChunkSize, "500 take 6.25 seconds")
	_, err := p.handler.PauseCampaign(t.Context(), asAdmin, p.account, p.id)
	require.NoError(t, err)
	p.clock = p.clock.Add(time.Second)
	p.settle()
	require.Len(t, p.queued(), campaign.ChunkSize)
	_, err = p.handler.ResumeCampaign(t.Context(), asAdmin, p.account, p.id)
	require.NoError(t, err)
	p.settle()
	require.Len(t, p.queued(), 2*campaign.ChunkSize)
	_, err = p.handler.CancelCampaign(t.Context(), asAdmin, p.account, p.id)
	require.NoError(t, err)
	p.clock = p.clock.Add(time.Minute)
	p.settle()
	require.Len(t, p.queued(), 2*campaign.ChunkSize)
}

// What a campaign's books tell of what customers did names nobody.
func TestS20_WhatIsCountedOfACampaignNamesNobody(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(150_000, people("55119", 2)...)
	p.starts()
	p.fails(0, 131026)
	p.tell(p.to[1].CustomerID, status(p.message(1), events.StatusRead, p.clock, nil))
	p.settle()
	counted := map[string]int{}
	for record, err := range p.store.ReadStream(t.Context(), campaign.Stream(p.id), 0) {
		require.NoError(t, err)
		counted[record.Type]++
		for n, to := range p.to {
			require.NotContains(t, string(record.Data), to.CustomerID.String(), record.Type)
			require.NotContains(t, string(record.Data), p.message(n).id.String(), record.Type)
		}
	}
	require.Equal(t, 1, counted["OutcomesCounted"])
	require.Equal(t, 1, counted["CampaignCharged"])
}

// Who takes consent back after the message was written, and before it is given to the platform, is not sent it, and what was
// held is free.
func TestConsentIsLookedAtOnceMoreBeforeSending(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(150_000, people("55119", 2)...)
	p.starts()
	p.chooses(p.to[0].CustomerID, false)
	p.blocks(p.to[1].CustomerID)
	for n := range p.to {
		started, err := p.handler.StartDispatch(t.Context(), asAdmin, p.conversation(p.to[n].CustomerID), p.message(n).id, nil)
		require.NoError(t, err)
		require.Zero(t, started.Attempt, "it is not sent")
	}
	p.settle()
	spent, reserved := p.money()
	require.Equal(t, []int64{0, 0}, []int64{spent, reserved})
	require.Equal(t, 2, of[events.OutcomesCounted](p)[0].Failed)
}

// Whoever was forgotten after the audience was taken is skipped. Whoever was written to before that, was.
func TestWhoWasErasedIsSkipped(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(500_000, people("55119", 2)...)
	p.copies.erased[p.to[0].CustomerID] = true
	p.starts()
	require.Equal(t, []events.SkipReason{events.SkipErased, ""}, p.skips())
}

// A template that the platform stops pauses the campaign instead of using up its recipients; so does a suspension.
func TestACampaignPausesWhenNothingCanBeSent(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(500_000, people("55119", 2)...)
	_, err := p.handler.SuspendAccount(t.Context(), asAdmin, p.account)
	require.NoError(t, err)
	p.starts()
	require.Equal(t, []events.CampaignPaused{{CampaignID: p.id, Reason: events.PausedByPlatform}}, of[events.CampaignPaused](p))
	_, err = p.handler.ReinstateAccount(t.Context(), asAdmin, p.account)
	require.NoError(t, err)
	_, _, err = p.handler.SubmitTemplate(t.Context(), asAdmin, p.account, template.Submit{
		Name: template.Name{Name: "autumn", Language: "it"}, Category: events.Marketing, Components: []byte(`[{"type":"BODY","text":"{{1}}"}]`),
	})
	require.NoError(t, err)
	_, err = p.handler.ResumeCampaign(t.Context(), asAdmin, p.account, p.id)
	require.NoError(t, err)
	p.settle()
	require.Equal(t, events.PausedByTemplate, of[events.CampaignPaused](p)[1].Reason, "it is not approved")
	require.Empty(t, p.queued())
}

// A campaign that is cancelled while it writes finds out who was written to, and writes to nobody else.
func TestACampaignThatIsCancelledWhileItWrites(t *testing.T) {
	t.Parallel()
	p := due(t)
	broken := errors.New("the process ends")
	err := p.handler.AdvanceCampaign(t.Context(), asAdmin, p.id, "", &interrupted{copies: p.copies, seal: 1, err: broken})
	require.ErrorIs(t, err, broken)
	_, reserved := p.money()
	require.EqualValues(t, 250_000, reserved)
	_, err = p.handler.CancelCampaign(t.Context(), asAdmin, p.account, p.id)
	require.NoError(t, err)
	p.settle()
	require.Equal(t, []events.SkipReason{events.SkipEnded, events.SkipEnded, events.SkipEnded, events.SkipEnded}, p.skips())
	_, reserved = p.money()
	require.Zero(t, reserved)
	require.Empty(t, p.queued())
}

// interrupted ends at one of its calls.
type interrupted struct {
	copies

	seal int
	err  error
}

func (i *interrupted) Seal(ctx context.Context, owner id.Account, p []events.CampaignParameter, all []commands.Copy) ([]commands.SealedCopy, error) {
	if i.seal--; i.seal == 0 {
		return nil, i.err
	}
	return i.copies.Seal(ctx, owner, p, all)
}

// A recipient who was written to before the process ended counts as written, whatever has changed since.
func TestWhoWasWrittenToBeforeACrashCounts(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(100_000_000, people("55119", 70)...)
	p.clock = p.state().Scheduled().StartsAt
	err := p.handler.AdvanceCampaign(t.Context(), asAdmin, p.id, "", &interrupted{copies: p.copies, seal: 2, err: context.Canceled})
	require.Error(t, err)
	require.Len(t, p.queued(), 64)
	p.copies.erased[p.to[0].CustomerID] = true
	p.chooses(p.to[1].CustomerID, false)
	_, err = p.handler.CancelCampaign(t.Context(), asAdmin, p.account, p.id)
	require.NoError(t, err)
	p.settle()
	skips := p.skips()
	require.Equal(t, append(make([]events.SkipReason, 64), slices.Repeat([]events.SkipReason{events.SkipEnded}, 6)...), skips)
	_, reserved := p.money()
	require.EqualValues(t, 64*62_500, reserved)
}

// An audience whose taking was interrupted was never set.
func TestAnAudienceCountsOnceItIsSet(t *testing.T) {
	t.Parallel()
	p := open(t, "USD", "Europe/Rome").promote(100_000_000, people("55119", 3)...)
	broken := errors.New("the read model is away")
	_, err := p.handler.TakeAudience(t.Context(), asAdmin, p.account, p.id, commands.Audience{Segment: "list", Recipients: func(yield func(events.Recipient, error) bool) {
		for r, err := range crowd(campaign.ChunkSize) {
			if !yield(r, err) {
				return
			}
		}
		yield(events.Recipient{}, broken)
	}})
	require.ErrorIs(t, err, broken)
	_, err = p.handler.TakeAudience(t.Context(), asAdmin, p.account, p.id, commands.Audience{Segment: "list", Recipients: listed([]events.Recipient{p.to[0], p.to[0]})})
	require.ErrorContains(t, err, " after ", "nobody is in it twice")
	p.starts()
	require.Len(t, p.queued(), 3)
}
