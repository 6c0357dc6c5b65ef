// Package templates posts the templates of accounts and what the platform tells of them.
//
// It owns the read model of the same name. Nothing here decides which word holds: each stands in a row with the platform's
// times, and the question is answered by a query, so the order of arrival leaves no trace in the rows but their places.
package templates

import (
	"time"

	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/readmodels/templates"
)

// Define returns the projection.
func Define() *projections.Projection {
	p := projections.New("templates", 1, templates.Schema)
	known := projections.Patch[templates.TemplateRow](p, "templates")
	words := projections.Append[templates.WordRow](p, "words")

	projections.On(p, func(e events.TemplateSubmitted, _ projections.At) error {
		return known.Set(templates.TemplateRow{
			TemplateID: e.TemplateID, AccountID: &e.AccountID, Name: &e.Name, Language: &e.Language,
			Category: new(string(e.Category)), Submitted: new(e.Source == events.TemplateBySubmission),
		})
	})
	projections.On(p, func(e events.TemplateStatusChanged, at projections.At) error {
		if err := words.Add(word(at, e.TemplateID, e.ToldFact, templates.Status, e.Status, e.ToldAt)); err != nil || e.Category == "" {
			return err
		}
		return words.Add(word(at, e.TemplateID, e.ToldFact, templates.Category, string(e.Category), e.ToldAt))
	})
	projections.On(p, func(e events.TemplateCategoryChanged, at projections.At) error {
		if e.Notice {
			return nil
		}
		return words.Add(word(at, e.TemplateID, e.ToldFact, templates.Category, string(e.To), e.EffectiveAt))
	})
	projections.On(p, func(e events.TemplateQualityChanged, at projections.At) error {
		return words.Add(word(at, e.TemplateID, e.ToldFact, templates.Quality, e.To, e.ToldAt))
	})
	return p
}

func word(at projections.At, of id.Template, told events.ToldFact, matter, is string, since time.Time) templates.WordRow {
	return templates.WordRow{
		TemplateID: of, Matter: matter, Since: since, ToldAt: told.ToldAt, FactID: told.FactID, Word: is,
		Stream: at.Stream, Revision: at.Revision,
	}
}
