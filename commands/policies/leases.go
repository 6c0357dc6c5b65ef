package policies

import (
	"context"
	"time"

	"daybook/events"
	"daybook/events/id"
)

// Leases says which process works on which shard, and how far each shard has come. It spares double work and nothing
// more: what a policy does is fenced by the revisions of its target streams, whoever believes to hold what.
//
// The clock of the leases is their own (the database's), never a process's. Calls of one holder and policy come one
// after the other.
type Leases interface {
	// Hold saves the checkpoints of leases that are still the holder's in their epoch, renews all that are its own, and
	// takes free or expired ones, each in a new epoch, up to the holder's fair share. Leases that are the holder's in
	// another epoch than it thinks are answered as they are. All or nothing.
	Hold(ctx context.Context, claim Claim) (Tenure, error)
	// Release saves and gives back leases that are still the holder's in their epoch; all that are the holder's when it is
	// gone.
	Release(ctx context.Context, r Return) error
	// Shards lists all shards of a policy, in order; none before the first Hold.
	Shards(ctx context.Context, policy string) ([]ShardState, error)
}

// Claim is what a holder asks for.
type Claim struct {
	Policy string
	Shards int    // of the policy; that it differs from before is an error
	Holder string // one life of one process
	TTL    time.Duration
	Held   []Lease // as the holder knows them, with the checkpoints to save
}

// Tenure is what a holder has, until the TTL after the call began, at least.
type Tenure struct {
	Leases []Lease
	Share  int // what is fair: all shards over all live holders of the policy, rounded up
}

// Return is what a holder gives back.
type Return struct {
	Policy string
	Holder string
	Leases []Lease // with the checkpoints to save
	Gone   bool    // the holder is leaving, and no longer counts for anybody's share
}

// Lease is one shard in one holder's hands. Its epoch rises with every change of hands.
type Lease struct {
	Shard      int
	Epoch      int64
	Checkpoint Checkpoint
}

// ShardState is what is stored of a shard.
type ShardState struct {
	Lease

	Holder    string    // "" when nobody holds it, or nobody renewed it in time
	UpdatedAt time.Time // when the checkpoint was last saved; zero if never
}

// Checkpoint is how far a shard has come: every event at or before Position, in the log of Store, was reacted to. It
// only spares work: a policy that starts from 0 does nothing twice.
type Checkpoint struct {
	Store    id.Store // zero: nothing was saved yet
	Position events.Position
	Anchor   *Anchor // nil: no event but the store's own was passed
}

// Anchor is the last event that was passed. That the store still holds it, at the same place, shows that its history is
// the one that was reacted to; positions alone come again when an older copy of a store grows anew.
type Anchor struct {
	Stream   string
	Revision uint64
	Event    id.Event
	Position events.Position
}
