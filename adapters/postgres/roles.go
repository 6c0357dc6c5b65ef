package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// prepare makes the roles and databases that are missing. Each database belongs to one role and is closed to the rest.
func (s *Server) prepare(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.AdminURL())
	if err != nil {
		return fmt.Errorf("preparing the private server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is pending
	for role, database := range map[string]string{roleApp: databaseApp, roleVault: databaseVault} {
		if err = s.ensureRole(ctx, conn, role); err != nil {
			return fmt.Errorf("creating role %s: %w", role, err)
		}
		if err = ensureDatabase(ctx, conn, database, role); err != nil {
			return fmt.Errorf("creating database %s: %w", database, err)
		}
	}
	return nil
}

func (s *Server) ensureRole(ctx context.Context, conn *pgx.Conn, role string) error {
	var exists bool
	err := conn.QueryRow(ctx, "select exists (select from pg_roles where rolname = $1)", role).Scan(&exists)
	if err != nil || exists {
		return err
	}
	attributes := ""
	if s.cfg.Disposable && role == roleApp {
		attributes = " createdb createrole" // tests make databases, and roles to be refused
	}
	// Utility statements take no parameters; the password is hexadecimal.
	_, err = conn.Exec(ctx, fmt.Sprintf("create role %s login password '%s'%s", ident(role), rolePassword(s.secret, role), attributes))
	return err
}

// ensureDatabase creates a database that only its owner (and superusers) can connect to, if it is missing.
func ensureDatabase(ctx context.Context, conn *pgx.Conn, database, owner string) error {
	var exists bool
	err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", database).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, fmt.Sprintf("create database %s owner %s template template0 encoding 'UTF8'", ident(database), ident(owner)))
	if hasCode(err, "42P04", "23505") { // another process was faster
		return nil
	}
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, fmt.Sprintf("revoke all on database %s from public", ident(database)))
	return err
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

func hasCode(err error, codes ...string) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, refused.Code)
}
