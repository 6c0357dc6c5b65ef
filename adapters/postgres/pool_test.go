package postgres_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
)

func TestOpenMigratesOnceHoweverManyStartTogether(t *testing.T) {
	t.Parallel()
	address := pgtest.Database(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			pool, err := postgres.Open(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			defer pool.Close()
			var schema, zone string
			err = pool.QueryRow(t.Context(), "select current_schema(), current_setting('TimeZone')").Scan(&schema, &zone)
			if err != nil || schema != postgres.Schema || zone != "UTC" {
				t.Errorf("schema %s, time zone %s: %v", schema, zone, err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, "build_numbers,checkpoints,drift,migrations,parked_events,parked_keys,policies,policy_holders,projections",
		ask(t, address, "select string_agg(tablename, ',' order by tablename) from pg_tables where schemaname = 'daybook'"))
}

func TestInvariantsOfTheInfrastructureTables(t *testing.T) {
	t.Parallel()
	pool := pgtest.Migrated(t)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	checkpoint := func(holder, anchor any) error {
		_, err := pool.Exec(t.Context(), `insert into checkpoints (projection, version, build, store_id, position, events, updated_at, holder, anchor_position)
			values ($1, 1, 1, $2, 0, 0, $3, $4, $5)`, uuid.NewString(), uuid.New(), now, holder, anchor)
		return err
	}
	require.NoError(t, checkpoint(nil, nil))
	require.ErrorContains(t, checkpoint("somebody", nil), "checkpoints_holder")
	require.ErrorContains(t, checkpoint(nil, 7), "checkpoints_anchor")
	projection := func(version int, schema, phase string) error {
		_, err := pool.Exec(t.Context(), `insert into projections (name, version, build, schema_name, fingerprint, phase, created_at, changed_at)
			values ('audit', $1, 1, $2, 'f', $3, $4, $4)`, version, schema, phase, now)
		return err
	}
	require.NoError(t, projection(1, "audit_v1", "live"))
	require.NoError(t, projection(2, "audit_v2", "replaying"))
	require.ErrorContains(t, projection(3, "audit_v3", "live"), "projections_live")
	require.ErrorContains(t, projection(3, "audit_v2", "ready"), "projections_schema_name")
	require.ErrorContains(t, projection(3, "audit_v3", "gone"), "projections_phase")
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := postgres.Connect(t.Context(), "postgres://%zz")
	require.ErrorContains(t, err, "database URL")
	_, err = postgres.Connect(t.Context(), "postgres://daybook@127.0.0.1:1/daybook?connect_timeout=1")
	require.ErrorContains(t, err, "connecting to the database")
}

func TestVaultURL(t *testing.T) {
	t.Parallel()
	given := "postgres://elsewhere/vault"
	address, err := postgres.VaultURL(t.Context(), "postgres://nowhere", given)
	require.NoError(t, err)
	require.Equal(t, given, address)

	_, err = postgres.VaultURL(t.Context(), given+"?sslmode=require", given)
	require.ErrorContains(t, err, "needs one of its own")

	database := pgtest.Database(t)
	for range 2 { // created, then found
		address, err = postgres.VaultURL(t.Context(), database, "")
		require.NoError(t, err)
		require.Equal(t, ask(t, database, "select current_database()")+"_vault", ask(t, address, "select current_database()"))
	}

	another := pgtest.Database(t)
	role := "poor_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin, err := pgx.Connect(t.Context(), another)
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), "create role "+role+" login password 'poor'")
	require.NoError(t, err)
	_, err = postgres.VaultURL(t.Context(), changed(t, another, func(u *url.URL) { u.User = url.UserPassword(role, "poor") }), "")
	require.ErrorContains(t, err, "may not create the vault's database")
	require.ErrorContains(t, err, "DAYBOOK_VAULT_URL")
	_, err = admin.Exec(t.Context(), "drop role "+role)
	require.NoError(t, err)
	require.NoError(t, admin.Close(t.Context()))
}
