package web

import (
	"context"
	"fmt"
	"time"

	"daybook/adapters/web/api"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

func (s *server) customerExport(ctx context.Context, _ *api.ByLink) (*body[api.CustomerExport], error) {
	l := callerOf(ctx).link
	business, err := s.businessOf(ctx, l)
	if err != nil {
		return nil, err
	}
	t, err := s.transcript(ctx, l)
	if err != nil {
		return nil, err
	}
	list := []api.CustomerMessage{}
	for _, message := range t.order {
		m := t.messages[message]
		if m.At.IsZero() {
			continue
		}
		if err := s.unseal(ctx, m); err != nil {
			return nil, err
		}
		list = append(list, m.CustomerMessage)
	}
	return &body[api.CustomerExport]{api.CustomerExport{Business: business, Messages: list}}, nil
}

// unseal opens what was written, unless it was erased.
func (s *server) unseal(ctx context.Context, m *written) error {
	content, err := s.Vault.Open(ctx, m.sealed, id.Of[id.Fact](m.ID), "content")
	switch {
	case err == nil:
		m.Content = content
		return nil
	case s.Erased(err):
		m.Erased = true
		return nil
	}
	return fmt.Errorf("opening message %s: %w", m.ID, err)
}

// transcript reads all books of a customer's conversation: the log says all that the customer may know, as of now.
func (s *server) transcript(ctx context.Context, l customerLink) (transcript, error) {
	t := transcript{customer: l.customer, messages: map[id.Message]*written{}}
	chat := conversation.IDOf(l.number, l.customer)
	for book, more := 0, true; more; book++ {
		more = false
		for record, err := range s.Store.ReadStream(ctx, conversation.BookStream(chat, book), 0) {
			if err != nil {
				return t, fmt.Errorf("reading conversation %s: %w", chat, err)
			}
			event, _, err := events.DecodeRecord(record)
			if err != nil {
				return t, fmt.Errorf("reading conversation %s: %w", chat, err)
			}
			t.note(event)
			more = true
		}
	}
	return t, ctx.Err()
}

// transcript is what was written between a business number and a customer, in the order in which it became known.
type transcript struct {
	customer id.Customer
	order    []id.Message
	messages map[id.Message]*written
}

// written is a message, and its content as it was sealed. One without a time has not left the business.
type written struct {
	api.CustomerMessage

	sealed events.Sealed
}

func (t *transcript) note(event events.Event) {
	switch e := event.(type) {
	case events.MessageReceived:
		t.add(api.CustomerMessage{ID: e.MessageID, Kind: e.Kind, At: e.SentAt.UTC()}, e.Content)
	case events.MessageEchoed:
		t.add(api.CustomerMessage{ID: e.MessageID, Kind: e.Kind, At: e.SentAt.UTC(), Business: true}, e.Content)
	case events.MessageImported:
		t.add(api.CustomerMessage{ID: e.MessageID, Kind: e.Kind, At: e.SentAt.UTC(), Business: e.Outbound}, e.Content)
	case events.MessageQueued:
		marketing := e.Category == events.Marketing || e.Notice
		t.add(api.CustomerMessage{ID: e.MessageID, Kind: e.Kind, Business: true, Marketing: marketing}, e.Content)
	case events.MessageAccepted:
		t.reached(e.MessageID, e.AcceptedAt)
	case events.MessageSent:
		t.told(e.StatusFact, events.StatusSent)
	case events.MessageDelivered:
		t.told(e.StatusFact, events.StatusDelivered)
	case events.MessageRead:
		t.told(e.StatusFact, events.StatusRead)
	case events.MessagePlayed:
		t.told(e.StatusFact, events.StatusPlayed)
	case events.StatusTimeCorrected:
		t.told(e.StatusFact, e.Status)
	}
}

func (t *transcript) add(m api.CustomerMessage, content events.Sealed) {
	t.order = append(t.order, m.ID)
	t.messages[m.ID] = &written{m, content}
}

// reached takes note that the platform has a message.
func (t *transcript) reached(message id.Message, at time.Time) {
	if m := t.messages[message]; m != nil && m.At.IsZero() {
		m.At = at.UTC()
	}
}

// told takes note of how far a message came with the customer.
func (t *transcript) told(fact events.StatusFact, status events.Status) {
	m := t.messages[fact.MessageID]
	if m == nil || fact.RecipientID != t.customer || status == events.StatusFailed {
		return
	}
	t.reached(fact.MessageID, fact.At)
	if status == events.StatusDelivered {
		m.DeliveredAt = new(fact.At.UTC())
	}
	if status == events.StatusRead {
		m.ReadAt = new(fact.At.UTC())
	}
}
