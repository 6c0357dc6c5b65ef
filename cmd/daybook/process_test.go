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

	"daybook/adapters/embedded"
	"daybook/adapters/eventstoredb"
	"daybook/adapters/storetest"
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

// book is the event store of a test: the one in the data folder or, with DAYBOOK_TEST_STORE=eventstoredb, the same one
// behind the endpoint, which outlives the processes that use it.
type book struct {
	data       string
	connection string // empty: in the data folder
}

func newBook(t *testing.T, data string) *book {
	t.Helper()
	b := &book{data: data}
	if storetest.Remote(t) {
		store, err := embedded.Open(data+"/store", embedded.MaxAppendBytes(8<<20))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		b.connection, _ = storetest.Serve(t, store)
	}
	return b
}

// environment is what a process needs to use it, and to stay out of the way of others.
func (b *book) environment() []string {
	return []string{
		"DAYBOOK_LISTEN=127.0.0.1:0", "DAYBOOK_STORE_LISTEN=off", "DAYBOOK_DATA=" + b.data, "DAYBOOK_EVENTSTORE=" + b.connection,
	}
}

// open opens it when no process uses it any more.
func (b *book) open(t *testing.T) storetest.Store {
	t.Helper()
	var store storetest.LentStore
	var err error
	if b.connection == "" {
		store, err = embedded.Open(b.data + "/store")
	} else {
		store, err = eventstoredb.Open(t.Context(), b.connection)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
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
	return launch(t, environment, served, "serve")
}

// served is what it says then.
func served(line string) (base string, says bool) {
	return strings.CutPrefix(line, "Daybook serves on ")
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
	return start(t, path, environment, reached, arguments...)
}

// start does that with any binary.
func start(t *testing.T, path string, environment []string, reached func(line string) (string, bool), arguments ...string) *process {
	t.Helper()
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
