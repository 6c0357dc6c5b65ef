package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
)

// leashed is a directory for one server, tied to this process.
type leashed struct {
	dir   string
	leash io.Closer // closed by us, or by the kernel when this process is gone
}

// leash waits in a process of its own until its standard input ends, which happens even when this process is killed.
// Then it stops the server and removes the directory. A server that was just being started finds its directory gone and
// stops by itself.
const leash = `
cat >/dev/null
pid=$(head -n 1 "$1/cluster/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -QUIT "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
	kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1"
`

func newLeashed() (*leashed, error) {
	dir, err := os.MkdirTemp("", "daybook-pgtest-")
	if err != nil {
		return nil, err
	}
	if err = os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as root, the server's user passes through
		return nil, err
	}
	cmd := exec.Command("sh", "-c", leash, "sh", dir) //nolint:noctx,gosec // it outlives every context of ours; the script is a constant
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err = cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the leash of a test server: %w", err), os.RemoveAll(dir))
	}
	go cmd.Wait() //nolint:errcheck // reaps it; what it says is of no use here
	return &leashed{dir, hold}, nil
}

func (l *leashed) config() postgres.ServerConfig {
	return postgres.ServerConfig{DataDir: filepath.Join(l.dir, "home"), ClusterDir: filepath.Join(l.dir, "cluster")}
}

// Server is a durable server (fsync on) of one test's own, which may be killed.
type Server struct {
	tb      testing.TB
	config  postgres.ServerConfig
	mu      sync.Mutex
	running *postgres.Server
}

// Place lends a place for a server that the test starts itself. Whatever runs there when the test ends is stopped.
func Place(tb testing.TB) postgres.ServerConfig {
	tb.Helper()
	tied, err := newLeashed()
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, tied.leash.Close()) })
	return tied.config()
}

// Restartable lends a running server of the test's own, with fsync on. It goes away with the test.
func Restartable(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, config: Place(tb)}
	s.Start()
	return s
}

// URL connects to the server as the application's role. It stays the same across Kill and Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running.URL()
}

// VaultURL connects as the vault's role to the vault's database.
func (s *Server) VaultURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running.VaultURL()
}

// Kill ends the postmaster with SIGKILL. Its sessions notice and end too, in their own time: what they were doing may or
// may not be committed.
func (s *Server) Kill() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NoError(s.tb, syscall.Kill(s.running.PID(), syscall.SIGKILL))
	require.NoError(s.tb, s.running.Stop(context.Background())) // waits for the process and releases the directory
}

// Start runs the server again, on the same port, and returns when it has recovered.
func (s *Server) Start() {
	s.tb.Helper()
	ctx, cancel := setup()
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	running, err := postgres.Start(ctx, s.config)
	require.NoError(s.tb, err)
	s.running = running
}
