// Package routing finds where a webhook update belongs: from the platform's message id to our conversation and message,
// from a business number to its account. What could not be routed is listed here until it has been re-driven.
//
// The routing projection owns the rows. A platform id leads to the message it was first bound to, for ever; a number to
// the account that claimed it last; a quarantined update has one row, whose body stays in the store. The tables trail the store: a miss
// here means "not yet or never", and is for the caller to quarantine, not to drop.
package routing

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events/id"
	"daybook/readmodels"
)

// Schema makes the tables of one version.
//
//go:embed schema.sql
var Schema string

// Route is where a status belongs. The recipient is the customer the message was written to.
type Route struct {
	Account       id.Account      `db:"account_id"`
	Conversation  id.Conversation `db:"conversation_id"`
	Message       id.Message      `db:"message_id"`
	Recipient     id.Customer     `db:"recipient_id"`
	PhoneNumberID string          `db:"phone_number_id"`
}

// Item is one quarantined update. Empty texts mean that the update does not name such a thing.
type Item struct {
	ID            id.Quarantine `db:"quarantine_id"`
	Position      uint64        `db:"position"`
	Reason        string        `db:"reason"`
	Detail        string        `db:"detail"`
	Field         string        `db:"field"`
	Kind          string        `db:"kind"`
	WABAID        string        `db:"waba_id"`
	PhoneNumberID string        `db:"phone_number_id"`
	WamidHash     string        `db:"wamid_hash"`
	ReceivedAt    time.Time     `db:"received_at"`
	RedrivenAt    *time.Time    `db:"redriven_at"`   // null while open
	LandedStream  *string       `db:"landed_stream"` // where it was recorded in the end
}

// Lookup returns the routes of those platform ids that are bound, each to its first message. H is events.WamidHash.
func Lookup[H ~string](ctx context.Context, db readmodels.Querier, schema string, hashes []H) (map[H]Route, error) {
	wanted := make([]string, len(hashes))
	for i, hash := range hashes {
		wanted[i] = string(hash)
	}
	const statement = `SELECT DISTINCT ON (wamid_hash)
			wamid_hash, account_id, conversation_id, message_id, recipient_id, phone_number_id
		FROM $schema.messages WHERE wamid_hash = ANY($1) ORDER BY wamid_hash, position`
	rows, _ := db.Query(ctx, readmodels.In(schema, statement), wanted) // the error comes back with the rows
	type bound struct {
		Route

		WamidHash H `db:"wamid_hash"`
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[bound])
	if err != nil {
		return nil, fmt.Errorf("looking up %d platform ids: %w", len(hashes), err)
	}
	routes := make(map[H]Route, len(found))
	for _, each := range found {
		routes[each.WamidHash] = each.Route
	}
	return routes, nil
}

// Filter says which quarantined updates.
type Filter struct {
	OpenOnly bool   // only those that have not been re-driven
	After    uint64 // the position of the last item already seen
	Limit    int    // 100 when 0, at most 1,000
}

// Page is a part of the quarantine. Next is the After of the page behind it, or 0 when this one is the last for now.
type Page struct {
	Items []Item
	Next  uint64
}

// Quarantined lists quarantined updates in the order in which they were quarantined.
func Quarantined(ctx context.Context, db readmodels.Querier, schema string, f Filter) (Page, error) {
	limit := readmodels.Limit(f.Limit)
	statement := `SELECT * FROM $schema.quarantine WHERE position > $1`
	if f.OpenOnly {
		statement += ` AND redriven_at IS NULL`
	}
	items, err := list(ctx, db, readmodels.In(schema, statement+` ORDER BY position LIMIT $2`), f.After, limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("listing the quarantine after %d: %w", f.After, err)
	}
	if len(items) <= limit {
		return Page{Items: items}, nil
	}
	return Page{Items: items[:limit], Next: items[limit-1].Position}, nil
}

// Ready lists, oldest first, the open updates whose cause has gone away: the platform id that a status waits for has
// been bound; the business number, or the WABA, has been claimed by an account that is registered; the webhook field that
// nothing handled then is one that is handled now. A status that waited for its number also needs its message. Which of
// them was there first does not matter: this joins what has been committed.
//
// It begins after a position, that of the last item already seen, or 0: items that could not be driven after all do not
// stand before the others. The limit is 100 when 0, and at most 1,000.
func Ready(ctx context.Context, db readmodels.Querier, schema string, handled []string, after uint64, limit int) ([]Item, error) {
	const statement = `SELECT q.* FROM $schema.quarantine q
		CROSS JOIN LATERAL (SELECT
			EXISTS (SELECT FROM $schema.messages m WHERE m.wamid_hash = q.wamid_hash) AS bound,
			EXISTS (SELECT FROM $schema.numbers n JOIN $schema.accounts a USING (account_id)
				WHERE n.phone_number_id = q.phone_number_id) AS owned,
			EXISTS (SELECT FROM $schema.wabas w JOIN $schema.accounts a USING (account_id)
				WHERE w.waba_id = q.waba_id) AS held) known
		WHERE q.position > $1 AND q.redriven_at IS NULL
		  AND q.reason IN ('unknown_message', 'unknown_number', 'unknown_account', 'unknown_field')
		  AND CASE q.reason
			WHEN 'unknown_message' THEN bound
			WHEN 'unknown_number' THEN owned AND (q.kind <> 'status' OR bound)
			WHEN 'unknown_account' THEN held
			ELSE q.field = ANY($3) AND (owned OR held) END
		ORDER BY q.position LIMIT $2`
	if handled == nil {
		handled = []string{}
	}
	items, err := list(ctx, db, readmodels.In(schema, statement), after, readmodels.Limit(limit), handled)
	if err != nil {
		return nil, fmt.Errorf("listing what may leave the quarantine after %d: %w", after, err)
	}
	return items, nil
}

func list(ctx context.Context, db readmodels.Querier, statement string, args ...any) ([]Item, error) {
	rows, _ := db.Query(ctx, statement, args...) // the error comes back with the rows
	return pgx.CollectRows(rows, pgx.RowToStructByName[Item])
}
