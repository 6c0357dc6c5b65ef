package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/account"
	"daybook/domain/staff"
	"daybook/events"
	"daybook/events/id"
)

type staffInput struct {
	api.OnAccount

	Body api.SendStaffMessage
}

func (s *server) registerStaff(a huma.API) {
	command(s, a, permit(events.RoleOwner, events.RoleAgent), huma.Operation{
		Method: http.MethodPost, Path: "/accounts/{id}/staff-messages", OperationID: "sendStaffMessage", Tags: []string{"Messages"},
		DefaultStatus: http.StatusCreated, Summary: "Write to a colleague",
		Description: "Records a message from one device of the account to another, with the names that both have at this moment. " +
			"It never goes to the platform. The text is sealed before anything is stored.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.sendStaffMessage)
}

func (s *server) sendStaffMessage(ctx context.Context, meta commands.Meta, in *staffInput) (*body[api.StaffMessageSent], error) {
	if err := s.Commands.Account(ctx, in.ID, func(account.State) {}); err != nil {
		return nil, err // before the vault makes a key for an account that does not exist
	}
	scope := events.KeyScope{Account: in.ID, Subject: in.ID.UUID, Class: events.ClassStaff, Year: s.Now().UTC().Year()}
	keys, err := s.Vault.Keys(ctx, []events.KeyScope{scope})
	if err != nil {
		return nil, fmt.Errorf("finding the key of the staff of %s: %w", in.ID, err)
	}
	text := []byte(in.Body.Text)
	message := id.New[id.Message]()
	if !meta.Command.IsZero() { // another text under the same key is another message, as with customers
		message = id.Derive[id.Message]("staff", meta.Command.String(), in.ID.String(), s.Vault.Digest("message content", text))
	}
	position, err := s.Commands.SendStaffMessage(ctx, meta, staff.Send{
		Account: in.ID, MessageID: message, DeviceID: in.Body.DeviceID, ToDeviceID: in.Body.ToDeviceID,
		Content: keys[scope].Seal(id.Of[id.Fact](message), "content", text),
	})
	if err != nil {
		return nil, err
	}
	return &body[api.StaffMessageSent]{api.StaffMessageSent{ID: message, Recorded: s.recorded(position)}}, nil
}
