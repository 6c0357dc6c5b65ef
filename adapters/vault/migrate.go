package vault

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the vault's tables up to date, in the schema that the pool's search path begins with. Processes that
// start together take turns.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	first, _, _ := strings.Cut(pool.Config().ConnConfig.RuntimeParams["search_path"], ",")
	schema := cmp.Or(strings.Trim(first, ` "`), "public")
	turn, err := pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("migrating the vault: %w", err)
	}
	defer turn.Rollback(context.WithoutCancel(ctx)) // it holds a lock and nothing else
	if _, err = turn.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('vault migrations of ' || $1, 0))", schema); err != nil {
		return fmt.Errorf("waiting to migrate the vault: %w", err)
	}
	var exists bool
	if err = turn.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", schema).Scan(&exists); err != nil {
		return fmt.Errorf("migrating the vault: %w", err)
	}
	if !exists {
		if _, err = pool.Exec(ctx, "create schema "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return fmt.Errorf("creating the vault's schema: %w", err)
		}
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close() //nolint:errcheck // the pool stays open
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName("vault_migrations"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("reading the vault's migrations: %w", err)
	}
	if _, err = provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the vault: %w", err)
	}
	return nil
}
