package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"daybook/commands"
	"daybook/domain/campaign"
	"daybook/events"
	"daybook/events/id"
)

// Copies seals, for campaigns, what is written to each customer.
type Copies struct{ *Vault }

// Seal opens whom copies are for and what they are called, fills the places of the template, and seals both for the messages.
func (c Copies) Seal(
	ctx context.Context, owner id.Account, parameters []events.CampaignParameter, all []commands.Copy,
) ([]commands.SealedCopy, error) {
	scopes := make([]events.KeyScope, len(all))
	for i, to := range all {
		scopes[i] = events.KeyScope{
			Account: owner, Subject: to.Recipient.CustomerID.UUID, Class: events.ClassMessages, Year: c.now().UTC().Year(),
		}
	}
	keys, err := c.Keys(ctx, scopes)
	if err != nil && (keys == nil || !isErased(err)) {
		return nil, fmt.Errorf("finding the keys of %d customers: %w", len(all), err)
	}
	sealed := make([]commands.SealedCopy, len(all))
	for i, to := range all {
		key, living := keys[scopes[i]]
		if !living {
			sealed[i].Skipped = events.SkipErased
			continue
		}
		if sealed[i], err = c.seal(ctx, key, parameters, to); err != nil {
			return nil, err
		}
	}
	return sealed, nil
}

func (c Copies) seal(ctx context.Context, key events.DataKey, parameters []events.CampaignParameter, to commands.Copy) (s commands.SealedCopy, err error) {
	address, err := c.left(ctx, to.Recipient.To)
	if err != nil || len(address) == 0 {
		s.Skipped = events.SkipErased
		return s, err
	}
	name, err := c.name(ctx, to.Recipient.Name)
	if err != nil {
		return s, err
	}
	texts, skip := campaign.Fill(parameters, name)
	if s.Skipped = skip; skip != "" {
		return s, nil
	}
	fact := id.Of[id.Fact](to.Message)
	s.To = key.Seal(fact, "to", address)
	if len(texts) > 0 {
		content, err := json.Marshal(map[string][]string{"parameters": texts})
		if err != nil {
			return s, fmt.Errorf("encoding what fills a template: %w", err)
		}
		s.Content = key.Seal(fact, "content", content)
	}
	return s, nil
}

// left reads a sealed value; nothing is left of one that was erased.
func (c Copies) left(ctx context.Context, found events.Found) ([]byte, error) {
	opened, err := c.Open(ctx, found.Sealed, found.FactID, found.Path)
	if isErased(err) {
		return nil, nil
	}
	return opened, err
}

// name is what a customer is called; empty when that is not known any more. A contact is the platform's object.
func (c Copies) name(ctx context.Context, found *events.Found) (string, error) {
	if found == nil {
		return "", nil
	}
	opened, err := c.left(ctx, *found)
	if err != nil || found.Path != "contact" || len(opened) == 0 {
		return string(opened), err
	}
	var contact struct {
		Profile struct {
			Name string `json:"name"`
		} `json:"profile"`
	}
	_ = json.Unmarshal(opened, &contact) // the platform shapes it: where it has no name, there is none
	return contact.Profile.Name, nil
}

func isErased(err error) bool {
	_, erased := errors.AsType[*ErasedError](err)
	return erased
}
