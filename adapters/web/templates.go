package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/template"
	"daybook/events"
	"daybook/readmodels/templates"
)

type (
	templatesInput struct {
		api.Waiting
		api.OfAccount
	}
	templatesOutput struct {
		api.Positions

		Body api.Templates
	}
	submitTemplateInput struct {
		api.OnAccount

		Body api.SubmitTemplate
	}
)

func (s *server) registerTemplates(a huma.API) {
	command(s, a, permit(events.RoleOwner, events.RoleDeveloper), huma.Operation{
		Method: http.MethodPost, Path: "/accounts/{id}/templates", OperationID: "submitTemplate", Tags: []string{"Messages"},
		Summary: "Enter a template",
		Description: "Enters a template as it was submitted to the platform. It is sent once the platform tells that it approves it; " +
			"one that the platform tells of first enters itself.",
		DefaultStatus: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.submitTemplate)
	endpoint(s, a, everybody, huma.Operation{
		Method: http.MethodGet, Path: "/templates", OperationID: "listTemplates", Tags: []string{"Messages"},
		Summary:     "List templates",
		Description: "The templates of an account, each with what the platform told last by its own clock.",
		Errors:      []int{http.StatusNotFound, http.StatusConflict},
	}, s.listTemplates)
}

func (s *server) submitTemplate(ctx context.Context, meta commands.Meta, in *submitTemplateInput) (*body[api.TemplateSubmitted], error) {
	entered, position, err := s.Commands.SubmitTemplate(ctx, meta, in.ID, template.Submit{
		Name: template.Name{Name: in.Body.Name, Language: in.Body.Language}, Category: in.Body.Category, Components: in.Body.Components,
	})
	if err != nil {
		return nil, err
	}
	return &body[api.TemplateSubmitted]{api.TemplateSubmitted{ID: entered, Recorded: s.recorded(position)}}, nil
}

func (s *server) listTemplates(ctx context.Context, in *templatesInput) (*templatesOutput, error) {
	if err := s.mustExist(ctx, in.Account); err != nil {
		return nil, err
	}
	read, err := s.caughtUp(ctx, in.WaitFor, fromTemplates)
	if err != nil {
		return nil, err
	}
	found, err := templates.Of(ctx, s.Database, read.of(templatesProjection), in.Account, s.Now())
	if err != nil {
		return nil, err
	}
	answer := api.Templates{Templates: make([]api.KnownTemplate, 0, len(found)), Positions: read.positions()}
	for _, t := range found {
		answer.Templates = append(answer.Templates, api.KnownTemplate{
			ID: t.ID, Name: t.Name, Language: t.Language, Category: events.Category(t.Category), Status: t.Status, Quality: t.Quality,
		})
	}
	return &templatesOutput{header(answer.Positions), answer}, nil
}
