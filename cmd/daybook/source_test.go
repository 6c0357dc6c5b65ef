package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A source is one Go file of the module.
type source struct {
	*ast.File

	folder string // from the module's root, with slashes
	test   bool
}

// sources reads the Go files of the module.
func sources(t *testing.T) []source {
	t.Helper()
	const root = "../.."
	var all []source
	files := token.NewFileSet()
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || len(entry.Name()) > 2 && strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		all = append(all, source{file, filepath.ToSlash(folder), strings.HasSuffix(path, "_test.go")})
		return err
	}))
	require.Greater(t, len(all), 400, "too few files for this to mean anything")
	return all
}

// tests lists the test functions of a file.
func (s source) tests() []*ast.FuncDecl {
	var found []*ast.FuncDecl
	for _, d := range s.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && s.test && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
			found = append(found, f)
		}
	}
	return found
}
