package policiestest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/events"
	"daybook/events/id"
)

func TestAProcessCrashesOnceItsCallIsReached(t *testing.T) {
	t.Parallel()
	store := storetest.Lend(t)
	written := 0
	for _, late := range []bool{false, true} {
		p := newProcess(t.Context(), store, life{call: 2, late: late})
		write := func() error {
			_, err := p.Append(t.Context(), "s", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "T", Data: []byte("{}")}})
			return err
		}
		require.NoError(t, write())
		require.ErrorIs(t, write(), ErrCrash)
		require.ErrorIs(t, write(), ErrCrash, "it stays dead")
		_, _, err := p.ReadLast(t.Context(), "s")
		require.ErrorIs(t, err, ErrCrash)
		for _, err = range p.ReadStream(t.Context(), "s", 0) {
			require.ErrorIs(t, err, ErrCrash)
		}
		if written++; late {
			written++
		}
		last, _, err := store.ReadLast(t.Context(), "s")
		require.NoError(t, err)
		require.EqualValues(t, written-1, last.Revision)
	}
}
