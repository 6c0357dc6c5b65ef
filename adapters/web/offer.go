package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/account"
	"daybook/events"
)

type (
	photoInput struct {
		api.OnAccount

		Body api.Photo
	}
	verdictInput struct {
		api.OnAccount

		Body api.Verdict
	}
	featureInput struct {
		api.OnAccount

		Feature string `path:"feature" doc:"campaigns, commands or beta_devices."`
		Body    api.Feature
	}
	commandInput struct {
		api.OnAccount

		Body api.Command
	}
	onCommand struct {
		api.OnAccount

		Command string `path:"command" doc:"The command, without the slash."`
	}
	autoReplyInput struct {
		api.OnAccount

		Trigger string `path:"trigger" doc:"first_message, away or welcome."`
		Body    api.AutoReply
	}
	onTrigger struct {
		api.OnAccount

		Trigger string `path:"trigger" doc:"first_message, away or welcome."`
	}
	noticeInput struct {
		api.OnAccount

		Body api.Notice
	}
	publishTermsInput struct {
		api.Idempotent

		Body api.AcceptTerms
	}
)

// everybody is every role that there is in an account.
var everybody = permit(events.RoleOwner, events.RoleAgent, events.RoleCompliance, events.RoleBilling, events.RoleDeveloper, events.RoleAuditor)

// registerOffer registers what a business is offered and configures, and what its operator decides.
func (s *server) registerOffer(a huma.API) {
	operation := func(method, path, name, summary, description string) huma.Operation {
		return huma.Operation{
			Method: method, Path: path, OperationID: name, Summary: summary, Description: description, Tags: []string{"Accounts"},
			Errors: []int{http.StatusNotFound, http.StatusConflict},
		}
	}
	owner, automation := permit(events.RoleOwner), permit(events.RoleOwner, events.RoleDeveloper)
	endpoint(s, a, everybody, operation(http.MethodGet, "/accounts/{id}", "getAccount", "Show an account",
		"What the account is and has, as of now: verification and badge, features, commands and automatic replies."), s.getAccount)
	command(s, a, operator, operation(http.MethodPost, "/terms", "publishTerms", "Publish terms",
		"Makes versions of the terms of service and the privacy policy the current ones. Accounts that have not accepted them can do nothing else first."), s.publishTerms)
	command(s, a, owner, operation(http.MethodPut, "/accounts/{id}/photo", "changePhoto", "Change the profile photo",
		"Names the new photo by its digest. It may be changed any number of times, and removed."), s.changePhoto)
	command(s, a, owner, operation(http.MethodPost, "/accounts/{id}/verification", "requestVerification", "Request verification",
		"Asks to confirm that the account is the business that it says it is. Unverified accounts may do everything but show the badge."), s.requestVerification)
	command(s, a, operator, operation(http.MethodPut, "/accounts/{id}/verification", "decideVerification", "Decide on a verification",
		"Answers a request, or takes a verification back."), s.decideVerification)
	command(s, a, operator, operation(http.MethodPut, "/accounts/{id}/features/{feature}", "changeFeature", "Open or close a feature",
		"Features are opened to accounts one by one."), s.changeFeature)
	command(s, a, automation, operation(http.MethodPost, "/accounts/{id}/commands", "configureCommand", "Configure a command",
		"Adds what customers may type after a slash, or replaces the command of that name. An account has at most 30. It needs the feature commands."), s.configureCommand)
	command(s, a, automation, operation(http.MethodDelete, "/accounts/{id}/commands/{command}", "removeCommand", "Remove a command",
		"Customers who type it are answered by people."), s.removeCommand)
	command(s, a, automation, operation(http.MethodPut, "/accounts/{id}/auto-replies/{trigger}", "configureAutoReply", "Configure an automatic reply",
		"Says what is answered without anybody writing it. It needs the feature commands."), s.configureAutoReply)
	command(s, a, automation, operation(http.MethodDelete, "/accounts/{id}/auto-replies/{trigger}", "removeAutoReply", "Remove an automatic reply",
		"From now on nothing is answered by itself."), s.removeAutoReply)
	publish := operation(http.MethodPost, "/accounts/{id}/notices", "publishNotice", "Publish a notice",
		"Tells all businesses something of general interest. Only the platform's own account publishes notices.")
	publish.DefaultStatus = http.StatusCreated
	command(s, a, owner, publish, s.publishNotice)
	endpoint(s, a, everybody, operation(http.MethodGet, "/accounts/{id}/notices", "listNotices", "Read the platform's notices",
		"What the platform told all businesses: the newest 100."), s.listNotices)
	command(s, a, operator, operation(http.MethodPut, "/accounts/{id}/suspension", "suspendAccount", "Suspend an account",
		"The account sends nothing any more. What customers write and what the platform tells is recorded all the same."), s.suspendAccount)
	command(s, a, operator, operation(http.MethodDelete, "/accounts/{id}/suspension", "reinstateAccount", "Reinstate an account",
		"Ends the operator's suspension. What the platform suspended, it reinstates itself."), s.reinstateAccount)
}

func (s *server) getAccount(ctx context.Context, in *api.AccountPath) (*body[api.Account], error) {
	shown := api.Account{ID: in.ID, Features: []events.Feature{}, Commands: []api.Command{}, AutoReplies: []api.AutomaticReply{}}
	err := s.Commands.Account(ctx, in.ID, func(now account.State) {
		shown.Usable, shown.Sendable = now.Usable() == nil, now.Sendable() == nil
		shown.Verification, shown.Badge = string(now.Verification()), now.Badge()
		shown.Premium = now.PlanAt(s.Now()) == account.Premium
		for _, feature := range account.Features() {
			if now.Has(feature) {
				shown.Features = append(shown.Features, feature)
			}
		}
		for _, c := range now.Commands() {
			shown.Commands = append(shown.Commands, api.Command{Command: c.Command, Hint: c.Hint, Replies: shownTexts(c.Replies)})
		}
		for _, r := range now.AutoReplies() {
			shown.AutoReplies = append(shown.AutoReplies, api.AutomaticReply{AutoReply: api.AutoReply{Replies: shownTexts(r.Replies)}, Trigger: r.Trigger})
		}
	})
	return &body[api.Account]{shown}, err
}

func (s *server) publishTerms(ctx context.Context, meta commands.Meta, in *publishTermsInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.PublishTerms(ctx, meta, account.Terms{Service: in.Body.TermsVersion, Privacy: in.Body.PrivacyVersion}))
}

func (s *server) changePhoto(ctx context.Context, meta commands.Meta, in *photoInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.ChangePhoto(ctx, meta, in.ID, in.Body.MediaSHA256))
}

func (s *server) requestVerification(ctx context.Context, meta commands.Meta, in *api.OnAccount) (*body[api.Recorded], error) {
	return s.answer(s.Commands.RequestVerification(ctx, meta, in.ID))
}

func (s *server) decideVerification(ctx context.Context, meta commands.Meta, in *verdictInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.DecideVerification(ctx, meta, in.ID, account.Verdict{
		Outcome: account.Verification(in.Body.Outcome), Method: in.Body.Method, Badge: in.Body.Badge, Reason: in.Body.Reason,
	}))
}

func (s *server) changeFeature(ctx context.Context, meta commands.Meta, in *featureInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.ChangeFeature(ctx, meta, in.ID, events.Feature(in.Feature), in.Body.Enabled))
}

func (s *server) configureCommand(ctx context.Context, meta commands.Meta, in *commandInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.ConfigureCommand(ctx, meta, in.ID, account.Command{
		Name: in.Body.Command, Hint: in.Body.Hint, Replies: textsOf(in.Body.Replies),
	}))
}

func (s *server) removeCommand(ctx context.Context, meta commands.Meta, in *onCommand) (*body[api.Recorded], error) {
	return s.answer(s.Commands.RemoveCommand(ctx, meta, in.ID, in.Command))
}

func (s *server) configureAutoReply(ctx context.Context, meta commands.Meta, in *autoReplyInput) (*body[api.Recorded], error) {
	return s.answer(s.Commands.ConfigureAutoReply(ctx, meta, in.ID, events.AutoTrigger(in.Trigger), textsOf(in.Body.Replies)))
}

func (s *server) removeAutoReply(ctx context.Context, meta commands.Meta, in *onTrigger) (*body[api.Recorded], error) {
	return s.answer(s.Commands.RemoveAutoReply(ctx, meta, in.ID, events.AutoTrigger(in.Trigger)))
}

func (s *server) publishNotice(ctx context.Context, meta commands.Meta, in *noticeInput) (*body[api.NoticePublished], error) {
	notice, position, err := s.Commands.PublishNotice(ctx, meta, in.ID, textsOf(in.Body.Locales))
	if err != nil {
		return nil, err
	}
	return &body[api.NoticePublished]{api.NoticePublished{ID: notice, Recorded: s.recorded(position)}}, nil
}

func (s *server) listNotices(ctx context.Context, in *api.AccountPath) (*body[api.Notices], error) {
	if err := s.mustExist(ctx, in.ID); err != nil {
		return nil, err
	}
	published, err := s.Commands.Notices(ctx)
	if err != nil {
		return nil, err
	}
	list := api.Notices{Notices: make([]api.ShownNotice, len(published))}
	for i, n := range published {
		list.Notices[i] = api.ShownNotice{Notice: api.Notice{Locales: shownTexts(n.Locales)}, ID: n.NoticeID}
	}
	return &body[api.Notices]{list}, nil
}

func (s *server) suspendAccount(ctx context.Context, meta commands.Meta, in *api.OnAccount) (*body[api.Recorded], error) {
	return s.answer(s.Commands.SuspendAccount(ctx, meta, in.ID))
}

func (s *server) reinstateAccount(ctx context.Context, meta commands.Meta, in *api.OnAccount) (*body[api.Recorded], error) {
	return s.answer(s.Commands.ReinstateAccount(ctx, meta, in.ID))
}

func textsOf(texts []api.LocalizedText) []events.LocalizedReply {
	all := make([]events.LocalizedReply, len(texts))
	for i, t := range texts {
		all[i] = events.LocalizedReply(t)
	}
	return all
}

func shownTexts(texts []events.LocalizedReply) []api.LocalizedText {
	all := make([]api.LocalizedText, len(texts))
	for i, t := range texts {
		all[i] = api.LocalizedText(t)
	}
	return all
}
