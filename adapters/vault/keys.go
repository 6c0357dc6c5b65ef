package vault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"daybook/events"
	"daybook/events/id"
)

// ErrUnknownKey says that a sealed value names a key that this vault never had.
var ErrUnknownKey = errors.New("unknown data key")

// ErasedError says that a key was destroyed, and with it everything sealed under it.
type ErasedError struct {
	Subject uuid.UUID // the customer, or the quarantined update
	At      time.Time
	Reason  string
}

func (e *ErasedError) Error() string {
	return fmt.Sprintf("data of %s was erased on %s: %s", e.Subject, e.At.UTC().Format(time.DateOnly), e.Reason)
}

// Keys returns the data keys of the scopes, making those that are missing: no round trip when all were used lately, one
// when all exist, two when some are new (three for an account's first). If some scopes were erased, the error joins an
// *ErasedError for each of them, and the map has the keys of all others.
func (v *Vault) Keys(ctx context.Context, scopes []events.KeyScope) (map[events.KeyScope]events.DataKey, error) {
	ring := &keyring{
		accounts: map[id.Account]accountKey{},
		keys:     make(map[events.KeyScope]events.DataKey, len(scopes)),
		erased:   map[events.KeyScope]*ErasedError{},
	}
	for _, scope := range scopes {
		if key, ok := v.scopes.get(scope); ok {
			ring.keys[scope] = key
		}
	}
	missing := ring.missing(scopes)
	for _, step := range []func(context.Context, []events.KeyScope, *keyring) error{v.readKeys, v.addKeys} {
		if len(missing) == 0 {
			break
		}
		if err := step(ctx, missing, ring); err != nil {
			return nil, err
		}
		missing = ring.missing(missing)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("adding data keys: %d were neither stored nor found", len(missing))
	}
	return ring.keys, ring.err()
}

// keyring collects what is found for one request.
type keyring struct {
	accounts map[id.Account]accountKey
	keys     map[events.KeyScope]events.DataKey
	erased   map[events.KeyScope]*ErasedError
	keep     []func() // fill the caches; run after the commit, see send
}

// missing returns, each once, the scopes that are still without an answer. They are sorted: writers who go in the same
// order never wait in a circle.
func (r *keyring) missing(scopes []events.KeyScope) []events.KeyScope {
	var open []events.KeyScope
	for _, scope := range scopes {
		if _, ok := r.keys[scope]; !ok && r.erased[scope] == nil {
			open = append(open, scope)
		}
	}
	slices.SortFunc(open, compareScopes)
	return slices.Compact(open)
}

// living drops the scopes of erased accounts, and marks them as erased.
func (r *keyring) living(scopes []events.KeyScope) []events.KeyScope {
	var living []events.KeyScope
	for _, scope := range scopes {
		if why := r.accounts[scope.Account].erased; why != nil {
			r.erased[scope] = &ErasedError{Subject: scope.Subject, At: why.At, Reason: why.Reason}
		} else {
			living = append(living, scope)
		}
	}
	return living
}

func (r *keyring) err() error {
	errs := make([]error, 0, len(r.erased))
	for _, why := range r.erased {
		errs = append(errs, why)
	}
	return errors.Join(errs...)
}

func compareScopes(a, b events.KeyScope) int {
	return cmp.Or(bytes.Compare(a.Account.UUID[:], b.Account.UUID[:]), bytes.Compare(a.Subject[:], b.Subject[:]),
		cmp.Compare(a.Class, b.Class), cmp.Compare(a.Year, b.Year))
}

// scopeColumns are scopes as arrays for unnest.
type scopeColumns struct {
	accounts, subjects [][16]byte
	classes            []string
	years              []int32
}

func columns(scopes []events.KeyScope) scopeColumns {
	var c scopeColumns
	for _, scope := range scopes {
		c.accounts = append(c.accounts, scope.Account.Bytes())
		c.subjects = append(c.subjects, scope.Subject)
		c.classes = append(c.classes, string(scope.Class))
		c.years = append(c.years, int32(scope.Year))
	}
	return c
}

const keyColumns = "k.key_id, k.account, k.subject, k.class, k.year, k.wrapped, k.destroyed_at, k.reason"

const readKeysSQL = `
select ` + keyColumns + `
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[]) as w (account, subject, class, year)
join data_keys k using (account, subject, class, year)`

// keyRow is a row of data_keys.
type keyRow struct {
	id          id.Key
	scope       events.KeyScope
	wrapped     []byte
	destroyedAt *time.Time
	reason      *string
}

func scanKey(row pgx.CollectableRow) (keyRow, error) {
	var r keyRow
	var key, account, subject [16]byte
	var class string
	var year int
	err := row.Scan(&key, &account, &subject, &class, &year, &r.wrapped, &r.destroyedAt, &r.reason)
	r.id = id.Key{UUID: key}
	r.scope = events.KeyScope{Account: id.Account{UUID: account}, Subject: subject, Class: events.RecordClass(class), Year: year}
	return r, err
}

// erased is why the key cannot be opened, nil if it can: it was destroyed itself, or its account's was.
func (r keyRow) erased(account accountKey) *ErasedError {
	switch {
	case r.destroyedAt != nil:
		return &ErasedError{Subject: r.scope.Subject, At: *r.destroyedAt, Reason: *r.reason}
	case account.erased != nil:
		return &ErasedError{Subject: r.scope.Subject, At: account.erased.At, Reason: account.erased.Reason}
	default:
		return nil
	}
}

// readKeys reads the keys of the scopes, and the accounts' keys that are not at hand, in one round trip.
func (v *Vault) readKeys(ctx context.Context, scopes []events.KeyScope, ring *keyring) error {
	now := v.now()
	batch := &pgx.Batch{}
	v.queueAccounts(batch, scopes, ring, now)
	v.queueKeys(batch, scopes, ring, now)
	if err := v.send(ctx, batch, ring); err != nil {
		return fmt.Errorf("reading data keys: %w", err)
	}
	return nil
}

// send runs a batch as one transaction, and only then fills the caches: a key that was never stored must not seal
// anything, not even once.
func (v *Vault) send(ctx context.Context, batch *pgx.Batch, ring *keyring) error {
	if err := v.pool.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	for _, keep := range ring.keep {
		keep()
	}
	ring.keep = nil
	return nil
}

// addKeys makes keys for scopes that have none, in one transaction, and reads back what is there now: another process
// may have been faster.
func (v *Vault) addKeys(ctx context.Context, scopes []events.KeyScope, ring *keyring) error {
	if err := v.addAccounts(ctx, scopes, ring); err != nil {
		return err
	}
	if scopes = ring.living(scopes); len(scopes) == 0 {
		return nil
	}
	c := columns(scopes)
	ids := make([][16]byte, len(scopes))
	wrapped := make([][]byte, len(scopes))
	for i, scope := range scopes {
		fresh := id.NewRandom[id.Key]()
		ids[i], wrapped[i] = fresh.Bytes(), wrap(ring.accounts[scope.Account].aead, newKey(), dataKeyBinding(fresh, scope))
	}
	now := v.now()
	batch := &pgx.Batch{}
	batch.Queue(`insert into data_keys (key_id, account, subject, class, year, wrapped, created_at)
		select w.*, $7::timestamptz from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::bytea[]) w
		on conflict do nothing`, ids, c.accounts, c.subjects, c.classes, c.years, wrapped, now)
	v.queueKeys(batch, scopes, ring, now)
	if err := v.send(ctx, batch, ring); err != nil {
		return fmt.Errorf("adding data keys: %w", err)
	}
	return nil
}

func (v *Vault) queueKeys(batch *pgx.Batch, scopes []events.KeyScope, ring *keyring, read time.Time) {
	c := columns(scopes)
	batch.Queue(readKeysSQL, c.accounts, c.subjects, c.classes, c.years).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scanKey)
		if err != nil {
			return err
		}
		for _, row := range found {
			account, known := ring.accounts[row.scope.Account]
			if !known { // both were made between the two statements: the next step reads both
				continue
			}
			if why := row.erased(account); why != nil {
				ring.erased[row.scope] = why
				continue
			}
			key, err := openKey(row, account)
			if err != nil {
				return err
			}
			ring.keys[row.scope] = key
			ring.keep = append(ring.keep, func() { v.keepKey(row.scope, key, read) })
		}
		return nil
	})
}

func openKey(row keyRow, account accountKey) (events.DataKey, error) {
	secret, err := unwrap(account.aead, row.wrapped, dataKeyBinding(row.id, row.scope))
	if err != nil {
		return events.DataKey{}, fmt.Errorf("data key %s of account %s: %w", row.id, row.scope.Account, err)
	}
	return events.NewDataKey(row.id, secret)
}

func (v *Vault) keepKey(scope events.KeyScope, key events.DataKey, read time.Time) {
	v.scopes.put(scope, key, read)
	v.keys.put(key.ID(), key, read)
}

// Open decrypts a sealed value of an event. An *ErasedError says that its key was destroyed, ErrUnknownKey that it is
// not of this vault, events.ErrSealed that the value does not belong to the fact and path.
func (v *Vault) Open(ctx context.Context, sealed events.Sealed, fact id.Fact, path string) ([]byte, error) {
	if sealed == "" {
		return nil, nil
	}
	keyID, _, _, err := sealed.Parts()
	if err != nil {
		return nil, err
	}
	key, ok := v.keys.get(keyID)
	if !ok {
		if key, err = v.keyByID(ctx, keyID); err != nil {
			return nil, err
		}
	}
	return key.Open(sealed, fact, path)
}

func (v *Vault) keyByID(ctx context.Context, keyID id.Key) (events.DataKey, error) {
	read := v.now()
	rows, err := v.pool.Query(ctx, "select "+keyColumns+" from data_keys k where key_id = $1", keyID.Bytes())
	if err != nil {
		return events.DataKey{}, fmt.Errorf("reading data key %s: %w", keyID, err)
	}
	row, err := pgx.CollectExactlyOneRow(rows, scanKey)
	if errors.Is(err, pgx.ErrNoRows) {
		return events.DataKey{}, fmt.Errorf("%w %s", ErrUnknownKey, keyID)
	}
	if err != nil {
		return events.DataKey{}, fmt.Errorf("reading data key %s: %w", keyID, err)
	}
	account, err := v.account(ctx, row.scope.Account)
	if err != nil {
		return events.DataKey{}, err
	}
	if why := row.erased(account); why != nil {
		return events.DataKey{}, why
	}
	key, err := openKey(row, account)
	if err == nil {
		v.keepKey(row.scope, key, read)
	}
	return key, err
}
