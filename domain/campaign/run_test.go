package campaign_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/campaign"
	"daybook/events"
	"daybook/events/id"
)

func prices(micros ...int64) (list []campaign.Price) {
	for _, m := range micros {
		list = append(list, campaign.Price{Market: "Brazil", Micros: m, Known: true})
	}
	return list
}

// reserve asks to hold the same for each of the recipients of the first chunk, from one on up to another.
func reserve(from, to int, micros int64) decision {
	each := make([]int64, to-from)
	for i := range each {
		each[i] = micros
	}
	return func(s campaign.State) ([]events.Event, error) { return s.Reserve(0, from, prices(each...), opens) }
}

func reserved(from, to int, micros int64) events.BudgetReserved {
	n := to - from
	return events.BudgetReserved{
		CampaignID: sale, From: from, To: to, Amount: reais(micros * int64(n)),
		Rates: []events.ReservedRate{{Market: "Brazil", Micros: micros}}, Recipients: slices.Repeat([]int{1}, n),
	}
}

func exhausted(from int, spent, held, limit int64) events.BudgetExhausted {
	return events.BudgetExhausted{CampaignID: sale, From: from, Spent: reais(spent), Reserved: reais(held), Limit: reais(limit)}
}

// use tells that all recipients of a reservation were written to, but for those that are skipped.
func use(from, to int, skipped ...events.SkipReason) decision {
	outcomes := make([]events.SkipReason, to-from)
	copy(outcomes, skipped)
	return func(s campaign.State) ([]events.Event, error) { return s.Use(0, from, outcomes) }
}

func used(from, to, written int, released int64, skipped ...events.SkipCount) events.ReservationUsed {
	return events.ReservationUsed{CampaignID: sale, From: from, To: to, Written: written, Skipped: skipped, Released: reais(released)}
}

// TestMoneyIsHeldBeforeAnybodyIsWrittenTo plays pricing vector 16 on the campaign alone.
func TestMoneyIsHeldBeforeAnybodyIsWrittenTo(t *testing.T) {
	t.Parallel()
	two := running(5, 150_000).When(reserve(0, 5, 62_500)).Then(t, reserved(0, 2, 62_500))
	two.When(reserve(0, 5, 62_500)).Then(t) // they are not the next any more
	written := two.When(use(0, 2)).Then(t, used(0, 2, 2, 0))
	written.When(use(0, 2)).Then(t)
	empty := written.When(reserve(2, 5, 62_500)).Then(t, exhausted(2, 0, 125_000, 150_000))
	empty.When(reserve(2, 5, 62_500)).Then(t) // it was said

	count := func(s campaign.State) ([]events.Event, error) {
		return s.Count(events.Ref{}, events.OutcomesCounted{Source: events.Ref{Stream: "conversation-1", Revision: 4}, Failed: 1, Released: reais(62_500)})
	}
	failed := events.OutcomesCounted{CampaignID: sale, Source: events.Ref{Stream: "conversation-1", Revision: 4}, Failed: 1, Released: reais(62_500)}
	released := empty.When(count).Then(t, failed)
	released.When(func(s campaign.State) ([]events.Event, error) {
		_, err := count(s)
		require.ErrorIs(t, err, campaign.ErrCounted)
		return nil, nil
	}).Then(t)
	third := released.When(reserve(2, 5, 62_500)).Then(t, reserved(2, 3, 62_500)).When(use(2, 3)).Then(t, used(2, 3, 1, 0))
	spent := third.Given(events.CampaignCharged{
		CampaignID: sale, Source: events.Ref{Stream: "billing", Revision: 1}, Charged: 2, Amount: reais(125_000), Held: reais(125_000),
	})
	spent.When(reserve(3, 5, 62_500)).Then(t, exhausted(3, 125_000, 0, 150_000))
	over := scheduled().EndsAt
	spent.Given(exhausted(3, 125_000, 0, 150_000)).When(func(s campaign.State) ([]events.Event, error) { return s.Finish(over) }).Then(t,
		events.CampaignCompleted{CampaignID: sale, Written: 3, Skipped: []events.SkipCount{{Reason: events.SkipBudget, Count: 2}}, Rest: &events.SkipCount{Reason: events.SkipBudget, Count: 2}})
	spent.Given(raised(250_000)).When(reserve(3, 5, 62_500)).Then(t, reserved(3, 5, 62_500))
}

func TestWhoIsSkippedFreesWhatWasHeld(t *testing.T) {
	t.Parallel()
	held := running(600, 1_000).When(reserve(0, 3, 100)).Then(t, reserved(0, 3, 100))
	skipped := events.SkipCount{Reason: events.SkipBlocked, Count: 2}
	after := held.When(use(0, 3, events.SkipBlocked, events.SkipBlocked)).Then(t, used(0, 3, 1, 200, skipped))
	after.When(reserve(3, 13, 100)).Then(t, reserved(3, 12, 100))
}

// TestWhoHasNoPriceIsNotWrittenTo, and holds nobody else up.
func TestWhoHasNoPriceIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	mixed := append(prices(100), campaign.Price{Market: "Nowhere"}, prices(40)[0])
	running(600, 100).When(func(s campaign.State) ([]events.Event, error) { return s.Reserve(0, 0, mixed, opens) }).Then(t,
		events.BudgetReserved{CampaignID: sale, To: 2, Amount: reais(100), Rates: []events.ReservedRate{{Market: "Brazil", Micros: 100}}, Recipients: []int{1, 0}})
}

func TestTheLastRecipientCompletesTheCampaign(t *testing.T) {
	t.Parallel()
	running(3, 1_000).When(reserve(0, 3, 100)).Then(t, reserved(0, 3, 100)).
		When(use(0, 3, events.SkipNoOptIn)).Then(t, used(0, 3, 2, 100, events.SkipCount{Reason: events.SkipNoOptIn, Count: 1}),
		events.CampaignCompleted{CampaignID: sale, Written: 2, Skipped: []events.SkipCount{{Reason: events.SkipNoOptIn, Count: 1}}})
}

func TestAPausedCampaignWritesToNobodyElse(t *testing.T) {
	t.Parallel()
	pause := func(s campaign.State) ([]events.Event, error) { return s.Pause(events.PausedByOwner) }
	resume := func(s campaign.State) ([]events.Event, error) { return s.Resume() }
	cancel := func(s campaign.State) ([]events.Event, error) { return s.Cancel() }
	ready(3, 10).When(pause).Rejected(t, "CampaignNotRunning")
	ready(3, 10).When(cancel).Then(t, events.CampaignCancelled{CampaignID: sale}).When(cancel).Then(t)
	paused := running(3, 1_000).When(pause).Then(t, events.CampaignPaused{CampaignID: sale, Reason: events.PausedByOwner})
	paused.When(pause).Then(t)
	paused.When(reserve(0, 3, 100)).Then(t)
	over := scheduled().EndsAt
	paused.When(func(s campaign.State) ([]events.Event, error) { return s.Finish(over) }).Then(t,
		events.CampaignCompleted{CampaignID: sale, Skipped: []events.SkipCount{{Reason: events.SkipEnded, Count: 3}}, Rest: &events.SkipCount{Reason: events.SkipEnded, Count: 3}})
	ready(3, 10).When(func(s campaign.State) ([]events.Event, error) { return s.Finish(over) }).Then(t)
	paused.When(resume).Then(t, events.CampaignResumed{CampaignID: sale}).When(resume).Then(t).When(reserve(0, 3, 100)).Then(t, reserved(0, 3, 100))

	// Those that money was held for are settled all the same.
	stopped := running(3, 1_000).When(reserve(0, 3, 100)).Then(t, reserved(0, 3, 100)).When(cancel).Then(t, events.CampaignCancelled{CampaignID: sale})
	stopped.When(use(0, 3, events.SkipEnded, events.SkipEnded)).Then(t, used(0, 3, 1, 200, events.SkipCount{Reason: events.SkipEnded, Count: 2})).
		When(resume).Rejected(t, "CampaignNotRunning")
}

func TestACampaignThatStartsTooLateIsOver(t *testing.T) {
	t.Parallel()
	late := scheduled().EndsAt
	approved := ready(3, 10).Given(events.CampaignApproved{CampaignID: sale})
	approved.When(func(s campaign.State) ([]events.Event, error) { return s.Start(late) }).Then(t,
		events.CampaignStarted{CampaignID: sale, StartedAt: late},
		events.CampaignCompleted{CampaignID: sale, Skipped: []events.SkipCount{{Reason: events.SkipEnded, Count: 3}}, Rest: &events.SkipCount{Reason: events.SkipEnded, Count: 3}})
}

func TestABatchOfChargesCountsOnce(t *testing.T) {
	t.Parallel()
	batch := func(stream string, revision uint64) decision {
		return func(s campaign.State) ([]events.Event, error) {
			return s.Charge(events.CampaignCharged{Source: events.Ref{Stream: stream, Revision: revision}, Charged: 1, Amount: reais(5), Held: reais(7)})
		}
	}
	charged := func(stream string, revision uint64) events.CampaignCharged {
		return events.CampaignCharged{CampaignID: sale, Source: events.Ref{Stream: stream, Revision: revision}, Charged: 1, Amount: reais(5), Held: reais(7)}
	}
	given().When(batch("october", 9)).Then(t)
	october := running(3, 10).When(batch("october", 9)).Then(t, charged("october", 9))
	october.When(batch("october", 9)).Then(t)
	october.When(batch("october", 4)).Then(t)
	october.When(batch("november", 0)).Then(t, charged("november", 0)).When(batch("november", 0)).Then(t)
}

func TestAnAudienceIsTakenOncePerChunk(t *testing.T) {
	t.Parallel()
	ada := events.Recipient{CustomerID: id.Derive[id.Customer]("test", "ada"), Dialling: events.Dialling{Prefix: "55"}, Locale: "pt_BR"}
	take := func(audience id.Audience) func(campaign.Chunk) ([]events.Event, error) {
		return func(c campaign.Chunk) ([]events.Event, error) {
			return c.Take(events.AudienceTaken{CampaignID: sale, AudienceID: audience, Recipients: []events.Recipient{ada}})
		}
	}
	var chunk campaign.Chunk
	for _, audience := range []id.Audience{people, id.Derive[id.Audience]("test", "others")} {
		decided, err := take(audience)(chunk)
		require.NoError(t, err)
		require.Len(t, decided, 1)
		chunk = campaign.EvolveChunk(chunk, decided[0])
		decided, err = take(audience)(chunk)
		require.NoError(t, err)
		require.Empty(t, decided)
	}
	require.Equal(t, []events.Recipient{ada}, chunk.Recipients(people))
	sealed := ada
	sealed.To.Sealed = "another"
	require.Equal(t, campaign.Digest([]events.Recipient{ada}), campaign.Digest([]events.Recipient{sealed}))
	sealed.Locale = "en"
	require.NotEqual(t, campaign.Digest([]events.Recipient{ada}), campaign.Digest([]events.Recipient{sealed}))
}

// TestTheBudgetIsNeverOverspent plays campaigns with any prices, budgets, outcomes and orders of what becomes known. As long as
// no charge is more than what was held for it, what is spent and held stays within the limit.
func TestTheBudgetIsNeverOverspent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		recipients := rapid.IntRange(1, 3*campaign.ChunkSize).Draw(t, "recipients")
		limit := rapid.Int64Range(1, 2_000).Draw(t, "limit")
		p := &play{t: t, limit: limit, audience: recipients}
		for _, e := range []events.Event{
			drafted(), audience(recipients), scheduled(), budget(limit),
			events.CampaignApproved{CampaignID: sale}, events.CampaignStarted{CampaignID: sale, StartedAt: opens},
		} {
			p.state = campaign.Evolve(p.state, e)
		}
		t.Repeat(map[string]func(*rapid.T){
			"": p.check, "write": p.write, "charge": p.charge, "fail": p.fail,
			"raise": func(t *rapid.T) {
				p.limit += rapid.Int64Range(1, 500).Draw(t, "more")
				p.decide(p.state.SetBudget(reais(p.limit), "BRL"))
			},
			"pause":  func(*rapid.T) { p.decide(p.state.Pause(events.PausedByOwner)) },
			"resume": func(*rapid.T) { p.decide(p.state.Resume()) },
		})
	})
}

// play is a campaign with a model beside it: what is held for each message whose fate is not known, and what was spent.
type play struct {
	t               *rapid.T
	state           campaign.State
	limit, spent    int64
	audience        int
	held            []int64
	written         int
	skipped         int
	batch, outcomes uint64
}

func (p *play) decide(decided []events.Event, err error) {
	if err != nil {
		return // refused: the campaign is over
	}
	for _, e := range decided {
		p.state = campaign.Evolve(p.state, e)
	}
}

func (p *play) write(t *rapid.T) {
	task, chunk, from, to := p.state.Next(opens)
	if task != campaign.Reserve {
		return
	}
	each := rapid.SliceOfN(rapid.Int64Range(0, 60), to-from, to-from).Draw(t, "prices")
	p.decide(p.state.Reserve(chunk, from, prices(each...), opens))
	if task, chunk, from, to = p.state.Next(opens); task != campaign.Write {
		return
	}
	outcomes := make([]events.SkipReason, to-from)
	for i := range outcomes {
		if rapid.IntRange(0, 3).Draw(t, "skipped") == 0 {
			outcomes[i] = events.SkipOptedOut
			p.skipped++
			continue
		}
		p.held, p.written = append(p.held, each[i]), p.written+1
	}
	p.decide(p.state.Use(chunk, from, outcomes))
}

// take removes one of the messages whose fate becomes known.
func (p *play) take(t *rapid.T) (held int64) {
	i := rapid.IntRange(0, len(p.held)-1).Draw(t, "message")
	held = p.held[i]
	p.held = append(p.held[:i], p.held[i+1:]...)
	return held
}

func (p *play) charge(t *rapid.T) {
	if len(p.held) == 0 {
		return
	}
	held := p.take(t)
	cost := rapid.Int64Range(0, held).Draw(t, "cost")
	p.spent, p.batch = p.spent+cost, p.batch+1
	for range rapid.IntRange(1, 2).Draw(t, "told") {
		p.decide(p.state.Charge(events.CampaignCharged{Source: events.Ref{Stream: "billing", Revision: p.batch}, Amount: reais(cost), Held: reais(held)}))
	}
}

func (p *play) fail(t *rapid.T) {
	if len(p.held) == 0 {
		return
	}
	held := p.take(t)
	p.outcomes++
	p.decide(p.state.Count(p.state.Counted(), events.OutcomesCounted{Source: events.Ref{Stream: "c", Revision: p.outcomes}, Failed: 1, Released: reais(held)}))
}

func (p *play) check(t *rapid.T) {
	total := p.spent
	for _, held := range p.held {
		total += held
	}
	require.LessOrEqual(t, total, p.limit)
	spent, reserved := p.state.Money()
	require.Equal(t, p.spent, spent.Micros)
	require.Equal(t, total-p.spent, reserved.Micros)
	require.LessOrEqual(t, p.written+p.skipped, p.audience)
	require.Equal(t, p.state.Phase() == campaign.Completed, p.written+p.skipped == p.audience)
}
