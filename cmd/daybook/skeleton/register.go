package skeleton

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// commandFolder is where the projections are registered, and listPath the file.
const (
	commandFolder = "cmd/daybook"
	listPath      = commandFolder + "/definitions.go"
)

// ByHandError says that the list of projections is not as it was expected, and what is to be added to it.
type ByHandError struct {
	Name string
	Why  error
}

func (e *ByHandError) Error() string {
	return fmt.Sprintf("%s does not look as expected (%s): add to it, by hand, the import %q and, in the list of definitions, the line\n\t%s.Define,",
		listPath, e.Why, importOf(e.Name), e.Name)
}

func (e *ByHandError) Unwrap() error { return e.Why }

func importOf(name string) string { return Module + "/projections/" + name }

// register returns the list with one projection more.
func register(root, name string) (*file, error) {
	source, err := os.ReadFile(filepath.Join(root, listPath))
	if err == nil {
		source, err = added(source, name)
	}
	if err != nil {
		return nil, &ByHandError{name, err}
	}
	return &file{listPath, source}, nil
}

// added adds a line to the list and its import, each in the way of the lines that are there.
func added(source []byte, name string) ([]byte, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, listPath, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if slices.Contains(imported(parsed), importOf(name)) {
		return nil, fmt.Errorf("it imports %s", importOf(name))
	}
	list, err := listIn(parsed)
	if err != nil {
		return nil, err
	}
	neighbour := neighbourIn(parsed)
	last, end := files.Position(list.Elts[len(list.Elts)-1].End()), files.Position(list.Rbrace)
	if neighbour == nil || last.Line == end.Line {
		return nil, errors.New("imports and projections are not one a line")
	}
	behind := files.Position(neighbour.End()).Offset
	behind += bytes.IndexByte(source[behind:], '\n') // where its line ends
	before := end.Offset - (end.Column - 1)          // where the line of the brace begins
	changed := slices.Concat(source[:behind], fmt.Appendf(nil, "\n%q", importOf(name)), source[behind:before],
		[]byte(name+".Define,\n"), source[before:])
	return format.Source(changed) // which also sorts the imports
}

// listIn finds what definitions() returns: a list of functions called Define.
func listIn(parsed *ast.File) (*ast.CompositeLit, error) {
	for _, declaration := range parsed.Decls {
		f, ok := declaration.(*ast.FuncDecl)
		if !ok || f.Name.Name != "definitions" || f.Body == nil || len(f.Body.List) != 1 {
			continue
		}
		result, ok := f.Body.List[0].(*ast.ReturnStmt)
		if !ok || len(result.Results) != 1 {
			continue
		}
		list, ok := result.Results[0].(*ast.CompositeLit)
		if ok && len(list.Elts) > 0 && !slices.ContainsFunc(list.Elts, notDefine) {
			return list, nil
		}
	}
	return nil, errors.New("there is no function definitions that returns a list of Define")
}

func notDefine(e ast.Expr) bool {
	selector, ok := e.(*ast.SelectorExpr)
	return !ok || selector.Sel.Name != "Define"
}

// neighbourIn finds the last import of a projection.
func neighbourIn(parsed *ast.File) *ast.ImportSpec {
	for _, spec := range slices.Backward(parsed.Imports) {
		if strings.HasPrefix(pathOf(spec), importOf("")) {
			return spec
		}
	}
	return nil
}

func imported(parsed *ast.File) (paths []string) {
	for _, spec := range parsed.Imports {
		paths = append(paths, pathOf(spec))
	}
	return paths
}

func pathOf(spec *ast.ImportSpec) string {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return "" // what was parsed is quoted
	}
	return path
}
