package skeleton_test

import (
	"errors"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/cmd/daybook/skeleton"
)

const (
	listPath = "cmd/daybook/definitions.go"
	list     = `package main

import (
	"daybook/projections"
	"daybook/projections/audit"
	m "daybook/projections/messages" // a comment of its own
)

// definitions lists them.
func definitions() []projections.Definition {
	return []projections.Definition{
		m.Define,
		audit.Define, // a comment of its own
	}
}
`
)

// checkout is as much of a checkout as a skeleton needs.
func checkout(t *testing.T, list string) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, content := range map[string]string{
		"go.mod":                          "module daybook\n",
		"projections/audit/audit.go":      "package audit\n",
		"projections/projectiontest/s":    "",
		"readmodels/statistics/schema":    "",
		listPath:                          list,
		"cmd/daybook/verbs.go":            "package main\n\nfunc table() {}\n\ntype noun int\n\nfunc (noun) spoken() {}\n",
		"cmd/daybook/verbs_test.go":       "package main\n\nvar first, second = 1, 2\n",
		"cmd/daybook/process_test.go":     "package main_test\n\nfunc serve() {}\n",
		"cmd/daybook/demo/demo.go":        "package demo\n\nfunc play() {}\n",
		"docs/reference/configuration.md": "",
	} {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return root
}

// contents are the files of a checkout, and its folders.
func contents(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			found[strings.TrimPrefix(path, root)] = "a folder"
			return err
		}
		content, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, root)] = string(content)
		return err
	}))
	return found
}

func TestNamesThatAreRefused(t *testing.T) {
	t.Parallel()
	const rule = "is not 1 to 50 lower-case letters and digits, beginning with a letter"
	for name, want := range map[string]string{
		"":                      rule,
		"Replies":               rule,
		"response_times":        rule,
		"response-times":        rule,
		"2replies":              rule,
		"réponses":              rule,
		"../replies":            rule,
		"a/b":                   rule,
		"replies\n":             rule,
		strings.Repeat("r", 51): rule,
		"range":                 "is a keyword of Go",
		"string":                "is predeclared in Go",
		"min":                   "is predeclared in Go",
		"internal":              "has a meaning of its own to the go command",
		"main":                  "has a meaning of its own to the go command",
		"testdata":              "has a meaning of its own to the go command",
		"vendor":                "has a meaning of its own to the go command",
		"head":                  "is a name that the projection engine uses itself",
		"audit":                 "is taken: there is projections/audit",
		"projectiontest":        "is taken: there is projections/projectiontest",
		"statistics":            "is taken: there is readmodels/statistics",
		"table":                 "is taken: cmd/daybook/verbs.go declares it",
		"noun":                  "is taken: cmd/daybook/verbs.go declares it",
		"second":                "is taken: cmd/daybook/verbs_test.go declares it",
		"definitions":           "is taken: cmd/daybook/definitions.go declares it",
		"events":                "is taken: the code of the skeleton uses it for something else",
		"projections":           "is taken: the code of the skeleton uses it for something else",
		"readmodel":             "is taken: the code of the skeleton uses it for something else",
		"require":               "is taken: the code of the skeleton uses it for something else",
		"id":                    "is taken: the code of the skeleton uses it for something else",
		"p":                     "is taken: the code of the skeleton uses it for something else",
		"anna":                  "is taken: the code of the skeleton uses it for something else",
	} {
		root := checkout(t, list)
		before := contents(t, root)
		written, err := skeleton.New(root, name)
		_, isName := errors.AsType[*skeleton.NameError](err)
		require.Truef(t, isName, "%q: %v", name, err)
		require.ErrorContains(t, err, want)
		require.Empty(t, written)
		require.Equal(t, before, contents(t, root), name)
	}
}

// What another package or another file of the command declares is nobody's business.
func TestNamesThatAreFree(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "serve", "play", "spoken", "context", "pgx", "x0", strings.Repeat("r", 50)} {
		root := checkout(t, list)
		written, err := skeleton.New(root, name)
		require.NoError(t, err, name)
		require.Equal(t, []string{
			"readmodels/" + name + "/schema.sql", "readmodels/" + name + "/rows.go", "readmodels/" + name + "/" + name + ".go",
			"projections/" + name + "/" + name + ".go", "projections/" + name + "/" + name + "_test.go",
		}, written)
		for _, path := range written {
			content, err := os.ReadFile(filepath.Join(root, path))
			require.NoError(t, err)
			require.Contains(t, string(content), "CHANGE:", path)
			if strings.HasSuffix(path, ".go") {
				formatted, err := format.Source(content)
				require.NoError(t, err)
				require.Equal(t, string(formatted), string(content), path)
			}
		}
	}
}

// Besides its folders, a read model is one import and one line.
func TestTheListGrowsByOneLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, behind string }{
		{"alpha", "\t\"daybook/projections\"\n"},
		{"ledger", "\t\"daybook/projections/audit\"\n"},
		{"zulu", "\tm \"daybook/projections/messages\" // a comment of its own\n"},
	} {
		root := checkout(t, list)
		before := contents(t, root)
		_, err := skeleton.New(root, c.name)
		require.NoError(t, err)
		want := strings.Replace(list, c.behind, c.behind+"\t\"daybook/projections/"+c.name+"\"\n", 1)
		const last = "\t\taudit.Define, // a comment of its own\n"
		want = strings.Replace(want, last, last+"\t\t"+c.name+".Define,\n", 1)
		after := contents(t, root)
		require.Equal(t, want, after["/"+listPath])
		require.Len(t, after, len(before)+7, "two folders and five files")
	}
}

// TestAListThatLooksOtherwise is not touched; the files are written, and the error says what to add to it.
func TestAListThatLooksOtherwise(t *testing.T) {
	t.Parallel()
	for problem, changed := range map[string]string{
		"no function definitions":      strings.Replace(list, "definitions()", "others()", 1),
		"returns a list of Define":     strings.Replace(list, "audit.Define", "audit.Define()", 1),
		"not one a line":               strings.Replace(list, "audit.Define, // a comment of its own\n\t", "audit.Define", 1),
		"imports daybook/projections/": strings.Replace(list, "projections/audit", "projections/replies", 1),
	} {
		root := checkout(t, changed)
		written, err := skeleton.New(root, "replies")
		require.Len(t, written, 5)
		_, byHand := errors.AsType[*skeleton.ByHandError](err)
		require.Truef(t, byHand, "%s: %v", problem, err)
		require.ErrorContains(t, err, problem)
		require.ErrorContains(t, err, `cmd/daybook/definitions.go does not look as expected`)
		require.ErrorContains(t, err, "the import \"daybook/projections/replies\" and, in the list of definitions, the line\n\treplies.Define,")
		require.Equal(t, changed, contents(t, root)["/"+listPath])
	}
	root := checkout(t, list)
	require.NoError(t, os.Remove(filepath.Join(root, listPath)))
	_, err := skeleton.New(root, "replies")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, byHand := errors.AsType[*skeleton.ByHandError](err)
	require.True(t, byHand)
}

func TestNothingIsHalfWritten(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(root string) error{
		"no folder of projections": func(root string) error { return os.RemoveAll(filepath.Join(root, "projections")) },
		"no folder of read models": func(root string) error { return os.RemoveAll(filepath.Join(root, "readmodels")) },
		"a command that is broken": func(root string) error {
			return os.WriteFile(filepath.Join(root, "cmd/daybook/verbs.go"), []byte("package main\n\nfunc {"), 0o600)
		},
	} {
		root := checkout(t, list)
		require.NoError(t, spoil(root))
		before := contents(t, root)
		written, err := skeleton.New(root, "replies")
		require.Error(t, err, name)
		require.Empty(t, written)
		require.Equal(t, before, contents(t, root), name)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	root := checkout(t, list)
	_, err := skeleton.New(root, "replies")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "projections/replies/replies.go"), []byte("package replies // mine\n"), 0o600))
	before := contents(t, root)
	_, err = skeleton.New(root, "replies")
	require.ErrorContains(t, err, `NAME: "replies" is taken: there is readmodels/replies`)
	require.Equal(t, before, contents(t, root))
}

func TestACheckoutIsFoundFromWithin(t *testing.T) {
	t.Parallel()
	root := checkout(t, list)
	for _, folder := range []string{"", "projections", "docs/reference"} {
		found, err := skeleton.Root(filepath.Join(root, folder))
		require.NoError(t, err)
		require.Equal(t, root, found)
	}
	_, err := skeleton.Root(t.TempDir())
	require.ErrorContains(t, err, `run this in a checkout of module "daybook"`)
	require.ErrorContains(t, err, "there is no go.mod in ")

	other := "// Comment.\n\nmodule \"example.com/other\" // of somebody else\n"
	require.NoError(t, os.WriteFile(filepath.Join(root, "docs/go.mod"), []byte(other), 0o600))
	_, err = skeleton.Root(filepath.Join(root, "docs/reference"))
	require.ErrorContains(t, err, `is of module "example.com/other": run this in a checkout of module "daybook"`)
}
