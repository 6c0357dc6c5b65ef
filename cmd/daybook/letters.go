package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"daybook/adapters/vault"
	"daybook/adapters/web/api"
	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
)

// letters seals, for policies, what is written to a customer.
type letters struct{ *app }

func (l letters) Answer(
	ctx context.Context, owner id.Account, to events.MessageReceived, message id.Message, text string,
) (policies.Letter, bool, error) {
	sender, err := l.vault.Open(ctx, to.From, id.Of[id.Fact](to.MessageID), "from")
	if err != nil || len(sender) == 0 {
		return unlessErased(err)
	}
	scope := events.KeyScope{Account: owner, Subject: to.CustomerID.UUID, Class: events.ClassMessages, Year: l.now().UTC().Year()}
	keys, err := l.vault.Keys(ctx, []events.KeyScope{scope})
	if err != nil {
		return unlessErased(err)
	}
	content, err := json.Marshal(api.Text{Body: text})
	if err != nil {
		return policies.Letter{}, false, fmt.Errorf("encoding a text: %w", err)
	}
	key, fact := keys[scope], id.Of[id.Fact](message)
	return policies.Letter{To: key.Seal(fact, "to", sender), Content: key.Seal(fact, "content", content)}, true, nil
}

// unlessErased makes of somebody who was erased nobody to write to.
func unlessErased(err error) (policies.Letter, bool, error) {
	if _, erased := errors.AsType[*vault.ErasedError](err); erased {
		err = nil
	}
	return policies.Letter{}, false, err
}
