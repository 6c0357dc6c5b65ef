package policies

import (
	"context"

	"daybook/events"
)

// Input is an event of the log that a policy handles, decoded. Inputs are shared by a policy's shards: read only.
type Input struct {
	events.Record

	Envelope events.Envelope
	Event    events.Event
}

// Every is the shard of an input that all shards get.
const Every = -1

// Policy turns events into what follows from them. The methods are called from several goroutines at once, React from
// at most one per shard.
type Policy interface {
	// Name identifies the policy in leases, statuses and envelopes ("policy:NAME"). It never changes.
	Name() string
	// Shards is how many parts of the work may go on side by side, perhaps in several processes. It never changes.
	Shards() int
	// Handles tells which stored types of event the policy wants. Others are not even decoded.
	Handles(eventType string) bool
	// Shard tells whose input this is: 0 to Shards-1, or Every. It must say the same each time.
	Shard(ctx context.Context, in *Input) (shard int, err error)
	// React does what follows from inputs of one shard, in log order. The log is the truth and leases are not: React may
	// be called with inputs that it, another process, or an earlier life has seen, and while another process reacts to
	// the same ones. So what was done already must follow from the target streams, and every append must demand the
	// revision that was folded; on a *events.WrongRevisionError forget what is remembered of that stream, and return it.
	// After any error the same inputs come again, later and later, and others of the shard only after them.
	React(ctx context.Context, shard int, inputs []*Input) error
}
