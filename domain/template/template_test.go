package template_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/scenario"
	"daybook/domain/template"
	"daybook/events"
	"daybook/events/id"
)

var (
	firm  = id.Derive[id.Account]("test", "firm")
	noon  = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	offer = template.Name{Name: "october_offer", Language: "it"}
	body  = json.RawMessage(`[{"type":"BODY","text":"Ciao {{1}}"}]`)
)

func told(second int) events.ToldFact {
	return events.ToldFact{
		AccountID: firm, FactID: id.Derive[id.Fact]("test", strconv.Itoa(second)), ToldAt: noon.Add(time.Duration(second) * time.Second),
	}
}

func submitted() events.TemplateSubmitted {
	return events.TemplateSubmitted{
		AccountID: firm, TemplateID: template.IDOf(firm, offer), Name: "october_offer", Language: "it", Category: events.Utility,
		Components: body, Source: events.TemplateBySubmission,
	}
}

func status(second int, word string) events.TemplateStatusChanged {
	return events.TemplateStatusChanged{ToldFact: told(second), TemplateID: template.IDOf(firm, offer), Status: word}
}

func moved(second int, to events.Category) events.TemplateCategoryChanged {
	fact := told(second)
	return events.TemplateCategoryChanged{ToldFact: fact, TemplateID: template.IDOf(firm, offer), To: to, EffectiveAt: fact.ToldAt}
}

type decide = func(template.State) ([]events.Event, error)

func hear(all ...events.ToldEvent) decide {
	return func(s template.State) ([]events.Event, error) { return s.Hear(firm, offer, all) }
}

func use(wanted events.Category, second int, want events.Category) func(*testing.T, scenario.Scenario[template.State]) {
	return func(t *testing.T, given scenario.Scenario[template.State]) {
		t.Helper()
		given.When(func(s template.State) ([]events.Event, error) {
			got, err := s.Use(wanted, noon.Add(time.Duration(second)*time.Second))
			if err == nil {
				require.Equal(t, want, got)
			}
			return nil, err
		}).Then(t)
	}
}

func refused(t *testing.T, given scenario.Scenario[template.State], wanted events.Category, code string) {
	t.Helper()
	given.When(func(s template.State) ([]events.Event, error) {
		_, err := s.Use(wanted, noon)
		return nil, err
	}).Rejected(t, code)
}

func TestATemplateIsEnteredOnce(t *testing.T) {
	t.Parallel()
	submit := func(change func(*template.Submit)) decide {
		c := template.Submit{Name: offer, Category: events.Utility, Components: body}
		if change != nil {
			change(&c)
		}
		return func(s template.State) ([]events.Event, error) { return s.Submit(firm, c) }
	}
	nothing := scenario.New(template.Evolve)
	nothing.When(submit(nil)).Then(t, submitted()).When(submit(nil)).Rejected(t, "TemplateExists")
	for name, c := range map[string]struct {
		change      func(*template.Submit)
		code, field string
	}{
		"no name":       {func(c *template.Submit) { c.Name.Name = "" }, "TemplateInvalid", "name"},
		"capitals":      {func(c *template.Submit) { c.Name.Name = "Offer" }, "TemplateInvalid", "name"},
		"long name":     {func(c *template.Submit) { c.Name.Name = strings.Repeat("a", 513) }, "TemplateInvalid", "name"},
		"language":      {func(c *template.Submit) { c.Language = "it-IT" }, "LanguageInvalid", "language"},
		"service":       {func(c *template.Submit) { c.Category = events.Service }, "CategoryRequired", "category"},
		"no components": {func(c *template.Submit) { c.Components = nil }, "ComponentsInvalid", "components"},
		"empty list":    {func(c *template.Submit) { c.Components = json.RawMessage(`[]`) }, "ComponentsInvalid", "components"},
		"an object":     {func(c *template.Submit) { c.Components = json.RawMessage(`{}`) }, "ComponentsInvalid", "components"},
		"far too long": {func(c *template.Submit) {
			c.Components = json.RawMessage(`["` + strings.Repeat("a", 64<<10) + `"]`)
		}, "ComponentsInvalid", "components"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.field, nothing.When(submit(c.change)).Rejected(t, c.code).Field)
		})
	}
}

func TestOnlyWhatThePlatformApprovesIsSent(t *testing.T) {
	t.Parallel()
	known := scenario.New(template.Evolve).Given(submitted())
	refused(t, known, events.Utility, "TemplateNotSendable")
	for word, ok := range map[string]bool{
		"APPROVED": true, "REINSTATED": true, "UNARCHIVED": true, "FLAGGED": true,
		"REJECTED": false, "PENDING": false, "PAUSED": false, "DISABLED": false, "LOCKED": false, "IN_APPEAL": false,
		"LIMIT_EXCEEDED": false, "ARCHIVED": false, "DELETED": false, "PENDING_DELETION": false, "SOMETHING_NEW": false,
	} {
		given := known.Given(status(1, word))
		if ok {
			use(events.Utility, 0, events.Utility)(t, given)
		} else {
			refused(t, given, events.Utility, "TemplateNotSendable")
		}
	}
	approved := known.Given(status(1, "APPROVED"))
	refused(t, approved, events.Marketing, "CategoryMismatch")
	use("", 0, events.Utility)(t, approved)
	use(events.Marketing, 0, events.Marketing)(t, scenario.New(template.Evolve)) // nothing is known of it

	disabled := approved.Given(status(9, "DISABLED"))
	refused(t, disabled, events.Utility, "TemplateNotSendable")
	refused(t, disabled.Given(status(5, "REINSTATED")), events.Utility, "TemplateNotSendable") // told before, and came late
	use(events.Utility, 0, events.Utility)(t, disabled.Given(status(10, "REINSTATED")))
}

func TestATemplateThatIsToldFirstMakesItselfKnown(t *testing.T) {
	t.Parallel()
	byPlatform := events.TemplateSubmitted{
		AccountID: firm, TemplateID: template.IDOf(firm, offer), Name: "october_offer", Language: "it", Source: events.TemplateByPlatform,
	}
	worse := events.TemplateQualityChanged{ToldFact: told(1), TemplateID: template.IDOf(firm, offer), From: "GREEN", To: "YELLOW"}
	heard := scenario.New(template.Evolve).When(hear(worse)).Then(t, byPlatform, worse)
	heard.When(hear(worse)).Then(t)
	use(events.Marketing, 0, events.Marketing)(t, heard) // it was never judged
	use("", 0, "")(t, heard)
	approved := status(2, "APPROVED")
	approved.Category = events.Marketing
	known := heard.When(hear(approved)).Then(t, approved)
	use("", 2, events.Marketing)(t, known)
	use("", 1, "")(t, known)
}

func TestAnAnnouncedCategoryIsNotTheChange(t *testing.T) {
	t.Parallel()
	given := scenario.New(template.Evolve).Given(submitted(), status(0, "APPROVED"))
	notice := moved(1, events.Marketing)
	notice.Notice, notice.EffectiveAt = true, notice.ToldAt.Add(24*time.Hour)
	announced := given.When(hear(notice)).Then(t, notice)
	day := 24 * 3600
	use("", 2, events.Utility)(t, announced)
	use("", 2*day, events.Utility)(t, announced)
	changed := announced.When(hear(moved(day, events.Marketing))).Then(t, moved(day, events.Marketing))
	use("", day-1, events.Utility)(t, changed)
	use("", day, events.Marketing)(t, changed)
}

// TestTheOrderOfWordsDoesNotMatter: status and category are the same in whatever order they were told.
func TestTheOrderOfWordsDoesNotMatter(t *testing.T) {
	t.Parallel()
	words := []string{"APPROVED", "PAUSED", "DISABLED", "REINSTATED"}
	kinds := []events.Category{events.Utility, events.Marketing, events.Authentication}
	rapid.Check(t, func(t *rapid.T) {
		var all []events.ToldEvent
		for i := range rapid.IntRange(1, 8).Draw(t, "words") {
			fact := told(rapid.IntRange(0, 3).Draw(t, "second"))
			fact.FactID = id.Derive[id.Fact]("word", strconv.Itoa(i))
			if rapid.Bool().Draw(t, "status") {
				all = append(all, events.TemplateStatusChanged{
					ToldFact: fact, Status: rapid.SampledFrom(words).Draw(t, "word"), Category: rapid.SampledFrom(kinds).Draw(t, "seen"),
				})
			} else {
				all = append(all, events.TemplateCategoryChanged{
					ToldFact: fact, To: rapid.SampledFrom(kinds).Draw(t, "to"), EffectiveAt: fact.ToldAt,
				})
			}
		}
		outcome := func(order []events.ToldEvent) []any {
			s := template.Evolve(template.State{}, submitted())
			for _, e := range order {
				s = template.Evolve(s, e)
			}
			found := []any{s.Sendable() == nil}
			for second := -1; second <= 4; second++ {
				found = append(found, s.CategoryAt(noon.Add(time.Duration(second)*time.Second)))
			}
			return found
		}
		require.Equal(t, outcome(all), outcome(rapid.Permutation(all).Draw(t, "order")))
	})
}
