package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/commands"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

// person is a user with a key, and a client that uses it.
type person struct {
	*client.Client

	id   id.User
	key  id.APIKey
	text string
}

// tomorrow is when the keys of most tests end.
func tomorrow() time.Time { return time.Now().Add(24 * time.Hour).Truncate(time.Second) }

// hire adds a user in some roles, with a key for all of them.
func (s *system) hire(account id.Account, name string, roles ...string) person {
	s.t.Helper()
	user, err := s.AddUser(s.t.Context(), account, api.AddUser{Name: name, Roles: roles})
	require.NoError(s.t, err)
	return s.key(account, user.ID, api.IssueKey{Label: "till", Scopes: roles, ExpiresAt: tomorrow()})
}

// key gives a user another key.
func (s *system) key(account id.Account, user id.User, c api.IssueKey) person {
	s.t.Helper()
	issued, err := s.IssueKey(s.t.Context(), account, user, c)
	require.NoError(s.t, err)
	return person{client.New(s.url, issued.Key), user, issued.ID, issued.Key}
}

// another is a second business on the installation, with an owner.
func (s *system) another() (id.Account, person) {
	s.t.Helper()
	bianchi := rossi
	bianchi.Numbers = otherNumbers
	opened, err := s.RegisterAccount(s.t.Context(), bianchi)
	require.NoError(s.t, err)
	_, err = s.AcceptTerms(s.t.Context(), opened.ID, terms2)
	require.NoError(s.t, err)
	return opened.ID, s.hire(opened.ID, "Bianchi", "owner")
}

// as makes a raw request with somebody's key.
func (s *system) as(p person, method, path, body string) answer {
	s.t.Helper()
	return s.raw(method, path, body, "Authorization", "Bearer "+p.text)
}

// rejected demands a problem of this status and code, and returns what it says.
func rejected(t *testing.T, err error, status int, code string) (detail string) {
	t.Helper()
	var p *client.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, code, p.Code, p.Detail)
	require.Equal(t, status, p.Status)
	return p.Detail
}

func TestPeopleAndKeys(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	mario := s.hire(account, "Mario", "owner")
	giulia, err := mario.AddUser(t.Context(), account, api.AddUser{Name: "Giulia", Roles: []string{"agent", "auditor"}})
	require.NoError(t, err)
	till, err := mario.IssueKey(t.Context(), account, giulia.ID, api.IssueKey{Label: "till", Scopes: []string{"auditor"}, ExpiresAt: tomorrow()})
	require.NoError(t, err)
	users, err := client.New(s.url, till.Key).Users(t.Context(), account)
	require.NoError(t, err)
	require.Len(t, users.Users, 2)
	shown := users.Users[0]
	require.Equal(t, "Giulia", shown.Name)
	require.Equal(t, []events.Role{events.RoleAgent, events.RoleAuditor}, shown.Roles)
	require.Len(t, shown.Keys, 1)
	require.Equal(t, till.ID, shown.Keys[0].ID)
	require.Equal(t, []events.Role{events.RoleAuditor}, shown.Keys[0].Scopes)
	require.False(t, shown.Keys[0].Revoked)

	_, err = mario.ChangeRoles(t.Context(), account, giulia.ID, []string{"agent"})
	require.NoError(t, err)
	_, err = client.New(s.url, till.Key).Users(t.Context(), account)
	rejected(t, err, http.StatusForbidden, "Forbidden")
	_, err = mario.RevokeKey(t.Context(), account, till.ID)
	require.NoError(t, err)
	_, err = client.New(s.url, till.Key).Users(t.Context(), account)
	require.Contains(t, rejected(t, err, http.StatusUnauthorized, "Unauthorized"), "revoked")
	_, err = mario.RemoveUser(t.Context(), account, giulia.ID)
	require.NoError(t, err)
	_, err = mario.RemoveUser(t.Context(), account, mario.id)
	rejected(t, err, http.StatusConflict, "LastOwner")

	last, err := mario.ChangeRoles(t.Context(), account, mario.id, []string{"owner", "agent"})
	require.NoError(t, err)
	trail, err := mario.AuditEntries(t.Context(), client.AuditFilter{Type: "UserRemoved"}, client.WaitForToken(last.Token))
	require.NoError(t, err)
	require.Len(t, trail.Entries, 1)
	require.Equal(t, "user:"+mario.id.String()+"/key:"+mario.key.String(), string(*trail.Entries[0].Actor))
	require.NotContains(t, s.log.String(), mario.secret())
}

func (p person) secret() string { return p.text[strings.LastIndex(p.text, ".")+1:] }

// TestTheTextOfAKeyIsInNoOtherPlace than the first answer: no event, log line, list or refusal holds its secret.
func TestTheTextOfAKeyIsInNoOtherPlace(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	mario := s.hire(account, "Mario", "owner")
	issue := `{"label":"x","scopes":["owner"],"expires_at":"` + tomorrow().UTC().Format(time.RFC3339) + `"}`
	address := "/api/v1/accounts/" + account.String() + "/users/" + mario.id.String() + "/keys"
	first := s.call(http.MethodPost, address, issue, "Idempotency-Key", "k")
	require.Equal(t, http.StatusCreated, first.StatusCode, "%s", first.body)
	key := decoded[api.KeyIssued](t, first)
	require.Contains(t, key.Key, account.String())
	s.restart()
	again := s.call(http.MethodPost, address, issue, "Idempotency-Key", "k")
	require.Equal(t, http.StatusCreated, again.StatusCode)
	repeat := decoded[api.KeyIssued](t, again)
	require.Empty(t, repeat.Key)
	require.Equal(t, key.ID, repeat.ID)
	require.Equal(t, key.Position, repeat.Position)

	secret := key.Key[strings.LastIndex(key.Key, ".")+1:]
	answers := []answer{
		again, s.call(http.MethodGet, "/api/v1/accounts/"+account.String()+"/users", ""),
		s.call(http.MethodGet, "/api/v1/audit/entries?account="+account.String()+"&wait_for="+key.Token, ""),
		s.raw(http.MethodGet, "/api/v1/projections", "", "Authorization", "Bearer "+key.Key), // forbidden
		s.raw(http.MethodGet, "/api/v1/projections", "", "Authorization", "Bearer "+key.Key+"A"),
	}
	_, err := s.RevokeKey(t.Context(), account, key.ID)
	require.NoError(t, err)
	answers = append(answers, s.raw(http.MethodGet, "/api/v1/projections", "", "Authorization", "Bearer "+key.Key))
	for _, a := range answers {
		require.NotContains(t, string(a.body), secret)
	}
	require.NotContains(t, s.log.String(), secret)
	for record, err := range s.store.ReadStream(t.Context(), accountStream(account), 0) {
		require.NoError(t, err)
		require.NotContains(t, string(record.Data)+string(record.Metadata), secret)
	}
}

func accountStream(owner id.Account) string { return account.Stream(owner) }

// TestAForgedKeyTellsNothing of whether its account or its id exists.
func TestAForgedKeyTellsNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	mario := s.hire(account, "Mario", "owner")
	guess := strings.Repeat("A", len(mario.secret()))
	var answers []string
	for _, forged := range []string{
		"dbk1." + account.String() + "." + mario.key.String() + "." + guess,
		"dbk1." + account.String() + "." + nobody + "." + guess,
		"dbk1." + nobody + "." + mario.key.String() + "." + mario.secret(),
	} {
		a := s.raw(http.MethodGet, "/api/v1/audit/entries", "", "Authorization", "Bearer "+forged)
		require.Equal(t, http.StatusUnauthorized, a.StatusCode)
		require.Contains(t, a.Header.Get("WWW-Authenticate"), "Bearer")
		answers = append(answers, anonymous(t, a, forged))
	}
	require.Equal(t, answers[0], answers[1])
	require.Equal(t, answers[0], answers[2])
}

func TestAKeyExpires(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	mario := s.hire(account, "Mario", "owner")
	_, err := s.IssueKey(t.Context(), account, mario.id, api.IssueKey{Label: "x", Scopes: []string{"owner"}, ExpiresAt: time.Now().AddDate(1, 0, 1)})
	rejected(t, err, http.StatusUnprocessableEntity, "KeyExpiryInvalid")
	s.restartAt(time.Now().Add(25 * time.Hour))
	_, err = mario.Users(t.Context(), account)
	require.Contains(t, rejected(t, err, http.StatusUnauthorized, "Unauthorized"), "expired")
}

func TestOneOfTwoKeysIsReplacedWithoutAGap(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	old := s.hire(account, "Mario", "owner")
	next := s.key(account, old.id, api.IssueKey{Label: "next", Scopes: []string{"owner"}, ExpiresAt: tomorrow()})
	_, err := next.IssueKey(t.Context(), account, old.id, api.IssueKey{Label: "third", Scopes: []string{"owner"}, ExpiresAt: tomorrow()})
	rejected(t, err, http.StatusConflict, "TooManyKeys")
	for _, p := range []person{old, next} {
		_, err = p.Users(t.Context(), account)
		require.NoError(t, err)
	}
	_, err = next.RevokeKey(t.Context(), account, old.key)
	require.NoError(t, err)
	_, err = old.Users(t.Context(), account)
	rejected(t, err, http.StatusUnauthorized, "Unauthorized")
	_, err = next.Users(t.Context(), account)
	require.NoError(t, err)
}

// TestAnAdminTokenThatLooksLikeAKeyIsNone: what begins as a key is judged as a key.
func TestAnAdminTokenThatLooksLikeAKeyIsNone(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *web.Config) { c.AdminToken = "dbk1.admin" })
	a := s.raw(http.MethodGet, "/api/v1/projections", "", "Authorization", "Bearer dbk1.admin")
	require.Equal(t, http.StatusUnauthorized, a.StatusCode)
}

func TestAKeyWritesWithItsDeviceOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	phone := s.device(account, "iPhone Mario")
	tablet, err := s.LinkDevice(t.Context(), account, api.LinkDevice{Kind: "tablet", Platform: "ios", Name: "iPad"})
	require.NoError(t, err)
	s.hello(account)
	s.hire(account, "Mario", "owner")
	agent := s.hire(account, "Giulia", "agent")
	bound := s.key(account, agent.id, api.IssueKey{Label: "till", Scopes: []string{"agent"}, DeviceID: phone, ExpiresAt: tomorrow()})
	_, err = bound.SendMessage(t.Context(), account, text(tablet.ID, "ciao"))
	require.Contains(t, rejected(t, err, http.StatusForbidden, "Forbidden"), phone.String())
	_, err = bound.SendMessage(t.Context(), account, text(phone, "ciao"))
	require.NoError(t, err)
	_, err = agent.SendMessage(t.Context(), account, text(tablet.ID, "ciao"))
	require.NoError(t, err)
	_, err = s.IssueKey(t.Context(), account, agent.id, api.IssueKey{Label: "x", Scopes: []string{"agent"}, DeviceID: id.New[id.Device](), ExpiresAt: tomorrow()})
	rejected(t, err, http.StatusConflict, "DeviceNotLinked")
}

// TestS09_TheTrailNamesTheEmployee who wrote, and the key, beside the device.
func TestS09_TheTrailNamesTheEmployee(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	owner, agent := s.hire(account, "Mario", "owner"), s.hire(account, "Giulia", "agent")
	sent, err := agent.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	trail, err := owner.AuditEntries(t.Context(), client.AuditFilter{Type: "MessageQueued"}, client.WaitForToken(sent.Token))
	require.NoError(t, err)
	require.Len(t, trail.Entries, 1)
	require.Equal(t, "user:"+agent.id.String()+"/key:"+agent.key.String(), string(*trail.Entries[0].Actor))
	require.Contains(t, string(trail.Entries[0].Data), `"device_name":"iPhone Mario"`)
}

// TestS07_OnlyTheOwnerOpensMessageInfo, and each time that is recorded before the answer, on the page too.
func TestS07_OnlyTheOwnerOpensMessageInfo(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	sent, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	owner := s.hire(account, "Mario", "owner")
	for _, role := range events.Roles()[1:] {
		p := s.hire(account, string(role), string(role))
		_, err = p.MessageInfo(t.Context(), sent.ID, client.WaitForToken(sent.Token))
		rejected(t, err, http.StatusForbidden, "Forbidden")
	}
	_, foreign := s.another()
	_, err = foreign.MessageInfo(t.Context(), sent.ID, client.WaitForToken(sent.Token))
	rejected(t, err, http.StatusNotFound, "MessageUnknown")
	require.Empty(t, s.opened(account))

	info, err := owner.MessageInfo(t.Context(), sent.ID, client.WaitForToken(sent.Token))
	require.NoError(t, err)
	require.Equal(t, "iPhone Mario", info.Device.NameAtSend)
	_, err = s.MessageInfo(t.Context(), sent.ID)
	require.NoError(t, err)
	page := s.raw(http.MethodGet, "/messages/"+sent.ID.String(), "", "Cookie", s.signedIn())
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Equal(t, []events.Actor{
		events.Actor("user:" + owner.id.String() + "/key:" + owner.key.String()), "api:admin", "web:admin",
	}, s.opened(account))
}

// opened is who was shown message info of an account's messages today.
func (s *system) opened(owner id.Account) (actors []events.Actor) {
	s.t.Helper()
	for record, err := range s.store.ReadStream(s.t.Context(), events.AccessStream(owner, time.Now()), 0) {
		require.NoError(s.t, err)
		require.Equal(s.t, "MessageInfoOpened", record.Type)
		envelope, err := events.DecodeEnvelope(record.Metadata)
		require.NoError(s.t, err)
		require.Equal(s.t, owner, envelope.Account)
		actors = append(actors, envelope.Actor)
	}
	return actors
}

// TestS07_WhatIsNotRecordedIsNotShown: without the record that it was opened, there is no message info.
func TestS07_WhatIsNotRecordedIsNotShown(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hello(account)
	sent, err := s.SendMessage(t.Context(), account, text(device, "ciao"))
	require.NoError(t, err)
	_, err = s.MessageInfo(t.Context(), sent.ID, client.WaitForToken(sent.Token))
	require.NoError(t, err)
	s.restart(func(c *web.Config) { c.Commands = commands.New(readOnlyStore{s.store}, time.Now) })
	a := s.call(http.MethodGet, "/api/v1/messages/"+sent.ID.String()+"/info", "")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, "%s", a.body)
	require.NotContains(t, string(a.body), "iPhone")
}

// restartAt puts a handler before the store for which it is another time.
func (s *system) restartAt(now time.Time) {
	clock := func() time.Time { return now }
	s.restart(func(c *web.Config) { c.Now, c.Commands = clock, commands.New(s.store, clock) })
}

// readOnlyStore takes nothing.
type readOnlyStore struct{ commands.EventStore }

func (readOnlyStore) Append(context.Context, string, events.Expected, []events.Proposed) (events.Appended, error) {
	return events.Appended{}, events.ErrUnavailable
}
