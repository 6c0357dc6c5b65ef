// Package pgtest lends real PostgreSQL to tests: isolated schemas, whole databases, and servers that may be killed.
//
// One private server per test binary is started on first use, without fsync, and dies with the test process however that
// ends. DAYBOOK_TEST_DATABASE_URL names a server to use instead; its role must be allowed to create databases and roles,
// and a server without fsync must say so of itself (daybook.disposable = on in its configuration). A missing server
// fails the test: it never skips.
package pgtest

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
)

// Pool lends a pool whose search path is an empty schema of the test's own.
func Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	return connect(tb, URL(tb))
}

// Migrated lends a pool like Pool's, with the infrastructure tables in the schema.
func Migrated(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	lent := shelf(tb).schema(tb)
	pool := connect(tb, lent.url)
	require.NoError(tb, postgres.Migrate(tb.Context(), pool, lent.name))
	return pool
}

// URL lends an empty schema and returns a URL whose search path it is.
func URL(tb testing.TB) string {
	tb.Helper()
	return shelf(tb).schema(tb).url
}

// Database lends an empty database and returns its URL: for code that creates schemas of its own. The search path is
// the server's default. A vault database beside it (named with _vault) is dropped with it.
func Database(tb testing.TB) string {
	tb.Helper()
	return shelf(tb).database(tb).url
}

// connect opens a pool that is closed when the test ends. It is small: tests run in parallel on one server.
func connect(tb testing.TB, address string) *pgxpool.Pool {
	tb.Helper()
	pool, err := postgres.Connect(tb.Context(), with(address, "pool_max_conns", "8"))
	require.NoError(tb, err)
	tb.Cleanup(func() { closePool(tb, pool) })
	return pool
}

// closePool closes a pool, but does not wait for ever for a connection that a failed test never gave back: the failure
// would drown in a timeout.
func closePool(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		tb.Errorf("%d connections were not given back to the pool: rows not closed, or a transaction not ended", pool.Stat().AcquiredConns())
	}
}

// with adds a query parameter to a URL.
func with(address, name, value string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // the connection will say what is wrong with it
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// setup is the context of work that prepares or ends a loan: it must not die with the test.
func setup() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}
