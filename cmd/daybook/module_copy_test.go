package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// moduleCopy is a checkout of this module that a test may write to.
type moduleCopy struct {
	root string
}

// copyModule copies what the module is made of: go.mod, go.sum and the folders with Go code.
func copyModule(t *testing.T) moduleCopy {
	t.Helper()
	c := moduleCopy{t.TempDir()}
	for _, file := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join("../..", file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(c.root, file), content, 0o600))
	}
	for _, folder := range []string{"adapters", "cmd", "commands", "domain", "events", "projections", "readmodels"} {
		require.NoError(t, os.CopyFS(filepath.Join(c.root, folder), os.DirFS(filepath.Join("../..", folder))))
	}
	return c
}

// run runs a program in the copy and expects that it succeeds. Paths are trimmed, so that what the compiler has done for
// one copy serves the next.
func (c moduleCopy) run(t *testing.T, name string, arguments ...string) (printed string) {
	t.Helper()
	printed, err := c.try(t, name, arguments...)
	require.NoErrorf(t, err, "%s %s:\n%s", name, strings.Join(arguments, " "), printed)
	return printed
}

func (c moduleCopy) try(t *testing.T, name string, arguments ...string) (printed string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, arguments...)
	command.Dir = c.root
	command.Env = append(os.Environ(), "GOFLAGS=-trimpath -buildvcs=false", "PWD="+c.root)
	output, err := command.CombinedOutput()
	return string(output), err
}

// read is the content of a file of the copy.
func (c moduleCopy) read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.root, path))
	require.NoError(t, err)
	return string(content)
}
