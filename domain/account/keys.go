package account

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"daybook/domain"
	"daybook/events"
	"daybook/events/id"
)

// maxLiveKeys lets a key be replaced without a gap: the new one is put in place while the old one still counts.
const maxLiveKeys = 2

type key struct {
	user            id.User
	label           string
	secret          string // SHA-256, in hex
	scopes          []events.Role
	device          id.Device // zero: any
	issued, expires time.Time
	revoked         bool
}

func keyOf(e events.APIKeyIssued) key {
	k := key{user: e.UserID, label: e.Label, secret: e.SecretSHA256, scopes: e.Scopes, issued: e.IssuedAt, expires: e.ExpiresAt}
	if e.DeviceID != nil {
		k.device = *e.DeviceID
	}
	return k
}

func (k key) lives(now time.Time) bool { return !k.revoked && now.Before(k.expires) }

// IssueKey is the command to give a user a key to the API.
type IssueKey struct {
	User      id.User
	Label     string // trimmed and brought to NFC
	Scopes    []string
	Device    id.Device // the only one that the key writes with; zero: any
	ExpiresAt time.Time
}

// IssueKey gives a user a key, of whose secret only the digest is known here.
func (s State) IssueKey(issued id.APIKey, secretSHA256 string, c IssueKey, now time.Time) ([]events.Event, error) {
	scopes, err := rolesOf("scopes", c.Scopes)
	if err != nil {
		return nil, err
	}
	label := norm.NFC.String(strings.TrimSpace(c.Label))
	expires := c.ExpiresAt.UTC()
	switch {
	case !isLine(label, personMax):
		return nil, domain.Malformed("KeyLabelInvalid", "label", "label must have 1 to 50 characters and no control characters")
	case !expires.After(now) || expires.After(now.AddDate(1, 0, 0)):
		return nil, domain.Malformed("KeyExpiryInvalid", "expires_at", "expires_at must be an instant within a year from now")
	}
	u, err := s.findUser(c.User)
	if err != nil {
		return nil, err
	}
	if err = s.grantable(issued, c.User, u, scopes, now); err != nil {
		return nil, err
	}
	event := events.APIKeyIssued{
		AccountID: s.id, KeyID: issued, UserID: c.User, Label: label, SecretSHA256: secretSHA256, Scopes: scopes,
		IssuedAt: now, ExpiresAt: expires,
	}
	if !c.Device.IsZero() {
		event.DeviceID = &c.Device
	}
	return []events.Event{event}, nil
}

func (s State) grantable(issued id.APIKey, who id.User, u user, scopes []events.Role, now time.Time) error {
	if _, known := s.keys[issued]; known {
		return domain.Refuse("KeyExists", "key %s was issued before; ids are never used again", issued)
	}
	for _, scope := range scopes {
		if !slices.Contains(u.roles, scope) {
			return domain.Refuse("ScopeExceedsRoles", "the user does not have the role %s", scope)
		}
	}
	live := 0
	for _, k := range s.keys {
		if k.user == who && k.lives(now) {
			live++
		}
	}
	if live >= maxLiveKeys {
		return domain.Refuse("TooManyKeys", "the user has %d live keys; revoke one first", live)
	}
	return nil
}

// RevokeKey ends a key. One that is revoked already, or whose user is removed, changes nothing.
func (s State) RevokeKey(revoked id.APIKey, now time.Time) ([]events.Event, error) {
	if !s.Exists() {
		return nil, unknown()
	}
	k, known := s.keys[revoked]
	if !known {
		return nil, keyUnknown()
	}
	if k.revoked || s.users[k.user].removed {
		return nil, nil
	}
	return []events.Event{events.APIKeyRevoked{AccountID: s.id, KeyID: revoked, UserID: k.user, RevokedAt: now}}, nil
}

// Holds tells whether a key was issued with this secret.
func (s State) Holds(held id.APIKey, secretSHA256 string) bool {
	k, issued := s.keys[held]
	return issued && subtle.ConstantTimeCompare([]byte(k.secret), []byte(secretSHA256)) == 1
}

// Identity is who a key speaks for, and what it may do at this moment.
type Identity struct {
	User   id.User
	Key    id.APIKey
	Roles  []events.Role // the key's scopes as far as the user still has them
	Device id.Device     // the only one that the key writes with; zero: any
}

// Actor names who does something with a key: the person first, and then by which key.
func (i Identity) Actor() events.Actor {
	return events.Actor("user:" + i.User.String() + "/key:" + i.Key.String())
}

// Authenticate returns who presents a secret. Why a key is none any more is told to those only who know its secret.
func (s State) Authenticate(presented id.APIKey, secretSHA256 string, now time.Time) (Identity, error) {
	k := s.keys[presented]
	u := s.users[k.user]
	switch {
	case !s.Holds(presented, secretSHA256):
		return Identity{}, keyUnknown()
	case k.revoked || u.removed:
		return Identity{}, domain.Deny("KeyRevoked", "the key was revoked")
	case !k.lives(now):
		return Identity{}, domain.Deny("KeyExpired", "the key expired at %s", k.expires.Format(time.RFC3339))
	}
	lost := func(role events.Role) bool { return !slices.Contains(u.roles, role) }
	return Identity{k.user, presented, slices.DeleteFunc(slices.Clone(k.scopes), lost), k.device}, nil
}

// Key is a key as people may see it. Its secret is known to nobody here.
type Key struct {
	ID        id.APIKey
	Label     string
	Scopes    []events.Role
	Device    id.Device
	IssuedAt  time.Time
	ExpiresAt time.Time
	Revoked   bool
}

func (s State) keysOf(who id.User) []Key {
	list := []Key{}
	for key, k := range s.keys {
		if k.user == who {
			list = append(list, Key{key, k.label, slices.Clone(k.scopes), k.device, k.issued, k.expires, k.revoked})
		}
	}
	slices.SortFunc(list, func(a, b Key) int { return b.IssuedAt.Compare(a.IssuedAt) })
	return list
}

func keyUnknown() error { return domain.Missing("KeyUnknown", "the account has no such key") }
