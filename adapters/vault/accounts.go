package vault

import (
	"context"
	"crypto/cipher"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
	"daybook/events/id"
)

// accountKey wraps an account's data keys, or says why it does so no longer.
type accountKey struct {
	aead   cipher.AEAD
	erased *ErasedError
}

// queueAccounts finds the scopes' account keys: those used lately are at hand, the rest is asked for.
func (v *Vault) queueAccounts(batch *pgx.Batch, scopes []events.KeyScope, ring *keyring, read time.Time) {
	var ask [][16]byte
	for _, scope := range scopes {
		if _, ok := ring.accounts[scope.Account]; ok {
			continue
		}
		if key, ok := v.accounts.get(scope.Account); ok {
			ring.accounts[scope.Account] = key
		} else if last := len(ask) - 1; last < 0 || ask[last] != scope.Account.Bytes() { // they come in order of account
			ask = append(ask, scope.Account.Bytes())
		}
	}
	if len(ask) == 0 {
		return
	}
	batch.Queue("select account, wrapped, destroyed_at, reason from account_keys where account = any($1)", ask).
		Query(func(rows pgx.Rows) error { return v.collectAccounts(rows, ring, read) })
}

func (v *Vault) collectAccounts(rows pgx.Rows, ring *keyring, read time.Time) error {
	var stored [16]byte
	var wrapped []byte
	var destroyedAt *time.Time
	var reason *string
	_, err := pgx.ForEachRow(rows, []any{&stored, &wrapped, &destroyedAt, &reason}, func() (err error) {
		account := id.Account{UUID: stored}
		var key accountKey
		if destroyedAt != nil {
			key.erased = &ErasedError{Subject: stored, At: *destroyedAt, Reason: *reason}
		} else if key, err = v.openAccount(account, wrapped); err != nil {
			return err
		}
		ring.accounts[account] = key
		ring.keep = append(ring.keep, func() { v.accounts.put(account, key, read) })
		return nil
	})
	return err
}

func (v *Vault) openAccount(account id.Account, wrapped []byte) (accountKey, error) {
	secret, err := unwrap(v.master, wrapped, accountBinding(account))
	if err != nil {
		return accountKey{}, fmt.Errorf("key of account %s: %w", account, err)
	}
	aead, err := wrapper(secret)
	return accountKey{aead: aead}, err
}

// addAccounts makes keys for accounts that have none.
func (v *Vault) addAccounts(ctx context.Context, scopes []events.KeyScope, ring *keyring) error {
	accounts := make([][16]byte, 0, 1)
	wrapped := make([][]byte, 0, 1)
	for _, scope := range scopes { // in order of account
		_, ok := ring.accounts[scope.Account]
		if last := len(accounts) - 1; ok || last >= 0 && accounts[last] == scope.Account.Bytes() {
			continue
		}
		accounts = append(accounts, scope.Account.Bytes())
		wrapped = append(wrapped, wrap(v.master, newKey(), accountBinding(scope.Account)))
	}
	if len(accounts) == 0 {
		return nil
	}
	now := v.now()
	batch := &pgx.Batch{}
	batch.Queue(`insert into account_keys (account, wrapped, created_at)
		select w.*, $3::timestamptz from unnest($1::uuid[], $2::bytea[]) w on conflict do nothing`, accounts, wrapped, now)
	v.queueAccounts(batch, scopes, ring, now)
	if err := v.send(ctx, batch, ring); err != nil {
		return fmt.Errorf("adding keys of accounts: %w", err)
	}
	return nil
}

// account returns one account's key. The account has data keys, so it has one.
func (v *Vault) account(ctx context.Context, account id.Account) (accountKey, error) {
	ring := &keyring{accounts: map[id.Account]accountKey{}}
	batch := &pgx.Batch{}
	v.queueAccounts(batch, []events.KeyScope{{Account: account}}, ring, v.now())
	if batch.Len() > 0 {
		if err := v.send(ctx, batch, ring); err != nil {
			return accountKey{}, fmt.Errorf("reading the key of account %s: %w", account, err)
		}
	}
	key, ok := ring.accounts[account]
	if !ok {
		return accountKey{}, fmt.Errorf("account %s has data keys but no key of its own", account)
	}
	return key, nil
}
