package commands_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/conversation"
	"daybook/domain/devices"
	"daybook/events"
	"daybook/events/id"
)

// The store wrote the append, but the answer was lost: whoever repeats the request records nothing twice.
func TestALostAnswerDuplicatesNothing(t *testing.T) {
	t.Parallel()
	inner := openStore(t)
	f := openFirm(t, commands.New(inner, at(noon)))
	store := &wire{EventStore: inner}
	h := commands.New(store, at(noon))
	lose := func() {
		store.afterAppend = func(string) error {
			store.afterAppend = nil
			return errCrash
		}
	}
	item := events.UpdateQuarantined{QuarantineID: id.New[id.Quarantine](), ReceivedAt: noon}
	for name, ask := range map[string]func() (events.Position, error){
		"command": func() (events.Position, error) {
			return h.RenameDevice(t.Context(), command("lost"), f.account, f.device, "x")
		},
		"updates": func() (events.Position, error) {
			outcome, err := h.RecordUpdates(t.Context(), api, f.delivery(inbound(1, noon), inbound(2, noon)))
			return outcome.Position, err
		},
		"quarantine": func() (events.Position, error) { return h.Quarantine(t.Context(), api, item) },
	} {
		lose()
		_, err := ask()
		require.ErrorIs(t, err, errCrash, name)
		first, err := ask()
		require.NoError(t, err, name)
		second, err := ask()
		require.NoError(t, err, name)
		require.Equal(t, first, second, name)
	}
	require.Len(t, read(t, inner, devices.Stream(f.account)), 2)
	require.Len(t, read(t, inner, conversation.Stream(f.conversation)), 3)
	require.Len(t, read(t, inner, "quarantine-"+item.QuarantineID.String()), 1)
}

// The store wrote the append, but the answer was lost, and time went on before the request came again: what this
// process goes by from then on is what is stored, not what it would have recorded now.
func TestAfterALostAnswerTheStoreIsBelieved(t *testing.T) {
	t.Parallel()
	inner := openStore(t)
	f := openFirm(t, commands.New(inner, at(noon)))
	now := noon
	store := &wire{EventStore: inner}
	h := commands.New(store, func() time.Time { return now })
	lose := func(ask func() error) {
		t.Helper()
		store.afterAppend = func(string) error { return errCrash }
		require.ErrorIs(t, ask(), errCrash)
		store.afterAppend = nil
		now = now.Add(time.Hour)
		require.NoError(t, ask())
	}

	// Premium holds from noon on. Whoever believed the repeat would have it from one o'clock on.
	lose(func() error {
		_, err := h.SubscribePremium(t.Context(), command("premium"), f.account, time.Time{})
		return err
	})
	premium, err := h.SubscribePremium(t.Context(), api, f.account, noon.Add(time.Minute))
	require.NoError(t, err, "it holds already")
	booked := read(t, inner, account.Stream(f.account))
	require.Equal(t, noon, booked[len(booked)-1].event.(events.PremiumSubscribed).ValidFrom)
	require.Equal(t, booked[len(booked)-1].Position, premium)

	// The window is open for 24 hours from the moment that is stored.
	asked := now
	lose(func() error {
		_, err := h.RecordUpdates(t.Context(), api, f.delivery(inbound(1, noon.AddDate(1, 0, 0))))
		return err
	})
	now = asked.Add(24*time.Hour + time.Minute)
	text := f.template(1)
	text.Kind, text.Category, text.Template = "text", "", nil
	_, err = h.SendMessage(t.Context(), api, text)
	rejected(t, err, domain.Conflict, "ServiceWindowClosed")
}

// Another command follows a lost answer: it is decided on what the first one wrote, and appended behind it at once.
func TestTheNextCommandAfterALostAnswerSeesWhatWasWritten(t *testing.T) {
	t.Parallel()
	inner := openStore(t)
	f := openFirm(t, commands.New(inner, at(noon)))
	attempts := 0
	store := &wire{EventStore: inner, beforeAppend: func(string) error {
		attempts++
		return nil
	}}
	h := commands.New(store, at(noon))
	_, _, err := h.LinkDevice(t.Context(), api, f.account, tablet("iPad")) // the registry is cached from now on
	require.NoError(t, err)
	store.afterAppend = func(string) error { return errCrash }
	_, err = h.RenameDevice(t.Context(), api, f.account, f.device, "Front desk")
	require.ErrorIs(t, err, errCrash)
	store.afterAppend = nil

	attempts = 0
	_, err = h.RenameDevice(t.Context(), api, f.account, f.device, "Back office")
	require.NoError(t, err)
	require.Equal(t, 1, attempts, "at the right revision")
	all := read(t, inner, devices.Stream(f.account))
	require.Equal(t, []string{"DeviceLinked", "DeviceLinked", "DeviceRenamed", "DeviceRenamed"}, types(all))
	require.Equal(t, "Front desk", all[3].event.(events.DeviceRenamed).PreviousName)
}
