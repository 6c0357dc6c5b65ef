package vault_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/vault"
	"daybook/events"
	"daybook/events/id"
)

func execute(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	tag, err := pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
	require.NotZero(t, tag.RowsAffected())
}

const destroy = " set wrapped = null, destroyed_at = $1, reason = 'Art. 17 GDPR'"

func TestADestroyedKeyReadsAsErased(t *testing.T) {
	t.Parallel()
	pool, clock := pgtest.Pool(t), newClock()
	v := open(t, pool, vault.WithClock(clock.now))
	account := id.New[id.Account]()
	gone, kept := scopeOf(account, uuid.New()), scopeOf(account, uuid.New())
	fact := id.New[id.Fact]()
	sealed := oneKey(t, v, gone).Seal(fact, "content", []byte("ciao"))
	oneKey(t, v, kept)

	clock.advance(59 * time.Second)
	execute(t, pool, "update data_keys"+destroy+" where subject = $2", clock.now(), gone.Subject)
	clock.advance(time.Second)

	want := &vault.ErasedError{Subject: gone.Subject, At: clock.now().Add(-time.Second), Reason: "Art. 17 GDPR"}
	for name, v := range map[string]*vault.Vault{"in the process that used it": v, "elsewhere": open(t, pool)} {
		_, err := v.Open(t.Context(), sealed, fact, "content")
		requireErased(t, want, err, name)
		keys, err := v.Keys(t.Context(), []events.KeyScope{gone, kept})
		requireErased(t, want, err, name)
		require.Contains(t, keys, kept, "the others are still there")
		require.NotContains(t, keys, gone)
	}
}

func requireErased(t *testing.T, want *vault.ErasedError, err error, msg string) {
	t.Helper()
	var got *vault.ErasedError
	require.ErrorAs(t, err, &got, msg)
	require.Equal(t, want.Subject, got.Subject)
	require.WithinDuration(t, want.At, got.At, 0)
	require.Equal(t, want.Reason, got.Reason)
}

func TestDestroyingAnAccountsKeyErasesEverythingBelow(t *testing.T) {
	t.Parallel()
	pool, account := pgtest.Pool(t), id.New[id.Account]()
	old := scopeOf(account, uuid.New())
	fact := id.New[id.Fact]()
	sealed := oneKey(t, open(t, pool), old).Seal(fact, "content", []byte("ciao"))
	at := newClock().now()
	execute(t, pool, "update account_keys"+destroy+" where account = $2", at, account.UUID)

	v := open(t, pool)
	_, err := v.Open(t.Context(), sealed, fact, "content")
	requireErased(t, &vault.ErasedError{Subject: old.Subject, At: at, Reason: "Art. 17 GDPR"}, err, "open")
	never, other := scopeOf(account, uuid.New()), scopeOf(id.New[id.Account](), uuid.New())
	keys, err := v.Keys(t.Context(), []events.KeyScope{never, other})
	requireErased(t, &vault.ErasedError{Subject: never.Subject, At: at, Reason: "Art. 17 GDPR"}, err, "no new keys either")
	require.Contains(t, keys, other)
	require.NotContains(t, keys, never)
}

// Writers who take the same rows in different orders would wait for each other.
func TestKeysAreMadeInAnyOrder(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	v := open(t, pool)
	for range 15 {
		accounts := []id.Account{id.New[id.Account](), id.New[id.Account]()}
		scopes := make([]events.KeyScope, 100)
		for i := range scopes {
			scopes[i] = scopeOf(accounts[i%2], uuid.New())
		}
		backwards := slices.Clone(scopes)
		slices.Reverse(backwards)
		got := make([]map[events.KeyScope]events.DataKey, 4)
		var wg sync.WaitGroup
		for i, order := range [][]events.KeyScope{scopes, backwards, scopes, backwards} {
			wg.Go(func() {
				keys, err := v.Keys(t.Context(), order)
				if err != nil {
					t.Error(err)
				}
				got[i] = keys
			})
		}
		wg.Wait()
		for _, scope := range scopes {
			require.Equal(t, got[0][scope].ID(), got[1][scope].ID())
			require.Equal(t, got[0][scope].ID(), got[3][scope].ID())
		}
	}
}

// A commit may fail after the rows were read back. Nothing of them may be believed.
func TestAFailedCommitLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"identities", "account_keys", "data_keys"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			pool, account := pgtest.Pool(t), id.New[id.Account]()
			v := open(t, pool)
			_, err := pool.Exec(t.Context(), `create function refuse() returns trigger language plpgsql as $$ begin raise 'no commit'; end $$;
				create constraint trigger refuse after insert on `+table+` deferrable initially deferred for each row execute function refuse()`)
			require.NoError(t, err)
			people := crowd(2)
			scope := scopeOf(account, uuid.New())
			_, peopleErr := v.Customers(t.Context(), account, people)
			_, keyErr := v.Keys(t.Context(), []events.KeyScope{scope})
			require.ErrorContains(t, errors.Join(peopleErr, keyErr), "no commit")

			_, err = pool.Exec(t.Context(), "drop trigger refuse on "+table)
			require.NoError(t, err)
			other := open(t, pool)
			require.Equal(t, meet(t, v, account, people...), meet(t, other, account, people...))
			require.Equal(t, oneKey(t, v, scope).ID(), oneKey(t, other, scope).ID())
			sealed := oneKey(t, v, scope).Seal(id.Fact{}, "x", []byte("x"))
			_, err = other.Open(t.Context(), sealed, id.Fact{}, "x")
			require.NoError(t, err)
		})
	}
}

func TestRowsThatWereSwappedDoNotOpen(t *testing.T) {
	t.Parallel()
	scopes := func() (a, b events.KeyScope) {
		return scopeOf(id.New[id.Account](), uuid.New()), scopeOf(id.New[id.Account](), uuid.New())
	}
	swap := func(table, column string) string {
		return "update " + table + " x set wrapped = y.wrapped from " + table + " y where x." + column + " = $1 and y." + column + " = $2"
	}
	t.Run("DataKeysOfTwoAccounts", func(t *testing.T) {
		t.Parallel()
		pool := pgtest.Pool(t)
		a, b := scopes()
		first := open(t, pool)
		oneKey(t, first, a)
		oneKey(t, first, b)
		execute(t, pool, swap("data_keys", "subject"), a.Subject, b.Subject)
		requireNotOpening(t, pool, a)
	})
	t.Run("DataKeysOfOneAccount", func(t *testing.T) {
		t.Parallel()
		pool := pgtest.Pool(t)
		a, b := scopes()
		b.Account = a.Account
		first := open(t, pool)
		oneKey(t, first, a)
		oneKey(t, first, b)
		execute(t, pool, swap("data_keys", "subject"), a.Subject, b.Subject)
		requireNotOpening(t, pool, a)
	})
	t.Run("AWholeRowGivenToAnotherScope", func(t *testing.T) {
		t.Parallel()
		pool := pgtest.Pool(t)
		a, b := scopes()
		oneKey(t, open(t, pool), a)
		b.Account = a.Account
		execute(t, pool, "update data_keys set subject = $1", b.Subject)
		requireNotOpening(t, pool, b)
	})
	t.Run("KeysOfAccounts", func(t *testing.T) {
		t.Parallel()
		pool := pgtest.Pool(t)
		a, b := scopes()
		first := open(t, pool)
		oneKey(t, first, a)
		oneKey(t, first, b)
		execute(t, pool, swap("account_keys", "account"), a.Account.UUID, b.Account.UUID)
		requireNotOpening(t, pool, a)
		requireNotOpening(t, pool, scopeOf(a.Account, uuid.New()))
	})
}

func requireNotOpening(t *testing.T, pool *pgxpool.Pool, scope events.KeyScope) {
	t.Helper()
	_, err := open(t, pool).Keys(t.Context(), []events.KeyScope{scope})
	require.ErrorContains(t, err, "does not open")
}
