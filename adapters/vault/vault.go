package vault

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"daybook/events"
	"daybook/events/id"
)

// ErrMaster says that the vault was made under another master key than the one given.
var ErrMaster = errors.New("the vault was made under another master key")

// Vault is safe for concurrent use, also by several processes on one database.
type Vault struct {
	id     string
	pool   *pgxpool.Pool
	now    func() time.Time
	master cipher.AEAD

	wamidKey, identityKey, digestKey []byte

	accounts  *cache[id.Account, accountKey]
	scopes    *cache[events.KeyScope, events.DataKey]
	keys      *cache[id.Key, events.DataKey]
	customers *cache[identity, id.Customer]
}

// Option changes a vault as it is opened.
type Option func(*Vault)

// WithClock sets the clock that ages caches and stamps rows.
func WithClock(now func() time.Time) Option { return func(v *Vault) { v.now = now } }

// Open migrates the vault's tables and opens it with the master key. A new vault gets its installation key, and a new
// master key its file. An existing vault opens only with the key it was made under: ErrMaster otherwise, and nothing
// is written. The caller keeps the pool and closes it.
func Open(ctx context.Context, pool *pgxpool.Pool, master Master, options ...Option) (*Vault, error) {
	v := &Vault{pool: pool, now: time.Now}
	for _, option := range options {
		option(v)
	}
	v.accounts = newCache[id.Account, accountKey](1<<10, v.now)
	v.scopes = newCache[events.KeyScope, events.DataKey](1<<15, v.now)
	v.keys = newCache[id.Key, events.DataKey](1<<15, v.now)
	v.customers = newCache[identity, id.Customer](1<<17, v.now)
	if err := migrate(ctx, pool); err != nil {
		return nil, err
	}
	installation, err := v.unlock(ctx, master)
	if err != nil {
		return nil, err
	}
	for label, key := range map[string]*[]byte{labelWamid: &v.wamidKey, labelIdentity: &v.identityKey, labelDigest: &v.digestKey} {
		if *key, err = derive(installation, label); err != nil {
			return nil, err
		}
	}
	commitment, err := derive(installation, labelID)
	if err != nil {
		return nil, err
	}
	v.id = "v1:" + hex.EncodeToString(commitment[:idSize])
	return v, nil
}

// ID identifies the vault for ever: "v1:" and 32 hex digits, derived from its installation key, which they do not tell.
// A restored copy has the same one; a vault that was made anew, also under the same master key, has another, and opens
// nothing that this one sealed.
func (v *Vault) ID() string { return v.id }

// unlock returns the installation key, making it in a new vault.
func (v *Vault) unlock(ctx context.Context, master Master) ([]byte, error) {
	wrapped, err := v.installation(ctx)
	if err != nil {
		return nil, err
	}
	if wrapped == nil {
		master, err = master.persist()
	} else {
		master, err = master.reload()
	}
	if err != nil {
		return nil, err
	}
	key, err := derive(master.secret, labelMaster)
	if err != nil {
		return nil, err
	}
	if v.master, err = wrapper(key); err != nil {
		return nil, err
	}
	if wrapped == nil {
		_, err = v.pool.Exec(ctx, "insert into installation (wrapped, created_at) values ($1, $2) on conflict do nothing",
			wrap(v.master, newKey(), []byte(labelInstallation)), v.now())
		if err != nil {
			return nil, fmt.Errorf("storing the installation key: %w", err)
		}
		if wrapped, err = v.installation(ctx); err != nil { // whoever was first
			return nil, err
		}
	}
	installation, err := unwrap(v.master, wrapped, []byte(labelInstallation))
	if err != nil {
		return nil, fmt.Errorf("%w: give DAYBOOK_VAULT_KEY, or the file %s in the data directory, the value it had then", ErrMaster, MasterFile)
	}
	return installation, nil
}

// installation returns the stored installation key, nil in a new vault.
func (v *Vault) installation(ctx context.Context) (wrapped []byte, err error) {
	err = v.pool.QueryRow(ctx, "select wrapped from installation").Scan(&wrapped)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the installation key: %w", err)
	}
	return wrapped, nil
}

// WamidHash is how a platform's message id stands in events: a wamid encodes a phone number.
func (v *Vault) WamidHash(wamid string) events.WamidHash {
	sum := mac(v.wamidKey, []byte(wamid))
	return events.WamidHash("w1:" + hex.EncodeToString(sum[:]))
}

// Digest is a keyed hash for ids that are derived from personal data. Different labels give unrelated digests.
func (v *Vault) Digest(label string, data []byte) string {
	sum := mac(v.digestKey, binary.BigEndian.AppendUint32(nil, uint32(len(label))), []byte(label), data)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, parts ...[]byte) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		_, _ = h.Write(part) // a hash never fails
	}
	h.Sum(sum[:0])
	return sum
}
