package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events"
	"daybook/events/id"
)

// hash is the keyed hash of one identity of a person. It is the same for every account.
type hash [32]byte

type identity struct {
	account id.Account
	hash    hash
}

// name is one identity of a person. A phone decides when the identities of one person disagree.
type name struct {
	hash  hash
	phone bool
}

const (
	kindWaID   = 'p'
	kindUserID = 'u'
)

// namesOf returns what a person is known by, the phone first.
func (v *Vault) namesOf(p events.Person) []name {
	var names []name
	if phone := strings.TrimPrefix(p.WaID, "+"); phone != "" {
		names = append(names, name{mac(v.identityKey, []byte{kindWaID}, []byte(phone)), true})
	}
	if p.UserID != "" {
		names = append(names, name{mac(v.identityKey, []byte{kindUserID}, []byte(p.UserID)), false})
	}
	return names
}

// pageSize bounds the people of one transaction: each new one holds a lock.
const pageSize = 500

// Customers maps people to an account's customers, making those that are new, in the order given. It takes no round trip
// when all were seen lately, one when all are known, two when some are new.
//
// A person named by both a WhatsApp id and a user id makes the two one customer. If only one was known, the other joins
// it. If both are known and are different customers (each was met alone before), the WhatsApp id's is returned
// and neither is changed: recorded events keep their customers.
//
// When several processes meet a person at once, they agree.
func (v *Vault) Customers(ctx context.Context, account id.Account, people []events.Person) ([]id.Customer, error) {
	names := make([][]name, len(people))
	for i, person := range people {
		if names[i] = v.namesOf(person); len(names[i]) == 0 {
			return nil, fmt.Errorf("person %d of %d has no identity", i+1, len(people))
		}
	}
	customers := make([]id.Customer, 0, len(people))
	for page := range slices.Chunk(names, pageSize) {
		known, err := v.meet(ctx, account, page)
		if err != nil {
			return nil, err
		}
		for _, person := range page {
			customers = append(customers, known[person[0].hash])
		}
	}
	return customers, nil
}

// meet returns the customers behind all names of the people, adding those that are new.
func (v *Vault) meet(ctx context.Context, account id.Account, people [][]name) (map[hash]id.Customer, error) {
	known := make(map[hash]id.Customer, 2*len(people))
	var missing [][]byte
	for _, person := range people {
		for _, n := range person {
			if customer, ok := v.customers.get(identity{account, n.hash}); ok {
				known[n.hash] = customer
			} else {
				missing = append(missing, n.hash[:])
			}
		}
	}
	if err := v.readCustomers(ctx, account, missing, known); err != nil {
		return nil, err
	}
	return known, v.addCustomers(ctx, account, strangers(people, known), known)
}

func (v *Vault) readCustomers(ctx context.Context, account id.Account, missing [][]byte, known map[hash]id.Customer) error {
	if len(missing) == 0 {
		return nil
	}
	read := v.now()
	rows, err := v.pool.Query(ctx, "select identity, customer from identities where account = $1 and identity = any($2)",
		account.Bytes(), missing)
	if err == nil {
		err = collectCustomers(rows, known)
	}
	if err != nil {
		return fmt.Errorf("reading customers of account %s: %w", account, err)
	}
	v.keepCustomers(account, missing, known, read)
	return nil
}

func collectCustomers(rows pgx.Rows, known map[hash]id.Customer) error {
	var stored []byte
	var customer [16]byte
	_, err := pgx.ForEachRow(rows, []any{&stored, &customer}, func() error {
		if len(stored) != len(hash{}) {
			return errors.New("a stored identity is not a hash")
		}
		known[hash(stored)] = id.Customer{UUID: customer}
		return nil
	})
	return err
}

// keepCustomers caches what is known of the names. Only what is committed may be cached: a customer that only this process
// believes in would be another one after a restart.
func (v *Vault) keepCustomers(account id.Account, names [][]byte, known map[hash]id.Customer, read time.Time) {
	for _, n := range names {
		if customer, ok := known[hash(n)]; ok {
			v.customers.put(identity{account, hash(n)}, customer, read)
		}
	}
}

// stranger is a name of somebody who is not wholly known, and the group of names that are one person's.
type stranger struct {
	name

	group int
}

// strangers groups the names of people of whom at least one name is unknown. People who share a name are one group, as
// they would be if they came one after the other.
func strangers(people [][]name, known map[hash]id.Customer) []stranger {
	groups := map[hash]int{}
	joined := make([]int, 0, len(people)) // a group that was joined to another points to it
	root := func(group int) int {
		for joined[group] != group {
			group = joined[group]
		}
		return group
	}
	var all []stranger
	for _, person := range people {
		if !slices.ContainsFunc(person, func(n name) bool { return known[n.hash].IsZero() }) {
			continue
		}
		group := len(joined)
		joined = append(joined, group)
		for _, n := range person {
			if earlier, ok := groups[n.hash]; ok {
				joined[group] = root(earlier)
				group = root(earlier)
				continue
			}
			groups[n.hash] = group
			all = append(all, stranger{n, group})
		}
	}
	for i := range all {
		all[i].group = root(all[i].group)
	}
	return all
}

// addCustomers stores the strangers, in one round trip and one transaction. Locks on the names, taken in order, keep two
// processes from giving one person two customers; the statement after them sees what the other process wrote.
func (v *Vault) addCustomers(ctx context.Context, account id.Account, all []stranger, known map[hash]id.Customer) error {
	if len(all) == 0 {
		return nil
	}
	candidate := map[int][16]byte{} // by group
	locks := make([]int64, len(all))
	names := make([][]byte, len(all))
	groups := make([]int32, len(all))
	phones := make([]bool, len(all))
	candidates := make([][16]byte, len(all))
	for i, s := range all {
		if _, ok := candidate[s.group]; !ok {
			candidate[s.group] = id.NewRandom[id.Customer]().Bytes()
		}
		locks[i] = lockOf(account, s.hash)
		names[i], groups[i], phones[i], candidates[i] = all[i].hash[:], int32(s.group), s.phone, candidate[s.group]
	}
	slices.Sort(locks)
	now := v.now()
	batch := &pgx.Batch{}
	batch.Queue("select pg_advisory_xact_lock(name) from unnest($1::bigint[]) name", locks)
	batch.Queue(addCustomersSQL, account.Bytes(), names, groups, phones, candidates, now).
		Query(func(rows pgx.Rows) error { return collectCustomers(rows, known) })
	if err := v.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("adding customers of account %s: %w", account, err)
	}
	v.keepCustomers(account, names, known, now)
	return nil
}

// addCustomersSQL gives each group the customer that its phone is known by, else any of its identities, else the new one.
const addCustomersSQL = `
with wanted as (
	select * from unnest($2::bytea[], $3::int[], $4::bool[], $5::uuid[]) as w (identity, "group", phone, candidate)
), present as (
	select w.identity, w."group", w.phone, i.customer
	from wanted w join identities i on i.account = $1 and i.identity = w.identity
), chosen as (
	select distinct on ("group") "group", customer from present order by "group", phone desc, identity
), added as (
	insert into identities (account, identity, customer, created_at)
	select $1, w.identity, coalesce(c.customer, w.candidate), $6::timestamptz
	from wanted w left join chosen c using ("group")
	where not exists (select from present p where p.identity = w.identity)
	returning identity, customer
)
select identity, customer from present union all select identity, customer from added`

func lockOf(account id.Account, name hash) int64 {
	return int64(binary.BigEndian.Uint64(name[:8]) ^ binary.BigEndian.Uint64(account.UUID[8:]))
}
