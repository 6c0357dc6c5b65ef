package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"daybook/adapters/vault"
	"daybook/adapters/whatsapp"
	"daybook/commands"
	"daybook/domain"
	"daybook/domain/quarantine"
	"daybook/events"
	"daybook/events/id"
	"daybook/readmodels/routing"
)

// Adapters do not know one another; what one asks of another is fitted together here.

const routingName = "routing"

// routes answers the webhook from the routing read model. A platform id that is not found is looked for once more when
// the read model has caught up with the store: the binding may be a moment old.
type routes struct{ *app }

// routesWait bounds that. Past it the update is quarantined, and driven again when the read model gets there.
const routesWait = 2 * time.Second

func (r routes) Lookup(ctx context.Context, hashes []events.WamidHash) (map[events.WamidHash]whatsapp.Route, error) {
	found, err := r.read(ctx, hashes)
	if err != nil || len(found) == len(hashes) {
		return found, err
	}
	head, err := r.store.Head(ctx)
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, routesWait)
	defer cancel()
	if err := r.engine.WaitFor(wait, routingName, head); err != nil && ctx.Err() != nil {
		return nil, err
	}
	return r.read(ctx, hashes)
}

func (r routes) read(ctx context.Context, hashes []events.WamidHash) (map[events.WamidHash]whatsapp.Route, error) {
	schema, err := r.engine.Live(ctx, routingName)
	if err != nil {
		return nil, err
	}
	rows, err := routing.Lookup(ctx, r.database, schema, hashes)
	if err != nil {
		return nil, err
	}
	found := make(map[events.WamidHash]whatsapp.Route, len(rows))
	for hash, row := range rows {
		found[hash] = whatsapp.Route(row)
	}
	return found, nil
}

// safe fits the vault to the webhook.
type safe struct{ *vault.Vault }

func (s safe) IndexQuarantine(ctx context.Context, named map[id.Key][]events.Person) error {
	var entries []vault.QuarantinedPerson
	for key, people := range named {
		for _, person := range people {
			entries = append(entries, vault.QuarantinedPerson{Key: key, Person: person})
		}
	}
	return s.Vault.IndexQuarantine(ctx, entries)
}

// redrive drives quarantined updates again whenever the routing read model has moved.
func (a *app) redrive(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	go func() {
		for {
			advanced := a.engine.Advanced(routingName)
			select {
			case wake <- struct{}{}:
			default:
			}
			select {
			case <-advanced:
			case <-ctx.Done():
				return
			}
		}
	}()
	ready := func(ctx context.Context, after events.Position, limit int) ([]whatsapp.Waiting, error) {
		schema, err := a.engine.Live(ctx, routingName)
		if err != nil {
			return nil, err
		}
		items, err := routing.Ready(ctx, a.database, schema, whatsapp.Fields(), uint64(after), limit)
		if err != nil {
			return nil, err
		}
		waiting := make([]whatsapp.Waiting, len(items))
		for i, item := range items {
			waiting[i] = whatsapp.Waiting{ID: item.ID, Position: events.Position(item.Position)}
		}
		return waiting, nil
	}
	r := whatsapp.Redriver{Ingester: a.ingester, Streams: a.store, Ready: ready, Wake: wake, Erased: erased, Log: a.log}
	if err := r.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("driving quarantined updates again: %w", err)
	}
	return nil
}

// erased tells that something cannot be opened because its key was destroyed.
func erased(err error) bool {
	_, ok := errors.AsType[*vault.ErasedError](err)
	return ok
}

// redriver answers the API's request to drive one update again.
type redriver struct{ *app }

func (r redriver) Redrive(ctx context.Context, by commands.Meta, item id.Quarantine) (string, events.Position, error) {
	err := r.ingester.Redrive(ctx, r.store, item, by)
	if stays, ok := errors.AsType[*whatsapp.NoPlaceError](err); ok {
		return "", events.Start, domain.Refuse("StillNoPlace", "%s", stays.Detail)
	}
	if errors.Is(err, whatsapp.ErrNotQuarantined) {
		return "", events.Start, domain.Missing("QuarantineUnknown", "there is no quarantined update %s", item)
	}
	if err != nil {
		return "", events.Start, err
	}
	return r.landed(ctx, item)
}

// landed reads where a closed update was recorded.
func (r redriver) landed(ctx context.Context, item id.Quarantine) (string, events.Position, error) {
	for record, err := range r.store.ReadStream(ctx, quarantine.Stream(item), 1) {
		if err != nil {
			return "", events.Start, err
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return "", events.Start, err
		}
		if closed, ok := event.(events.UpdateRedriven); ok {
			return closed.Stream, record.Position, nil
		}
	}
	return "", events.Start, fmt.Errorf("quarantined update %s was driven again and is still open", item)
}
