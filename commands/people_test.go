package commands_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/devices"
	"daybook/events"
	"daybook/events/id"
)

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// staff is an account with an owner and an agent.
type staff struct {
	firm

	anna, bruno id.User
}

func openStaff(t *testing.T, h *commands.Handler) staff {
	t.Helper()
	f := openFirm(t, h)
	anna, _, err := h.AddUser(t.Context(), command("anna"), f.account, account.AddUser{Name: "Anna", Roles: []string{"owner"}})
	require.NoError(t, err)
	bruno, _, err := h.AddUser(t.Context(), command("bruno"), f.account, account.AddUser{Name: "Bruno", Roles: []string{"agent", "billing"}})
	require.NoError(t, err)
	return staff{f, anna, bruno}
}

func (s staff) key(scopes ...string) account.IssueKey {
	return account.IssueKey{User: s.bruno, Label: "till", Scopes: scopes, ExpiresAt: noon.Add(24 * time.Hour)}
}

func TestAddUserAgainIsTheSameUser(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	s := openStaff(t, h)
	again, _, err := h.AddUser(t.Context(), command("bruno"), s.account, account.AddUser{Name: "Bruno", Roles: []string{"agent", "billing"}})
	require.NoError(t, err)
	require.Equal(t, s.bruno, again)
	_, _, err = h.AddUser(t.Context(), command("bruno"), s.account, account.AddUser{Name: "Bruno", Roles: []string{"agent"}})
	var reused *commands.CommandReusedError
	require.ErrorAs(t, err, &reused)
	_, err = h.ChangeRoles(t.Context(), api, s.account, s.bruno, []string{"agent"})
	require.NoError(t, err)
	_, err = h.RemoveUser(t.Context(), api, s.account, s.bruno)
	require.NoError(t, err)
	all := read(t, store, account.Stream(s.account))
	require.Equal(t, []string{"AccountRegistered", "TermsAccepted", "UserAdded", "UserAdded", "UserRolesChanged", "UserRemoved"}, types(all))
	require.Equal(t, s.account, all[5].envelope.Account)
	users, err := h.Users(t.Context(), s.account)
	require.NoError(t, err)
	require.Len(t, users, 1)
	_, err = h.Users(t.Context(), id.New[id.Account]())
	rejected(t, err, domain.NotFound, "AccountUnknown")
}

func TestAKeyOpensItsAccountOnly(t *testing.T) {
	t.Parallel()
	h := commands.New(openStore(t), at(noon))
	s := openStaff(t, h)
	c := s.key("agent")
	c.Device = s.device
	key, text, _, err := h.IssueKey(t.Context(), api, s.account, c)
	require.NoError(t, err)
	require.True(t, commands.IsKey(text))
	owner, who, err := h.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, s.account, owner)
	require.Equal(t, account.Identity{User: s.bruno, Key: key, Roles: []events.Role{events.RoleAgent}, Device: s.device}, who)

	parts := strings.Split(text, ".")
	require.Len(t, parts, 4)
	other := id.New[id.Account]().String()
	for _, forged := range []string{
		"", "dbk1.", "dbk1...", text + "A", text[:len(text)-1], strings.Replace(text, "dbk1", "dbk2", 1), text + ".x",
		strings.Join([]string{parts[0], other, parts[2], parts[3]}, "."),
		strings.Join([]string{parts[0], parts[1], other, parts[3]}, "."),
		strings.Join([]string{parts[0], parts[1], parts[2], strings.Repeat("A", 43)}, "."),
		strings.Join([]string{parts[0], "", parts[2], parts[3]}, "."),
		strings.Join([]string{parts[0], parts[1], parts[2], ""}, "."),
	} {
		_, _, err = h.Authenticate(t.Context(), forged)
		rejected(t, err, domain.NotFound, "KeyUnknown")
		require.NotContains(t, err.Error(), parts[3])
	}
}

// TestAKeyEndsAtOnce is about other processes, too: each reads the account forward before it believes a key.
func TestAKeyEndsAtOnce(t *testing.T) {
	t.Parallel()
	store, now := openStore(t), &clock{now: noon}
	here, there := commands.New(store, now.read), commands.New(store, now.read)
	s := openStaff(t, here)
	issue := func(scopes ...string) (id.APIKey, string) {
		key, text, _, err := here.IssueKey(t.Context(), api, s.account, s.key(scopes...))
		require.NoError(t, err)
		_, _, err = there.Authenticate(t.Context(), text)
		require.NoError(t, err)
		return key, text
	}
	key, text := issue("agent")
	_, err := here.RevokeKey(t.Context(), api, s.account, key)
	require.NoError(t, err)
	_, _, err = there.Authenticate(t.Context(), text)
	rejected(t, err, domain.Forbidden, "KeyRevoked")

	_, text = issue("agent", "billing")
	_, err = here.ChangeRoles(t.Context(), api, s.account, s.bruno, []string{"agent"})
	require.NoError(t, err)
	_, who, err := there.Authenticate(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, []events.Role{events.RoleAgent}, who.Roles)
	now.set(noon.Add(24*time.Hour - 1))
	_, _, err = there.Authenticate(t.Context(), text)
	require.NoError(t, err)
	now.set(noon.Add(24 * time.Hour))
	_, _, err = there.Authenticate(t.Context(), text)
	rejected(t, err, domain.Forbidden, "KeyExpired")

	now.set(noon)
	_, err = here.RemoveUser(t.Context(), api, s.account, s.bruno)
	require.NoError(t, err)
	_, _, err = there.Authenticate(t.Context(), text)
	rejected(t, err, domain.Forbidden, "KeyRevoked")
}

// TestAKeyIsReplacedWithoutAGap issues the next key while the old one still counts.
func TestAKeyIsReplacedWithoutAGap(t *testing.T) {
	t.Parallel()
	h := commands.New(openStore(t), at(noon))
	s := openStaff(t, h)
	old, before, _, err := h.IssueKey(t.Context(), api, s.account, s.key("agent"))
	require.NoError(t, err)
	_, after, _, err := h.IssueKey(t.Context(), api, s.account, s.key("agent"))
	require.NoError(t, err)
	_, _, _, err = h.IssueKey(t.Context(), api, s.account, s.key("agent"))
	rejected(t, err, domain.Conflict, "TooManyKeys")
	for _, text := range []string{before, after} {
		_, _, err = h.Authenticate(t.Context(), text)
		require.NoError(t, err)
	}
	_, err = h.RevokeKey(t.Context(), api, s.account, old)
	require.NoError(t, err)
	_, _, err = h.Authenticate(t.Context(), before)
	rejected(t, err, domain.Forbidden, "KeyRevoked")
	_, _, err = h.Authenticate(t.Context(), after)
	require.NoError(t, err)
	_, _, _, err = h.IssueKey(t.Context(), api, s.account, s.key("agent"))
	require.NoError(t, err)
}

func TestAKeyIsShownOnceAndStoredNowhere(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	s := openStaff(t, h)
	key, text, position, err := h.IssueKey(t.Context(), command("key"), s.account, s.key("agent"))
	require.NoError(t, err)
	for _, h := range []*commands.Handler{h, commands.New(store, at(noon.Add(time.Hour)))} {
		again, nothing, where, err := h.IssueKey(t.Context(), command("key"), s.account, s.key("agent"))
		require.NoError(t, err)
		require.Equal(t, key, again)
		require.Empty(t, nothing)
		require.Equal(t, position, where)
	}
	secret := text[strings.LastIndex(text, ".")+1:]
	for record, err := range store.ReadStream(context.WithoutCancel(t.Context()), account.Stream(s.account), 0) {
		require.NoError(t, err)
		require.NotContains(t, string(record.Data)+string(record.Metadata), secret)
	}
}

// TestOfTwoProcessesOneShowsTheKey that is stored: the same request in two of them at the same revision has two secrets.
func TestOfTwoProcessesOneShowsTheKey(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	winner := commands.New(store, at(noon))
	s := openStaff(t, winner)
	var text string
	var once sync.Once
	loser := commands.New(&wire{EventStore: store, beforeAppend: func(string) (err error) {
		once.Do(func() { _, text, _, err = winner.IssueKey(t.Context(), command("key"), s.account, s.key("agent")) })
		return err
	}}, at(noon))
	_, nothing, _, err := loser.IssueKey(t.Context(), command("key"), s.account, s.key("agent"))
	require.NoError(t, err)
	require.NotEmpty(t, text)
	require.Empty(t, nothing)
	for _, h := range []*commands.Handler{winner, loser, commands.New(store, at(noon))} {
		_, _, err = h.Authenticate(t.Context(), text)
		require.NoError(t, err)
	}
}

func TestAKeyIsForALinkedDevice(t *testing.T) {
	t.Parallel()
	h := commands.New(openStore(t), at(noon))
	s := openStaff(t, h)
	c := s.key("agent")
	c.Device = id.New[id.Device]()
	_, _, _, err := h.IssueKey(t.Context(), api, s.account, c)
	rejected(t, err, domain.Conflict, "DeviceNotLinked")
	c.Device, _, err = h.LinkDevice(t.Context(), api, s.account, devices.Link{Kind: "tablet", Platform: "ios", Name: "iPad"})
	require.NoError(t, err)
	_, _, _, err = h.IssueKey(t.Context(), api, s.account, c)
	require.NoError(t, err)
}

// TestAStoreThatIsAwayIsNoVerdictOnAKey: whoever cannot read the account cannot say that a key is none.
func TestAStoreThatIsAwayIsNoVerdictOnAKey(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	s := openStaff(t, h)
	_, text, _, err := h.IssueKey(t.Context(), api, s.account, s.key("agent"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = h.Authenticate(ctx, text)
	require.Error(t, err)
	var rejection *domain.Rejection
	require.NotErrorAs(t, err, &rejection)
}

func TestWhoOpensMessageInfoStandsInTheBooksOfTheAccount(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	opened := events.MessageInfoOpened{MessageID: message(1), ConversationID: f.conversation}
	for range 2 {
		_, err := h.OpenMessageInfo(t.Context(), commands.Meta{Actor: "user:a/key:b", Source: "api"}, f.account, opened)
		require.NoError(t, err)
	}
	all := read(t, store, events.AccessStream(f.account, noon))
	require.Equal(t, []string{"MessageInfoOpened", "MessageInfoOpened"}, types(all), "each time")
	require.Equal(t, opened, all[0].event)
	require.Equal(t, f.account, all[0].envelope.Account)
	require.Equal(t, events.Actor("user:a/key:b"), all[0].envelope.Actor)
}
