// Package analytics answers how many messages an account received and sent, what became of them, and how fast customers
// were answered: by hour or day of the account's time zone, and by device, category and market.
//
// The analytics projection owns the rows. Every message counts once for each recipient, and all that becomes of it
// counts at the time at which it was written: the figures of an evening still grow when its messages are read the next
// morning, and a rate such as read ÷ delivered compares the same messages.
package analytics

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

// Row is the figures of one bucket or, when the filter says By, of one part of it.
type Row struct {
	Figures

	// Start is when the bucket begins, in the account's time zone: of the two hours that one hour of the clock lasts on
	// the day on which summer ends, each is a bucket of its own.
	Start      time.Time `db:"start"`
	DeviceName string    `db:"device_name"` // the name it has now, or had last
	DeviceID   id.Device `db:"device_id"`   // by device: zero for what customers wrote
	Category   string    `db:"category"`    // by category: what it was sent as; "" for what customers wrote
	Market     string    `db:"market"`      // by market: as it was when written; "" for what customers wrote, and when unknown
}

// Figures count messages, each once for every recipient.
type Figures struct {
	Received int64 `db:"received"` // by the business from its customers
	// Sent is what the platform sent on, also when it only told what came of it. What it gave up before is in Failed alone.
	Sent int64 `db:"sent"`
	// Delivered reached the recipient, also when the platform only told that they were read or played. Sent less
	// Delivered did not arrive so far.
	Delivered int64 `db:"delivered"`
	// Read is what the platform said was read. A voice message of which it only said that it was played is not in it:
	// people who keep their reading to themselves still show that.
	Read int64 `db:"read"`
	// Failed is what the platform gave up. It may give up one of the recipient's devices and reach another, before or
	// after: such a message is both failed and delivered.
	Failed int64 `db:"failed"`

	Answers       int64 `db:"answers"`        // first answers to customers who were waiting for one
	AnswerSeconds int64 `db:"answer_seconds"` // how long those had waited, together; each in whole seconds
}

// Messages returns the figures of the filter in the order of Start, then of device by name, category and market, each of
// them by code point and with what has none first. Buckets and parts in which nothing happened are left out; an account
// of which nothing is known has none. The error is a *FilterError for a filter that asks what there is not.
func Messages(ctx context.Context, db readmodels.Querier, schema string, f Filter) ([]Row, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	zone, from, to, err := f.extent(ctx, db, schema)
	if err != nil {
		return nil, fmt.Errorf("reading when account %s had messages: %w", f.Account, err)
	}
	begin, until, ahead := periods(zone, from, to)
	rows, _ := db.Query(ctx, readmodels.In(schema, f.statement()), f.Account, begin, until, ahead) // the error comes back with the rows
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Row])
	if err != nil {
		return nil, fmt.Errorf("reading the figures of account %s: %w", f.Account, err)
	}
	for i := range found {
		found[i].Start = buckets[f.Bucket].start(found[i].Start.In(zone))
	}
	return found, nil
}

// extent returns the account's time zone and from when to when, within the filter, it has figures: an empty stretch when
// it has none.
func (f Filter) extent(ctx context.Context, db readmodels.Querier, schema string) (zone *time.Location, from, to time.Time, err error) {
	const slots = `FROM $schema.figures WHERE account_id = a.account_id AND slot >= $2 AND slot < coalesce($3, 'infinity'::timestamptz)`
	const statement = `
		SELECT a.timezone, (SELECT min(slot) ` + slots + `), (SELECT max(slot) ` + slots + `)
		FROM $schema.accounts a WHERE a.account_id = $1`
	var (
		name        string
		first, last *time.Time
		until       *time.Time
	)
	if !f.To.IsZero() {
		until = &f.To
	}
	err = db.QueryRow(ctx, readmodels.In(schema, statement), f.Account, f.From, until).Scan(&name, &first, &last)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || err == nil && first == nil:
		return time.UTC, from, to, nil
	case err != nil:
		return nil, from, to, err
	}
	if zone, err = time.LoadLocation(name); err != nil {
		return nil, from, to, fmt.Errorf("its time zone: %w", err)
	}
	return zone, *first, last.Add(Slot), nil
}
