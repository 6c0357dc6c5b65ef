// Package customers finds the customers of an account that a campaign can be for.
//
// The customers projection owns the rows. They trail the log: what a customer wants is asked again, of the log itself, when a
// message is written.
package customers

import (
	"context"
	_ "embed"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"daybook/events/id"
	"daybook/readmodels"
)

// Schema makes the tables of one version.
//
//go:embed schema.sql
var Schema string

// Segment says which customers are meant: those who are in everything that it names. Its JSON is canonical when lists are in
// order.
type Segment struct {
	Locales     []string   `json:"locales,omitempty"`      // written to last in one of these languages
	Markets     []string   `json:"markets,omitempty"`      // written to last in one of these markets
	Prefixes    []string   `json:"prefixes,omitempty"`     // with a number that begins so
	Levels      []string   `json:"levels,omitempty"`       // who want as much as this; who said nothing wants all
	OptedIn     bool       `json:"opted_in,omitempty"`     // to marketing
	ContactedAt *time.Time `json:"contacted_at,omitempty"` // wrote or were written to then or later
}

// Customer is one of a segment. What is sealed belongs to the fact and the path beside it.
type Customer struct {
	ID       id.Customer `db:"customer_id"`
	Prefix   string      `db:"prefix"`
	Country  string      `db:"country"`
	Locale   string      `db:"locale"`
	To       string      `db:"sealed_to"`
	ToFact   id.Fact     `db:"to_fact"`
	ToPath   string      `db:"to_path"`
	Name     *string     `db:"sealed_name"`
	NameFact *id.Fact    `db:"name_fact"`
	NamePath *string     `db:"name_path"`
}

const segment = `FROM $schema.customers c WHERE c.account_id = @account AND c.phone_number_id = @number AND c.sealed_to IS NOT NULL
	AND blocked IS NOT TRUE
	AND (@locales::text[] IS NULL OR c.locale = ANY (@locales))
	AND (@markets::text[] IS NULL OR c.market = ANY (@markets))
	AND (@prefixes::text[] IS NULL OR EXISTS (SELECT FROM unnest(@prefixes::text[]) p WHERE starts_with(c.prefix, p)))
	AND (@levels::text[] IS NULL OR COALESCE(c.level, 'all') = ANY (@levels))
	AND (NOT @opted_in::boolean OR c.marketing)
	AND (@contacted_at::timestamptz IS NULL OR c.received_at >= @contacted_at OR c.written_at >= @contacted_at)`

func (s Segment) arguments(account id.Account, number string) pgx.NamedArgs {
	return pgx.NamedArgs{
		"account": account, "number": number, "locales": s.Locales, "markets": s.Markets, "prefixes": s.Prefixes,
		"levels": s.Levels, "opted_in": s.OptedIn, "contacted_at": s.ContactedAt,
	}
}

// Count returns how many customers of one of an account's numbers a segment has now. Who blocks the number is in none.
func Count(ctx context.Context, db readmodels.Querier, schema string, account id.Account, number string, s Segment) (n int64, err error) {
	if err = db.QueryRow(ctx, readmodels.In(schema, "SELECT count(*) "+segment), s.arguments(account, number)).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting customers of account %s: %w", account, err)
	}
	return n, nil
}

// pageSize is how many customers are read at once.
const pageSize = 1000

// In yields the customers of a segment in the order of their ids, each once, whatever happens to them meanwhile.
func In(ctx context.Context, db readmodels.Querier, schema string, account id.Account, number string, s Segment) iter.Seq2[Customer, error] {
	statement := readmodels.In(schema, `SELECT c.customer_id, c.prefix, c.country, COALESCE(c.locale, '') AS locale,
		c.sealed_to, c.to_fact, c.to_path, c.sealed_name, c.name_fact, c.name_path `+
		segment+" AND c.customer_id > @after ORDER BY c.customer_id LIMIT @limit")
	return func(yield func(Customer, error) bool) {
		arguments := s.arguments(account, number)
		arguments["after"], arguments["limit"] = id.Customer{}, pageSize
		for {
			rows, _ := db.Query(ctx, statement, arguments) // the error comes back with the rows
			page, err := pgx.CollectRows(rows, pgx.RowToStructByName[Customer])
			if err != nil {
				yield(Customer{}, fmt.Errorf("reading customers of account %s: %w", account, err))
				return
			}
			for _, c := range page {
				if !yield(c, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			arguments["after"] = page[len(page)-1].ID
		}
	}
}
