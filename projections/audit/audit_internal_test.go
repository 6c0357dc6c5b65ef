package audit

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/projections"
)

// Some stores give an event without data as nil, which a COPY would turn into NULL.
func TestNoDataIsNotNull(t *testing.T) {
	t.Parallel()
	entry := entryOf(projections.At{Recorded: &projections.Recorded{}})
	require.NotNil(t, entry.Data)
	require.NotNil(t, entry.Metadata)
	require.Empty(t, entry.Data)
}
