package postgres_test

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
	"daybook/adapters/postgres/pgtest"
)

func start(t *testing.T, cfg postgres.ServerConfig) *postgres.Server {
	t.Helper()
	server, err := postgres.Start(t.Context(), cfg)
	require.NoError(t, err)
	return server
}

func stop(t *testing.T, server *postgres.Server) {
	t.Helper()
	require.NoError(t, server.Stop(t.Context()))
	_, err := query(t, server.URL(), "select 'in'")
	require.ErrorContains(t, err, "connection refused")
}

// query runs a statement on a connection of its own and returns its one value as text.
func query(t *testing.T, address, sql string) (value string, err error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		return "", err
	}
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	err = conn.QueryRow(t.Context(), sql).Scan(&value)
	return value, err
}

func run(t *testing.T, address, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

func ask(t *testing.T, address, sql string) string {
	t.Helper()
	value, err := query(t, address, sql)
	require.NoError(t, err)
	return value
}

func changed(t *testing.T, address string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	change(u)
	return u.String()
}

// startElsewhere starts the server in another process, which is then killed: nobody stops the server.
func startElsewhere(t *testing.T, cfg postgres.ServerConfig) (pid int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessThatIsKilled$")
	cmd.Env = append(os.Environ(), "DAYBOOK_TEST_PLACE="+cfg.DataDir+"|"+cfg.ClusterDir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	_, err = fmt.Sscanf(lines.Text(), "postmaster %d", &pid)
	require.NoError(t, err, lines.Text())
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	return pid
}

// TestProcessThatIsKilled is the body of startElsewhere's process; in the test process it has nothing to do.
func TestProcessThatIsKilled(t *testing.T) {
	dataDir, clusterDir, asked := strings.Cut(os.Getenv("DAYBOOK_TEST_PLACE"), "|")
	if !asked {
		return
	}
	server := start(t, postgres.ServerConfig{DataDir: dataDir, ClusterDir: clusterDir})
	fmt.Printf("postmaster %d\n", server.PID())
	select {}
}

func TestServerKeepsItsDataPortAndPassword(t *testing.T) {
	t.Parallel()
	cfg := pgtest.Place(t)
	server := start(t, cfg)
	address := server.URL()
	run(t, address, "create table kept (n int); insert into kept values (7)")
	_, err := postgres.Start(t.Context(), cfg)
	require.ErrorContains(t, err, "another daybook process is using the database")
	stop(t, server)

	info, err := os.Stat(filepath.Join(cfg.DataDir, "postgres.password"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	server = start(t, cfg)
	require.Equal(t, address, server.URL())
	require.Equal(t, "7", ask(t, address, "select n::text from kept"))
	require.Equal(t, "127.0.0.1", ask(t, server.AdminURL(), "show listen_addresses"))
	stop(t, server)

	listener, err := net.Listen("tcp", changed(t, address, func(u *url.URL) { u.Scheme, u.User, u.Path, u.RawQuery = "", nil, "", "" })[2:])
	require.NoError(t, err)
	server = start(t, cfg)
	require.NotEqual(t, address, server.URL(), "the port was taken by somebody else")
	require.Equal(t, "7", ask(t, server.URL(), "select n::text from kept"))
	require.NoError(t, listener.Close())
	stop(t, server)
}

func TestRolesAreKeptApart(t *testing.T) {
	t.Parallel()
	server := start(t, pgtest.Place(t))
	require.Equal(t, "daybook/daybook", ask(t, server.URL(), "select current_user || '/' || current_database()"))
	require.Equal(t, "daybook_vault/daybook_vault", ask(t, server.VaultURL(), "select current_user || '/' || current_database()"))
	for _, pair := range [][2]string{{server.URL(), "daybook_vault"}, {server.VaultURL(), "daybook"}} {
		_, err := query(t, changed(t, pair[0], func(u *url.URL) { u.Path = pair[1] }), "select 'in'")
		require.ErrorContains(t, err, "permission denied for database")
	}
	for _, password := range []string{"", "wrong"} {
		_, err := query(t, changed(t, server.URL(), func(u *url.URL) { u.User = url.UserPassword("daybook", password) }), "select 'in'")
		require.Error(t, err, "password %q", password)
	}
	pool, err := postgres.Open(t.Context(), server.URL())
	require.NoError(t, err)
	pool.Close()
	pool, err = postgres.OpenVault(t.Context(), server.VaultURL())
	require.NoError(t, err)
	pool.Close()
	_, err = postgres.Open(t.Context(), changed(t, server.URL(), func(u *url.URL) { u.RawQuery += "&synchronous_commit=off" }))
	require.EqualError(t, err, "the database cannot be used: synchronous_commit is off")
	stop(t, server)
}

func TestARunningServerIsAdopted(t *testing.T) {
	t.Parallel()
	cfg := pgtest.Place(t)
	pid := startElsewhere(t, cfg)

	server := start(t, cfg)
	require.Equal(t, pid, server.PID())
	ask(t, server.URL(), "select 'served'")
	stop(t, server)

	pid = startElsewhere(t, cfg)
	require.NotEqual(t, pid, server.PID())
	password := filepath.Join(cfg.DataDir, "postgres.password")
	kept, err := os.ReadFile(password)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(password, []byte(strings.Repeat("another", 8)), 0o600))
	_, err = postgres.Start(t.Context(), cfg)
	require.ErrorContains(t, err, "does not take our password")
	require.NoError(t, os.WriteFile(password, kept, 0o600))

	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	server = start(t, cfg)
	require.NotEqual(t, pid, server.PID(), "a killed one leaves its pid file and is started anew")
	stop(t, server)

	// After a reboot the number in the pid file can be anybody's.
	stale := fmt.Sprintf("%d\n%s\n%d\n5432\n\n127.0.0.1\n", os.Getpid(), filepath.Join(cfg.ClusterDir, "data"), time.Now().Unix())
	require.NoError(t, os.WriteFile(filepath.Join(cfg.ClusterDir, "data", "postmaster.pid"), []byte(stale), 0o600))
	stop(t, start(t, cfg))
}

// Every one of them stays: it may hold the only vault of somebody's data.
func TestTheClustersOfDeletedDataDirectoriesAreSetAside(t *testing.T) {
	t.Parallel()
	cfg := pgtest.Place(t)
	startElsewhere(t, cfg)
	for n := range 3 {
		require.NoError(t, os.RemoveAll(cfg.DataDir))
		server := start(t, cfg)
		run(t, server.URL(), "create table fresh (n int)")
		stop(t, server)
		for i := range n + 1 {
			require.FileExists(t, filepath.Join(cfg.ClusterDir, fmt.Sprintf("data.orphan-%d", i+1), "PG_VERSION"))
		}
	}
}

// moved moves the data directory, and asks for no place of a cluster from now on.
func moved(t *testing.T, cfg postgres.ServerConfig) postgres.ServerConfig {
	t.Helper()
	to := cfg.DataDir + "-moved"
	require.NoError(t, os.Rename(cfg.DataDir, to))
	return postgres.ServerConfig{DataDir: to}
}

func TestAMovedDataDirectoryFindsItsCluster(t *testing.T) {
	t.Parallel()
	cfg := pgtest.Place(t)
	server := start(t, cfg)
	run(t, server.URL(), "create table kept (n int); insert into kept values (7)")
	stop(t, server)
	old := cfg
	cfg = moved(t, cfg)
	server = start(t, cfg)
	require.Equal(t, "7", ask(t, server.URL(), "select n::text from kept"))

	// A copy of it knows the same cluster, which takes one at a time.
	require.NoError(t, os.CopyFS(old.DataDir, os.DirFS(cfg.DataDir)))
	_, err := postgres.Start(t.Context(), postgres.ServerConfig{DataDir: old.DataDir})
	require.ErrorContains(t, err, "another daybook process is using the database in "+old.ClusterDir)
	stop(t, server)
}

// With the cluster inside, all of it is moved, here under the feet of a running server that nobody watches.
func TestAClusterInsideIsMovedToo(t *testing.T) {
	t.Parallel()
	cfg := pgtest.Place(t)
	require.NoError(t, os.Mkdir(cfg.DataDir, 0o755)) // as root, the server's user passes through
	cfg.ClusterDir = filepath.Join(cfg.DataDir, "postgres")
	startElsewhere(t, cfg)
	cfg = moved(t, cfg)
	server := start(t, cfg)
	require.Equal(t, filepath.Join(cfg.DataDir, "postgres", "data"), ask(t, server.AdminURL(), "show data_directory"))
	stop(t, server)
}

// A data directory at the place of one that was moved is another one.
func TestTheOldPathGetsAClusterOfItsOwn(t *testing.T) {
	t.Parallel()
	first := postgres.ServerConfig{DataDir: pgtest.Place(t).DataDir} // at its real place
	server := start(t, first)
	t.Cleanup(func() { require.NoError(t, server.Remove()) })
	run(t, server.URL(), "create table kept (n int); insert into kept values (7)")
	stop(t, server)
	inNew := moved(t, first)

	other := start(t, first)
	t.Cleanup(func() { require.NoError(t, other.Remove()) })
	_, err := query(t, other.URL(), "select n::text from kept")
	require.ErrorContains(t, err, "does not exist")
	server = start(t, inNew)
	require.Equal(t, "7", ask(t, server.URL(), "select n::text from kept"))
	stop(t, server)
	stop(t, other)
}

func TestALostClusterIsNotReplaced(t *testing.T) {
	t.Parallel()
	cfg := pgtest.Place(t)
	server := start(t, cfg)
	run(t, server.URL(), "create table kept (n int); insert into kept values (7)")
	stop(t, server)

	require.NoError(t, os.Rename(cfg.ClusterDir, cfg.ClusterDir+"-lost"))
	for _, at := range []string{"", cfg.ClusterDir} {
		_, err := postgres.Start(t.Context(), postgres.ServerConfig{DataDir: cfg.DataDir, ClusterDir: at})
		require.ErrorContains(t, err, "is missing: it was in "+filepath.Join(cfg.ClusterDir, "data")+" and holds the vault")
		require.NoDirExists(t, cfg.ClusterDir)
	}
	require.NoError(t, os.Rename(cfg.ClusterDir+"-lost", cfg.ClusterDir))

	password := filepath.Join(cfg.DataDir, "postgres.password")
	require.NoError(t, os.Rename(password, password+"-lost"))
	_, err := postgres.Start(t.Context(), cfg)
	require.ErrorContains(t, err, password+" is missing or damaged")
	require.NoError(t, os.Rename(password+"-lost", password))

	server = start(t, cfg)
	require.Equal(t, "7", ask(t, server.URL(), "select n::text from kept"))
	stop(t, server)
}

// A first start that was killed before the cluster was made is simply done again, in the place chosen then.
func TestAnUnfinishedFirstStartIsRepeated(t *testing.T) {
	t.Parallel()
	cfg := pgtest.Place(t)
	require.NoError(t, os.Mkdir(cfg.DataDir, 0o700))
	place := filepath.Join(cfg.DataDir, "postgres.place")
	require.NoError(t, os.WriteFile(place, []byte(cfg.ClusterDir+"\nbeing made\n"), 0o600))
	server := start(t, postgres.ServerConfig{DataDir: cfg.DataDir})
	require.Equal(t, filepath.Join(cfg.ClusterDir, "data"), ask(t, server.AdminURL(), "show data_directory"))
	stop(t, server)
	content, err := os.ReadFile(place)
	require.NoError(t, err)
	require.Equal(t, cfg.ClusterDir+"\n", string(content))
	require.NoError(t, os.WriteFile(place, []byte("\n"), 0o600))
	_, err = postgres.Start(t.Context(), cfg)
	require.ErrorContains(t, err, "does not name the directory of the database")
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	cfg := pgtest.Place(t)
	stop(t, start(t, cfg))
	cfg.Settings = map[string]string{"shared_buffers": "a lot"}
	_, err := postgres.Start(t.Context(), cfg)
	require.ErrorContains(t, err, `invalid value for parameter "shared_buffers"`)

	cfg.Settings = map[string]string{"fsync": "off", "full_page_writes": "off"}
	server := start(t, cfg)
	_, err = postgres.Open(t.Context(), server.URL())
	require.EqualError(t, err, "the database cannot be used: fsync is off; full_page_writes is off")
	stop(t, server)

	require.NoError(t, os.WriteFile(filepath.Join(cfg.ClusterDir, "data", "PG_VERSION"), []byte("9\n"), 0o600))
	_, err = postgres.Start(t.Context(), cfg)
	require.ErrorContains(t, err, "made by PostgreSQL 9")
}

func TestRemoveLeavesNothing(t *testing.T) {
	t.Parallel()
	dataDir := pgtest.Place(t).DataDir
	cfg := postgres.ServerConfig{DataDir: dataDir} // at its real place
	stop(t, start(t, cfg))
	cfg = moved(t, cfg)
	server := start(t, cfg)
	place := ask(t, server.AdminURL(), "show data_directory")
	require.DirExists(t, place)
	require.ErrorContains(t, server.Remove(), "another daybook process")
	stop(t, server)
	require.NoError(t, server.Remove())
	require.NoDirExists(t, filepath.Dir(place))
	server = start(t, cfg)
	stop(t, server)
	require.NoError(t, server.Remove())
}

// Clusters that were set aside are not part of what is removed.
func TestRemoveKeepsOrphans(t *testing.T) {
	t.Parallel()
	cfg := pgtest.Place(t)
	stop(t, start(t, cfg))
	require.NoError(t, os.RemoveAll(cfg.DataDir))
	server := start(t, cfg)
	stop(t, server)
	require.NoError(t, server.Remove())
	entries, err := os.ReadDir(cfg.ClusterDir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.FileExists(t, filepath.Join(cfg.ClusterDir, "data.orphan-1", "PG_VERSION"))
}
