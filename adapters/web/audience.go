package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"daybook/adapters/web/api"
	"daybook/commands"
	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
	"daybook/readmodels/customers"
)

// audience is whom a request means, in the order of their ids.
func (s *server) audience(ctx context.Context, in *audienceInput) (commands.Audience, error) {
	if (in.Body.Segment == nil) == (len(in.Body.Recipients) == 0) {
		return commands.Audience{}, invalid("AudienceRequired", "body", "expected either segment or recipients")
	}
	found, err := s.Commands.Campaign(ctx, in.Campaign)
	if err != nil {
		return commands.Audience{}, err
	}
	if found.Account() != in.ID {
		return commands.Audience{}, domain.Missing("CampaignUnknown", "there is no such campaign")
	}
	if in.Body.Segment == nil {
		listed, err := s.listed(ctx, in.ID, in.Body.Recipients)
		return commands.Audience{Segment: "list", Recipients: listed}, err
	}
	head, err := s.Store.Head(ctx)
	if err != nil {
		return commands.Audience{}, fmt.Errorf("reading the head of the store: %w", err)
	}
	read, err := s.await(ctx, head, fromCustomers)
	if err != nil {
		return commands.Audience{}, err
	}
	segment := segmentOf(*in.Body.Segment)
	canonical, err := json.Marshal(segment)
	if err != nil {
		return commands.Audience{}, fmt.Errorf("encoding a segment: %w", err)
	}
	meant := customers.In(ctx, s.Database, read.of(customersProjection), in.ID, found.Drafted().PhoneNumberID, segment)
	return commands.Audience{Segment: string(canonical), Recipients: recipientsOf(meant)}, nil
}

func segmentOf(s api.Segment) customers.Segment {
	inOrder := func(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }
	return customers.Segment{
		Locales: inOrder(s.Locales), Markets: inOrder(s.Markets), Prefixes: inOrder(s.Prefixes), Levels: inOrder(s.Volumes),
		OptedIn: s.OptedIn, ContactedAt: s.ContactedSince,
	}
}

func recipientsOf(meant iter.Seq2[customers.Customer, error]) iter.Seq2[events.Recipient, error] {
	return func(yield func(events.Recipient, error) bool) {
		for c, err := range meant {
			r := events.Recipient{
				CustomerID: c.ID, Dialling: events.Dialling{Prefix: c.Prefix, Country: c.Country}, Locale: c.Locale,
				To: events.Found{FactID: c.ToFact, Path: c.ToPath, Sealed: events.Sealed(c.To)},
			}
			if c.Name != nil && c.NameFact != nil && c.NamePath != nil {
				r.Name = &events.Found{FactID: *c.NameFact, Path: *c.NamePath, Sealed: events.Sealed(*c.Name)}
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// listed finds or makes the customers of a list, each once, and seals where they are found.
func (s *server) listed(ctx context.Context, owner id.Account, list []string) (iter.Seq2[events.Recipient, error], error) {
	people := make([]events.Person, len(list))
	for i, to := range list {
		var err error
		if people[i], err = recipientAt(fmt.Sprintf("body.recipients[%d]", i), to); err != nil {
			return nil, err
		}
	}
	found, err := s.Vault.Customers(ctx, owner, people)
	if err != nil {
		return nil, fmt.Errorf("finding %d customers: %w", len(people), err)
	}
	scopes := make([]events.KeyScope, len(found))
	for i, customer := range found {
		scopes[i] = events.KeyScope{Account: owner, Subject: customer.UUID, Class: events.ClassMessages, Year: s.Now().UTC().Year()}
	}
	keys, err := s.Vault.Keys(ctx, scopes)
	if err != nil {
		return nil, fmt.Errorf("finding the keys of %d customers: %w", len(people), err)
	}
	recipients := make([]events.Recipient, len(found))
	for i, customer := range found {
		fact := id.New[id.Fact]()
		recipients[i] = events.Recipient{
			CustomerID: customer, Dialling: people[i].Dialling(),
			To: events.Found{FactID: fact, Path: "to", Sealed: keys[scopes[i]].Seal(fact, "to", []byte(nameOf(people[i])))},
		}
	}
	slices.SortFunc(recipients, func(a, b events.Recipient) int { return bytes.Compare(a.CustomerID.UUID[:], b.CustomerID.UUID[:]) })
	recipients = slices.CompactFunc(recipients, func(a, b events.Recipient) bool { return a.CustomerID == b.CustomerID })
	return func(yield func(events.Recipient, error) bool) {
		for _, r := range recipients {
			if !yield(r, nil) {
				return
			}
		}
	}, nil
}
