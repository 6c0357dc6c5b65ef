package postgres

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema is where Daybook's own tables live, in each database, and the search path of every pool.
const Schema = "daybook"

// disposableSetting is how a test server says of itself that it may lose everything.
const disposableSetting = "daybook.disposable"

// Open connects to a database, refuses one that could lose what it acknowledged, and migrates the infrastructure tables.
// The caller closes the pool.
func Open(ctx context.Context, url string) (*pgxpool.Pool, error) {
	pool, err := OpenVault(ctx, url)
	if err != nil {
		return nil, err
	}
	if err = Migrate(ctx, pool, Schema); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// OpenVault connects to the vault's database with the same demands as Open: a data key that was handed out and then
// forgotten would take what was sealed under it along. The vault migrates its own tables.
func OpenVault(ctx context.Context, url string) (*pgxpool.Pool, error) {
	pool, err := Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	if err = RequireDurable(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// Connect opens a pool with bounds, in UTC, whose search path is Schema unless the URL names another. Limits in the URL
// (pool_max_conns and the like) win. It demands nothing of the server but an answer.
func Connect(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = int32(max(8, 4*runtime.GOMAXPROCS(0)))
	}
	cfg.ConnConfig.ConnectTimeout = 10 * time.Second
	parameters := cfg.ConnConfig.RuntimeParams
	parameters["TimeZone"] = "UTC"
	if parameters["search_path"] == "" {
		parameters["search_path"] = Schema
	}
	if parameters["application_name"] == "" {
		parameters["application_name"] = "daybook"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	if err = pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	return pool, nil
}

// RequireDurable refuses a server that is too old, or that may forget or tear what it acknowledged: checkpoints and rows
// would then disagree with the event store without anyone noticing.
func RequireDurable(ctx context.Context, pool *pgxpool.Pool) error {
	var version int
	var fsync, fullPages, commit, disposable string
	err := pool.QueryRow(ctx, `select current_setting('server_version_num')::int, current_setting('fsync'),
		current_setting('full_page_writes'), current_setting('synchronous_commit'), coalesce(current_setting($1, true), '')`,
		disposableSetting).Scan(&version, &fsync, &fullPages, &commit, &disposable)
	if err != nil {
		return fmt.Errorf("asking the database for its settings: %w", err)
	}
	var faults []string
	if version < MinimumMajor*10_000 {
		faults = append(faults, fmt.Sprintf("it is version %d, and %d is the oldest supported", version/10_000, MinimumMajor))
	}
	if disposable != "on" {
		for _, setting := range [][2]string{{"fsync", fsync}, {"full_page_writes", fullPages}, {"synchronous_commit", commit}} {
			if setting[1] == "off" {
				faults = append(faults, setting[0]+" is off")
			}
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("the database cannot be used: %s", strings.Join(faults, "; "))
	}
	return nil
}
