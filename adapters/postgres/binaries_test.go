package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// pretend makes a directory of programs that say they are of a version.
func pretend(t *testing.T, dir, version string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o750))
	for _, name := range []string{"postgres", "initdb"} {
		script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s (Somewhere 7.1)'\n", version)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700))
	}
	return dir
}

func TestFinder(t *testing.T) {
	t.Parallel()
	offline := func(context.Context) (string, error) { return "", errors.New("no network") }
	root := t.TempDir()
	inPath := pretend(t, filepath.Join(root, "path"), "16.2")
	for _, version := range []string{"9", "14", "15", "17"} {
		pretend(t, filepath.Join(root, "lib", version, "bin"), version+".1")
	}
	globs := []string{filepath.Join(root, "lib", "*", "bin")}

	tests := map[string]struct {
		finder finder
		major  int
		want   int
	}{
		"ThePathComesFirst":                   {finder{inPath, globs, offline}, 0, 16},
		"ThenTheNewest":                       {finder{root, globs, offline}, 0, 17},
		"AClusterNeedsItsOwnVersion":          {finder{inPath, globs, offline}, 15, 15},
		"EvenOneThatIsTooOldForANewOne":       {finder{inPath, globs, offline}, 14, 14},
		"ThenTheNetwork":                      {finder{root, nil, func(context.Context) (string, error) { return inPath, nil }}, 0, 16},
		"DirectoriesWithoutAServerAreSkipped": {finder{root + string(os.PathListSeparator) + inPath, nil, offline}, 0, 16},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := test.finder.find(t.Context(), test.major)
			require.NoError(t, err)
			require.Equal(t, test.want, found.major)
		})
	}
	t.Run("NothingSaysWhatToInstall", func(t *testing.T) {
		t.Parallel()
		_, err := finder{root, []string{filepath.Join(root, "lib", "[19]*[4|9]", "bin")}, offline}.find(t.Context(), 0)
		require.ErrorContains(t, err, "no PostgreSQL 15 or newer on this machine (found: 14 in")
		require.ErrorContains(t, err, "no network")
		require.ErrorContains(t, err, "apt-get install postgresql")
		require.ErrorContains(t, err, "DATABASE_URL")
	})
	t.Run("AClusterWithoutItsVersionSaysSo", func(t *testing.T) {
		t.Parallel()
		_, err := finder{inPath, nil, offline}.find(t.Context(), 12)
		require.ErrorContains(t, err, "made by PostgreSQL 12, which is not on this machine (found: 16 in")
	})
}
