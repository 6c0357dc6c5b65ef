package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// account is the unprivileged user that a server runs as when we are root; nil means the current user.
type account struct {
	name     string
	uid, gid int
}

func runAs() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is the current user
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(found.Uid)
		gid, gidErr := strconv.Atoi(found.Gid)
		if err = errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &account{name, uid, gid}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// cluster is the place of one server on disk: base holds data/ (PGDATA), server.log, port and lock.
type cluster struct {
	base       string
	owner      *account
	remembered bool // the data directory says that it is here, and made
}

func (c cluster) data() string    { return filepath.Join(c.base, "data") }
func (c cluster) logFile() string { return filepath.Join(c.base, "server.log") }

// give hands a file to the server's user.
func (c cluster) give(path string) error {
	if c.owner == nil {
		return nil
	}
	return os.Chown(path, c.owner.uid, c.owner.gid)
}

// hold takes the cluster for this process, until the file is closed or the process is gone.
func (c cluster) hold() (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(c.base, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another daybook process is using the database in %s", c.base), file.Close())
	}
	return file, nil
}

// major is the version of the cluster on disk, 0 if there is none.
func (c cluster) major() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.data(), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("reading the version of %s: %w", c.data(), err)
	}
	return major, nil
}

// create makes a new cluster. It appears whole or not at all: a crash leaves only data.new, which the next start replaces.
func (c cluster) create(ctx context.Context, bin binaries, secret string, disposable bool) error {
	fresh := filepath.Join(c.base, "data.new")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	args := []string{"-D", fresh, "-U", roleAdmin, "-E", "UTF8", "--locale=C", "--no-instructions"}
	if disposable {
		args = append(args, "-A", "trust", "--no-sync", "--wal-segsize=1")
	} else {
		passwordFile := filepath.Join(c.base, "initdb.password")
		if err := os.WriteFile(passwordFile, []byte(rolePassword(secret, roleAdmin)), 0o600); err != nil {
			return err
		}
		defer os.Remove(passwordFile) //nolint:errcheck // the next start overwrites it
		if err := c.give(passwordFile); err != nil {
			return err
		}
		args = append(args, "-A", "scram-sha-256", "--pwfile", passwordFile)
	}
	if out, err := c.command(ctx, bin.program("initdb"), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("creating the cluster in %s: %w\n%s", c.base, err, bytes.TrimSpace(out))
	}
	return renameDurably(fresh, c.data())
}

// setAside moves away a cluster whose data directory was deleted: its passwords went with it. Each gets a name of its
// own and stays, because deleting data is for people to do.
func (c cluster) setAside(ctx context.Context) (string, error) {
	if pm, found := readPostmaster(c.data()); found && pm.runsIn(c.data()) {
		if err := pm.stop(ctx, c.data()); err != nil {
			return "", err
		}
	}
	for n := 1; ; n++ {
		aside := filepath.Join(c.base, orphan+"-"+strconv.Itoa(n))
		taken, err := exists(aside)
		if err != nil {
			return "", err
		}
		if !taken {
			return aside, renameDurably(c.data(), aside)
		}
	}
}

// orphan begins the names of clusters that were set aside.
const orphan = "data.orphan"

// command prepares a program of the server, run as the server's user and deaf to the terminal's signals, with none of
// the caller's PG… variables. It outlives ctx: a server is stopped, not cancelled.
func (c cluster) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	cmd.Dir = c.base
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if c.owner != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(c.owner.uid), Gid: uint32(c.owner.gid)}
	}
	return cmd
}

// openLog opens the server's log for appending and says where the new part begins. A big log is turned over first.
func (c cluster) openLog() (*os.File, int64, error) {
	const limit = 16 << 20
	if info, err := os.Stat(c.logFile()); err == nil && info.Size() > limit {
		if err = os.Rename(c.logFile(), c.logFile()+".1"); err != nil {
			return nil, 0, err
		}
	}
	file, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// logSince returns the last lines that the server logged after offset.
func (c cluster) logSince(offset int64) string {
	const lines = 20
	content, err := os.ReadFile(c.logFile())
	if err != nil || int64(len(content)) < offset {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(content[offset:])), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// patience bounds every wait for a server to start, stop or answer.
const patience = 60 * time.Second
