package skeleton

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"daybook/projections"
)

// validName is what may be the name of a projection as well as that of a Go package: linters refuse underscores there.
var validName = regexp.MustCompile(`^[a-z][a-z0-9]{0,49}$`)

// special are names of folders to which Go gives a meaning of its own, and of packages that cannot be imported.
var special = []string{"internal", "main", "testdata", "vendor"}

// NameError says why a name cannot be had.
type NameError struct{ Name, Rule string }

func (e *NameError) Error() string { return fmt.Sprintf("NAME: %q %s", e.Name, e.Rule) }

// checkName refuses what would not compile, and what is there.
func checkName(root, name string) error {
	switch {
	case !validName.MatchString(name):
		return &NameError{name, "is not 1 to 50 lower-case letters and digits, beginning with a letter: it becomes a Go package and a Postgres schema"}
	case token.IsKeyword(name):
		return &NameError{name, "is a keyword of Go"}
	case types.Universe.Lookup(name) != nil:
		return &NameError{name, "is predeclared in Go"}
	case name == projections.Reserved:
		return &NameError{name, "is a name that the projection engine uses itself"}
	case slices.Contains(special, name):
		return &NameError{name, "has a meaning of its own to the go command"}
	}
	for _, folder := range []string{"readmodels", "projections"} {
		_, err := os.Lstat(filepath.Join(root, folder, name))
		if err == nil {
			return &NameError{name, "is taken: there is " + folder + "/" + name}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return checkScopes(root, name)
}

// checkScopes refuses what would be declared twice in a file that imports the projection or its read model: those of the
// skeleton, and the list in the command, where imports share their names with what the whole package declares.
func checkScopes(root, name string) error {
	used, err := usedBySkeleton()
	if err != nil {
		return err
	}
	if used[name] {
		return &NameError{name, "is taken: the code of the skeleton uses it for something else"}
	}
	declared, err := declaredByCommand(root)
	if err != nil {
		return err
	}
	if place := declared[name]; place != "" {
		return &NameError{name, "is taken: " + place + " declares it, and imports the projection under its name"}
	}
	return nil
}

// usedBySkeleton are all words in those files of a skeleton that import its packages.
func usedBySkeleton() (map[string]bool, error) {
	const stranger = "x0" // is none of them
	files, err := render(stranger)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, f := range files {
		if !strings.HasPrefix(f.path, "projections/") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.path, f.content, 0)
		if err != nil {
			return nil, err
		}
		for node := range ast.Preorder(parsed) {
			if word, ok := node.(*ast.Ident); ok && word.Name != stranger {
				used[word.Name] = true
			}
		}
	}
	return used, nil
}

// declaredByCommand says where the command declares what.
func declaredByCommand(root string) (map[string]string, error) {
	paths, err := filepath.Glob(filepath.Join(root, commandFolder, "*.go"))
	if err != nil {
		return nil, err
	}
	declared := map[string]string{}
	for _, path := range paths {
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("looking for names that are taken: %w", err)
		}
		if parsed.Name.Name != "main" {
			continue
		}
		for _, name := range declarations(parsed) {
			declared[name] = commandFolder + "/" + filepath.Base(path)
		}
	}
	return declared, nil
}

// declarations are the names that a file declares for its package.
func declarations(parsed *ast.File) (names []string) {
	for _, declaration := range parsed.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, s.Name.Name)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}
