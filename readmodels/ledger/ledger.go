// Package ledger is what billing staff reconcile by: every posting, line by line, and what they sum to.
//
// The ledger projection owns the rows. Entries are double entry and only ever added; balances are sums of them by day.
// Each entry has two times, when it took effect (the delivery) and when it was recorded: what becomes known late is
// posted to the time at which it was so.
package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events/id"
	"daybook/readmodels"
)

// Schema makes the tables of one version.
//
//go:embed schema.sql
var Schema string

// Filter says which entries of an account. From is inclusive, To is not; both are about EffectiveAt, and nil asks for
// nothing. An event whose entries take effect at several times, such as an adjustment, may be shown in part.
type Filter struct {
	Account  id.Account
	From, To *time.Time
	After    uint64 // the position of the last entry already seen
	Limit    int    // entries; 100 when 0, at most 1,000
}

// Page is a part of the ledger. It never splits an event: it is shorter than the limit rather, and longer only when its
// one event is. Next is the After of the page behind it; nil when this one is the last for now.
type Page struct {
	Entries []Entry
	Next    *uint64
}

// Entries returns the entries of the filter by position and n.
func Entries(ctx context.Context, db readmodels.Querier, schema string, f Filter) (Page, error) {
	const statement = `
		SELECT * FROM (
			SELECT * FROM $schema.entries
			WHERE account_id = $1 AND position > $2
			  AND ($3::timestamptz IS NULL OR effective_at >= $3) AND ($4::timestamptz IS NULL OR effective_at < $4)
			ORDER BY position FETCH FIRST $5 ROWS WITH TIES
		) page ORDER BY position, n`
	limit := readmodels.Limit(f.Limit)
	rows, _ := db.Query(ctx, readmodels.In(schema, statement), f.Account, f.After, f.From, f.To, limit+longest) // the error comes with the rows
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByName[Entry])
	if err != nil {
		return Page{}, fmt.Errorf("reading ledger entries of account %s after %d: %w", f.Account, f.After, err)
	}
	return pageOf(entries, limit), nil
}

// longest is how many entries an event has at most: an adjustment takes back money and quantity and posts them anew, with
// two entries for each.
const longest = 8

// pageOf ends a page before the event that goes beyond the limit, or behind it when it is the first. The entries are of
// whole events and, if there are so many, of one event more than a page may have.
func pageOf(entries []Entry, limit int) Page {
	if len(entries) <= limit {
		return Page{Entries: entries}
	}
	beyond := entries[limit].Position
	end := slices.IndexFunc(entries, func(e Entry) bool { return e.Position == beyond })
	if end == 0 {
		if end = slices.IndexFunc(entries, func(e Entry) bool { return e.Position != beyond }); end < 0 {
			return Page{Entries: entries}
		}
	}
	return Page{Entries: entries[:end], Next: &entries[end-1].Position}
}

// Balance is the sum of an account's entries of one asset on one account of the ledger.
type Balance struct {
	LedgerAccount string `db:"ledger_account"`
	Asset         string `db:"asset"`
	Amount        int64  `db:"amount"`  // micros of the currency, or messages; debit is positive
	Entries       int64  `db:"entries"` // how many
}

// Balances returns the balances of an account by ledger account and asset: of everything that is known, or of what took
// effect before an instant. What became known after the instant counts, because it was so. An asset's balances sum to
// zero.
func Balances(ctx context.Context, db readmodels.Querier, schema string, account id.Account, asOf *time.Time) ([]Balance, error) {
	const everything = `
		SELECT ledger_account, asset, sum(amount)::bigint AS amount, sum(entries)::bigint AS entries
		FROM $schema.balances WHERE account_id = $1 GROUP BY ledger_account, asset ORDER BY ledger_account, asset`
	const before = `
		SELECT ledger_account, asset, sum(amount)::bigint AS amount, sum(entries)::bigint AS entries
		FROM (
			SELECT ledger_account, asset, amount, entries FROM $schema.balances
			WHERE account_id = $1 AND day < ($2::timestamptz AT TIME ZONE 'UTC')::date
			UNION ALL
			SELECT ledger_account, asset, amount, 1 FROM $schema.entries
			WHERE account_id = $1 AND effective_at >= $2 AND effective_at < $3
		) whole_days_and_the_rest
		GROUP BY ledger_account, asset ORDER BY ledger_account, asset`
	statement, args := everything, []any{account}
	if asOf != nil {
		const day = 24 * time.Hour
		statement, args = before, append(args, asOf.Truncate(day), *asOf) // in UTC, days are multiples of a day
	}
	rows, _ := db.Query(ctx, readmodels.In(schema, statement), args...) // the error comes back with the rows
	balances, err := pgx.CollectRows(rows, pgx.RowToStructByName[Balance])
	if err != nil {
		return nil, fmt.Errorf("reading the balances of account %s: %w", account, err)
	}
	return balances, nil
}
