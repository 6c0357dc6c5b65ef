package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
	"daybook/readmodels/messages"
	"daybook/readmodels/routing"
)

type (
	sendInput struct {
		api.OnAccount

		Body api.SendMessage
	}
	acceptInput struct {
		api.OnMessage

		Body api.AcceptMessage
	}
	infoInput struct {
		api.Waiting

		ID id.Message `path:"id" format:"uuid" doc:"The message."`
	}
	infoOutput struct {
		api.Positions

		Body api.MessageInfo
	}
)

func (s *server) registerMessages(a huma.API) {
	command(s, a, permit(events.RoleOwner, events.RoleAgent, events.RoleDeveloper), huma.Operation{
		Method: http.MethodPost, Path: "/accounts/{id}/messages", OperationID: "sendMessage", Tags: []string{"Messages"},
		DefaultStatus: http.StatusAccepted, Summary: "Write a message",
		Description: "Queues a message that was written on a device, and records the device with the name it has at this " +
			"moment. Free-form text needs a message of the customer in the last 24 hours; a template may be sent at any time. " +
			"Number and content are sealed under the customer's key before anything is stored.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.sendMessage)
	command(s, a, operator, huma.Operation{
		Method: http.MethodPost, Path: "/accounts/{id}/messages/{message}/accepted", OperationID: "acceptMessage", Tags: []string{"Messages"},
		Summary: "Bind the platform's id to a message",
		Description: "Says that the platform took the message under this id, by which its statuses will come. Accepted is " +
			"not sent: the platform may still refuse. The id encodes the customer's number: only its keyed hash stands in clear.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.acceptMessage)
	command(s, a, permit(events.RoleOwner, events.RoleAgent, events.RoleDeveloper), huma.Operation{
		Method: http.MethodDelete, Path: "/accounts/{id}/messages/{message}", OperationID: "deleteMessage", Tags: []string{"Messages"},
		Summary: "Ask to delete a message", Description: "Is refused: what a business wrote stays.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.deleteMessage)
	endpoint(s, a, permitFound(events.RoleOwner), huma.Operation{
		Method: http.MethodGet, Path: "/messages/{id}/info", OperationID: "messageInfo", Tags: []string{"Messages"},
		Summary: "See who sent a message and what became of it",
		Description: "The sender's device, with the name it had when the message was written and the name it has now, and " +
			"the times of every step that the platform told, and what each delivery cost and why. Customers never see " +
			"device names. Who is shown it is recorded first, as MessageInfoOpened.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.messageInfo)
}

func (s *server) sendMessage(ctx context.Context, meta commands.Meta, in *sendInput) (*body[api.MessageQueued], error) {
	if err := writesWith(ctx, in.Body.DeviceID); err != nil {
		return nil, err
	}
	to, err := recipient(in.Body.To)
	if err != nil {
		return nil, err
	}
	content, err := contentOf(in.Body)
	if err != nil {
		return nil, err
	}
	// Before any customer is made in the vault for a business that does not exist.
	number, err := s.Commands.SendingNumber(ctx, in.ID, in.Body.PhoneNumberID)
	if err != nil {
		return nil, err
	}
	customer, key, err := s.keyOf(ctx, in.ID, to)
	if err != nil {
		return nil, err
	}
	chat := conversation.IDOf(number, customer)
	message := s.messageID(meta.Command, chat, content)
	fact := id.Of[id.Fact](message)
	c := conversation.Send{
		Account: in.ID, PhoneNumberID: number, CustomerID: customer, MessageID: message, DeviceID: in.Body.DeviceID,
		Kind: in.Body.Type, Category: events.Category(in.Body.Category), Locale: localeOf(in.Body), Dialling: to.Dialling(),
		To: key.Seal(fact, "to", []byte(nameOf(to))), Content: key.Seal(fact, "content", content),
	}
	if t := in.Body.Template; t != nil {
		c.Template = &events.Template{Name: t.Name, Language: t.Language}
	}
	position, err := s.Commands.SendMessage(ctx, meta, c)
	if err != nil {
		return nil, err
	}
	return &body[api.MessageQueued]{api.MessageQueued{
		ID: message, Conversation: chat, Recorded: s.recorded(position),
	}}, nil
}

func (s *server) acceptMessage(ctx context.Context, meta commands.Meta, in *acceptInput) (*body[api.Recorded], error) {
	message, err := s.findMessage(ctx, in.ID, in.Message)
	if err != nil {
		return nil, err
	}
	key, err := s.key(ctx, in.ID, message.CustomerID)
	if err != nil {
		return nil, err
	}
	hash := s.Vault.WamidHash(in.Body.Wamid)
	if err := s.unbound(ctx, hash, in.Message); err != nil {
		return nil, err
	}
	return s.answer(s.Commands.AcceptMessage(ctx, meta, commands.AcceptMessage{
		Conversation: message.ConversationID, Message: in.Message, WamidHash: hash,
		Wamid: key.Seal(id.Of[id.Fact](in.Message), "wamid", []byte(in.Body.Wamid)),
	}))
}

func (s *server) deleteMessage(ctx context.Context, _ commands.Meta, in *api.OnMessage) (*body[api.Recorded], error) {
	if _, err := s.findMessage(ctx, in.ID, in.Message); err != nil {
		return nil, err
	}
	return nil, conversation.NotDeletable(in.Message)
}

// unbound refuses a platform id that another message has, in whatever conversation. A conversation knows its own ids only;
// should two requests cross here, statuses follow the first binding.
func (s *server) unbound(ctx context.Context, hash events.WamidHash, message id.Message) error {
	head, err := s.Store.Head(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of the store: %w", err)
	}
	read, err := s.await(ctx, head, fromRouting)
	if err != nil {
		return err
	}
	bound, err := routing.Lookup(ctx, s.Database, read.of(routingProjection), []events.WamidHash{hash})
	if err != nil {
		return err
	}
	if route, taken := bound[hash]; taken && route.Message != message {
		return domain.Refuse("WamidTaken", "the platform's id belongs to another message")
	}
	return nil
}

// findMessage finds a message of the account. The read model may trail: a message that is missing there is missing only
// when everything that is in the store now has been read.
func (s *server) findMessage(ctx context.Context, account id.Account, message id.Message) (messages.Info, error) {
	found, err := s.lookUp(ctx, events.Start, message)
	if errors.Is(err, messages.ErrNotFound) {
		head, headErr := s.Store.Head(ctx)
		if headErr != nil {
			return messages.Info{}, fmt.Errorf("reading the head of the store: %w", headErr)
		}
		found, err = s.lookUp(ctx, head, message)
	}
	switch {
	case errors.Is(err, messages.ErrNotFound), err == nil && found.AccountID != account:
		return messages.Info{}, messageUnknown(message)
	default:
		return found, err
	}
}

func (s *server) lookUp(ctx context.Context, upTo events.Position, message id.Message) (messages.Info, error) {
	read, err := s.await(ctx, upTo, fromMessages)
	if err != nil {
		return messages.Info{}, err
	}
	return messages.Get(ctx, s.Database, read.of(messagesProjection), message)
}

func messageUnknown(message id.Message) error {
	return domain.Missing("MessageUnknown", "there is no message %s", message)
}

func (s *server) messageInfo(ctx context.Context, in *infoInput) (*infoOutput, error) {
	info, err := s.infoOf(ctx, in.WaitFor, in.ID)
	if err != nil {
		return nil, err
	}
	return &infoOutput{header(info.Positions), info}, nil
}

// infoOf reads what the owner may know of a message, and records first who is shown it.
func (s *server) infoOf(ctx context.Context, waitFor string, message id.Message) (api.MessageInfo, error) {
	read, err := s.caughtUp(ctx, waitFor, fromCharges)
	if err != nil {
		return api.MessageInfo{}, err
	}
	m, err := messages.Get(ctx, s.Database, read.of(messagesProjection), message)
	if errors.Is(err, messages.ErrNotFound) || err == nil && !callerOf(ctx).sees(m.AccountID) {
		return api.MessageInfo{}, messageUnknown(message)
	}
	if err != nil {
		return api.MessageInfo{}, err
	}
	opened := events.MessageInfoOpened{MessageID: m.MessageID, ConversationID: m.ConversationID}
	if _, err = s.Commands.OpenMessageInfo(ctx, metaOf(ctx), m.AccountID, opened); err != nil {
		return api.MessageInfo{}, err
	}
	info := api.MessageInfo{
		ID: m.MessageID, AccountID: m.AccountID, ConversationID: m.ConversationID, CustomerID: m.CustomerID,
		Direction: string(m.Direction), Type: m.Kind, Category: m.Category, Template: m.Template,
		ReceivedAt: utc(m.ReceivedAt), QueuedAt: utc(m.QueuedAt), AcceptedAt: utc(m.AcceptedAt),
		Progress: progress(m.Progress), Recipients: make([]api.RecipientProgress, 0, len(m.Recipients)), Positions: read.positions(),
		Unpriced: m.Unpriced, Origin: string(m.Origin), CampaignID: m.CampaignID, Locale: m.Locale,
		Media: m.Media, MediaSHA256: m.MediaSHA256, Dispatch: dispatch(m.Dispatch),
	}
	if d := m.Device; d != nil {
		info.Device = &api.MessageDevice{
			ID: d.DeviceID, NameAtSend: d.Name, NameNow: d.NameNow, RegistryRevision: d.RegistryRevision, UnlinkedAt: utc(d.UnlinkedAt),
		}
	}
	for _, r := range m.Recipients {
		info.Recipients = append(info.Recipients, api.RecipientProgress{
			RecipientID: r.RecipientID, Progress: progress(r.Progress), Charge: charge(r.Charge),
		})
	}
	for _, sum := range m.Cost {
		info.Cost = append(info.Cost, api.MoneyOf(sum))
	}
	return info, nil
}

func dispatch(d *messages.Dispatch) *api.MessageDispatch {
	if d == nil {
		return nil
	}
	return &api.MessageDispatch{State: d.State, Attempt: d.Attempt, Code: d.Code, Rejection: d.Rejection, NotBefore: utc(d.NotBefore)}
}

func charge(c *messages.Charge) *api.Charge {
	if c == nil {
		return nil
	}
	answer := &api.Charge{
		Currency: c.Currency, Pending: c.PendingReason, Basis: c.Basis, Expected: c.Expected, Policy: c.Policy, Day: c.Day,
		Category: c.Category, Market: c.Market, MarketBasis: c.MarketBasis, Tier: c.Tier, Adjusted: c.Adjusted,
		Recorded: api.Ref(c.Recorded), RecordedAt: c.RecordedAt.UTC(),
	}
	if c.Amount != nil {
		answer.Amount, answer.Micros = api.Decimal(c.Amount.Micros), &c.Amount.Micros
	}
	if c.Card != nil {
		answer.Card = &api.CardRate{Ref: api.Ref(c.Card.Ref), EffectiveFrom: c.Card.From, Rated: c.Card.Rated}
	}
	return answer
}

func progress(p messages.Progress) api.Progress {
	return api.Progress{
		Status: string(p.Status), SentAt: utc(p.SentAt), DeliveredAt: utc(p.DeliveredAt), DeliveredInferred: p.DeliveredInferred,
		ReadAt: utc(p.ReadAt), PlayedAt: utc(p.PlayedAt), FailedAt: utc(p.FailedAt), Failure: (*api.Failure)(p.Failure),
		ExpiredAt: utc(p.ExpiredAt), Late: p.Late,
	}
}
