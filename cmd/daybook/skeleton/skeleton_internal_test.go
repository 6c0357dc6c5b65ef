package skeleton

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFilesGoWhenTheListCannotBeWritten: it is written last.
func TestFilesGoWhenTheListCannotBeWritten(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, folder := range []string{"projections", "readmodels"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, folder), 0o700))
	}
	files, err := render("replies")
	require.NoError(t, err)
	require.Error(t, write(root, files, &file{path: "nowhere/definitions.go"}))
	for _, folder := range []string{"projections", "readmodels"} {
		left, err := os.ReadDir(filepath.Join(root, folder))
		require.NoError(t, err)
		require.Empty(t, left)
	}

	require.NoError(t, os.MkdirAll(filepath.Join(root, "cmd/definitions.go/folder"), 0o700))
	require.Error(t, write(root, files, &file{path: "cmd/definitions.go"}), "a folder is in its place")
	left, err := os.ReadDir(filepath.Join(root, "cmd"))
	require.NoError(t, err)
	require.Len(t, left, 1)
}
