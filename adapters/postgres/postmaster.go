package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postmaster is what a cluster's postmaster.pid says.
type postmaster struct{ pid, port int }

// readPostmaster reads the pid file. A file that is missing or half written counts as none.
func readPostmaster(dataDir string) (postmaster, bool) {
	content, err := os.ReadFile(pidFile(dataDir))
	if err != nil {
		return postmaster{}, false
	}
	lines := strings.Split(string(content), "\n")
	if len(lines) < 4 {
		return postmaster{}, false
	}
	pid, pidErr := strconv.Atoi(strings.TrimSpace(lines[0]))
	port, portErr := strconv.Atoi(strings.TrimSpace(lines[3]))
	return postmaster{pid, port}, pidErr == nil && portErr == nil && pid > 1
}

func pidFile(dataDir string) string { return filepath.Join(dataDir, "postmaster.pid") }

// runsIn reports whether the process is alive and is the postmaster of this cluster. After a reboot or a kill the number
// may belong to any other process; a postmaster's working directory is its cluster.
func (p postmaster) runsIn(dataDir string) bool {
	if !p.exists() {
		return false
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.pid)); err == nil {
		resolved, err := filepath.EvalSymlinks(dataDir)
		return err == nil && cwd == resolved
	}
	if _, err := os.Stat("/proc/self"); err == nil {
		return false // there is a /proc, and it does not show us the process: it is not ours
	}
	out, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(p.pid)).Output() //nolint:noctx,gosec // instant, and the argument is a number
	return err == nil && strings.Contains(string(out), dataDir)
}

// exists reports whether the process is alive; a zombie is not.
func (p postmaster) exists() bool {
	if !p.taken() {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// taken reports whether the process number is in use, if only by a zombie or by somebody else.
func (p postmaster) taken() bool {
	err := syscall.Kill(p.pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// stop asks for a fast shutdown (sessions are cut, committed work is kept) and waits until the process is gone.
func (p postmaster) stop(ctx context.Context, dataDir string) error {
	if err := syscall.Kill(p.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping the postmaster %d: %w", p.pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for p.runsIn(dataDir) {
		if err := pause(ctx); err != nil {
			return fmt.Errorf("waiting for the postmaster %d to stop: %w", p.pid, err)
		}
	}
	return nil
}

// pause is the interval of every poll here: nothing tells us when another process starts or stops.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}
