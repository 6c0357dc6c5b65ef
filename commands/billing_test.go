package commands_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/billing"
	"daybook/events"
	"daybook/events/id"
)

func TestAPeriodIsAskedToBeClosed(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	clock := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) // midnight in the last of all time zones
	now := clock.Add(-time.Nanosecond)
	h := commands.New(store, func() time.Time { return now })
	portfolio := id.New[id.Account]()
	stream := billing.ClosingStream(portfolio, "2026-10")
	for month, code := range map[string]string{"2026-10": "PeriodNotOver", "2026-9": "MonthInvalid", "2026-13": "MonthInvalid", "": "MonthInvalid"} {
		_, err := h.CloseBillingPeriod(t.Context(), command("early"), portfolio, month)
		rejection, refused := errors.AsType[*domain.Rejection](err)
		require.True(t, refused)
		require.Equal(t, code, rejection.Code)
	}
	require.Empty(t, read(t, store, stream))

	now = clock
	first, err := h.CloseBillingPeriod(t.Context(), command("close"), portfolio, "2026-10")
	require.NoError(t, err)
	again, err := commands.New(store, at(clock.Add(time.Hour))).CloseBillingPeriod(t.Context(), command("close"), portfolio, "2026-10")
	require.NoError(t, err)
	require.Equal(t, first, again, "a repeat")
	later, err := h.CloseBillingPeriod(t.Context(), command("close again"), portfolio, "2026-10")
	require.NoError(t, err)
	require.Greater(t, later, first)
	all := read(t, store, stream)
	require.Len(t, all, 2)
	require.Equal(t, portfolio, all[0].envelope.Account)
	require.Equal(t, events.PeriodClosingRequested{Portfolio: portfolio, Month: "2026-10", RequestedAt: clock}, all[0].event)
}
