package commands_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

var errCrash = errors.New("crash")

func TestANumberBelongsToOneAccount(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	_, found, err := h.NumberOwner(t.Context(), number)
	require.NoError(t, err)
	require.False(t, found)
	f := openFirm(t, h)
	_, _, err = commands.New(store, at(noon)).RegisterAccount(t.Context(), api, pizzeria())
	rejected(t, err, domain.Conflict, "NumberTaken")
	for range 2 {
		owner, found, err := h.NumberOwner(t.Context(), number)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, f.account, owner)
	}
	require.Len(t, read(t, store, account.NumberStream(number)), 1)
}

func TestNumberOwnerIsRemembered(t *testing.T) {
	t.Parallel()
	reads := 0
	store := &wire{EventStore: openStore(t), onRead: func(string) { reads++ }}
	h := commands.New(store, at(noon))
	openFirm(t, h)
	_, _, err := h.NumberOwner(t.Context(), number)
	require.NoError(t, err)
	reads = 0
	_, found, err := h.NumberOwner(t.Context(), number)
	require.NoError(t, err)
	require.True(t, found)
	require.Zero(t, reads)
}

func TestABadRegistrationClaimsNothing(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	c := pizzeria()
	c.Timezone = "Moon/Sea"
	_, _, err := h.RegisterAccount(t.Context(), api, c)
	rejected(t, err, domain.Invalid, "TimezoneUnknown")
	require.Empty(t, read(t, store, account.NumberStream(number)))

	_, _, err = h.RegisterAccount(t.Context(), command("register"), pizzeria())
	require.NoError(t, err)
	c = pizzeria()
	c.Numbers = []events.BusinessNumber{{PhoneNumberID: "777", DisplayPhoneNumber: "777"}}
	_, _, err = h.RegisterAccount(t.Context(), command("register"), c)
	var reused *commands.CommandReusedError
	require.ErrorAs(t, err, &reused)
	require.Empty(t, read(t, store, account.NumberStream("777")))
}

// A registration that crashed between claim and account holds nobody up, and keeps no webhook.
func TestAnAbandonedClaimIsTakenOver(t *testing.T) {
	t.Parallel()
	store := &wire{EventStore: openStore(t)}
	store.beforeAppend = func(stream string) error {
		if stream != account.NumberStream(number) {
			return errCrash
		}
		return nil
	}
	h := commands.New(store, at(noon))
	_, _, err := h.RegisterAccount(t.Context(), command("mario"), pizzeria())
	require.ErrorIs(t, err, errCrash)
	_, found, err := h.NumberOwner(t.Context(), number)
	require.NoError(t, err)
	require.False(t, found)

	store.beforeAppend = nil
	luigi, _, err := h.RegisterAccount(t.Context(), command("luigi"), pizzeria())
	require.NoError(t, err)
	owner, found, err := h.NumberOwner(t.Context(), number)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, luigi, owner)

	_, _, err = h.RegisterAccount(t.Context(), command("mario"), pizzeria())
	rejected(t, err, domain.Conflict, "NumberTaken")
}

// Mario's registration comes back just when Luigi takes his claim over: who exists keeps the number.
func TestAClaimTakenTooSoonIsGivenBack(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	crashing := &wire{EventStore: store, beforeAppend: func(stream string) error {
		if stream != account.NumberStream(number) {
			return errCrash
		}
		return nil
	}}
	_, _, err := commands.New(crashing, at(noon)).RegisterAccount(t.Context(), command("mario"), pizzeria())
	require.ErrorIs(t, err, errCrash)

	var mario id.Account
	racing := &wire{EventStore: store}
	racing.beforeAppend = func(string) error { // Luigi has seen Mario's claim, and no account
		racing.beforeAppend = nil
		var err error
		mario, _, err = commands.New(store, at(noon)).RegisterAccount(t.Context(), command("mario"), pizzeria())
		return err
	}
	_, _, err = commands.New(racing, at(noon)).RegisterAccount(t.Context(), command("luigi"), pizzeria())
	rejected(t, err, domain.Conflict, "NumberTaken")

	owner, found, err := commands.New(store, at(noon)).NumberOwner(t.Context(), number)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, mario, owner)
	require.Len(t, read(t, store, account.NumberStream(number)), 3, "claimed, taken over, given back")
}

// Luigi registers completely between Mario's claim and Mario's account: the number is Luigi's, and Mario is told so.
func TestAClaimLostBeforeTheAccountExists(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	var luigi id.Account
	slow := &wire{EventStore: store}
	slow.beforeAppend = func(stream string) (err error) {
		if stream != account.NumberStream(number) {
			slow.beforeAppend = nil
			luigi, _, err = commands.New(store, at(noon)).RegisterAccount(t.Context(), command("luigi"), pizzeria())
		}
		return err
	}
	h := commands.New(slow, at(noon))
	for range 2 {
		_, _, err := h.RegisterAccount(t.Context(), command("mario"), pizzeria())
		rejected(t, err, domain.Conflict, "NumberTaken")
	}
	owner, _, err := h.NumberOwner(t.Context(), number)
	require.NoError(t, err)
	require.Equal(t, luigi, owner)

	mario := id.Derive[id.Account]("account", command("mario").Command.String())
	_, err = h.AcceptTerms(t.Context(), api, mario, "1", "1")
	require.NoError(t, err)
	_, err = h.SendMessage(t.Context(), api, firm{account: mario}.template(1))
	rejected(t, err, domain.Conflict, "NumberTaken")
}
