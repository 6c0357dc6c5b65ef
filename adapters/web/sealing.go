package web

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"daybook/adapters/web/api"
	"daybook/events"
	"daybook/events/id"
)

// contentOf is what is sealed of a message: the text, what fills the template, or all that is in several languages. Empty means nothing is personal.
func contentOf(m api.SendMessage) ([]byte, error) {
	if !slices.Contains([]string{"text", "template", "structured"}, m.Type) {
		return nil, invalid("MessageTypeUnknown", "body.type", "expected text, template or structured")
	}
	switch {
	case m.Type == "text" && m.Text == nil:
		return nil, invalid("TextRequired", "body.text", "a message of type text needs one")
	case m.Type != "text" && m.Text != nil:
		return nil, invalid("TextNotAllowed", "body.text", "only a message of type text has one")
	case m.Type != "structured" && m.Structured != nil:
		return nil, invalid("StructuredNotAllowed", "body.structured", "only a message of type structured has one")
	case m.Type == "structured":
		return structuredOf(m)
	case m.Text != nil:
		if n := utf8.RuneCountInString(m.Text.Body); n < 1 || n > api.MaxTextLength {
			return nil, invalid("TextLength", "body.text", fmt.Sprintf("expected 1 to %d characters", api.MaxTextLength))
		}
		return json.Marshal(m.Text)
	case m.Template != nil && len(m.Template.Parameters) > 0:
		return json.Marshal(map[string][]string{"parameters": m.Template.Parameters})
	}
	return nil, nil
}

// messageID is fresh unless the command has an identity: then it follows from that, the conversation and the content. So
// a repeat means the same message, and another content under the same key is noticed although no digest in the store
// may cover what is sealed.
func (s *server) messageID(command id.Command, chat id.Conversation, content []byte) id.Message {
	if command.IsZero() {
		return id.New[id.Message]()
	}
	return id.Derive[id.Message]("queued", command.String(), chat.String(), s.Vault.Digest("message content", content))
}

// keyOf finds or makes the customer, and the key of what is recorded about them this year.
func (s *server) keyOf(ctx context.Context, owner id.Account, person events.Person) (id.Customer, events.DataKey, error) {
	customers, err := s.Vault.Customers(ctx, owner, []events.Person{person})
	if err != nil {
		return id.Customer{}, events.DataKey{}, fmt.Errorf("finding the customer: %w", err)
	}
	key, err := s.key(ctx, owner, customers[0])
	return customers[0], key, err
}

func (s *server) key(ctx context.Context, owner id.Account, customer id.Customer) (events.DataKey, error) {
	scope := events.KeyScope{Account: owner, Subject: customer.UUID, Class: events.ClassMessages, Year: s.Now().UTC().Year()}
	keys, err := s.Vault.Keys(ctx, []events.KeyScope{scope})
	if err != nil {
		return events.DataKey{}, fmt.Errorf("finding the key of customer %s: %w", customer, err)
	}
	return keys[scope], nil
}

// nameOf is how the platform names the person.
func nameOf(p events.Person) string {
	if p.WaID != "" {
		return p.WaID
	}
	return p.UserID
}
