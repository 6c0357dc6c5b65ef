package policies_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/events"
)

func TestAPolicyThatFoldsItsTargetsSurvivesEveryCrash(t *testing.T) {
	t.Parallel()
	linked := map[int]int{}
	policiestest.Crashes(t,
		func(t *testing.T) policiestest.Store {
			t.Helper()
			h := newHouse(t)
			for i := range 40 {
				h.link(i%3, 1)
			}
			linked = h.linked
			return h.store
		},
		func(store policiestest.Store) policies.Policy { return newTally(store, 3) },
		func(t *testing.T, store policiestest.Store) {
			t.Helper()
			(&house{t: t, log: store, linked: linked}).complete()
		})
}

// forgetful does not look at what it has done.
type forgetful struct{ *tally }

func (p forgetful) React(ctx context.Context, shard int, inputs []*policies.Input) error {
	proposed := make([]events.Proposed, len(inputs))
	for i, in := range inputs {
		proposed[i] = copyOf(in)
	}
	_, err := p.store.Append(ctx, target(shard), events.Any, proposed)
	return err
}

func TestAmnesiaFindsAPolicyThatDoesThingsTwice(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.link(0, 3)
	forgets := func() policies.Policy { return forgetful{newTally(h.store, 1)} }
	policiestest.Run(t, h.store, forgets())
	r := &refusal{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		policiestest.Amnesia(r, h.store, forgets)
	}()
	<-done
	require.Contains(t, r.said, "the policy did something twice")
	require.Contains(t, r.said, "Copied at tally-0@3")
}

// refusal is a test that notes its failure.
type refusal struct {
	testing.TB

	said string
}

func (r *refusal) Errorf(_ string, args ...any) { r.said += args[0].(string) }
func (*refusal) FailNow()                       { runtime.Goexit() }
