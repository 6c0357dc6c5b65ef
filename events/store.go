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

// StoreSealed ends the history of a store: it is being moved, or was, and goes on elsewhere. Nobody appends to a sealed
// store but to unseal it.
type StoreSealed struct{}

// StoreUnsealed opens a sealed store again. It is for a move that was called off: if a copy is in use, there are two
// histories from here on.
type StoreUnsealed struct{}

// CopyBegun says that a store is to become a copy of another one. Until CopyFinished it holds a part of the history and
// must not be used.
type CopyBegun struct {
	From id.Store `json:"from"`
}

// CopyFinished says that the store holds the whole history of another one, read again and compared.
type CopyFinished struct {
	From   id.Store `json:"from"`
	Events uint64   `json:"events"` // copied ones
	// Digest is the SHA-256, in hexadecimal, over the digests of the copied events in log order. The digest of an event is
	// the SHA-256 over its stream, revision, id, type, kind of data, data and metadata, each after its length.
	Digest string `json:"digest"`
}

func (StoreCreated) isEvent()  {}
func (VaultBound) isEvent()    {}
func (StoreSealed) isEvent()   {}
func (StoreUnsealed) isEvent() {}
func (CopyBegun) isEvent()     {}
func (CopyFinished) isEvent()  {}

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
