package pgtest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

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
	_, err = pool.Exec(t.Context(), "select name, version, schema_name, phase from projections")
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

// A test binary that is killed takes its server with it.
func TestTheServerDiesWithAKilledProcess(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessThatIsKilled$")
	cmd.Env = append(os.Environ(), "DAYBOOK_TEST_KILLED=yes", "DAYBOOK_TEST_DATABASE_URL=")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	address := lines.Text()
	_, err = pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(t.Context(), address)
		return err != nil || conn.Close(t.Context()) != nil
	}, 30*time.Second, 20*time.Millisecond)
}

// TestProcessThatIsKilled is the body of the process above; in the test process it has nothing to do.
func TestProcessThatIsKilled(t *testing.T) {
	if os.Getenv("DAYBOOK_TEST_KILLED") == "" {
		return
	}
	fmt.Println(pgtest.URL(t))
	select {}
}
