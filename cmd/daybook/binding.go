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
	for a.marks.vault == "" {
		if err := a.recordVault(ctx); err != nil {
			return err
		}
	}
	if bound := a.marks.vault; bound != a.vault.ID() {
		return fmt.Errorf("the vault %s is not the one that this store was sealed with, %s: "+
			"bring back its database (with a private Postgres: the cluster of this data folder) and its master key", a.vault.ID(), bound)
	}
	return nil
}

// recordVault writes the binding, and reads which one counts: another process may have been first.
func (a *app) recordVault(ctx context.Context) error {
	now := a.now().UTC()
	proposed, err := events.Encode(id.Derive[id.Event]("event", a.store.ID().String(), "VaultBound"), events.VaultBound{VaultID: a.vault.ID()},
		events.Envelope{OccurredAt: now, RecordedAt: now, Actor: "system:store", Source: "store"})
	if err != nil {
		return err
	}
	_, err = a.store.Append(ctx, events.StoreStream, a.marks.last, []events.Proposed{proposed})
	if _, raced := errors.AsType[*events.WrongRevisionError](err); err != nil && !raced {
		return fmt.Errorf("binding the store to its vault: %w", err)
	}
	return a.readMarks(ctx)
}
