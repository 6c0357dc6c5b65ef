package postgres

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The private server's roles and databases. Neither role can connect to the other's database.
const (
	roleAdmin     = "daybook_admin"
	roleApp       = "daybook"
	roleVault     = "daybook_vault"
	databaseApp   = "daybook"
	databaseVault = "daybook_vault"
	databaseAdmin = "postgres"
)

// ServerConfig says where a private server keeps its data. Only DataDir is required.
type ServerConfig struct {
	DataDir    string            // holds the password (mode 0600), says where the cluster is, and unless we are root holds it
	ClusterDir string            // where a new cluster goes; "" derives it from DataDir
	Settings   map[string]string // over ours
	Disposable bool              // for tests: no fsync, no password, and RequireDurable lets it pass
	Logger     *slog.Logger      // nil discards
}

// Server is a private PostgreSQL on loopback. It outlives a killed process: the next Start on the same directory adopts it.
type Server struct {
	cfg     ServerConfig
	cluster cluster
	secret  string
	lock    *os.File
	running postmaster
	exited  chan struct{} // closed when a server that we started is gone; nil for an adopted one
}

// Start starts the private server of a data directory, creating it on first use, or adopts the one that is running.
// The server is ready, with its roles and databases, when Start returns. A data directory may be moved. One whose cluster
// or whose password is gone is an error: what took its place would have an empty vault.
func Start(ctx context.Context, cfg ServerConfig) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	dataDir, err := filepath.Abs(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if err = makeDir(dataDir, 0o700); err != nil {
		return nil, err
	}
	if cfg.DataDir, err = filepath.EvalSymlinks(dataDir); err != nil {
		return nil, err
	}
	place, err := locate(cfg)
	if err != nil {
		return nil, err
	}
	lock, err := place.hold()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, cluster: place, lock: lock}
	if err = s.start(ctx); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	bin, err := s.ensureCluster(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	adopted, err := s.adopt(ctx)
	if err != nil {
		return err
	}
	if !adopted {
		if err = s.launch(ctx, bin); err != nil {
			return err
		}
	}
	if err = s.prepare(ctx); err != nil && !adopted {
		err = errors.Join(err, s.running.stop(context.WithoutCancel(ctx), s.cluster.data()))
	}
	return err
}

// ensureCluster makes the cluster if there is none, and returns the programs that fit it.
func (s *Server) ensureCluster(ctx context.Context) (bin binaries, err error) {
	if !s.cluster.remembered {
		if err = s.cluster.remember(s.cfg.DataDir, false); err != nil {
			return binaries{}, err
		}
	}
	if s.secret, err = s.ensureSecret(ctx); err != nil {
		return binaries{}, err
	}
	major, err := s.cluster.major()
	if err != nil {
		return binaries{}, err
	}
	if bin, err = newFinder(s.cluster.owner).find(ctx, major); err != nil {
		return binaries{}, err
	}
	if major == 0 {
		if err = s.cluster.create(ctx, bin, s.secret, s.cfg.Disposable); err != nil {
			return binaries{}, err
		}
	}
	if !s.cluster.remembered {
		err = s.cluster.remember(s.cfg.DataDir, true)
	}
	return bin, err
}

// ensureSecret reads the secret, or makes a new one. A cluster of an earlier one is out of the way by then.
func (s *Server) ensureSecret(ctx context.Context) (string, error) {
	secret, err := readSecret(s.cfg.DataDir)
	if err != nil || secret != "" {
		return secret, err
	}
	if s.cluster.remembered {
		return "", fmt.Errorf("%s is missing or damaged: put it back, it opens the database in %s",
			filepath.Join(s.cfg.DataDir, secretFile), s.cluster.base)
	}
	major, err := s.cluster.major()
	if err != nil {
		return "", err
	}
	if major != 0 {
		aside, err := s.cluster.setAside(ctx)
		if err != nil {
			return "", fmt.Errorf("setting aside the cluster of a deleted data directory: %w", err)
		}
		s.cfg.Logger.WarnContext(ctx, "the data directory has no password for its old cluster: starting a new one", "old", aside)
	}
	return newSecret(s.cfg.DataDir)
}

// adopt takes over a server that a killed process left running. It waits for one that is just starting or stopping.
func (s *Server) adopt(ctx context.Context) (bool, error) {
	var lastErr error
	for {
		found, ok := readPostmaster(s.cluster.data())
		if !ok {
			return false, nil
		}
		if !found.runsIn(s.cluster.data()) {
			if found.taken() { // a zombie, or another process by now: the server would take it for a postmaster
				return false, os.Remove(pidFile(s.cluster.data()))
			}
			return false, nil
		}
		s.running = found
		if lastErr = s.ping(ctx); lastErr == nil {
			s.cfg.Logger.InfoContext(ctx, "adopted the running PostgreSQL", "pid", found.pid, "port", found.port)
			return true, nil
		}
		if errors.Is(lastErr, fs.ErrNotExist) { // it serves our cluster by the name that it had before it was moved
			return false, found.stop(ctx, s.cluster.data())
		}
		if refused, isPg := errors.AsType[*pgconn.PgError](lastErr); isPg && strings.HasPrefix(refused.Code, "28") {
			return false, fmt.Errorf("postmaster %d holds %s and does not take our password: %w", found.pid, s.cluster.base, lastErr)
		}
		if pause(ctx) != nil {
			return false, fmt.Errorf("postmaster %d holds %s and does not answer on port %d: %w", found.pid, s.cluster.base, found.port, lastErr)
		}
	}
}

// launch runs a server until it answers. It moves to another port when the remembered one is taken, and waits for the
// last sessions of a killed server to notice that it is gone.
func (s *Server) launch(ctx context.Context, bin binaries) error {
	port, err := s.rememberedPort()
	if err != nil {
		return err
	}
	for {
		log, err := s.launchOnce(ctx, bin, port)
		switch {
		case err == nil:
			s.cfg.Logger.InfoContext(ctx, "started PostgreSQL", "version", bin.major, "port", port, "log", s.cluster.logFile())
			return s.rememberPort(port)
		case strings.Contains(log, "could not bind"):
			if port, err = freePort(); err != nil {
				return err
			}
		case strings.Contains(log, "pre-existing shared memory block"):
			if err = pause(ctx); err != nil {
				return fmt.Errorf("sessions of an earlier server still hold %s: %w", s.cluster.base, err)
			}
		default:
			return fmt.Errorf("starting PostgreSQL in %s: %w; its last words were:\n%s", s.cluster.base, err, log)
		}
	}
}

// launchOnce returns nil when the server answers, else why not and what it logged.
func (s *Server) launchOnce(ctx context.Context, bin binaries, port int) (logged string, err error) {
	log, offset, err := s.cluster.openLog()
	if err != nil {
		return "", err
	}
	defer log.Close() //nolint:errcheck // the server has its own handle
	cmd := s.cluster.command(ctx, bin.program("postgres"), s.arguments(port)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err = cmd.Start(); err != nil {
		return "", err
	}
	exited := make(chan struct{})
	var exit error
	go func() {
		exit = cmd.Wait()
		close(exited)
	}()
	s.running, s.exited = postmaster{cmd.Process.Pid, port}, exited
	for {
		if err = s.ping(ctx); err == nil {
			return "", nil
		}
		select {
		case <-exited:
			return s.cluster.logSince(offset), fmt.Errorf("it stopped at once (%w)", exit)
		case <-ctx.Done():
			return s.cluster.logSince(offset), errors.Join(ctx.Err(), err, s.running.stop(context.WithoutCancel(ctx), s.cluster.data()))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// arguments are settings for a laptop: durable, modest, on loopback only.
func (s *Server) arguments(port int) []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
		"port":                    strconv.Itoa(port),
		"max_connections":         "100",
		"shared_buffers":          "128MB",
		"max_wal_size":            "1GB",
		"fsync":                   "on",
		"full_page_writes":        "on",
		"synchronous_commit":      "on",
		"password_encryption":     "scram-sha-256",
		"jit":                     "off", // costs more than it gains on short queries
		"TimeZone":                "UTC",
		"log_timezone":            "UTC",
		"logging_collector":       "off",
	}
	if s.cfg.Disposable {
		maps.Copy(settings, map[string]string{
			"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
			"autovacuum_naptime": "1d", "max_connections": "400", "wal_level": "minimal", "max_wal_senders": "0",
			disposableSetting: "on",
		})
	}
	maps.Copy(settings, s.cfg.Settings)
	args := []string{"-D", s.cluster.data()}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// ping reports whether the running server takes our password and serves our cluster.
func (s *Server) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.AdminURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // only asked a question
	var dir string
	if err = conn.QueryRow(ctx, "select current_setting('data_directory')").Scan(&dir); err != nil {
		return err
	}
	served, err := os.Stat(dir)
	if err != nil {
		return err
	}
	ours, err := os.Stat(s.cluster.data())
	if err == nil && !os.SameFile(served, ours) {
		err = fmt.Errorf("port %d serves %s", s.running.port, dir)
	}
	return err
}

// Stop shuts the server down fast, whether it was started or adopted, and releases the data directory.
func (s *Server) Stop(ctx context.Context) error {
	err := s.running.stop(ctx, s.cluster.data())
	if err == nil && s.exited != nil {
		<-s.exited
	}
	return errors.Join(err, s.lock.Close())
}

// PID is the postmaster's process id.
func (s *Server) PID() int { return s.running.pid }

// URL connects as the application's role to its database. It contains a password.
func (s *Server) URL() string { return s.url(roleApp, databaseApp) }

// VaultURL connects as the vault's role to its database. It contains a password.
func (s *Server) VaultURL() string { return s.url(roleVault, databaseVault) }

// AdminURL connects as the superuser, for backups. It contains a password.
func (s *Server) AdminURL() string { return s.url(roleAdmin, databaseAdmin) }

func (s *Server) url(role, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, rolePassword(s.secret, role)),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.running.port)), Path: database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// rolePassword derives a role's password, so that one file holds them all.
func rolePassword(secret, role string) string {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "daybook/postgres/v1/"+role, 16)
	if err != nil {
		return "" // only for keys longer than 255 hashes; an empty password opens nothing
	}
	return hex.EncodeToString(key)
}

func (s *Server) rememberedPort() (int, error) {
	content, err := os.ReadFile(filepath.Join(s.cluster.base, "port"))
	if err != nil {
		return freePort()
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return freePort()
	}
	return port, nil
}

func (s *Server) rememberPort(port int) error {
	return writeDurably(filepath.Join(s.cluster.base, "port"), strconv.Itoa(port)+"\n")
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // instant
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener has a TCP address
	return port, listener.Close()
}
