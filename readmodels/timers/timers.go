// Package timers finds what is due.
//
// The timers projection owns the rows: one for each timer that was ever set. They trail the log, so a timer found here may
// have fired already, and one that was just set may be missing: who fires timers asks the timer's own stream.
package timers

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

// Waiting is a timer that has neither fired nor been cancelled.
type Waiting struct {
	ID      id.Timer   `db:"timer_id"`
	Account id.Account `db:"account_id"`
	Kind    string     `db:"kind"`
	Due     time.Time  `db:"due"`
	Stream  string     `db:"stream"`
	Subject string     `db:"subject"`
}

// Due lists the timers that wait and are due at an instant, the earliest first. The limit is 100 when 0, and at most 1,000.
func Due(ctx context.Context, db readmodels.Querier, schema string, now time.Time, limit int) ([]Waiting, error) {
	const statement = `SELECT timer_id, account_id, kind, due, stream, subject FROM $schema.timers
		WHERE fired_at IS NULL AND cancelled_at IS NULL AND due <= $1 ORDER BY due, timer_id LIMIT $2`
	rows, _ := db.Query(ctx, readmodels.In(schema, statement), now, readmodels.Limit(limit)) // the error comes back with the rows
	due, err := pgx.CollectRows(rows, pgx.RowToStructByName[Waiting])
	if err != nil {
		return nil, fmt.Errorf("listing what is due: %w", err)
	}
	return due, nil
}
