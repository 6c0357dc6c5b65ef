package storecopy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/cmd/daybook/storecopy"
)

// childCopies names the variable that turns this test binary into the process that is killed: "FROM TO".
const childCopies = "DAYBOOK_TEST_COPY"

func TestMain(m *testing.M) {
	if folders := os.Getenv(childCopies); folders != "" {
		if err := copyFolders(strings.Fields(folders), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func copyFolders(folders []string, out io.Writer) error {
	from, err := embedded.Open(folders[0])
	if err != nil {
		return err
	}
	to, err := embedded.Open(folders[1])
	if err != nil {
		return errors.Join(err, from.Close())
	}
	cfg := config(from, to)
	cfg.Progress = func(p storecopy.Progress) { fmt.Fprintln(out, p.Phase, p.Events) }
	_, err = storecopy.Run(context.Background(), cfg)
	return errors.Join(err, from.Close(), to.Close())
}

// A process that copies is killed, again and again, in all phases. The last one finishes.
func TestKill(t *testing.T) {
	t.Parallel()
	kills, appends := 8, 400
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		kills, appends = 50, 4000
	}
	fromDir, toDir := t.TempDir(), t.TempDir()
	from, err := embedded.Open(fromDir)
	require.NoError(t, err)
	history(t, from, appends)
	want := contents(t, from)
	require.NoError(t, from.Close())

	killed := 0
	for n := range kills {
		if killWhileCopying(t, fromDir, toDir, 1+rand.IntN(2*len(want)*(n+1)/kills)) {
			killed++
		}
	}
	require.Positive(t, killed)
	require.NoError(t, copyFolders([]string{fromDir, toDir}, io.Discard))
	to, err := embedded.Open(toDir)
	require.NoError(t, err)
	require.Equal(t, want, contents(t, to))
	require.Equal(t, []string{"StoreCreated", "CopyBegun", "VaultBound", "CopyFinished"}, marks(t, to))
	require.NoError(t, to.Close())
}

// killWhileCopying kills the process once it has told of so many steps; false when it ends before.
func killWhileCopying(t *testing.T, fromDir, toDir string, steps int) bool {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childCopies+"="+fromDir+" "+toDir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines, last, seen := bufio.NewReader(out), "", 0
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if last, seen = line, seen+1; seen == steps {
			require.NoError(t, child.Process.Kill())
		}
	}
	err = child.Wait()
	if seen < steps {
		require.NoError(t, err)
	}
	t.Logf("%d steps, at %s: %v", seen, last, err)
	return err != nil
}
