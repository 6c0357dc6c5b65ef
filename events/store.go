package events

import (
	"fmt"
	"iter"

	"daybook/events/id"
)

// StoreStream holds the store's identity as event 0, written when a store is first opened.
const StoreStream = "daybook-store"

// StoreCreated gives a store its identity. Positions, checkpoints and tokens are valid only together with it.
type StoreCreated struct {
	StoreID id.Store `json:"store_id"`
}

// VaultBound names the vault that personal data in this store is sealed under. It is written once, when the store is
// first used with a vault. With another vault the same customer would become a stranger and nothing sealed would open.
type VaultBound struct {
	VaultID string `json:"vault_id"`
}

func (StoreCreated) isEvent() {}
func (VaultBound) isEvent()   {}

// StoreIdentity reads the identity of a store from its stream StoreStream, read from the beginning.
func StoreIdentity(stream iter.Seq2[Record, error]) (id.Store, error) {
	for r, err := range stream {
		if err != nil {
			return id.Store{}, fmt.Errorf("reading the store's identity: %w", err)
		}
		e, _, err := DecodeRecord(r)
		if err != nil {
			return id.Store{}, fmt.Errorf("reading the store's identity: %w", err)
		}
		if created, ok := e.(StoreCreated); ok {
			return created.StoreID, nil
		}
		break
	}
	return id.Store{}, fmt.Errorf("the store has no identity: stream %s does not begin with StoreCreated", StoreStream)
}
