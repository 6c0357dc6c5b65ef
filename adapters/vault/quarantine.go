package vault

import (
	"context"
	"fmt"

	"daybook/events"
	"daybook/events/id"
)

// QuarantinedPerson says that a quarantined body, sealed under the key, names the person.
type QuarantinedPerson struct {
	Key    id.Key
	Person events.Person
}

// IndexQuarantine records who is named in quarantined bodies, so that erasing a person finds them. Repeats are welcome.
// Call it before the body is recorded.
func (v *Vault) IndexQuarantine(ctx context.Context, entries []QuarantinedPerson) error {
	var names [][]byte
	var keys [][16]byte
	for _, entry := range entries {
		for _, n := range v.namesOf(entry.Person) {
			names = append(names, n.hash[:])
			keys = append(keys, entry.Key.Bytes())
		}
	}
	if len(names) == 0 {
		return nil
	}
	_, err := v.pool.Exec(ctx, `insert into quarantined (identity, key_id)
		select identity, key_id from unnest($1::bytea[], $2::uuid[]) w (identity, key_id) order by identity, key_id
		on conflict do nothing`, names, keys)
	if err != nil {
		return fmt.Errorf("indexing quarantined bodies: %w", err)
	}
	return nil
}
