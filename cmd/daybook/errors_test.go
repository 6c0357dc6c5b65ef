package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// codesWithoutTest are the codes that no test names yet. It may only shrink.
var codesWithoutTest = []string{"StillNoPlace"}

// spoken are the sentences of codes whose details are put together where they are refused.
var spoken = map[string]string{
	"BodyMissing":       "the request needs a body",
	"BodyTooLarge":      "the body must not exceed what the call or the webhook takes",
	"Forbidden":         "the caller has no role that permits this; or the key writes with one device only",
	"MalformedJSON":     "the body must be one JSON value in UTF-8, and no object may have a member twice",
	"NotAcceptable":     "answers are JSON, and the request accepts none",
	"NotCaughtUp":       "what is read has not come as far as wait_for yet: try again",
	"NotReady":          "the read model is being built, or is not there, and cannot be read yet",
	"OutOfOrder":        "builds of a projection are changed one after another: the sentence says what has to be first",
	"ProfileInvalid":    "a field of the profile must keep its length, website be an http or https address, email a plain mail address",
	"RateCardInvalid":   "lines of the file cannot be read: errors lists them",
	"RateConflict":      "lines of the file say another rate than one that was published: errors lists them",
	"RequestTimeout":    "the body did not come in time",
	"StillNoPlace":      "the update found no place again: the sentence says why",
	"StructuredInvalid": "versions must be 1 to 32; text, image and links of each must keep their rules, which the sentence names",
	"TooManyLinks":      "too many sign-in links are open; use one or wait until they are void",
	"Unauthorized":      "send the header Authorization: Bearer with a key or the admin token; or what is wrong with the key",
	"ValidationFailed":  "a field does not have the form that the API's description gives it: errors names field and rule",
}

// The webhook answers with problems of its own.
const webhook = "adapters/whatsapp"

// A refusal is one stable code with what the source says of it.
type refusal struct {
	code      string
	edge      string // of the API or of the webhook
	statuses  []int
	sentences []string
	test      string
}

// TestErrorsReferenceIsTrue compares the reference with the codes in the source.
func TestErrorsReferenceIsTrue(t *testing.T) {
	t.Parallel()
	const path = "../../docs/reference/errors.md"
	var want strings.Builder
	want.WriteString(errorsPreface)
	for _, edge := range []string{"API", "webhook"} {
		fmt.Fprintf(&want, "\n## The %s's\n\n| code | status | sentences | shown by |\n|---|---|---|---|\n", edge)
		for _, r := range refusals(t) {
			if r.edge == edge {
				want.WriteString(r.row())
			}
		}
	}
	requireGenerated(t, path, want.String())
}

const errorsPreface = `# Errors

Everything that Daybook refuses has a code, which does not change: branch on it. The sentence is for people, and names field
and rule; … stands for what differs. The documents are those of RFC 9457; [API](api.md) says how they are built.

A code whose status is 409 depends on what there is: the same request may succeed later. 422 and 400 are about the request
alone. A key that is unknown, revoked or expired is answered 401 ` + "`Unauthorized`" + `, with that sentence. Codes that no
request can meet, such as those of timers, are said to policies only, and logged.

` + "`make generate`" + ` writes this page from the source.
`

func (r refusal) row() string {
	statuses := make([]string, len(r.statuses))
	for i, s := range r.statuses {
		statuses[i] = strconv.Itoa(s)
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s|\n", r.code, strings.Join(statuses, ", "), strings.Join(r.sentences, "<br>"), r.test)
}

// TestEveryRefusalIsWhole: each has a status, a sentence that says something, and a test that names it or a place on the list.
func TestEveryRefusalIsWhole(t *testing.T) {
	t.Parallel()
	all := refusals(t)
	require.Greater(t, len(all), 150, "too few for this to mean anything")
	known := map[string]bool{}
	for _, r := range all {
		known[r.code] = true
		require.NotEmptyf(t, r.statuses, "%s has no status", r.code)
		require.NotEmptyf(t, r.sentences, "%s has no sentence", r.code)
		for _, sentence := range r.sentences {
			require.Regexpf(t, `\w+ \w+ \w+|\w+ \w+$`, sentence, "%s needs a sentence in spoken", r.code)
		}
		require.NotEqualf(t, slices.Contains(codesWithoutTest, r.code), r.test != "",
			"%s: either a test names it or it is listed as without one", r.code)
	}
	for code := range spoken {
		require.Truef(t, known[code], "%s has a sentence, but nothing says it", code)
	}
	for _, code := range codesWithoutTest {
		require.Truef(t, known[code], "%s is listed, but nothing says it", code)
	}
}

// refusals collects the codes of the module, in alphabetical order.
func refusals(t *testing.T) []refusal {
	t.Helper()
	all := sources(t)
	found := map[string]*refusal{}
	for _, s := range all {
		if !s.test {
			(&collector{source: s, constants: constantsOf(all, s.folder), found: found}).collect()
		}
	}
	shown := map[string]map[string]string{"API": testsByCode(all, ""), "webhook": testsByCode(all, webhook)}
	for _, r := range found {
		r.test = shown[r.edge][r.code]
		if sentence, ok := spoken[r.code]; ok {
			r.sentences = []string{sentence}
		}
		slices.Sort(r.statuses)
		r.statuses = slices.Compact(r.statuses)
	}
	return slices.SortedFunc(func(yield func(refusal) bool) {
		for _, r := range found {
			if !yield(*r) {
				return
			}
		}
	}, func(a, b refusal) int { return cmp.Compare(a.code, b.code) })
}

// constantsOf are a package's constants that are plain literals, as they are printed.
func constantsOf(all []source, folder string) map[string]string {
	constants := map[string]string{}
	for _, s := range all {
		if s.folder != folder || s.test {
			continue
		}
		for _, d := range s.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				for _, spec := range g.Specs {
					v := spec.(*ast.ValueSpec)
					for i, name := range v.Names {
						if i < len(v.Values) {
							if text, ok := literal(v.Values[i]); ok {
								constants[name.Name] = text
							}
						}
					}
				}
			}
		}
	}
	return constants
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok {
		return "", false
	}
	if l.Kind == token.STRING {
		text, err := strconv.Unquote(l.Value)
		return text, err == nil
	}
	return strings.ReplaceAll(l.Value, "_", ""), l.Kind == token.INT
}

// A collector reads the codes of one file.
type collector struct {
	source

	constants map[string]string
	found     map[string]*refusal
	status    int // of the case that a code is assigned in
}

// The helpers that refuse: which argument is what, -1 for none.
var helpers = map[string]struct{ status, code, field, detail, kind int }{
	"domain.Refuse":    {-1, 0, -1, 1, http.StatusConflict},
	"domain.Malformed": {-1, 0, -1, 2, http.StatusUnprocessableEntity},
	"domain.Missing":   {-1, 0, -1, 1, http.StatusNotFound},
	"domain.Deny":      {-1, 0, -1, 1, http.StatusForbidden},
	"api.NewProblem":   {0, 1, -1, 2, 0},
	"invalid":          {-1, 0, 1, 2, http.StatusUnprocessableEntity}, // of adapters/web
}

func (c *collector) collect() { ast.Inspect(c.File, c.visit) }

func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		c.call(n)
	case *ast.CompositeLit:
		c.composite(n)
	case *ast.CaseClause:
		c.status = 0
		if len(n.List) == 1 {
			c.status = statusOf(n.List[0])
		}
	case *ast.AssignStmt:
		c.assigned(n)
	}
	return true
}

func (c *collector) call(n *ast.CallExpr) {
	h, ok := helpers[nameOf(n.Fun)]
	if !ok || nameOf(n.Fun) == "invalid" && c.folder != "adapters/web" || len(n.Args) <= h.detail {
		return
	}
	code, ok := c.text(n.Args[h.code])
	if !ok {
		return
	}
	status := h.kind
	if h.status >= 0 {
		status = statusOf(n.Args[h.status])
	}
	sentence := c.sentence(n.Args[h.detail], n.Args[h.detail+1:])
	if h.field >= 0 {
		sentence = c.sentence(n.Args[h.field], nil) + ": " + sentence
	}
	c.add(code, status, sentence)
}

// composite reads problem{…} of the webhook and domain.Rejection{…}.
func (c *collector) composite(n *ast.CompositeLit) {
	if name := nameOf(n.Type); name != "problem" && name != "domain.Rejection" {
		return
	}
	var code, detail string
	status := http.StatusUnprocessableEntity
	for _, e := range n.Elts {
		pair := e.(*ast.KeyValueExpr)
		switch nameOf(pair.Key) {
		case "Code":
			code, _ = c.text(pair.Value)
		case "Status":
			status = statusOf(pair.Value)
		case "Detail":
			detail = c.sentence(pair.Value, nil)
		}
	}
	if code != "" {
		c.add(code, status, detail)
	}
}

// assigned reads the codes that the API's edge gives to what its library and its readers refuse.
func (c *collector) assigned(n *ast.AssignStmt) {
	if c.folder != "adapters/web" || len(n.Lhs) != len(n.Rhs) {
		return
	}
	status, code, detail := c.status, "", ""
	for i, to := range n.Lhs {
		switch nameOf(to) {
		case "code":
			code, _ = c.text(n.Rhs[i])
		case "status":
			status = statusOf(n.Rhs[i])
		case "detail":
			detail = c.sentence(n.Rhs[i], nil)
		}
	}
	if code != "" {
		c.add(code, status, detail)
	}
}

func (c *collector) add(code string, status int, sentence string) {
	edge := "API"
	if c.folder == webhook {
		edge = "webhook"
	}
	r := c.found[edge+code]
	if r == nil {
		r = &refusal{code: code, edge: edge}
		c.found[edge+code] = r
	}
	if status != 0 {
		r.statuses = append(r.statuses, status)
	}
	if sentence != "" && !slices.Contains(r.sentences, sentence) {
		r.sentences = append(r.sentences, sentence)
	}
}

// text is a literal or a constant of the package.
func (c *collector) text(e ast.Expr) (string, bool) {
	if text, ok := c.constants[nameOf(e)]; ok {
		return text, true
	}
	return literal(e)
}

var verb = regexp.MustCompile(`%[a-z]`)

// sentence puts constants where the format has them, and … for all else.
func (c *collector) sentence(format ast.Expr, arguments []ast.Expr) string {
	switch e := format.(type) {
	case *ast.BinaryExpr:
		return c.sentence(e.X, nil) + c.sentence(e.Y, nil)
	case *ast.CallExpr:
		if nameOf(e.Fun) == "fmt.Sprintf" {
			return c.sentence(e.Args[0], e.Args[1:])
		}
	}
	text, ok := c.text(format)
	if !ok {
		return "…"
	}
	return verb.ReplaceAllStringFunc(text, func(string) string {
		if len(arguments) == 0 {
			return "…"
		}
		value, ok := c.text(arguments[0])
		arguments = arguments[1:]
		if !ok {
			return "…"
		}
		return value
	})
}

// nameOf is x or x.y; empty for what has no name.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	}
	return ""
}

// statusOf is the number of http.StatusX; 0 when it is none.
func statusOf(e ast.Expr) int {
	name, ok := strings.CutPrefix(nameOf(e), "http.Status")
	for status := 400; ok && status < 600; status++ {
		if strings.ReplaceAll(http.StatusText(status), " ", "") == name {
			return status
		}
	}
	return 0
}

// testsByCode finds, for each code, the outermost test below a folder that names it.
func testsByCode(all []source, within string) map[string]string {
	type place struct {
		rank         int
		folder, test string
	}
	found := map[string]place{}
	for _, s := range all {
		if !strings.HasPrefix(s.folder, within) {
			continue
		}
		for _, f := range s.tests() {
			if f.Name.Name == "TestProblemTitlesAreTheCodeInWords" { // shows no refusal
				continue
			}
			here := place{rank(s.folder), s.folder, f.Name.Name}
			ast.Inspect(f, func(n ast.Node) bool {
				e, ok := n.(ast.Expr)
				if !ok {
					return true
				}
				if code, ok := literal(e); ok && code != "" {
					before, seen := found[code]
					if !seen || cmp.Or(cmp.Compare(here.rank, before.rank), cmp.Compare(here.folder, before.folder), cmp.Compare(here.test, before.test)) < 0 {
						found[code] = here
					}
				}
				return true
			})
		}
	}
	shown := map[string]string{}
	for code, p := range found {
		shown[code] = "`" + p.test + "` in " + p.folder + " "
	}
	return shown
}

// rank orders folders from the outside to the inside.
func rank(folder string) int {
	return slices.IndexFunc([]string{"adapters/web", "adapters", "cmd", "commands", "domain", ""}, func(prefix string) bool { return strings.HasPrefix(folder, prefix) })
}
