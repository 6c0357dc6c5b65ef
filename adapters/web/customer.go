package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

type (
	issueLinkInput struct {
		api.AccountPath

		Body api.IssueLink
	}
	chooseInput struct {
		api.ChangeByLink

		Category string `path:"category" maxLength:"32" doc:"marketing, utility or authentication."`
		Body     api.Choose
	}
	volumeInput struct {
		api.ChangeByLink

		Body api.ChooseVolume
	}
	reportInput struct {
		api.ChangeByLink

		Body api.Report
	}
)

// registerCustomer registers the customer's side: the link, and all that it opens.
func (s *server) registerCustomer(a huma.API) {
	operation := func(method, path, name, summary, description string) huma.Operation {
		return huma.Operation{
			Method: method, Path: path, OperationID: name, Summary: summary, Description: description, Tags: []string{"Customers"},
			Errors: []int{http.StatusNotFound, http.StatusConflict},
		}
	}
	own := func(method, path, name, summary, description string) huma.Operation {
		op := operation(method, "/customer/{token}"+path, name, summary, description)
		op.Errors = append(op.Errors, http.StatusTooManyRequests)
		op.Security = []map[string][]string{}
		return op
	}
	endpoint(s, a, permit(events.RoleOwner, events.RoleAgent, events.RoleDeveloper), operation(http.MethodPost, "/accounts/{id}/customer-links",
		"issueCustomerLink", "Make a link for a customer",
		"Whoever has the link needs no other authentication to read and change what the customer chose, and to read the messages. That it was made is recorded first, as CustomerLinkIssued."), s.issueLink)
	endpoint(s, a, byLink, own(http.MethodGet, "", "showCustomerPage", "Show what the customer chose",
		"And from whom the messages are."), s.customerPage)
	endpoint(s, a, byLink, own(http.MethodGet, "/export", "exportCustomerMessages", "Take the messages away",
		"All messages between the business number and the customer that the platform took, opened. What was erased is there without its content."), s.customerExport)
	command(s, a, byLink, own(http.MethodPut, "/categories/{category}", "chooseCategory", "Opt in or out",
		"Says whether messages of a category are wanted."), s.chooseCategory)
	command(s, a, byLink, own(http.MethodPut, "/volume", "chooseVolume", "Choose how much is wanted",
		"More or fewer messages, of some categories only, or private messages only."), s.chooseVolume)
	command(s, a, byLink, own(http.MethodPut, "/block", "blockBusiness", "Block the business",
		"From now on nothing is sent, whatever else was chosen."), s.blockBusiness)
	command(s, a, byLink, own(http.MethodDelete, "/block", "unblockBusiness", "Take a block back",
		"What else was chosen holds again."), s.unblockBusiness)
	command(s, a, byLink, own(http.MethodPost, "/reports", "reportSpam", "Report spam",
		"Reports a message, or the business. It stops nothing: block the business, or opt out, for that."), s.reportSpam)
}

func (s *server) issueLink(ctx context.Context, in *issueLinkInput) (*body[api.CustomerLink], error) {
	person, err := recipientAt("body.customer", in.Body.Customer)
	if err != nil {
		return nil, err
	}
	number, err := s.Commands.SendingNumber(ctx, in.ID, in.Body.PhoneNumberID)
	if err != nil {
		return nil, err
	}
	found, err := s.Vault.Customers(ctx, in.ID, []events.Person{person})
	if err != nil {
		return nil, err
	}
	l := customerLink{in.ID, found[0], number, s.Now().UTC().AddDate(0, 0, in.Body.Days).Truncate(time.Second)}
	issued := events.CustomerLinkIssued{ConversationID: conversation.IDOf(number, l.customer), Until: l.until}
	if _, err = s.Commands.IssueCustomerLink(ctx, metaOf(ctx), in.ID, issued); err != nil {
		return nil, err
	}
	token := s.token(l)
	return &body[api.CustomerLink]{api.CustomerLink{Token: token, Path: customerPrefix + token, ExpiresAt: l.until}}, nil
}

func (s *server) customerPage(ctx context.Context, _ *api.ByLink) (*body[api.CustomerPage], error) {
	l := callerOf(ctx).link
	business, err := s.businessOf(ctx, l)
	if err != nil {
		return nil, err
	}
	said, err := s.Commands.Wants(ctx, l.account, l.number, l.customer)
	if err != nil {
		return nil, err
	}
	page := api.CustomerPage{
		Business: business, Blocked: said.Blocked, Level: string(cmp.Or(said.Level, events.VolumeAll)),
		Choices: make([]api.CustomerChoice, len(said.Choices)), Categories: make([]string, len(said.Categories)),
	}
	for i, c := range said.Choices {
		page.Choices[i] = api.CustomerChoice{Category: string(c.Category), Wanted: c.Wanted, At: c.At.UTC()}
	}
	slices.SortFunc(page.Choices, func(a, b api.CustomerChoice) int { return strings.Compare(a.Category, b.Category) })
	for i, c := range said.Categories {
		page.Categories[i] = string(c)
	}
	return &body[api.CustomerPage]{page}, nil
}

func (s *server) businessOf(ctx context.Context, l customerLink) (shown api.CustomerBusiness, err error) {
	err = s.Commands.Account(ctx, l.account, func(now account.State) {
		name, profile, photo := now.Shown()
		shown = api.CustomerBusiness{
			Name: name, Badge: now.Badge(), PhotoSHA256: photo,
			Website: profile.Website, Address: profile.Address, Email: profile.Email, Description: profile.Description,
		}
		for _, n := range now.Numbers() {
			if n.PhoneNumberID == l.number {
				shown.Number = n.DisplayPhoneNumber
			}
		}
	})
	return shown, err
}

// Customers' commands answer with what holds then, and not with where that stands in the books.

func (s *server) chooseCategory(ctx context.Context, meta commands.Meta, in *chooseInput) (*body[api.CustomerPage], error) {
	l := callerOf(ctx).link
	_, err := s.Commands.SetConsent(ctx, meta, conversation.Consent{
		Account: l.account, PhoneNumberID: l.number, CustomerID: l.customer, FactID: id.New[id.Fact](),
		Category: events.Category(in.Category), Wanted: in.Body.Wanted, Source: events.SourcePage,
	})
	return s.thenPage(ctx, err)
}

func (s *server) chooseVolume(ctx context.Context, meta commands.Meta, in *volumeInput) (*body[api.CustomerPage], error) {
	l := callerOf(ctx).link
	c := conversation.SetVolume{
		Account: l.account, PhoneNumberID: l.number, CustomerID: l.customer, FactID: id.New[id.Fact](), Level: events.Volume(in.Body.Level),
	}
	for _, category := range in.Body.Categories {
		c.Categories = append(c.Categories, events.Category(category))
	}
	_, err := s.Commands.SetVolume(ctx, meta, c)
	return s.thenPage(ctx, err)
}

func (s *server) blockBusiness(ctx context.Context, meta commands.Meta, _ *api.ChangeByLink) (*body[api.CustomerPage], error) {
	return s.setBlock(ctx, meta, true)
}

func (s *server) unblockBusiness(ctx context.Context, meta commands.Meta, _ *api.ChangeByLink) (*body[api.CustomerPage], error) {
	return s.setBlock(ctx, meta, false)
}

func (s *server) setBlock(ctx context.Context, meta commands.Meta, blocked bool) (*body[api.CustomerPage], error) {
	l := callerOf(ctx).link
	_, err := s.Commands.SetBlock(ctx, meta, conversation.SetBlock{
		Account: l.account, PhoneNumberID: l.number, CustomerID: l.customer, FactID: id.New[id.Fact](), Blocked: blocked, Source: events.SourcePage,
	})
	return s.thenPage(ctx, err)
}

func (s *server) reportSpam(ctx context.Context, meta commands.Meta, in *reportInput) (*body[api.CustomerPage], error) {
	l := callerOf(ctx).link
	_, err := s.Commands.ReportSpam(ctx, meta, conversation.ReportSpam{
		Account: l.account, PhoneNumberID: l.number, CustomerID: l.customer, FactID: id.New[id.Fact](),
		Message: in.Body.MessageID, Reason: events.SpamReason(in.Body.Reason),
	})
	return s.thenPage(ctx, err)
}

func (s *server) thenPage(ctx context.Context, err error) (*body[api.CustomerPage], error) {
	if err != nil {
		return nil, err
	}
	return s.customerPage(ctx, nil)
}
