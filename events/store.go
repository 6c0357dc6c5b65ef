package events

import "daybook/events/id"

// StoreStream holds the store's identity as event 0. It is written once, when a store is first opened.
const StoreStream = "daybook-store"

// StoreCreated gives a store its identity. Positions, checkpoints and tokens are valid only together with it.
type StoreCreated struct {
	StoreID id.Store `json:"store_id"`
}

func (StoreCreated) isEvent() {}
