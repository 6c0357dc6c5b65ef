package main_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A rule says what the packages under a folder may import of Daybook, directly or through others, and whether
// libraries are limited too. Nothing may import cmd.
type rule struct {
	folder    string
	ours      []string
	libraries []string // nil: any
}

var rules = []rule{
	{"events", []string{"events"}, []string{"github.com/google/uuid", "github.com/go-json-experiment/json"}},
	{"domain", []string{"domain", "events"}, []string{"github.com/google/uuid", "github.com/go-json-experiment/json", "golang.org/x/text"}},
	{"commands", []string{"commands", "domain", "events"}, nil},
	{"projections", []string{"projections", "readmodels", "events"}, nil},
	{"readmodels", []string{"readmodels", "events/id", "events/money"}, nil},
}

// testSupport is imported by tests only; it may know the adapters that it lends.
var testSupport = []string{"projections/projectiontest", "adapters/storetest"}

// TestImportsFollowTheArchitecture reads the transitive imports of every package.
func TestImportsFollowTheArchitecture(t *testing.T) {
	t.Parallel()
	standard := standardLibrary(t)
	seen := 0
	for path, dependencies := range packages(t) {
		if slices.Contains(testSupport, path) {
			continue
		}
		seen++
		for _, dependency := range dependencies {
			require.Emptyf(t, breach(path, dependency, standard), "%s imports %s", path, dependency)
		}
	}
	require.Greater(t, seen, 10, "go list found too few packages for this test to mean anything")
}

// TestBreachesAreFound makes sure that the test above can fail.
func TestBreachesAreFound(t *testing.T) {
	t.Parallel()
	standard := map[string]bool{"fmt": true}
	for _, c := range []struct {
		path, dependency string
		want             bool
	}{
		{"domain/account", "daybook/events", false},
		{"domain/account", "fmt", false},
		{"domain/account", "daybook/commands", true},
		{"domain/account", "github.com/jackc/pgx/v5", true},
		{"commands", "daybook/projections", true},
		{"projections/audit", "daybook/readmodels/audit", false},
		{"projections/audit", "daybook/domain/account", true},
		{"readmodels/audit", "daybook/events/id", false},
		{"readmodels/audit", "daybook/events", true},
		{"adapters/web", "daybook/adapters/web/client", false},
		{"adapters/web", "daybook/adapters/vault", true},
		{"adapters/web", "daybook/cmd/daybook/demo", true},
		{"cmd/daybook", "daybook/cmd/daybook/demo", false},
	} {
		require.Equalf(t, c.want, breach(c.path, c.dependency, standard) != "", "%s imports %s", c.path, c.dependency)
	}
}

// breach names the rule that an import breaks, or is empty.
func breach(path, dependency string, standard map[string]bool) string {
	ours, isOurs := strings.CutPrefix(dependency, "daybook/")
	switch {
	case standard[dependency] || ours == path:
		return ""
	case isOurs && within(ours, "cmd") && !within(path, "cmd"):
		return "nobody imports cmd"
	case isOurs && within(path, "adapters") && within(ours, "adapters") && folder(path, 2) != folder(ours, 2):
		return "adapters do not import one another"
	}
	for _, r := range rules {
		if !within(path, r.folder) {
			continue
		}
		allowed := r.libraries
		if isOurs {
			allowed = r.ours
		}
		if allowed == nil && !isOurs {
			return ""
		}
		for _, prefix := range allowed {
			if within(strings.TrimPrefix(dependency, "daybook/"), prefix) {
				return ""
			}
		}
		return r.folder + " may not import it"
	}
	return ""
}

func within(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

func folder(path string, depth int) string {
	parts := strings.Split(path, "/")
	return strings.Join(parts[:min(depth, len(parts))], "/")
}

// packages lists every package of the module with its transitive imports; test files are not counted.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for line := range golist(t, "-f", `{{.ImportPath}} {{join .Deps " "}}`, "daybook/...") {
		fields := strings.Fields(line)
		found[strings.TrimPrefix(fields[0], "daybook/")] = fields[1:]
	}
	return found
}

func standardLibrary(t *testing.T) map[string]bool {
	t.Helper()
	standard := map[string]bool{"C": true, "unsafe": true}
	for line := range golist(t, "std") {
		standard[line] = true
	}
	return standard
}

func golist(t *testing.T, arguments ...string) func(func(string) bool) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, arguments...)...).Output()
	require.NoError(t, err)
	return func(yield func(string) bool) {
		for line := range strings.Lines(string(output)) {
			if !yield(strings.TrimSpace(line)) {
				return
			}
		}
	}
}
