package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
)

// childDir names the variable that turns this test binary into the process that is killed.
const childDir = "DAYBOOK_TEST_APPEND_TO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := appendForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// appendForEver appends from several goroutines and prints the id of each event once it is acknowledged.
func appendForEver(dir string) error {
	store, err := embedded.Open(dir)
	if err != nil {
		return err
	}
	var out sync.Mutex
	failed := make(chan error)
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				proposed := notes(1 + i%3)
				if _, err := store.Append(context.Background(), fmt.Sprintf("stream-%d", w), events.Any, proposed); err != nil {
					failed <- err
				}
				out.Lock()
				for _, e := range proposed {
					fmt.Println(e.ID)
				}
				out.Unlock()
			}
		}()
	}
	return <-failed
}

// A process is killed while it appends, again and again. Whatever it had acknowledged is in the store exactly once, and
// every stream is whole.
func TestKill(t *testing.T) {
	t.Parallel()
	dir, cycles, acked := t.TempDir(), 4, []string(nil)
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		cycles = 50
	}
	for range cycles {
		acked = append(acked, killWhileAppending(t, dir)...)
		store, err := embedded.Open(dir)
		require.NoError(t, err)
		seen, next := map[string]int{}, map[string]uint64{}
		for _, r := range readAll(t, store, events.Start) {
			seen[r.ID.String()]++
			require.Equal(t, next[r.Stream], r.Revision, "revisions have no holes")
			next[r.Stream]++
		}
		for _, eventID := range acked {
			require.Equal(t, 1, seen[eventID], "acknowledged event %s", eventID)
		}
		require.NoError(t, store.Close())
	}
}

// killWhileAppending returns the ids that a process acknowledged before it was killed.
func killWhileAppending(t *testing.T, dir string) (acked []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	killAt := 1 + rand.IntN(3000)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) { // half a line is no acknowledgement
			break
		}
		require.NoError(t, err)
		acked = append(acked, line[:len(line)-1])
		if len(acked) == killAt {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait())
	require.GreaterOrEqual(t, len(acked), killAt, "it was killed, it did not end by itself")
	return acked
}

// A directory that another process has open is refused, with an error that says so.
func TestDirectoryInUseElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	_, err = bufio.NewReader(out).ReadString('\n') // it is open by now
	require.NoError(t, err)

	_, err = embedded.Open(dir)
	var inUse *embedded.InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, dir, inUse.Dir)
	require.ErrorContains(t, err, "already open in another process")

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	store := open(t, dir)
	require.NotEmpty(t, readAll(t, store, events.Start))
}
