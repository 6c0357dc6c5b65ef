package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A policy is right when it can forget everything: each one that runs has a test that makes it.
func TestEveryPolicyHasATestOfItsAmnesia(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../commands/policies/*_test.go")
	require.NoError(t, err)
	tests := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range parsed.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok {
				tests[function.Name.Name] = true
			}
		}
	}
	for _, policy := range (&app{config: Config{WhatsAppToken: "token"}}).policyList() {
		require.True(t, tests["TestAmnesia_"+policy.Name()], "policy %s needs a TestAmnesia_%[1]s in commands/policies", policy.Name())
	}
}
