package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryWordOfAChargeHasAPhrase reads the words from their declarations, so that a new one is not forgotten.
func TestEveryWordOfAChargeHasAPhrase(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../events/billing.go", nil, 0)
	require.NoError(t, err)
	seen := map[string]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		kind, _ := spec.Type.(*ast.Ident)
		value, _ := spec.Values[0].(*ast.BasicLit)
		if kind == nil || value == nil {
			return false
		}
		word, err := strconv.Unquote(value.Value)
		require.NoError(t, err)
		require.NotEmpty(t, phrases[word], "%s %s", kind.Name, word)
		require.NotEqual(t, word, phrase(word))
		seen[kind.Name]++
		return false
	})
	require.Equal(t, map[string]int{"Basis": 6, "MarketBasis": 3, "PendingReason": 3}, seen)
	require.Equal(t, "utility", phrase("utility"))
}
