package main

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
	"daybook/commands"
	"daybook/domain/timer"
	"daybook/events"
)

// Timers are in the log: they wait through restarts, and through the loss of everything that Postgres knows of them.
func TestTimersSurviveRestartsAndTheLossOfTheirIndex(t *testing.T) {
	config := testConfig(t)
	begin := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	var clock atomic.Int64
	clock.Store(begin.UnixNano())
	now := func() time.Time { return time.Unix(0, clock.Load()).UTC() }
	serving := func(work func(a *app)) {
		a, err := open(t.Context(), config, now, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.NoError(t, a.during(t.Context(), func(string) error { work(a); return nil }))
		require.NoError(t, a.close())
	}
	reminder := func(n int) timer.Set {
		return timer.Set{
			Kind: events.TimerMessageTTL, Stream: "conversation-1", Subject: "1", Ordinal: n, Due: begin.AddDate(0, 0, n),
		}
	}
	firedIn := func(a *app, n int) bool {
		for record, err := range a.store.ReadStream(t.Context(), timer.Stream(reminder(n).ID()), 1) {
			require.NoError(t, err)
			return record.Type == "TimerFired"
		}
		return false
	}
	// Whatever is set and due now has fired when a timer has that is due last.
	jump := func(a *app, days int) {
		clock.Store(begin.AddDate(0, 0, days).UnixNano())
		require.Eventually(t, func() bool { return firedIn(a, days) }, time.Minute, time.Millisecond)
	}

	serving(func(a *app) {
		for n := 1; n <= 5; n++ {
			_, err := a.commands.SetTimer(t.Context(), commands.Meta{Actor: "test", Source: "test"}, reminder(n))
			require.NoError(t, err)
		}
		jump(a, 1)
		require.False(t, firedIn(a, 2))
	})
	serving(func(a *app) {
		require.False(t, firedIn(a, 2), "its instant has not come")
		jump(a, 3)
		require.True(t, firedIn(a, 2))
	})
	vault, err := postgres.VaultURL(t.Context(), config.DatabaseURL, "")
	require.NoError(t, err)
	config.DatabaseURL, config.VaultURL = pgtest.Database(t), vault // everything but the vault can be lost
	serving(func(a *app) {
		jump(a, 5)
		require.True(t, firedIn(a, 4))

		head, err := a.store.Head(t.Context())
		require.NoError(t, err)
		settled, err := (dueTimers{a}).Due(t.Context(), head, now(), 500)
		require.NoError(t, err)
		require.Empty(t, settled)
	})
}
