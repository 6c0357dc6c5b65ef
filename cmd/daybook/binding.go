package main

import (
	"context"
	"errors"
	"fmt"

	"daybook/events"
	"daybook/events/id"
)

// bindVault makes the store and the vault belong together. What the store holds was sealed with the keys of one vault,
// and customers are known by that vault's hashes: with another one everybody would be a stranger, and every repeated
// delivery news.
func (a *app) bindVault(ctx context.Context) error {
	bound, err := a.boundVault(ctx)
	if err != nil {
		return err
	}
	if bound == "" {
		if bound, err = a.recordVault(ctx); err != nil {
			return err
		}
	}
	if bound != a.vault.ID() {
		return fmt.Errorf("the vault %s is not the one that this store was sealed with, %s: "+
			"bring back its database (with a private Postgres: the cluster of this data folder) and its master key", a.vault.ID(), bound)
	}
	return nil
}

// boundVault reads which vault the store names; empty when none yet.
func (a *app) boundVault(ctx context.Context) (string, error) {
	for record, err := range a.store.ReadStream(ctx, events.StoreStream, 1) {
		if err != nil {
			return "", fmt.Errorf("reading which vault the store belongs to: %w", err)
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return "", fmt.Errorf("reading which vault the store belongs to: %w", err)
		}
		if bound, ok := event.(events.VaultBound); ok {
			return bound.VaultID, nil
		}
	}
	return "", nil
}

// recordVault writes the binding and returns the one that counts: another process may have been first.
func (a *app) recordVault(ctx context.Context) (string, error) {
	now := a.now().UTC()
	proposed, err := events.Encode(id.Derive[id.Event]("event", a.store.ID().String(), "VaultBound"), events.VaultBound{VaultID: a.vault.ID()},
		events.Envelope{OccurredAt: now, RecordedAt: now, Actor: "system:store", Source: "store"})
	if err != nil {
		return "", err
	}
	_, err = a.store.Append(ctx, events.StoreStream, events.Exactly(0), []events.Proposed{proposed})
	if _, raced := errors.AsType[*events.WrongRevisionError](err); err != nil && !raced {
		return "", fmt.Errorf("binding the store to its vault: %w", err)
	}
	return a.boundVault(ctx)
}
