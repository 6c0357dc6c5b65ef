package policies_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/content"
	"daybook/events"
	"daybook/events/id"
)

// courier is a connection to devices, which may be cut.
type courier struct {
	failure error
	turns   []commands.ContentTurn
}

func (l *courier) Download(_ context.Context, t commands.ContentTurn) error {
	l.turns = append(l.turns, t)
	return l.failure
}

// kiosk is a shop whose device downloads content.
type kiosk struct {
	*shop

	courier *courier
}

func openKiosk(t *testing.T) *kiosk {
	t.Helper()
	k := &kiosk{newShop(t, storetest.Lend(t), "USD", "Europe/Rome"), &courier{}}
	_, err := k.handler.PublishContent(t.Context(), asAdmin, k.account, content.Publish{Package: "menu", Locale: "it", SHA256: strings.Repeat("a", 64)})
	require.NoError(t, err)
	return k
}

func (k *kiosk) policy(store policiestest.Store) policies.Policy {
	return policies.NewContent(commands.New(store, func() time.Time { return k.clock }), k.courier)
}

// until lets time pass, and everything happen that comes due.
func (k *kiosk) until(then time.Time) {
	k.Helper()
	policiestest.Run(k, k.store, k.policy(k.store))
	for {
		k.clock = then
		next := time.Time{}
		set, ended := timersOf(k.Context(), k.store)
		var due id.Timer
		for _, s := range set {
			if !ended[s.TimerID] && !s.Due.After(then) && (next.IsZero() || s.Due.Before(next)) {
				due, next = s.TimerID, s.Due
			}
		}
		if next.IsZero() {
			return
		}
		k.clock = next
		_, err := k.handler.FireTimer(k.Context(), somebody, k.account, due)
		require.NoError(k, err)
		policiestest.Run(k, k.store, k.policy(k.store))
	}
}

// log lists how downloads ended, by when.
func (k *kiosk) log(store policiestest.Store) (list []string) {
	k.Helper()
	began := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for _, event := range allEvents(k.Context(), store) {
		switch e := event.(type) {
		case events.ContentRefreshed:
			list = append(list, fmt.Sprintf("%s: %d packages", e.RefreshedAt.Sub(began), len(e.Packages)))
		case events.ContentRefreshFailed:
			list = append(list, fmt.Sprintf("%s: %s %d", e.FailedAt.Sub(began), e.Code, e.Attempt))
		}
	}
	return list
}

func TestS49_DevicesRefreshTheirContentEvery31Days(t *testing.T) {
	t.Parallel()
	k := openKiosk(t)
	k.until(k.clock.AddDate(0, 0, 63))
	require.Equal(t, []string{"0s: 1 packages", "744h0m0s: 1 packages", "1488h0m0s: 1 packages"}, k.log(k.store))
	require.Equal(t, k.device, k.courier.turns[0].Device)

	_, err := k.handler.UnlinkDevice(t.Context(), asAdmin, k.account, k.device, events.UnlinkedByOwner)
	require.NoError(t, err)
	k.until(k.clock.AddDate(1, 0, 0))
	require.Len(t, k.log(k.store), 3, "a device that is not linked any more gets nothing")
}

func TestS50_ADownloadThatFailsIsRetriedAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	k := openKiosk(t)
	k.courier.failure = errors.New("no route to host")
	k.until(k.clock.Add(7 * time.Minute))
	k.courier.failure = &policies.DownloadError{Code: "gone"}
	k.until(k.clock.Add(7 * time.Minute))
	k.courier.failure = nil
	k.until(k.clock.Add(7 * time.Minute))
	require.Equal(t, []string{"0s: unreachable 1", "5m0s: unreachable 2", "10m0s: gone 3", "15m0s: 1 packages"}, k.log(k.store))
}

func TestAmnesia_content(t *testing.T) {
	t.Parallel()
	k := openKiosk(t)
	k.courier.failure = errors.New("no route to host")
	k.until(k.clock)
	k.courier.failure = nil
	set, _ := timersOf(t.Context(), k.store)
	k.clock = k.clock.Add(5 * time.Minute)
	_, err := k.handler.FireTimer(t.Context(), somebody, k.account, set[len(set)-1].TimerID)
	require.NoError(t, err)
	policiestest.Crashes(t,
		func(t *testing.T) policiestest.Store { t.Helper(); return copyHistory(t, k.store) },
		k.policy,
		func(t *testing.T, store policiestest.Store) {
			t.Helper()
			require.Equal(t, []string{"0s: unreachable 1", "5m0s: 1 packages"}, k.log(store))
			set, _ := timersOf(t.Context(), store)
			require.Len(t, set, 3)
		})
}
