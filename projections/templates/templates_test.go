package templates_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections/projectiontest"
	"daybook/projections/templates"
	list "daybook/readmodels/templates"
)

var (
	noon   = time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)
	offer  = id.Derive[id.Template]("offer")
	stream = "template-" + offer.String()
)

func told(second int) events.ToldFact {
	return events.ToldFact{
		AccountID: projectiontest.Account, FactID: id.Derive[id.Fact]("told", time.Duration(second).String()),
		ToldAt: noon.Add(time.Duration(second) * time.Second),
	}
}

func submitted(source events.TemplateSource) events.Event {
	category := events.Utility
	if source == events.TemplateByPlatform {
		category = ""
	}
	return events.TemplateSubmitted{
		AccountID: projectiontest.Account, TemplateID: offer, Name: "october_offer", Language: "it", Category: category, Source: source,
	}
}

func status(second int, word string) events.Event {
	return events.TemplateStatusChanged{ToldFact: told(second), TemplateID: offer, Status: word}
}

func moved(second int, to events.Category, notice bool) events.Event {
	fact := told(second)
	return events.TemplateCategoryChanged{ToldFact: fact, TemplateID: offer, To: to, EffectiveAt: fact.ToldAt, Notice: notice}
}

func quality(second int, word string) events.Event {
	return events.TemplateQualityChanged{ToldFact: told(second), TemplateID: offer, To: word}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, templates.Define, func(s *projectiontest.Scenario) {
		s.Given(stream, submitted(events.TemplateBySubmission), status(1, "APPROVED"), moved(2, events.Marketing, true),
			moved(3, events.Marketing, false), quality(4, "GREEN"), status(5, "PAUSED"))
	})
}

func TestTheLastWordOfThePlatformIsShown(t *testing.T) {
	t.Parallel()
	seen := func(second int, word string, category events.Category) events.Event {
		return events.TemplateStatusChanged{ToldFact: told(second), TemplateID: offer, Status: word, Category: category}
	}
	for name, c := range map[string]struct {
		given                     []events.Event
		status, category, quality string
	}{
		"submitted":            {[]events.Event{submitted(events.TemplateBySubmission)}, "PENDING", "utility", ""},
		"told of":              {[]events.Event{submitted(events.TemplateByPlatform), quality(1, "GREEN")}, "", "", "GREEN"},
		"approved":             {[]events.Event{submitted(events.TemplateBySubmission), status(1, "APPROVED")}, "APPROVED", "utility", ""},
		"in disorder":          {[]events.Event{submitted(events.TemplateBySubmission), status(3, "DISABLED"), status(2, "APPROVED")}, "DISABLED", "utility", ""},
		"announced":            {[]events.Event{submitted(events.TemplateBySubmission), moved(1, events.Marketing, true)}, "PENDING", "utility", ""},
		"changed":              {[]events.Event{submitted(events.TemplateBySubmission), moved(1, events.Marketing, false)}, "PENDING", "marketing", ""},
		"changed in a while":   {[]events.Event{submitted(events.TemplateBySubmission), moved(61, events.Marketing, false)}, "PENDING", "utility", ""},
		"seen with a category": {[]events.Event{submitted(events.TemplateByPlatform), seen(1, "APPROVED", events.Marketing)}, "APPROVED", "marketing", ""},
		"quality in disorder":  {[]events.Event{submitted(events.TemplateBySubmission), quality(9, "RED"), quality(2, "GREEN")}, "PENDING", "utility", "RED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := projectiontest.For(t, templates.Define).Given(stream, c.given...)
			s.Settle()
			found, err := list.Of(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, noon.Add(time.Minute))
			require.NoError(t, err)
			require.Equal(t, []list.Template{{
				ID: offer, Name: "october_offer", Language: "it", Category: c.category, Status: c.status, Quality: c.quality,
			}}, found)
			other, err := list.Of(t.Context(), s.Pool(), s.Schema(), id.Derive[id.Account]("other"), noon)
			require.NoError(t, err)
			require.Empty(t, other)
		})
	}
}
