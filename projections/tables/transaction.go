package tables

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Snapshot is a transaction in which several statements see the same rows.
var Snapshot = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

// Print lets values of a transaction print the same as in every other one, whatever the session was set to, and plans for
// reading all rows.
func Print(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, printing, pgx.QueryExecModeExec)
	return err
}

const printing = `
	SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true), set_config('IntervalStyle', 'postgres', true),
	       set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true),
	       set_config('cursor_tuple_fraction', '1', true)`

// SearchIn lets names of a transaction that say no schema mean this one.
func SearchIn(ctx context.Context, tx pgx.Tx, schema string) error {
	_, err := tx.Exec(ctx, "SET LOCAL search_path TO "+pgx.Identifier{schema}.Sanitize())
	return err
}

// Rollback ends a transaction or savepoint, also when ctx has ended. If it fails, pgx closes the connection, which has the
// same effect.
func Rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// patience bounds what still has to be said to Postgres after ctx has ended.
const patience = 10 * time.Second
