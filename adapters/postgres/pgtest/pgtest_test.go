package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
)

func TestSchemasAreIsolatedAndEmptyWhenLentAgain(t *testing.T) {
	for range 3 {
		t.Run("Borrower", func(t *testing.T) {
			pool, other := pgtest.Pool(t), pgtest.Pool(t)
			_, err := pool.Exec(t.Context(), "create table here (n int)")
			require.NoError(t, err)
			_, err = other.Exec(t.Context(), "select from here")
			require.ErrorContains(t, err, "does not exist")
		})
	}
}

func TestDatabasesAreEmptyWhenLentAgain(t *testing.T) {
	for range 3 {
		t.Run("Borrower", func(t *testing.T) {
			conn, err := pgx.Connect(t.Context(), pgtest.Database(t))
			require.NoError(t, err) // and forgotten: the next borrower must not be held up
			_, err = conn.Exec(t.Context(), "create table here (n int); create schema audit_v1; create table audit_v1.entries (n int)")
			require.NoError(t, err)
		})
	}
}

func TestMigratedHasTheInfrastructureTables(t *testing.T) {
	pool := pgtest.Migrated(t)
	_, err := pool.Exec(t.Context(), "select projection, position, events, epoch from checkpoints")
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), "select name, version, schema_name, live from projections")
	require.NoError(t, err)
}

func TestAKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	server := pgtest.Restartable(t)
	url := server.URL()
	write := func(sql string) {
		conn, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	write("create table kept (n int); insert into kept values (1)")
	server.Kill()
	_, err := pgx.Connect(t.Context(), url)
	require.Error(t, err)
	server.Start()
	require.Equal(t, url, server.URL())
	write("do $$ begin assert (select n from kept) = 1; end $$")
}

func BenchmarkPool(b *testing.B) {
	for b.Loop() {
		b.Run("lend", func(b *testing.B) { pgtest.Pool(b) })
	}
}
