package storetest_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/eventstoredb"
	"daybook/adapters/storetest"
)

// server names an EventStoreDB, or what claims to be one, to be tested too: a connection string. "go test -c" of this
// package is a program that does it anywhere: DAYBOOK_TEST_EVENTSTORE=esdb://… ./storetest.test -test.run TestServer
const server = "DAYBOOK_TEST_EVENTSTORE"

func TestEmbedded(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Store { return storetest.LendEmbedded(t) })
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Store { return storetest.LendRemote(t) })
}

func TestServer(t *testing.T) {
	t.Parallel()
	if connection := os.Getenv(server); connection != "" {
		storetest.Run(t, func(t *testing.T) storetest.Store { return connect(t, connection) })
	}
}

func connect(t *testing.T, connection string) storetest.Store {
	t.Helper()
	store, err := eventstoredb.Open(t.Context(), connection)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// TestProgram builds that program, looks that it needs nothing of the machine, and lets it judge a server. It takes a
// linker's time, so only long runs have it; the program itself does not do so again.
func TestProgram(t *testing.T) {
	t.Parallel()
	if os.Getenv("DAYBOOK_TEST_LONG") != "1" || os.Getenv(server) != "" {
		return
	}
	program := filepath.Join(t.TempDir(), "storetest.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))

	binary, err := elf.Open(program)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, binary.Close()) })
	libraries, err := binary.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries)
	for _, part := range binary.Progs {
		require.NotEqual(t, elf.PT_INTERP, part.Type, "it wants a dynamic linker")
	}

	connection, _ := storetest.Serve(t, storetest.LendEmbedded(t))
	judge := exec.CommandContext(t.Context(), program, "-test.run", "^TestServer$", "-test.v")
	judge.Dir, judge.Env = t.TempDir(), append(os.Environ(), server+"="+connection)
	output, err = judge.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), "--- PASS: TestServer/Linearisable")
}
