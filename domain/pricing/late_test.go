package pricing_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/domain/pricing"
	"daybook/events"
)

func TestVector02_OnlyTheOldPricesKnowAFeeForLateReplies(t *testing.T) {
	t.Parallel()
	for day, allowed := range map[events.Date]bool{
		"2018-08-01": true, "2022-12-31": true, "2023-01-01": false, "2024-08-01": false, "2026-09-30": false, "2026-10-01": false,
	} {
		require.Equal(t, allowed, pricing.LateRepliesAllowed(day), day)
	}
}
