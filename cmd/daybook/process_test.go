package main_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// binary builds the real binary once for all tests of this package.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "daybook-binary-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "daybook")
	output, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: string(output), Err: err}
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// process is a running `daybook serve` or `daybook store serve`.
type process struct {
	command *exec.Cmd
	base    string        // how to reach it
	printed *bytes.Buffer // on stdout, complete once it serves
	stderr  *bytes.Buffer
	ended   chan error
}

// serve starts the binary and waits until it says that it serves.
func serve(t *testing.T, environment ...string) *process {
	t.Helper()
	return launch(t, environment, func(line string) (string, bool) { return strings.CutPrefix(line, "Daybook serves on ") }, "serve")
}

// serveStore starts a plain store and waits until it says how to connect to it.
func serveStore(t *testing.T, listen, data string) *process {
	t.Helper()
	connection := func(line string) (string, bool) { return line, strings.HasPrefix(line, "esdb://") }
	return launch(t, nil, connection, "store", "serve", "--listen", listen, "--data", data)
}

// launch starts the binary and waits until it prints how to reach it.
func launch(t *testing.T, environment []string, reached func(line string) (string, bool), arguments ...string) *process {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	p := &process{command: exec.Command(path, arguments...), printed: &bytes.Buffer{}, stderr: &bytes.Buffer{}, ended: make(chan error, 1)}
	p.command.Env = append(os.Environ(), environment...)
	p.command.Stderr = p.stderr
	stdout, err := p.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.command.Start())
	t.Cleanup(func() { _ = p.command.Process.Kill() })

	serving := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.printed.WriteString(lines.Text() + "\n")
			if base, ok := reached(lines.Text()); ok {
				serving <- base
			}
		}
		p.ended <- p.command.Wait()
	}()
	select {
	case p.base = <-serving:
	case err := <-p.ended:
		require.FailNow(t, "it ended before it served", "%v\n%s", err, p.stderr)
	case <-t.Context().Done():
		require.FailNow(t, "it did not come up", p.stderr.String())
	}
	return p
}

// kill ends the process as a power cut would, except that the machine stays.
func (p *process) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.command.Process.Signal(syscall.SIGKILL))
	<-p.ended
}

// stop asks the process to end and expects that it does, without complaint.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-p.ended, p.stderr)
}

// daybook runs a verb to its end and returns what it printed.
func daybook(ctx context.Context, t *testing.T, environment []string, arguments ...string) (string, error) {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	command := exec.CommandContext(ctx, path, arguments...)
	command.Env = append(os.Environ(), environment...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return stderr.String(), err
	}
	return string(output), nil
}
