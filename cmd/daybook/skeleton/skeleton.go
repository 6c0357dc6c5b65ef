// Package skeleton begins a read model in a checkout of Daybook: its two folders, complete and with a test that passes,
// and its line of registration. What is to be changed in them says CHANGE.
package skeleton

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// Module is the module that a checkout is of.
const Module = "daybook"

//go:embed *.tmpl
var templates embed.FS

// parts are the files of a read model, and what each is made from. NAME stands for its name.
var parts = []struct{ path, template string }{
	{"readmodels/NAME/schema.sql", "schema.sql.tmpl"},
	{"readmodels/NAME/rows.go", "rows.go.tmpl"},
	{"readmodels/NAME/NAME.go", "readmodel.go.tmpl"},
	{"projections/NAME/NAME.go", "projection.go.tmpl"},
	{"projections/NAME/NAME_test.go", "projection_test.go.tmpl"},
}

// file is what is to be written, by its path in the checkout.
type file struct {
	path    string
	content []byte
}

// New begins the read model of that name in the checkout at root, and returns the files it wrote. Nothing that is there
// is overwritten, and an error leaves nothing behind, with one exception: a *ByHandError tells that the files are there
// and what is to be added by hand to register the projection.
func New(root, name string) (written []string, err error) {
	if err := checkName(root, name); err != nil {
		return nil, err
	}
	files, err := render(name)
	if err != nil {
		return nil, err
	}
	registered, registerErr := register(root, name)
	if byHand := (*ByHandError)(nil); registerErr != nil && !errors.As(registerErr, &byHand) {
		return nil, registerErr
	}
	if err := write(root, files, registered); err != nil {
		return nil, err
	}
	for _, f := range files {
		written = append(written, f.path)
	}
	return written, registerErr
}

// Root finds the checkout that a folder is in.
func Root(folder string) (string, error) {
	for at := folder; ; at = filepath.Dir(at) {
		content, err := os.ReadFile(filepath.Join(at, "go.mod"))
		switch {
		case err == nil && moduleOf(content) == Module:
			return at, nil
		case err == nil:
			return "", fmt.Errorf("%s is of module %q: run this in a checkout of module %q", filepath.Join(at, "go.mod"), moduleOf(content), Module)
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("looking for the module: %w", err)
		case at == filepath.Dir(at):
			return "", fmt.Errorf("there is no go.mod in %s or above it: run this in a checkout of module %q", folder, Module)
		}
	}
}

// moduleOf is the name in the module line of a go.mod.
func moduleOf(gomod []byte) string {
	for line := range strings.Lines(string(gomod)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "module" {
			return strings.Trim(words[1], `"`)
		}
	}
	return ""
}

// render makes the files. Go is formatted, because where an import stands depends on the name.
func render(name string) ([]file, error) {
	var files []file
	for _, part := range parts {
		source, err := template.ParseFS(templates, part.template)
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		if err := source.Execute(&out, name); err != nil {
			return nil, err
		}
		f := file{strings.ReplaceAll(part.path, "NAME", name), out.Bytes()}
		if strings.HasSuffix(f.path, ".go") {
			if f.content, err = format.Source(f.content); err != nil {
				return nil, fmt.Errorf("%s: %w", part.template, err)
			}
		}
		files = append(files, f)
	}
	return files, nil
}

// write writes the files into folders that it makes itself, so that nothing can be overwritten, and last, when all the
// others are there, the list that names them. What it made is removed when it fails.
func write(root string, files []file, list *file) (err error) {
	var made []string
	defer func() {
		if err != nil {
			for _, path := range made {
				err = errors.Join(err, os.RemoveAll(path))
			}
		}
	}()
	for _, f := range files {
		path := filepath.Join(root, f.path)
		if folder := filepath.Dir(path); !slices.Contains(made, folder) {
			if err = os.Mkdir(folder, 0o755); err != nil { //nolint:gosec // source code is for everybody
				return err
			}
			made = append(made, folder)
		}
		if err = os.WriteFile(path, f.content, 0o644); err != nil { //nolint:gosec // the same
			return err
		}
	}
	if list == nil {
		return nil
	}
	return replace(filepath.Join(root, list.path), list.content)
}

// replace puts a file in the place of another at once.
func replace(path string, content []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = next.Write(content)
	err = errors.Join(err, next.Chmod(0o644), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(next.Name()))
	}
	return err
}
