package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
)

// library lends what tests of one binary share: databases, and schemas in one more database. What comes back is lent
// again, emptied first; so a failed test's tables can be looked at until then.
type library struct {
	server    string // URL of the server's maintenance database
	prefix    string // of the names of this binary's databases
	mu        sync.Mutex
	made      int
	schemas   []*loan
	databases []*loan
	home      *loan // the database of the schemas
}

// loan is a database or a schema. Its keeper is a connection that empties it and shows other test binaries on a shared
// server that it is in use.
type loan struct {
	name, url string
	keeper    *pgx.Conn
}

var open = sync.OnceValues(openLibrary)

func shelf(tb testing.TB) *library {
	tb.Helper()
	l, err := open()
	require.NoError(tb, err, "tests need PostgreSQL")
	return l
}

// databasePrefix marks the databases that any run of the tests may drop, once nobody is connected.
const databasePrefix = "daybook_test_"

func openLibrary() (*library, error) {
	ctx, cancel := setup()
	defer cancel()
	l := &library{server: os.Getenv("DAYBOOK_TEST_DATABASE_URL"), prefix: databasePrefix + strings.ToLower(rand.Text()[:8])}
	if l.server != "" {
		if err := l.sweep(ctx); err != nil {
			return nil, err
		}
	} else {
		tied, err := newLeashed()
		if err != nil {
			return nil, err
		}
		config := tied.config()
		config.Disposable = true
		server, err := postgres.Start(ctx, config)
		if err != nil {
			return nil, err
		}
		l.server = server.URL()
	}
	var err error
	l.home, err = l.newDatabase(ctx, l.prefix)
	return l, err
}

// sweep drops what earlier runs left on a given server. A database somebody is connected to refuses, and is kept.
func (l *library) sweep(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, l.server)
	if err != nil {
		return fmt.Errorf("DAYBOOK_TEST_DATABASE_URL: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is pending
	rows, err := conn.Query(ctx, "select datname from pg_database where starts_with(datname, $1)", databasePrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		_, _ = conn.Exec(ctx, "drop database if exists "+ident(name)) // one that is in use refuses: not ours to drop
	}
	return nil
}

func (l *library) newDatabase(ctx context.Context, name string) (*loan, error) {
	admin, err := pgx.Connect(ctx, l.server)
	if err != nil {
		return nil, err
	}
	defer admin.Close(ctx) //nolint:errcheck // nothing is pending
	if _, err = admin.Exec(ctx, "create database "+ident(name)+" template template0 encoding 'UTF8'"); err != nil {
		return nil, fmt.Errorf("creating a test database: %w", err)
	}
	address := inDatabase(l.server, name)
	keeper, err := pgx.Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	return &loan{name: name, url: address, keeper: keeper}, nil
}

// database lends a database until the test ends.
func (l *library) database(tb testing.TB) *loan {
	tb.Helper()
	ctx, cancel := setup()
	defer cancel()
	lent, name := l.take(&l.databases)
	var err error
	if lent != nil {
		err = l.emptyDatabase(ctx, lent)
	} else {
		lent, err = l.newDatabase(ctx, name)
	}
	require.NoError(tb, err)
	tb.Cleanup(func() { l.giveBack(&l.databases, lent) })
	return lent
}

// schema lends a schema until the test ends.
func (l *library) schema(tb testing.TB) *loan {
	tb.Helper()
	ctx, cancel := setup()
	defer cancel()
	lent, name := l.take(&l.schemas)
	if lent == nil {
		lent = &loan{name: name, url: with(l.home.url, "search_path", name)}
	}
	l.mu.Lock() // the keeper is one connection
	_, err := l.home.keeper.Exec(ctx, fmt.Sprintf("drop schema if exists %[1]s cascade; create schema %[1]s", ident(lent.name)))
	l.mu.Unlock()
	require.NoError(tb, err)
	tb.Cleanup(func() { l.giveBack(&l.schemas, lent) })
	return lent
}

// take returns what was given back, or nil and a fresh name.
func (l *library) take(from *[]*loan) (lent *loan, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := len(*from) - 1; last >= 0 {
		lent, *from = (*from)[last], (*from)[:last]
		return lent, lent.name
	}
	l.made++
	return nil, fmt.Sprintf("%s_%d", l.prefix, l.made)
}

func (l *library) giveBack(to *[]*loan, lent *loan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*to = append(*to, lent)
}

// emptyDatabase throws out sessions that the last borrower forgot, and drops every schema.
func (l *library) emptyDatabase(ctx context.Context, lent *loan) error {
	_, err := lent.keeper.Exec(ctx, `select pg_terminate_backend(pid, 5000) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid() and usename = current_user`)
	if err != nil {
		return fmt.Errorf("emptying a test database: %w", err)
	}
	rows, err := lent.keeper.Query(ctx, "select nspname from pg_namespace where nspname not like 'pg\\_%' and nspname <> 'information_schema'")
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	var statements strings.Builder
	for _, name := range names {
		fmt.Fprintf(&statements, "drop schema %s cascade;", ident(name))
	}
	if _, err = lent.keeper.Exec(ctx, statements.String()+"create schema public"); err != nil {
		return fmt.Errorf("emptying a test database: %w", err)
	}
	_, err = lent.keeper.Exec(ctx, "drop database if exists "+ident(lent.name+"_vault")+" with (force)")
	return err
}

func inDatabase(server, name string) string {
	before, query, _ := strings.Cut(server, "?")
	slash := strings.LastIndex(before, "/")
	return before[:slash+1] + name + "?" + query
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }
