package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/account"
	"daybook/domain/devices"
	"daybook/events"
)

type (
	registerInput struct {
		api.Idempotent

		Body api.RegisterAccount
	}
	termsInput struct {
		api.OnAccount

		Body api.AcceptTerms
	}
	profileInput struct {
		api.OnAccount

		Body api.Profile
	}
	linkInput struct {
		api.OnAccount

		Body api.LinkDevice
	}
	renameInput struct {
		api.OnDevice

		Body api.RenameDevice
	}
)

func (s *server) registerAccounts(a huma.API) {
	operation := func(method, path, name, summary, description string) huma.Operation {
		return huma.Operation{
			Method: method, Path: path, OperationID: name, Summary: summary, Description: description, Tags: []string{"Accounts"},
			Errors: []int{http.StatusNotFound, http.StatusConflict},
		}
	}
	register := operation(http.MethodPost, "/accounts", "registerAccount", "Register an account",
		"Opens the books of a business and claims its numbers and its WABA. A number belongs to one account, a WABA may be shared. The name cannot be changed afterwards.")
	register.DefaultStatus = http.StatusCreated
	command(s, a, operator, register, s.registerAccount)
	command(s, a, permit(events.RoleOwner), operation(http.MethodPost, "/accounts/{id}/terms", "acceptTerms", "Accept the terms",
		"Records consent to the terms of service and the privacy policy, by version. Nothing else is possible before."), s.acceptTerms)
	command(s, a, permit(events.RoleOwner), operation(http.MethodPut, "/accounts/{id}/profile", "updateProfile", "Replace the public profile",
		"The whole profile: what is left out becomes empty."), s.updateProfile)
	command(s, a, permit(events.RoleOwner), operation(http.MethodPost, "/accounts/{id}/premium", "subscribePremium", "Subscribe to premium",
		"Raises the limits to 10 devices of any kind, from now on."), s.subscribePremium)
	command(s, a, permit(events.RoleOwner), operation(http.MethodDelete, "/accounts/{id}/premium", "cancelPremium", "Cancel premium",
		"Returns to the standard limits, from now on. No device is unlinked; linking is refused until the account is within them."), s.cancelPremium)
	link := operation(http.MethodPost, "/accounts/{id}/devices", "linkDevice", "Link a device",
		"A standard account links at most 4 devices, of which one smartphone. Names are unique among linked devices, whatever their case.")
	link.DefaultStatus = http.StatusCreated
	command(s, a, permit(events.RoleOwner), link, s.linkDevice)
	command(s, a, permit(events.RoleOwner), operation(http.MethodPatch, "/accounts/{id}/devices/{device}", "renameDevice", "Rename a device",
		"Messages keep the name that the device had when they were written."), s.renameDevice)
	command(s, a, permit(events.RoleOwner), operation(http.MethodDelete, "/accounts/{id}/devices/{device}", "unlinkDevice", "Unlink a device",
		"The device can write no more. Its name becomes free; its id is never used again."), s.unlinkDevice)
}

func (s *server) registerAccount(ctx context.Context, meta commands.Meta, in *registerInput) (*body[api.AccountRegistered], error) {
	c := account.Register{
		Name: in.Body.Name, Kind: in.Body.Kind, Country: in.Body.Country, Currency: in.Body.Currency,
		Timezone: in.Body.Timezone, WABAID: in.Body.WABAID, Portfolio: in.Body.Portfolio, Platform: in.Body.Platform,
	}
	for _, n := range in.Body.Numbers {
		c.Numbers = append(c.Numbers, events.BusinessNumber(n))
	}
	opened, position, err := s.Commands.RegisterAccount(ctx, meta, c)
	if err != nil {
		return nil, err
	}
	return &body[api.AccountRegistered]{api.AccountRegistered{ID: opened, Recorded: s.recorded(position)}}, nil
}

func (s *server) acceptTerms(ctx context.Context, meta commands.Meta, in *termsInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.AcceptTerms(ctx, meta, in.ID, in.Body.TermsVersion, in.Body.PrivacyVersion))
}

func (s *server) updateProfile(ctx context.Context, meta commands.Meta, in *profileInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.UpdateProfile(ctx, meta, in.ID, account.Profile(in.Body)))
}

// The zero time of a plan means now, by the handler's clock: an instant of ours would make a repeat another request.

func (s *server) subscribePremium(ctx context.Context, meta commands.Meta, in *api.OnAccount) (*body[api.Recorded], error) {
	return s.answer(s.Commands.SubscribePremium(ctx, meta, in.ID, time.Time{}))
}

func (s *server) cancelPremium(ctx context.Context, meta commands.Meta, in *api.OnAccount) (*body[api.Recorded], error) {
	return s.answer(s.Commands.CancelPremium(ctx, meta, in.ID, time.Time{}))
}

func (s *server) linkDevice(ctx context.Context, meta commands.Meta, in *linkInput) (*body[api.DeviceLinked], error) {
	device, position, err := s.Commands.LinkDevice(ctx, meta, in.ID, devices.Link(in.Body))
	if err != nil {
		return nil, err
	}
	return &body[api.DeviceLinked]{api.DeviceLinked{ID: device, Recorded: s.recorded(position)}}, nil
}

func (s *server) renameDevice(ctx context.Context, meta commands.Meta, in *renameInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.RenameDevice(ctx, meta, in.ID, in.Device, in.Body.Name))
}

func (s *server) unlinkDevice(ctx context.Context, meta commands.Meta, in *api.OnDevice) (*body[api.Recorded], error) {
	return s.answer(s.Commands.UnlinkDevice(ctx, meta, in.ID, in.Device, events.UnlinkedByOwner))
}

// answer words what a command returned.
func (s *server) answer(position events.Position, err error) (*body[api.Recorded], error) {
	if err != nil {
		return nil, err
	}
	return &body[api.Recorded]{s.recorded(position)}, nil
}
