package policiestest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands/policies"
	"daybook/events"
)

// bound is how long a policy may take for the history of a test.
const bound = time.Minute

// Run lets a policy react to everything in a store, what it appends itself included, and returns the head.
func Run(tb testing.TB, store Store, policy policies.Policy) events.Position {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), bound)
	defer cancel()
	head, err := run(ctx, store, policy, NewLeases(time.Now))
	require.NoError(tb, err)
	return head
}

// Amnesia requires that a policy which has reacted to everything in a store appends nothing when it reacts again, from 0
// and with an empty memory. The function makes the policy over the store.
func Amnesia(tb testing.TB, store Store, policy func() policies.Policy) {
	tb.Helper()
	before, err := store.Head(tb.Context())
	require.NoError(tb, err)
	if Run(tb, store, policy()) == before {
		return
	}
	for records, err := range store.SubscribeAll(tb.Context(), before, 1) {
		require.NoError(tb, err)
		require.Failf(tb, "the policy did something twice", "first %s at %s@%d: %s",
			records[0].Type, records[0].Stream, records[0].Revision, records[0].Data)
	}
}

// Crashes lets a policy's process crash at the policy's first call of the store, at its second, and so on until a run
// ends without the crash, each time over a fresh store: once before the call takes effect and, at appends, once after.
// Every crash is recovered from by a new process with an empty memory, once from where the crashed one had come to and
// once from 0. Then check is asked whether the store is as it should be, and Amnesia too.
//
// The history makes a store with what is to be reacted to. A batch of the log is of 16 events and shards react one after
// the other, so the calls come in the same order each time.
func Crashes(t *testing.T, history func(*testing.T) Store, policy func(Store) policies.Policy, check func(*testing.T, Store)) {
	t.Helper()
	for _, late := range []bool{false, true} {
		for _, kept := range []bool{true, false} {
			for call, crashed := 1, true; crashed; call++ {
				l := life{call, late, kept}
				crashed = false // also when the test fails: one failure tells enough
				t.Run(l.String(), func(t *testing.T) {
					store := history(t)
					happened := l.play(t, store, policy)
					check(t, store)
					Amnesia(t, store, func() policies.Policy { return policy(store) })
					crashed = happened
				})
			}
		}
	}
}

// life is what happens to a process: at which call it crashes, whether that call takes effect, and whether the process
// after it finds a checkpoint.
type life struct {
	call       int
	late, kept bool
}

func (l life) String() string {
	when, then := "before call", "from 0"
	if l.late {
		when = "after append"
	}
	if l.kept {
		then = "from the checkpoint"
	}
	return fmt.Sprintf("%s %d, %s", when, l.call, then)
}

// play runs the policy, with the crash and the recovery from it, and tells whether it came to the crash.
func (l life) play(t *testing.T, store Store, policy func(Store) policies.Policy) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	process := newProcess(ctx, store, l)
	leases := NewLeases(time.Now)
	_, err := run(process.alive, store, policy(process), leases)
	crashed := process.alive.Err() != nil
	process.end()
	if !crashed {
		require.NoError(t, err)
		return false
	}
	require.NoError(t, ctx.Err(), "the policy takes too long")
	if !l.kept {
		leases = NewLeases(time.Now)
	}
	_, err = run(ctx, store, policy(store), leases)
	require.NoError(t, err)
	return true
}

// run lets a policy react until nothing more follows, and returns the head then.
func run(ctx context.Context, store Store, policy policies.Policy, leases policies.Leases) (events.Position, error) {
	runner, err := policies.NewRunner(policies.Config{
		Log: store, Leases: leases, Now: time.Now, Events: 16, Concurrency: 1, MinPause: time.Millisecond,
	}, policy)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	defer func() { <-ended }()
	defer cancel()
	head, err := store.Head(ctx)
	for err == nil {
		var at events.Position
		if at, err = runner.WaitFor(ctx, policy.Name(), head); err == nil && at == head {
			return head, nil
		}
		head = at
	}
	return 0, err
}
