package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/eventstoredb"
	"daybook/adapters/postgres"
	"daybook/projections"
)

// projectInto names the variable that turns a test into the process that is killed: the store and the database.
const projectInto = "DAYBOOK_TEST_PROJECT_INTO"

// TestProcessThatProjects is the body of that process, which says of each batch that it is committed; in the test process
// it has nothing to do.
func TestProcessThatProjects(t *testing.T) {
	connection, url, asked := strings.Cut(os.Getenv(projectInto), " ")
	if !asked {
		return
	}
	go func() { // it does not outlive the process that started it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	store, err := eventstoredb.Open(t.Context(), connection)
	require.NoError(t, err)
	pool, err := postgres.Open(t.Context(), url)
	require.NoError(t, err)
	engine, err := newProjector(store, pool, func(c projections.Committed) { fmt.Println(c.Schema) })
	require.NoError(t, err)
	require.NoError(t, engine.Run(t.Context()))
}

// projector is such a process.
type projector struct {
	command   *exec.Cmd
	said      bytes.Buffer // on stderr
	committed chan struct{}
	ended     chan error
}

// project starts the process and waits until it has committed something.
func (s *struggle) project(t *testing.T) *projector {
	t.Helper()
	p := &projector{
		command:   exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessThatProjects$"),
		committed: make(chan struct{}, 1), ended: make(chan error, 1),
	}
	p.command.Env = append(os.Environ(), projectInto+"="+s.store+" "+s.url)
	p.command.Stderr = &p.said
	stdout, err := p.command.StdoutPipe()
	require.NoError(t, err)
	_, err = p.command.StdinPipe() // ends when this process does
	require.NoError(t, err)
	require.NoError(t, p.command.Start())
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			select {
			case p.committed <- struct{}{}:
			default:
			}
		}
		p.ended <- p.command.Wait()
	}()
	select {
	case <-p.committed:
	case err := <-p.ended:
		require.FailNow(t, "it ended before it projected anything", "%v\n%s", err, &p.said)
	case <-time.After(time.Minute):
		require.FailNow(t, "it projects nothing")
	}
	return p
}

// kill ends the process as a power cut would, after a while, and returns 1 when that hits a rebuild.
func (p *projector) kill(t *testing.T, after time.Duration, replaying func(*testing.T) int) (hit int) {
	t.Helper()
	select {
	case <-time.After(after):
	case err := <-p.ended:
		require.FailNow(t, "it ended by itself", "%v\n%s", err, &p.said)
	}
	require.NoError(t, p.command.Process.Kill())
	require.Error(t, <-p.ended, "it was killed, it did not end by itself")
	return min(replaying(t), 1)
}
