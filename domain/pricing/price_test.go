package pricing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/pricing"
	"daybook/events"
)

func TestDay(t *testing.T) {
	t.Parallel()
	rome, err := time.LoadLocation("Europe/Rome")
	require.NoError(t, err)
	edge := time.Date(2026, 9, 30, 22, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		zone *time.Location
		at   time.Time
		want events.Date
	}{
		{rome, edge, "2026-10-01"},
		{rome, edge.Add(-time.Nanosecond), "2026-09-30"},
		{nil, edge, "2026-09-30"},
		{nil, time.Date(987, 6, 5, 0, 0, 0, 0, time.UTC), "0987-06-05"},
		{nil, time.Date(-1, 6, 5, 0, 0, 0, 0, time.UTC), "0000-01-01"},
		{nil, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "9999-12-31"},
	} {
		require.Equal(t, c.want, pricing.Terms{Currency: "USD", Zone: c.zone}.Day(c.at))
	}
}
