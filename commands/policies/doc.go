// Package policies holds what turns events into further events: one runner, and one file per policy.
//
// # A policy in an hour
//
// Say what follows from what: which events go in, which stream each of them changes, and how that stream tells that it
// was changed already. Then write a type with five methods, see [Policy]:
//
//	type greeting struct{ store EventStore }
//
//	func (greeting) Name() string               { return "greeting" }
//	func (greeting) Shards() int                { return 4 }
//	func (greeting) Handles(event string) bool { return event == "ConversationStarted" }
//	func (greeting) Shard(_ context.Context, in *policies.Input) (int, error) {
//		return int(in.Envelope.Account.UUID[15]) % 4, nil // one account, one shard: its inputs keep their order
//	}
//	func (g greeting) React(ctx context.Context, _ int, inputs []*policies.Input) error {
//		for _, in := range inputs {
//			// fold the target; if it holds what follows from in, go on
//			// append at exactly the revision that was folded
//		}
//		return nil
//	}
//
// The one rule: decide from the target's stream, never from having been called. Checkpoints and leases may be lost at any
// moment, two processes may believe to hold the same shard, and an append may have worked although it returned an error.
// A policy that folds its target and appends at the folded revision is right through all of that; what it remembers
// between calls only saves reading, and a *events.WrongRevisionError says that it no longer fits.
//
// Derive event ids from the input (id.Derive), so that the same append again is recognised by the store.
//
// Its tests are given, when, then, and the kit in policiestest: Crashes, with a history of a few dozen events, kills the
// process at each call of the store; Amnesia replays everything into an empty memory and finds what is done twice.
//
// # How it runs
//
// One subscription serves all the shards of a policy that a process holds, from the least advanced one on; the next batch
// is read and decoded while the shards react to this one, side by side: at the head, where batches are small and appends
// wait for the disk or the network, that is worth as many times the speed as shards react at once (BenchmarkConcurrency).
// A shard that fails rests and is caught up with later; the others do not wait for it.
//
// Leases are rows with an epoch, see [Leases]. Shards are divided evenly among the processes that run a policy; a process
// that has too many gives some back, one that dies is inherited from after the TTL.
//
// There is no Watermill here, as there is under the projections: the log is followed by one reader in order, retries go
// back to a checkpoint, and sharding, leases and fencing would all have to be built beside a router that delivers
// message by message. SubscribeAll is already the stream it would wrap.
package policies
