package vault_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/adapters/vault"
	"daybook/events"
	"daybook/events/id"
)

func meet(tb testing.TB, v *vault.Vault, account id.Account, people ...events.Person) []id.Customer {
	tb.Helper()
	customers, err := v.Customers(tb.Context(), account, people)
	require.NoError(tb, err)
	require.Len(tb, customers, len(people))
	for _, customer := range customers {
		require.False(tb, customer.IsZero())
	}
	return customers
}

func TestCustomers(t *testing.T) {
	t.Parallel()
	phone := events.Person{WaID: "393331234567"}
	user := events.Person{UserID: "IT.abc"}
	both := events.Person{WaID: "393331234567", UserID: "IT.abc"}
	account := id.New[id.Account]()

	t.Run("KeepTheirIDAndTheirOrder", func(t *testing.T) {
		t.Parallel()
		pool := pgtest.Pool(t)
		other := events.Person{WaID: "4915112345678"}
		first := meet(t, open(t, pool), account, phone, other, phone)
		require.Equal(t, first[0], first[2])
		require.NotEqual(t, first[0], first[1])
		again := meet(t, open(t, pool), account, other, phone)
		require.Equal(t, []id.Customer{first[1], first[0]}, again)
		elsewhere := meet(t, open(t, pool), id.New[id.Account](), phone)
		require.NotEqual(t, first[0], elsewhere[0], "accounts do not share customers")
	})
	t.Run("APlusIsNoOtherNumber", func(t *testing.T) {
		t.Parallel()
		got := meet(t, open(t, pgtest.Pool(t)), account, phone, events.Person{WaID: "+393331234567"})
		require.Equal(t, got[0], got[1])
	})
	t.Run("BothIdentitiesAreOneCustomer", func(t *testing.T) {
		t.Parallel()
		v := open(t, pgtest.Pool(t))
		want := meet(t, v, account, both)[0]
		require.Equal(t, []id.Customer{want, want}, meet(t, v, account, user, phone))
	})
	t.Run("AUserIDJoinsAKnownPhone", func(t *testing.T) {
		t.Parallel()
		v := open(t, pgtest.Pool(t))
		want := meet(t, v, account, phone)[0]
		require.Equal(t, []id.Customer{want, want}, meet(t, v, account, both, user))
	})
	t.Run("APhoneJoinsAKnownUserID", func(t *testing.T) {
		t.Parallel()
		v := open(t, pgtest.Pool(t))
		want := meet(t, v, account, user)[0]
		require.Equal(t, []id.Customer{want, want}, meet(t, v, account, both, phone))
	})
	t.Run("WithinOneBatch", func(t *testing.T) {
		t.Parallel()
		got := meet(t, open(t, pgtest.Pool(t)), account, user, phone, both)
		require.Equal(t, []id.Customer{got[0], got[0], got[0]}, got)
	})
	t.Run("ThePhoneWinsADisagreement", func(t *testing.T) {
		t.Parallel()
		pool := pgtest.Pool(t)
		v := open(t, pool)
		ofUser, ofPhone := meet(t, v, account, user)[0], meet(t, v, account, phone)[0]
		require.NotEqual(t, ofUser, ofPhone)
		require.Equal(t, ofPhone, meet(t, open(t, pool), account, both)[0])
		require.Equal(t, []id.Customer{ofUser, ofPhone}, meet(t, open(t, pool), account, user, phone), "nothing recorded changes hands")
		newPhone := events.Person{WaID: "393330000000", UserID: "IT.abc"}
		require.Equal(t, ofUser, meet(t, v, account, newPhone)[0])
	})
	t.Run("ANewUserIDJoinsThePhoneThroughAChainOfNames", func(t *testing.T) {
		t.Parallel()
		v := open(t, pgtest.Pool(t))
		meet(t, v, account, user)
		want := meet(t, v, account, phone)[0]
		linked := events.Person{WaID: phone.WaID, UserID: "IT.new"}
		meet(t, v, account, linked, events.Person{WaID: "393339999999", UserID: "IT.new"}, events.Person{WaID: "393339999999", UserID: user.UserID})
		require.Equal(t, want, meet(t, v, account, events.Person{UserID: "IT.new"})[0])
	})
	t.Run("AreMoreThanAPage", func(t *testing.T) {
		t.Parallel()
		v := open(t, pgtest.Pool(t))
		people := crowd(1200)
		first := meet(t, v, account, people...)
		require.Equal(t, first, meet(t, v, account, people...))
	})
	t.Run("NobodyIsRefusedWithoutAName", func(t *testing.T) {
		t.Parallel()
		_, err := open(t, pgtest.Pool(t)).Customers(t.Context(), account, []events.Person{phone, {}})
		require.EqualError(t, err, "person 2 of 2 has no identity")
	})
}

func crowd(n int) []events.Person {
	people := make([]events.Person, n)
	for i := range people {
		people[i] = events.Person{WaID: fmt.Sprintf("39333%07d", i), UserID: fmt.Sprintf("IT.%d", i)}
	}
	return people
}

// Two processes meet the same people at once, each knowing some of them by one name only.
func TestTwoVaultsAgreeOnCustomersAndKeys(t *testing.T) {
	t.Parallel()
	pool, account := pgtest.Pool(t), id.New[id.Account]()
	people := crowd(60)
	vaults := []*vault.Vault{open(t, pool), open(t, pool)}
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			v, random := vaults[worker%2], rand.New(rand.NewPCG(1, uint64(worker)))
			for range 10 {
				batch := make([]events.Person, 20)
				for i := range batch {
					batch[i] = people[random.IntN(len(people))]
				}
				customers, err := v.Customers(t.Context(), account, batch)
				if err != nil {
					t.Error(err)
					return
				}
				scopes := make([]events.KeyScope, len(customers))
				for i, customer := range customers {
					scopes[i] = scopeOf(account, customer.UUID)
				}
				if _, err = v.Keys(t.Context(), scopes); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	first, second := meet(t, vaults[0], account, people...), meet(t, open(t, pool), account, people...)
	require.Equal(t, first, second)
	distinct := map[id.Customer]bool{}
	for i, customer := range first {
		distinct[customer] = true
		scope := scopeOf(account, customer.UUID)
		require.Equal(t, oneKey(t, vaults[0], scope).ID(), oneKey(t, vaults[1], scope).ID(), "person %d", i)
	}
	require.Len(t, distinct, len(people))
	var rows int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(distinct customer) from identities").Scan(&rows))
	require.Equal(t, len(people), rows)
}

// Three processes learn at once that a phone and a user id exist, two of them that they are one person.
func TestLinkingIsRaceSafe(t *testing.T) {
	t.Parallel()
	pool, account := pgtest.Pool(t), id.New[id.Account]()
	vaults := []*vault.Vault{open(t, pool), open(t, pool), open(t, pool)}
	for _, both := range crowd(50) {
		names := []events.Person{both, {WaID: both.WaID}, both}
		got := make([]id.Customer, len(vaults))
		var wg sync.WaitGroup
		for i, v := range vaults {
			wg.Go(func() {
				customers, err := v.Customers(t.Context(), account, names[i:i+1])
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = customers[0]
			})
		}
		wg.Wait()
		require.Equal(t, []id.Customer{got[0], got[0], got[0]}, got)
		require.Equal(t, got[0], meet(t, open(t, pool), account, events.Person{UserID: both.UserID})[0])
	}
}

func TestNoIdentityIsStoredInClear(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	v := open(t, pool)
	account := id.New[id.Account]()
	customer := meet(t, v, account, events.Person{WaID: "393331234567", UserID: "IT.secret"})[0]
	key := oneKey(t, v, scopeOf(account, customer.UUID))
	require.NoError(t, v.IndexQuarantine(t.Context(), []vault.QuarantinedPerson{{Key: key.ID(), Person: events.Person{WaID: "393331234567"}}}))
	var dump string
	require.NoError(t, pool.QueryRow(t.Context(), `select concat_ws(' ', (select string_agg(i::text, ' ') from identities i),
		(select string_agg(k::text, ' ') from data_keys k), (select string_agg(q::text, ' ') from quarantined q))`).Scan(&dump))
	require.NotEmpty(t, dump)
	for _, secret := range []string{"393331234567", "IT.secret", fmt.Sprintf("%x", "393331234567"), fmt.Sprintf("%x", "IT.secret")} {
		require.NotContains(t, dump, secret)
	}
}

func TestQuarantineIndexFindsAPersonsBodies(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	v := open(t, pool)
	person := events.Person{WaID: "393331234567", UserID: "IT.abc"}
	entries := []vault.QuarantinedPerson{{Key: id.New[id.Key](), Person: person}, {Key: id.New[id.Key](), Person: person}, {}}
	require.NoError(t, v.IndexQuarantine(t.Context(), entries))
	require.NoError(t, v.IndexQuarantine(t.Context(), entries), "a repeat is welcome")
	require.NoError(t, v.IndexQuarantine(t.Context(), nil))
	meet(t, v, id.New[id.Account](), person)
	var keys int
	require.NoError(t, pool.QueryRow(t.Context(),
		"select count(distinct key_id) from quarantined join identities using (identity)").Scan(&keys))
	require.Equal(t, 2, keys, "the hash does not depend on the account")
}

// A webhook of 100 people of whom a fifth is new.
func BenchmarkHundredPeople(b *testing.B) {
	pool, account := pgtest.Pool(b), id.New[id.Account]()
	v := open(b, pool)
	regulars, strangers := crowd(80), 0
	round := func() {
		people := append([]events.Person{}, regulars...)
		for range 20 {
			strangers++
			people = append(people, events.Person{WaID: fmt.Sprintf("49151%08d", strangers)})
		}
		customers := meet(b, v, account, people...)
		scopes := make([]events.KeyScope, len(customers))
		for i, customer := range customers {
			scopes[i] = scopeOf(account, customer.UUID)
		}
		if _, err := v.Keys(b.Context(), scopes); err != nil {
			b.Fatal(err)
		}
	}
	round()
	began := time.Now()
	for b.Loop() {
		round()
	}
	b.ReportMetric(float64(100*b.N)/time.Since(began).Seconds(), "people/s")
}
