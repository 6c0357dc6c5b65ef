package commands_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

var reminder = timer.Set{
	Account: id.Derive[id.Account]("shop"), Kind: events.TimerMessageTTL, Stream: "conversation-1", Subject: "1", Due: noon,
}

// However many processes find a timer due, it fires once, and everyone is told where.
func TestATimerFiresOnceHoweverManyFindItDue(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	system := commands.Meta{Actor: "policy:timers", Source: "policy:timers"}
	_, err := commands.New(store, at(noon.Add(-time.Hour))).SetTimer(t.Context(), system, reminder)
	require.NoError(t, err)

	const processes = 8
	positions := make([]events.Position, processes)
	var racing sync.WaitGroup
	for i := range processes {
		h := commands.New(store, at(noon.Add(time.Duration(i)*time.Second)))
		racing.Go(func() {
			at, err := h.FireTimer(t.Context(), system, reminder.Account, reminder.ID())
			if err != nil {
				t.Error(err)
			}
			positions[i] = at
		})
	}
	racing.Wait()
	var fired []events.TimerFired
	for record, err := range store.ReadStream(t.Context(), timer.Stream(reminder.ID()), 1) {
		require.NoError(t, err)
		event, envelope, err := events.DecodeRecord(record)
		require.NoError(t, err)
		require.Equal(t, reminder.Account, envelope.Account)
		fired = append(fired, event.(events.TimerFired))
		for _, position := range positions {
			require.Equal(t, record.Position, position)
		}
	}
	require.Len(t, fired, 1)
	require.Equal(t, "1", fired[0].Subject)
}

func TestATimerIsSetByWhoeverComesFirst(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	first, err := h.SetTimer(t.Context(), api, reminder)
	require.NoError(t, err)
	postponed := reminder
	postponed.Due = noon.Add(time.Hour)
	again, err := commands.New(store, at(noon)).SetTimer(t.Context(), api, postponed)
	require.NoError(t, err)
	require.Equal(t, first, again)

	cancelled, err := h.CancelTimer(t.Context(), api, reminder.Account, reminder.ID())
	require.NoError(t, err)
	last, err := h.FireTimer(t.Context(), api, reminder.Account, reminder.ID())
	require.NoError(t, err)
	require.Equal(t, cancelled, last, "nothing followed")
}
