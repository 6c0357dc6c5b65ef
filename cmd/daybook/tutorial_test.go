package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
)

const tutorialFile = "../../docs/tutorial/first-projection.md"

// TestTheTutorialWorks does what the tutorial says, from top to bottom, in a copy of this module: it runs the commands,
// writes the files, and asks the demo business its question.
func TestTheTutorialWorks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(tutorialFile)
	require.NoError(t, err)
	r := &reader{module: copyModule(t), database: pgtest.Database(t), data: t.TempDir()}
	for _, block := range blocksOf(string(text)) {
		switch {
		case block.file != "":
			r.write(t, block.file, block.content)
		case block.language == "sh":
			for command := range strings.Lines(block.content) {
				r.run(t, strings.Fields(command))
			}
		case block.language == "sql":
			r.ask(t, block.content, block.next)
		}
	}
	require.Len(t, r.written, 5, "every file of the skeleton is replaced")
	require.Equal(t, 1, r.asked)
	r.server.stop(t)
}

// block is one fenced block. Its file is named in the line above it.
type block struct {
	file, language, content string
	next                    string // the content of the block behind it
}

func blocksOf(text string) (blocks []block) {
	fenced := regexp.MustCompile("(?ms)^(?:`([^`\n]+)`:\n\n)?```(\\w+)\n(.*?)^```$")
	for _, found := range fenced.FindAllStringSubmatch(text, -1) {
		if len(blocks) > 0 {
			blocks[len(blocks)-1].next = found[3]
		}
		blocks = append(blocks, block{found[1], found[2], found[3], ""})
	}
	return blocks
}

// reader is somebody who follows the tutorial.
type reader struct {
	module         moduleCopy
	database, data string
	server         *process
	written        map[string]bool
	asked          int
}

func (r *reader) write(t *testing.T, path, content string) {
	t.Helper()
	path = filepath.Join(r.module.root, path)
	require.FileExists(t, path, "the skeleton wrote it")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	if r.written == nil {
		r.written = map[string]bool{}
	}
	r.written[path] = true
}

func (r *reader) run(t *testing.T, words []string) {
	t.Helper()
	switch strings.Join(words[:min(2, len(words))], " ") {
	case "createdb tutorial", "export DATABASE_URL=postgres:///tutorial", `psql "$DATABASE_URL"`: // the test has a database
	case "make run":
		r.serve(t)
	case "bin/daybook projection":
		r.list(t, words)
	default:
		require.Contains(t, []string{"go", "grep"}, words[0])
		printed := r.module.run(t, words[0], words[1:]...)
		require.NotContains(t, printed, "no test files\n")
	}
	if words[0] == "go" && words[1] == "vet" {
		require.Empty(t, r.module.run(t, "gofmt", "-l", "projections/responsetimes", "readmodels/responsetimes"))
	}
}

// serve does what make run does.
func (r *reader) serve(t *testing.T) {
	t.Helper()
	r.module.run(t, "go", "build", "-o", "bin/daybook", "./cmd/daybook")
	environment := append((&book{data: r.data}).environment(), "DATABASE_URL="+r.database)
	r.server = start(t, filepath.Join(r.module.root, "bin/daybook"), environment, served, "serve", "--demo")
}

// list waits until the projection runs, which it does not at the very moment of serving.
func (r *reader) list(t *testing.T, words []string) {
	t.Helper()
	require.EventuallyWithT(t, func(retry *assert.CollectT) {
		command := exec.CommandContext(t.Context(), filepath.Join(r.module.root, words[0]), words[1:]...)
		command.Env = append(os.Environ(), "DAYBOOK_URL="+r.server.base, "DAYBOOK_DATA="+r.data)
		printed, err := command.CombinedOutput()
		require.NoError(retry, err, string(printed))
		require.Regexp(retry, `\nresponsetimes +responsetimes_v1 +live +running `, string(printed))
	}, 30*time.Second, 100*time.Millisecond)
}

// ask waits for the answer that the tutorial shows, as psql prints it.
func (r *reader) ask(t *testing.T, query, shown string) {
	t.Helper()
	r.asked++
	connection, err := pgx.Connect(t.Context(), r.database)
	require.NoError(t, err)
	defer connection.Close(t.Context()) //nolint:errcheck // nothing is pending
	require.EventuallyWithT(t, func(retry *assert.CollectT) {
		require.Equal(retry, cells(shown), answer(t.Context(), retry, connection, query))
	}, 30*time.Second, 100*time.Millisecond)
}

// answer is what psql would show: the names of the columns, and the rows as text.
func answer(ctx context.Context, t *assert.CollectT, connection *pgx.Conn, query string) [][]string {
	rows, err := connection.Query(ctx, query, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	defer rows.Close()
	var names []string
	for _, field := range rows.FieldDescriptions() {
		names = append(names, field.Name)
	}
	found := [][]string{names}
	for rows.Next() {
		var row []string
		for _, value := range rows.RawValues() {
			row = append(row, string(value))
		}
		found = append(found, row)
	}
	require.NoError(t, rows.Err())
	return found
}

// cells reads a table that psql printed.
func cells(printed string) (rows [][]string) {
	for line := range strings.Lines(printed) {
		if !strings.Contains(line, "|") {
			continue
		}
		var row []string
		for cell := range strings.SplitSeq(line, "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		rows = append(rows, row)
	}
	return rows
}
