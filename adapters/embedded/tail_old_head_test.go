package embedded

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/events"
)

// A reader that has looked at the head long before it gets its turn sees nothing after that head, and is sent to the log
// for what has been forgotten meanwhile. No call from outside can be held up between the two.
func TestTailReadersThatComeLate(t *testing.T) {
	t.Parallel()
	const each = tailBytes / 10
	load := func(after, head events.Position) (records []events.Record, _ error) {
		for p := after/each*each + each; p <= head; p += each {
			records = append(records, events.Record{Position: p})
		}
		return records, nil
	}
	var shared tail
	for head := events.Position(each); head <= 40*each; head += 5 * each {
		_, ok, err := shared.read(head-each, head, 1, load)
		require.NoError(t, err)
		require.True(t, ok)
	}
	_, ok, err := shared.read(8*each, 11*each, 10, load)
	require.NoError(t, err)
	require.False(t, ok, "it is forgotten")
	late, ok, err := shared.read(33*each, 34*each, 10, load)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []events.Record{{Position: 34 * each}}, late)
	require.Equal(t, 1, cap(late), "whoever appends to it gets memory of their own")
}
