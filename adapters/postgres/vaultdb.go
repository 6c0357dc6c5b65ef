package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// VaultURL returns where the vault lives beside a given database. A vault URL of the operator's own wins, if it names
// another database: who reads the one must not thereby read the other. Without one it is the database "<name>_vault" on
// the same server, created if missing and closed to everybody but the connecting role.
func VaultURL(ctx context.Context, databaseURL, vaultURL string) (string, error) {
	cfg, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return "", fmt.Errorf("database URL: %w", err)
	}
	if vaultURL != "" {
		return vaultURL, requireApart(cfg, vaultURL)
	}
	derived, err := url.Parse(databaseURL)
	if err != nil || derived.Scheme == "" {
		return "", errors.New("set DAYBOOK_VAULT_URL: the vault's database can be derived only from a URL (postgres://…)")
	}
	name := cfg.Database + "_vault"
	derived.Path = "/" + name
	query := derived.Query()
	query.Del("dbname") // they would win over the path
	query.Del("database")
	derived.RawQuery = query.Encode()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return "", fmt.Errorf("looking for the vault's database: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is pending
	err = ensureDatabase(ctx, conn, name, cfg.User)
	if hasCode(err, "42501") {
		return "", fmt.Errorf("role %s may not create the vault's database: create database %q owned by it, or set DAYBOOK_VAULT_URL", cfg.User, name)
	}
	if err != nil {
		return "", fmt.Errorf("creating the vault's database %s: %w", name, err)
	}
	return derived.String(), nil
}

func requireApart(database *pgx.ConnConfig, vaultURL string) error {
	vault, err := pgx.ParseConfig(vaultURL)
	if err != nil {
		return fmt.Errorf("DAYBOOK_VAULT_URL: %w", err)
	}
	if vault.Host == database.Host && vault.Port == database.Port && vault.Database == database.Database {
		return errors.New("DAYBOOK_VAULT_URL names the same database as DATABASE_URL: the vault needs one of its own")
	}
	return nil
}
