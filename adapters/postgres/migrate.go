package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate creates the schema and brings the infrastructure tables in it up to date. The pool's search path must be that
// schema: the migrations name none. Processes that start together take turns.
func Migrate(ctx context.Context, pool *pgxpool.Pool, schema string) error {
	turn, err := pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("migrating %s: %w", schema, err)
	}
	defer turn.Rollback(context.WithoutCancel(ctx)) // it holds a lock and nothing else
	if _, err = turn.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('daybook migrations of ' || $1, 0))", schema); err != nil {
		return fmt.Errorf("waiting to migrate %s: %w", schema, err)
	}
	if err = ensureSchema(ctx, pool, schema); err != nil {
		return fmt.Errorf("creating schema %s: %w", schema, err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close() //nolint:errcheck // the pool stays open
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName("migrations"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	if _, err = provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating %s: %w", schema, err)
	}
	return nil
}

// ensureSchema looks before it creates: a role that may not create schemas can still use one that is there.
func ensureSchema(ctx context.Context, pool *pgxpool.Pool, schema string) error {
	var exists bool
	err := pool.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", schema).Scan(&exists)
	if err == nil && !exists {
		_, err = pool.Exec(ctx, "create schema "+pgx.Identifier{schema}.Sanitize())
	}
	if err != nil {
		return err
	}
	var current *string
	if err = pool.QueryRow(ctx, "select current_schema()").Scan(&current); err != nil {
		return err
	}
	if current == nil || *current != schema {
		return errors.New("the pool's search path does not begin with it")
	}
	return nil
}
