package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/campaign"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

var (
	firm   = id.Derive[id.Account]("test", "firm")
	sale   = id.Derive[id.Campaign]("test", "sale")
	people = id.Derive[id.Audience]("test", "people")
	iphone = campaign.Device{ID: id.Derive[id.Device]("test", "iphone"), Name: "iPhone Mario", RegistryRevision: 3}
	now    = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	opens  = now.Add(20 * time.Hour)
)

func reais(micros int64) money.Amount { return money.Amount{Micros: micros, Currency: "BRL"} }

func draft() campaign.Draft {
	return campaign.Draft{
		PhoneNumberID: "106540352242922", Name: "Autumn sale", Template: "autumn_sale", Category: events.Marketing,
		Locales: []string{"pt_BR", "en"}, DefaultLocale: "en",
		Parameters: []events.CampaignParameter{
			{Place: 1, Source: events.ParameterName, Fallback: "friend"}, {Place: 2, Source: events.ParameterText, Text: "20 %"},
		},
	}
}

func drafted() events.CampaignDrafted {
	d := draft()
	return events.CampaignDrafted{
		CampaignID: sale, AccountID: firm, PhoneNumberID: d.PhoneNumberID, Name: d.Name, Template: d.Template, Category: d.Category,
		Locales: d.Locales, DefaultLocale: d.DefaultLocale, Parameters: d.Parameters,
	}
}

func audience(recipients int) events.AudienceSet {
	return events.AudienceSet{
		CampaignID: sale, AudienceID: people, Segment: "list", Recipients: recipients,
		Chunks: (recipients + campaign.ChunkSize - 1) / campaign.ChunkSize, SHA256: "ab", TakenAt: now,
	}
}

func scheduled() events.CampaignScheduled {
	return events.CampaignScheduled{
		CampaignID: sale, LocalTime: "2026-10-02T05:00", Timezone: "America/Sao_Paulo", StartsAt: opens, EndsAt: opens.Add(7 * 24 * time.Hour),
		DeviceID: iphone.ID, DeviceName: iphone.Name, RegistryRevision: 3,
	}
}

func budget(micros int64) events.BudgetSet {
	return events.BudgetSet{CampaignID: sale, Limit: reais(micros)}
}

// raised is a budget that is set while the campaign runs.
func raised(micros int64) events.BudgetSet {
	set := budget(micros)
	set.Running = true
	return set
}

func given(facts ...events.Event) scenario.Scenario[campaign.State] {
	return scenario.New(campaign.Evolve).Given(facts...)
}

// ready is a campaign that can be approved.
func ready(recipients int, micros int64) scenario.Scenario[campaign.State] {
	return given(drafted(), audience(recipients), scheduled(), budget(micros))
}

// running is a campaign that has started.
func running(recipients int, micros int64) scenario.Scenario[campaign.State] {
	return ready(recipients, micros).Given(
		events.CampaignApproved{CampaignID: sale}, events.CampaignStarted{CampaignID: sale, StartedAt: opens})
}

type decision = func(campaign.State) ([]events.Event, error)

func drafts(change func(*campaign.Draft)) decision {
	d := draft()
	change(&d)
	return func(s campaign.State) ([]events.Event, error) { return s.Draft(firm, sale, d) }
}

func TestACampaignIsDraftedOnce(t *testing.T) {
	t.Parallel()
	first := given().When(drafts(func(*campaign.Draft) {})).Then(t, drafted())
	first.When(drafts(func(*campaign.Draft) {})).Then(t)
	other := drafted()
	other.Name = "Winter sale"
	first.When(drafts(func(d *campaign.Draft) { d.Name = " Winter sale " })).Then(t, other)
}

func TestADraftSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for code, changes := range map[string][]func(*campaign.Draft){
		"CampaignNameInvalid": {func(d *campaign.Draft) { d.Name = " " }},
		"TemplateRequired":    {func(d *campaign.Draft) { d.Template = "" }},
		"CategoryRequired":    {func(d *campaign.Draft) { d.Category = events.Authentication }, func(d *campaign.Draft) { d.Category = "" }},
		"LocaleMissing": {
			func(d *campaign.Draft) { d.Locales = nil }, func(d *campaign.Draft) { d.DefaultLocale = "it" },
			func(d *campaign.Draft) { d.DefaultLocale = "" },
		},
		"LocaleInvalid": {func(d *campaign.Draft) { d.Locales = append(d.Locales, "en") }},
		"ParameterInvalid": {
			func(d *campaign.Draft) { d.Parameters[0].Place = 2 },
			func(d *campaign.Draft) { d.Parameters[1].Text = "" },
			func(d *campaign.Draft) { d.Parameters[1].Text = "{{2}}" },
			func(d *campaign.Draft) { d.Parameters[1].Fallback = "some" },
			func(d *campaign.Draft) { d.Parameters[0].Fallback = "{{1}}" },
			func(d *campaign.Draft) { d.Parameters[0].Text = "Ada" },
			func(d *campaign.Draft) { d.Parameters[0].Source = "weather" },
		},
	} {
		for _, change := range changes {
			given().When(drafts(change)).Rejected(t, code)
		}
	}
}

func TestACampaignNeedsAllBeforeItIsApproved(t *testing.T) {
	t.Parallel()
	approve := func(s campaign.State) ([]events.Event, error) { return s.Approve(now) }
	given().When(approve).Rejected(t, "CampaignUnknown")
	given(drafted()).When(approve).Rejected(t, "AudienceRequired")
	given(drafted(), audience(5)).When(approve).Rejected(t, "BudgetRequired")
	given(drafted(), audience(5), budget(1)).When(approve).Rejected(t, "ScheduleRequired")
	approved := ready(5, 1).When(approve).Then(t, events.CampaignApproved{CampaignID: sale})
	approved.When(approve).Then(t)
	ready(5, 1).When(func(s campaign.State) ([]events.Event, error) { return s.Approve(opens) }).Rejected(t, "ScheduleInPast")
	// What is changed has to be approved anew.
	begins := func(s campaign.State) ([]events.Event, error) { return s.Start(opens) }
	approved.Given(budget(2)).When(begins).Then(t)
	approved.Given(audience(6)).When(begins).Then(t)
	approved.When(func(s campaign.State) ([]events.Event, error) { return s.Start(opens.Add(-1)) }).Then(t)
	approved.When(begins).Then(t, events.CampaignStarted{CampaignID: sale, StartedAt: opens}).When(begins).Then(t)
}

func TestAStartedCampaignCannotBeChanged(t *testing.T) {
	t.Parallel()
	r := running(5, 100)
	r.When(drafts(func(d *campaign.Draft) { d.Name = "Winter sale" })).Rejected(t, "CampaignLocked")
	r.When(func(s campaign.State) ([]events.Event, error) { return s.SetAudience(audience(6)) }).Rejected(t, "CampaignLocked")
	r.When(func(s campaign.State) ([]events.Event, error) {
		return s.Schedule(campaign.Schedule{Starts: "2026-11-01T09:00", Zone: time.UTC, Device: iphone}, now)
	}).Rejected(t, "CampaignLocked")
}

func TestAnAudienceHasSomebodyAndNotTooMany(t *testing.T) {
	t.Parallel()
	set := func(n int) decision {
		return func(s campaign.State) ([]events.Event, error) { return s.SetAudience(audience(n)) }
	}
	given(drafted()).When(set(0)).Rejected(t, "AudienceEmpty")
	given(drafted()).When(set(campaign.MaxRecipients+1)).Rejected(t, "AudienceTooLarge")
	given(drafted()).When(set(campaign.MaxRecipients)).Then(t, audience(campaign.MaxRecipients)).When(set(3)).Then(t)
}

func TestABudgetIsInTheAccountsCurrencyAndCoversWhatIsHeld(t *testing.T) {
	t.Parallel()
	set := func(limit money.Amount) decision {
		return func(s campaign.State) ([]events.Event, error) { return s.SetBudget(limit, "BRL") }
	}
	given(drafted()).When(set(reais(0))).Rejected(t, "BudgetRequired")
	given(drafted()).When(set(money.Amount{Micros: 5, Currency: "USD"})).Rejected(t, "CurrencyMismatch")
	given(drafted()).When(set(reais(5))).Then(t, budget(5)).When(set(reais(5))).Then(t)
	held := running(5, 125).When(reserve(0, 5, 25)).Then(t, reserved(0, 5, 25))
	held.When(set(reais(124))).Rejected(t, "BudgetTooSmall")
	held.When(set(reais(126))).Then(t, raised(126))
	held.Given(events.CampaignCancelled{CampaignID: sale}).When(set(reais(126))).Rejected(t, "CampaignLocked")
}

func TestAScheduleIsInLocalTime(t *testing.T) {
	t.Parallel()
	rome, err := time.LoadLocation("Europe/Rome")
	require.NoError(t, err)
	at := func(starts, ends string) decision {
		return func(s campaign.State) ([]events.Event, error) {
			return s.Schedule(campaign.Schedule{Starts: starts, Ends: ends, Zone: rome, Device: iphone}, now)
		}
	}
	want := func(local string, starts, ends time.Time) events.CampaignScheduled {
		return events.CampaignScheduled{
			CampaignID: sale, LocalTime: local, Timezone: "Europe/Rome", StartsAt: starts, EndsAt: ends,
			DeviceID: iphone.ID, DeviceName: iphone.Name, RegistryRevision: 3,
		}
	}
	week := 7 * 24 * time.Hour
	draft := given(drafted())
	summer, winter := time.Date(2026, 10, 24, 7, 0, 0, 0, time.UTC), time.Date(2026, 10, 26, 8, 0, 0, 0, time.UTC)
	draft.When(at("2026-10-24T09:00", "")).Then(t, want("2026-10-24T09:00", summer, summer.Add(week)))
	draft.When(at("2026-10-26T09:00:00", "2026-10-26T10:00")).Then(t, want("2026-10-26T09:00:00", winter, winter.Add(time.Hour)))
	// The night of 25 October has 02:30 twice: the first counts. The one of 28 March 2027 has none.
	twice := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	draft.When(at("2026-10-25T02:30", "")).Then(t, want("2026-10-25T02:30", twice, twice.Add(week)))
	draft.When(at("2027-03-28T02:30", "")).Rejected(t, "ScheduleInvalid")
	draft.When(at("tomorrow", "")).Rejected(t, "ScheduleInvalid")
	draft.When(at("2026-10-24T09:00", "2026-10-24T09:00")).Rejected(t, "ScheduleInvalid")
	draft.When(at("2026-10-24T09:00", "2026-11-24T09:00")).Rejected(t, "ScheduleInvalid")
	draft.When(at("2026-10-01T14:00", "")).Rejected(t, "ScheduleInPast") // which is now
	draft.When(at("2026-10-24T09:00", "")).Then(t, want("2026-10-24T09:00", summer, summer.Add(week))).When(at("2026-10-24T09:00", "")).Then(t)
}

func TestACopyIsInTheCustomersLanguageWithTheName(t *testing.T) {
	t.Parallel()
	d := drafted()
	for customer, want := range map[string]string{"pt_BR": "pt_BR", "pt": "pt_BR", "pt_PT": "pt_BR", "en_US": "en", "de": "en", "": "en"} {
		require.Equal(t, want, campaign.Language(d, customer), customer)
	}
	texts, skip := campaign.Fill(d.Parameters, "Ada")
	require.Equal(t, []string{"Ada", "20 %"}, texts)
	require.Empty(t, skip)
	for _, bad := range []string{"", "  ", "{{1}}", "A\nda"} {
		texts, skip = campaign.Fill(d.Parameters, bad)
		require.Equal(t, []string{"friend", "20 %"}, texts, bad)
		require.Empty(t, skip)
	}
	d.Parameters[0].Fallback = ""
	texts, skip = campaign.Fill(d.Parameters, "")
	require.Nil(t, texts)
	require.Equal(t, events.SkipNoName, skip)
}
