package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestANewProjectionWorksAsItIs begins a read model in a copy of this module: it compiles, its test passes on Postgres,
// the command runs with it, and besides its folders two lines have changed.
func TestANewProjectionWorksAsItIs(t *testing.T) {
	t.Parallel()
	path, err := binary()
	require.NoError(t, err)
	module := copyModule(t)
	before := module.read(t, "cmd/daybook/definitions.go")

	printed := module.run(t, path, "projection", "new", "replies")
	for _, want := range []string{
		"wrote      readmodels/replies/schema.sql\n", "wrote      projections/replies/replies_test.go\n",
		"registered cmd/daybook/definitions.go\n", "  go test ./projections/replies\n",
	} {
		require.Contains(t, printed, want)
	}
	after := module.read(t, "cmd/daybook/definitions.go")
	for _, line := range []string{"\t\"daybook/projections/replies\"\n", "\t\treplies.Define,\n"} {
		require.Equal(t, 1, strings.Count(after, line))
		after = strings.Replace(after, line, "", 1)
	}
	require.Equal(t, before, after)

	require.Empty(t, module.run(t, "gofmt", "-l", "projections/replies", "readmodels/replies", "cmd/daybook"))
	module.run(t, "go", "vet", "./cmd/daybook", "./projections/replies", "./readmodels/replies")
	tested := module.run(t, "go", "test", "-v", "-timeout", "5m", "./projections/replies")
	for _, test := range []string{"TestConformance/RebuildEqualsLive", "TestMessagesAreCountedByConversation", "TestTheBusiestComeFirst"} {
		require.Contains(t, tested, "--- PASS: "+test)
	}

	refused, err := module.try(t, path, "projection", "new", "replies")
	require.Error(t, err)
	require.Equal(t, "daybook: NAME: \"replies\" is taken: there is readmodels/replies\n", refused)
}

func TestNewProjectionsWantACheckout(t *testing.T) {
	t.Parallel()
	path, err := binary()
	require.NoError(t, err)
	elsewhere := moduleCopy{t.TempDir()}
	said, err := elsewhere.try(t, path, "projection", "new", "replies")
	require.Error(t, err)
	require.Contains(t, said, `run this in a checkout of module "daybook"`)
	left, err := os.ReadDir(elsewhere.root)
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, os.WriteFile(filepath.Join(elsewhere.root, "go.mod"), []byte("module daybook\n"), 0o600))
	for _, folder := range []string{"projections", "readmodels"} {
		require.NoError(t, os.Mkdir(filepath.Join(elsewhere.root, folder), 0o700))
	}
	said, err = elsewhere.try(t, path, "projection", "new", "replies")
	require.Error(t, err)
	require.Contains(t, said, "wrote      projections/replies/replies.go\n")
	require.NotContains(t, said, "registered")
	require.Contains(t, said, "add to it, by hand, the import \"daybook/projections/replies\"")
}
