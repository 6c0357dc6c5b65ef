package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"daybook/adapters/postgres"
	"daybook/events"
	"daybook/events/id"
)

// checkReadModels makes the store and the database of the read models belong together. Positions of one store mean nothing
// in another: policies would react to it from its beginning, and forget where they are in the right one.
func (a *app) checkReadModels(ctx context.Context) error {
	others, err := postgres.Elsewhere(ctx, a.database, a.store.ID())
	if err != nil || len(others) == 0 {
		return err
	}
	return fmt.Errorf("the event store is %s, but the read models in the database are of store %s: "+
		"set DAYBOOK_EVENTSTORE or DAYBOOK_DATA to that store, or DATABASE_URL to the database of this one; "+
		"an empty database is filled from the beginning (then DAYBOOK_VAULT_URL has to name the vault as it is)", a.store.ID(), strings.Join(others, ", "))
}

// bindVault makes the store and the vault belong together. What the store holds was sealed with the keys of one vault,
// and customers are known by that vault's hashes: with another one everybody would be a stranger, and every repeated
// delivery news.
func (a *app) bindVault(ctx context.Context) error {
	bound, last, err := a.boundVault(ctx)
	for err == nil && bound == "" {
		if err = a.recordVault(ctx, last); err == nil {
			bound, last, err = a.boundVault(ctx) // another process may have been first
		}
	}
	if err == nil && bound != a.vault.ID() {
		err = fmt.Errorf("the vault %s is not the one that this store was sealed with, %s: "+
			"bring back its database (with a private Postgres: the cluster of this data folder) and its master key", a.vault.ID(), bound)
	}
	return err
}

// boundVault reads which vault the store names, empty when none yet, and the last revision of its own stream.
func (a *app) boundVault(ctx context.Context) (bound string, last uint64, err error) {
	for record, err := range a.store.ReadStream(ctx, events.StoreStream, 0) {
		if err != nil {
			return "", 0, fmt.Errorf("reading which vault the store belongs to: %w", err)
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return "", 0, fmt.Errorf("reading which vault the store belongs to: %w", err)
		}
		last = record.Revision
		if e, ok := event.(events.VaultBound); ok {
			bound = e.VaultID
		}
	}
	return bound, last, ctx.Err()
}

// recordVault writes the binding, unless something else was written first.
func (a *app) recordVault(ctx context.Context, last uint64) error {
	now := a.now().UTC()
	proposed, err := events.Encode(id.Derive[id.Event]("event", a.store.ID().String(), "VaultBound"), events.VaultBound{VaultID: a.vault.ID()},
		events.Envelope{OccurredAt: now, RecordedAt: now, Actor: "system:store", Source: "store"})
	if err != nil {
		return err
	}
	_, err = a.store.Append(ctx, events.StoreStream, events.Exactly(last), []events.Proposed{proposed})
	if _, raced := errors.AsType[*events.WrongRevisionError](err); err != nil && !raced {
		return fmt.Errorf("binding the store to its vault: %w", err)
	}
	return nil
}
