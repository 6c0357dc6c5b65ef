package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

type consentInput struct {
	api.OnAccount

	Body api.RecordConsent
}

func (s *server) registerConsents(a huma.API) {
	command(s, a, permit(events.RoleOwner, events.RoleAgent, events.RoleDeveloper), huma.Operation{
		Method: http.MethodPost, Path: "/accounts/{id}/consents", OperationID: "recordConsent", Tags: []string{"Customers"},
		Summary: "Record what a customer wants to receive",
		Description: "Marketing needs an opt-in; messages of a category that the customer opted out of are refused. The newest " +
			"word counts. What shows it is sealed under the customer's key before anything is stored.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.recordConsent)
}

func (s *server) recordConsent(ctx context.Context, meta commands.Meta, in *consentInput) (*body[api.Consent], error) {
	person, err := recipientAt("body.customer", in.Body.Customer)
	if err != nil {
		return nil, err
	}
	number, err := s.Commands.SendingNumber(ctx, in.ID, in.Body.PhoneNumberID)
	if err != nil {
		return nil, err
	}
	customer, key, err := s.keyOf(ctx, in.ID, person)
	if err != nil {
		return nil, err
	}
	fact := id.New[id.Fact]()
	c := conversation.Consent{
		Account: in.ID, PhoneNumberID: number, CustomerID: customer, FactID: fact, Category: events.Category(in.Body.Category),
		Wanted: in.Body.Wanted, Source: events.ConsentSource(in.Body.Source),
		Evidence: key.Seal(fact, "evidence", []byte(in.Body.Evidence)),
	}
	if in.Body.SaidAt != nil {
		c.At = *in.Body.SaidAt
	}
	position, err := s.Commands.SetConsent(ctx, meta, c)
	if err != nil {
		return nil, err
	}
	return &body[api.Consent]{api.Consent{Conversation: conversation.IDOf(number, customer), Recorded: s.recorded(position)}}, nil
}
