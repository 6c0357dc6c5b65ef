package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	requirement     = regexp.MustCompile(`^\| ([SV]\d\d) \| ([^|]+) \| ([^|]+) \|([^|]*)\|$`)
	requirementTest = regexp.MustCompile(`(?:^Test|And)(S|Vector)(\d\d)_`)
)

// TestRequirementsReferenceIsTrue compares the reference with the tests of the module. Number, sentence and place are
// written by hand; the tests are filled in.
func TestRequirementsReferenceIsTrue(t *testing.T) {
	t.Parallel()
	const path = "../../docs/reference/requirements.md"
	tests := testsByRequirement(t)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var numbers []string
	var want strings.Builder
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if row := requirement.FindStringSubmatch(line); row != nil {
			numbers = append(numbers, row[1])
			line = fmt.Sprintf("| %s | %s | %s |", row[1], row[2], row[3])
			if shown := tests[row[1]]; len(shown) > 0 {
				line += " " + strings.Join(shown, ", ")
			}
			line += " |"
		}
		want.WriteString(line + "\n")
	}
	require.Equal(t, everyNumber(), numbers, "each has one row, in order")
	requireGenerated(t, path, want.String())
}

// TestEveryRequirementHasATest but for the listed ones, and no test is for a number that there is not.
func TestEveryRequirementHasATest(t *testing.T) {
	t.Parallel()
	tests := testsByRequirement(t)
	require.Subset(t, everyNumber(), slices.Collect(maps.Keys(tests)))
	for _, number := range everyNumber() {
		require.NotEmptyf(t, tests[number], "%s: no test shows it", number)
	}
}

func everyNumber() []string {
	var all []string
	for i := range 62 {
		all = append(all, fmt.Sprintf("S%02d", i+1))
	}
	for i := range 28 {
		all = append(all, fmt.Sprintf("V%02d", i+1))
	}
	return all
}

// testsByRequirement finds the tests that are named after a number.
func testsByRequirement(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, s := range sources(t) {
		for _, f := range s.tests() {
			for _, name := range requirementTest.FindAllStringSubmatch(f.Name.Name, -1) {
				number := name[1][:1] + name[2]
				found[number] = append(found[number], "`"+f.Name.Name+"`")
			}
		}
	}
	for number, tests := range found {
		slices.Sort(tests)
		found[number] = slices.Compact(tests)
	}
	return found
}
