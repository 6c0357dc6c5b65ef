package eventstoredb

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/events"
)

// However slow its reader is, a flow holds no more than its limit, in number and in bytes; but it always takes one.
func TestAFlowIsBounded(t *testing.T) {
	t.Parallel()
	mebibyte := events.Record{Data: make([]byte, 1<<19), Metadata: make([]byte, 1<<19)}
	for _, test := range []struct {
		record events.Record
		limit  int
		want   int
	}{
		{mebibyte, 1000, maxFlowBytes >> 20},
		{mebibyte, 3, 3},
		{events.Record{}, 1000, 1000},
		{events.Record{Data: make([]byte, maxFlowBytes+1)}, 1000, 1},
		{events.Record{}, 0, 1},
	} {
		f, held := newFlow(test.limit, true), 0
		for ; f.add(test.record, len(test.record.Data)+len(test.record.Metadata)); held++ {
			require.Less(t, held, test.want)
		}
		require.Equal(t, test.want, held)
		full, cancel := context.WithCancelCause(t.Context())
		cancel(ErrClosed)
		require.ErrorIs(t, f.put(full, test.record), ErrClosed, "a reader that never comes back holds nobody up")
		f.end(errors.New("over"))
		records, err := f.take()
		require.NoError(t, err, "what has arrived comes before the end")
		require.Len(t, records, test.want)
		_, err = f.take()
		require.EqualError(t, err, "over")
	}
}
