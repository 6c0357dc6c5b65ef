// Package campaigns answers what an account's campaigns are, how far they are, and what became of their messages.
//
// The campaigns projection owns the rows. They name no customer.
package campaigns

import (
	"context"
	_ "embed"
	"errors"
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

// Campaign is a campaign as it stands. What is not planned yet is nil, or empty.
type Campaign struct {
	ID            id.Campaign `db:"campaign_id"`
	Account       id.Account  `db:"account_id"`
	PhoneNumberID string      `db:"phone_number_id"`
	Name          string      `db:"name"`
	Template      string      `db:"template"`
	Category      string      `db:"category"`
	Phase         string      `db:"phase"`
	PausedFor     string      `db:"paused_for"`
	Segment       string      `db:"segment"`
	Recipients    int64       `db:"recipients"`
	StartsAt      *time.Time  `db:"starts_at"`
	EndsAt        *time.Time  `db:"ends_at"`
	Timezone      string      `db:"timezone"`
	DeviceName    string      `db:"device_name"`
	Limit         int64       `db:"limit_micros"`
	Currency      string      `db:"currency"`
	StartedAt     *time.Time  `db:"started_at"`
	Spent         int64       `db:"spent"`
	Reserved      int64       `db:"reserved"`
}

const campaign = `SELECT c.campaign_id, c.account_id, c.phone_number_id, c.name, c.template, c.category, c.phase,
		COALESCE(c.paused_for, '') AS paused_for, COALESCE(c.segment, '') AS segment, COALESCE(c.recipients, 0) AS recipients,
		c.starts_at, c.ends_at, COALESCE(c.timezone, '') AS timezone, COALESCE(c.device_name, '') AS device_name,
		COALESCE(c.limit_micros, 0) AS limit_micros, COALESCE(c.currency, '') AS currency, c.started_at,
		COALESCE(m.spent, 0) AS spent, COALESCE(m.reserved, 0) AS reserved
	FROM $schema.campaigns c LEFT JOIN $schema.money m USING (campaign_id)`

// Of lists an account's campaigns: those that start last come first, and before them those that are not scheduled.
func Of(ctx context.Context, db readmodels.Querier, schema string, account id.Account) ([]Campaign, error) {
	statement := readmodels.In(schema, campaign+` WHERE c.account_id = $1 ORDER BY c.starts_at DESC NULLS FIRST, c.campaign_id`)
	found, err := collect[Campaign](ctx, db, statement, account)
	if err != nil {
		return nil, fmt.Errorf("listing the campaigns of account %s: %w", account, err)
	}
	return found, nil
}

// Figures are what became of a campaign's recipients.
type Figures struct {
	Campaign

	Markets []Market
	Skips   []Skip
}

// Market is what became of messages to a market, and what they cost.
type Market struct {
	Market    string `db:"market"`
	Written   int64  `db:"written"`
	Sent      int64  `db:"sent"`
	Delivered int64  `db:"delivered"`
	Read      int64  `db:"read"`
	Failed    int64  `db:"failed"`
	Expired   int64  `db:"expired"`
	Charged   int64  `db:"charged"`
	Micros    int64  `db:"micros"`
}

// Skip is how many recipients were not written to, and why.
type Skip struct {
	Reason     string `db:"reason"`
	Recipients int64  `db:"recipients"`
}

// Find returns a campaign of an account with its figures; false when there is none.
func Find(ctx context.Context, db readmodels.Querier, schema string, account id.Account, which id.Campaign) (f Figures, found bool, err error) {
	rows, _ := db.Query(ctx, readmodels.In(schema, campaign+` WHERE c.campaign_id = $1 AND c.account_id = $2`), which, account)
	f.Campaign, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Campaign])
	if errors.Is(err, pgx.ErrNoRows) {
		return f, false, nil
	}
	if err == nil {
		f.Markets, err = collect[Market](ctx, db, readmodels.In(schema, `SELECT market,
			COALESCE(written, 0) AS written, COALESCE(sent, 0) AS sent, COALESCE(delivered, 0) AS delivered, COALESCE(read, 0) AS read,
			COALESCE(failed, 0) AS failed, COALESCE(expired, 0) AS expired, COALESCE(charged, 0) AS charged, COALESCE(micros, 0) AS micros
			FROM (SELECT * FROM $schema.funnel WHERE campaign_id = $1) f
			FULL JOIN (SELECT * FROM $schema.spend WHERE campaign_id = $1) s USING (market) ORDER BY market`), which)
	}
	if err == nil {
		f.Skips, err = collect[Skip](ctx, db, readmodels.In(schema,
			`SELECT reason, recipients FROM $schema.skips WHERE campaign_id = $1 AND recipients <> 0 ORDER BY reason`), which)
	}
	if err != nil {
		return f, false, fmt.Errorf("reading campaign %s: %w", which, err)
	}
	return f, true, nil
}

func collect[Row any](ctx context.Context, db readmodels.Querier, statement string, of any) ([]Row, error) {
	rows, _ := db.Query(ctx, statement, of) // the error comes back with the rows
	return pgx.CollectRows(rows, pgx.RowToStructByName[Row])
}
