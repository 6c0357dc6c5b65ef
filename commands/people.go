package commands

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"daybook/domain"
	"daybook/domain/account"
	"daybook/domain/devices"
	"daybook/events"
	"daybook/events/id"
)

// AddUser lets somebody work for the account. The user's id follows from the command's id, so a repeat gives the same one.
func (h *Handler) AddUser(ctx context.Context, meta Meta, owner id.Account, c account.AddUser) (id.User, events.Position, error) {
	r := newRequest(meta, owner, "AddUser", c)
	added := id.Derive[id.User]("user", owner.String(), r.Command.String())
	at, err := h.accounts.execute(ctx, account.Stream(owner), r, func(s account.State, _ time.Time) ([]events.Event, error) {
		return s.AddUser(added, c)
	})
	if err != nil {
		return id.User{}, events.Start, err
	}
	return added, at, nil
}

// ChangeRoles gives a user these roles and no others.
func (h *Handler) ChangeRoles(ctx context.Context, meta Meta, owner id.Account, user id.User, roles []string) (events.Position, error) {
	r := newRequest(meta, owner, "ChangeRoles", append([]string{user.String()}, roles...))
	return h.accounts.execute(ctx, account.Stream(owner), r, func(s account.State, _ time.Time) ([]events.Event, error) {
		return s.ChangeRoles(user, roles)
	})
}

// RemoveUser ends a user, with all keys of that user.
func (h *Handler) RemoveUser(ctx context.Context, meta Meta, owner id.Account, user id.User) (events.Position, error) {
	r := newRequest(meta, owner, "RemoveUser", user)
	return h.accounts.execute(ctx, account.Stream(owner), r, func(s account.State, _ time.Time) ([]events.Event, error) {
		return s.RemoveUser(user)
	})
}

// Users lists who works for the account, as of now.
func (h *Handler) Users(ctx context.Context, owner id.Account) (users []account.User, err error) {
	err = h.accounts.look(ctx, account.Stream(owner), func(s account.State, _ uint64) (err error) {
		users, err = s.Users()
		return err
	})
	return users, err
}

// IssueKey gives a user a key. Its text is returned this once and kept nowhere: a repeat returns the same id and an empty
// text.
func (h *Handler) IssueKey(ctx context.Context, meta Meta, owner id.Account, c account.IssueKey) (id.APIKey, string, events.Position, error) {
	if !c.Device.IsZero() {
		if err := h.linked(ctx, owner, c.Device); err != nil {
			return id.APIKey{}, "", events.Start, err
		}
	}
	r := newRequest(meta, owner, "IssueKey", c)
	secret := newSecret()
	issued := id.Derive[id.APIKey]("key", owner.String(), r.Command.String())
	at, err := h.accounts.execute(ctx, account.Stream(owner), r, func(s account.State, now time.Time) ([]events.Event, error) {
		return s.IssueKey(issued, digestOf(secret), c, now)
	})
	if err != nil {
		return id.APIKey{}, "", events.Start, err
	}
	var text string
	err = h.accounts.look(ctx, account.Stream(owner), func(s account.State, _ uint64) error {
		if s.Holds(issued, digestOf(secret)) {
			text = keyText(owner, issued, secret)
		}
		return nil
	})
	return issued, text, at, err
}

// linked refuses a device that is not linked to the account.
func (h *Handler) linked(ctx context.Context, owner id.Account, device id.Device) error {
	return h.registries.look(ctx, devices.Stream(owner), func(s devices.State, _ uint64) error {
		_, err := s.Sender(device)
		return err
	})
}

// RevokeKey ends a key before its time, from the next request on.
func (h *Handler) RevokeKey(ctx context.Context, meta Meta, owner id.Account, key id.APIKey) (events.Position, error) {
	r := newRequest(meta, owner, "RevokeKey", key)
	return h.accounts.execute(ctx, account.Stream(owner), r, func(s account.State, now time.Time) ([]events.Event, error) {
		return s.RevokeKey(key, now)
	})
}

// Authenticate returns who speaks by the text of a key, and for which account. It reads the account forward first: what was
// revoked or changed anywhere counts at once.
func (h *Handler) Authenticate(ctx context.Context, text string) (owner id.Account, who account.Identity, err error) {
	owner, key, secret, ok := parseKey(text)
	if !ok {
		return id.Account{}, who, domain.Missing("KeyUnknown", "this is not the text of a key")
	}
	err = h.accounts.look(ctx, account.Stream(owner), func(s account.State, _ uint64) (err error) {
		who, err = s.Authenticate(key, digestOf(secret), h.now())
		return err
	})
	return owner, who, err
}

// The text of a key: what it is, where it is to be found, and the secret.
//
//	dbk1.<account>.<key>.<256 random bits, base64url>
const keyPrefix = "dbk1."

// secretBytes is so long that nobody guesses one, and a plain digest keeps it as well as a slow one would.
const secretBytes = 32

// IsKey tells a key's text from other tokens.
func IsKey(text string) bool { return strings.HasPrefix(text, keyPrefix) }

func newSecret() []byte {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // it never fails
	return secret
}

func digestOf(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:])
}

func keyText(owner id.Account, key id.APIKey, secret []byte) string {
	return keyPrefix + strings.Join([]string{owner.String(), key.String(), base64.RawURLEncoding.EncodeToString(secret)}, ".")
}

func parseKey(text string) (owner id.Account, key id.APIKey, secret []byte, ok bool) {
	parts := strings.Split(strings.TrimPrefix(text, keyPrefix), ".")
	if !IsKey(text) || len(parts) != 3 {
		return owner, key, nil, false
	}
	owner, ownerErr := id.Parse[id.Account](parts[0])
	key, keyErr := id.Parse[id.APIKey](parts[1])
	secret, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	return owner, key, secret, ownerErr == nil && keyErr == nil && err == nil && len(secret) == secretBytes
}
