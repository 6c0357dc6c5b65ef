package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	embedded "github.com/fergusstrange/embedded-postgres"
)

const fetchedVersion = embedded.V17

// fetchBinaries downloads a server, once per machine and user, and returns the directory of its programs.
func fetchBinaries(ctx context.Context, runAs *account) (string, error) {
	home, err := fetchHome(runAs)
	if err != nil {
		return "", err
	}
	target := filepath.Join(home, "postgres-"+string(fetchedVersion))
	bin := filepath.Join(target, "bin")
	if _, err = os.Stat(filepath.Join(bin, "initdb")); err == nil {
		return bin, nil
	}
	done := make(chan error, 1)
	go func() { done <- download(home, target) }() // the library knows no context
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case err = <-done:
		return bin, err
	}
}

// fetchHome is a directory that the server's user can read: a home directory of root is not.
func fetchHome(runAs *account) (string, error) {
	if runAs != nil {
		return systemDir, os.MkdirAll(systemDir, 0o755) //nolint:gosec // read by the unprivileged user
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "daybook")
	return cache, os.MkdirAll(cache, 0o700)
}

// download lets the library fetch and unpack. It offers no way to do only that, so a throw-away cluster is started and
// stopped; whether that part works (as root it cannot) is of no interest here.
func download(home, target string) error {
	scratch, err := os.MkdirTemp(home, "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // nothing depends on it
	port, err := freePort()
	if err != nil {
		return err
	}
	throwAway := embedded.NewDatabase(embedded.DefaultConfig().Version(fetchedVersion).CachePath(home).
		BinariesPath(target).RuntimePath(scratch).DataPath(filepath.Join(scratch, "data")).
		Port(uint32(port)).Logger(io.Discard))
	startErr := throwAway.Start()
	if startErr == nil {
		startErr = throwAway.Stop()
	}
	if _, err = os.Stat(filepath.Join(target, "bin", "initdb")); err != nil {
		return fmt.Errorf("downloading PostgreSQL %s: %w", fetchedVersion, errors.Join(startErr, err))
	}
	return os.Chmod(target, 0o755) //nolint:gosec // read by the unprivileged user
}
