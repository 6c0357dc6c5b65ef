package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/whatsapp/sim"
	"daybook/projections/messages"
)

// TestCommandsInDocumentsWork tries every command that README and docs show: make targets and verbs must exist with their
// flags, and calls of the API must succeed on a running server, in the order in which they are shown.
func TestCommandsInDocumentsWork(t *testing.T) {
	platform := httptest.NewServer(sim.New(sim.Config{Now: time.Now}))
	defer platform.Close()
	where := strings.NewReplacer("http://127.0.0.1:8080", runServer(t), "http://127.0.0.1:8090", platform.URL)
	tried := 0
	for _, document := range documents(t) {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			for _, command := range commandsIn(block[1]) {
				tryCommand(t, document, command, where)
				tried++
			}
		}
	}
	require.Greater(t, tried, 8, "the documents show fewer commands than they did: is the pattern still right?")
}

// TestARebuildIsDoneAsItsHowToShows runs each verb that it shows, in that order.
func TestARebuildIsDoneAsItsHowToShows(t *testing.T) {
	t.Setenv("DAYBOOK_URL", runServer(t))
	t.Setenv("DAYBOOK_ADMIN_TOKEN", "document-token")
	text, err := os.ReadFile("../../docs/how-to/rebuild-a-projection.md")
	require.NoError(t, err)
	var said strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for _, shown := range commandsIn(block[1]) {
			words := strings.Fields(shown)
			require.Equal(t, "bin/daybook", words[0])
			verb := root()
			verb.SetArgs(words[1:])
			verb.SetOut(&said)
			verb.SetErr(&said)
			require.NoError(t, verb.ExecuteContext(t.Context()), "%s: %s", shown, said.String())
		}
	}
	for _, want := range []string{"_b4 is ready", "are equal", "_b4 is live", messages.Define().Schema() + " is live", "_b5 is being built", "_b5 was removed"} {
		require.Contains(t, said.String(), want)
	}
}

// TestAPIReferenceIsComplete compares the calls that the reference lists with those that the server describes.
func TestAPIReferenceIsComplete(t *testing.T) {
	base := runServer(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/openapi.json", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var description struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&description))
	var served []string
	for path, methods := range description.Paths {
		for method := range methods {
			served = append(served, strings.ToUpper(method)+" "+strings.TrimPrefix(path, "/api/v1"))
		}
	}
	text, err := os.ReadFile("../../docs/reference/api.md")
	require.NoError(t, err)
	listed := regexp.MustCompile("(GET|POST|PUT|PATCH|DELETE) /[^`]+").FindAllString(string(text), -1)
	require.ElementsMatch(t, served, listed)
}

// TestLinksInDocumentsLeadSomewhere follows every relative link.
func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	for _, document := range documents(t) {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		prose := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(string(text), "") // Go's generics look like links
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(prose, -1) {
			if !strings.Contains(link[1], "://") {
				require.FileExists(t, filepath.Join(filepath.Dir(document), link[1]), document)
			}
		}
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	found := []string{"../../README.md"}
	require.NoError(t, filepath.WalkDir("../../docs", func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// commandsIn joins continued lines and quoted text, and drops comments.
func commandsIn(block string) []string {
	var commands []string
	open := false
	for line := range strings.Lines(block) {
		line = strings.TrimRight(line, "\n")
		if open {
			commands[len(commands)-1] += "\n" + line
		} else if strings.TrimSpace(line) != "" {
			commands = append(commands, strings.TrimSpace(regexp.MustCompile(`\s+# .*`).ReplaceAllString(line, "")))
		}
		last := commands[len(commands)-1]
		open = strings.HasSuffix(last, `\`) || strings.Count(last, "'")%2 == 1
	}
	return commands
}

func tryCommand(t *testing.T, document, command string, where *strings.Replacer) {
	t.Helper()
	words := strings.Fields(strings.Replace(command, "go run ./cmd/daybook", "daybook", 1))
	switch strings.TrimPrefix(words[0], "bin/") {
	case "make":
		output, err := exec.CommandContext(t.Context(), "make", append([]string{"-n", "-C", "../.."}, words[1:]...)...).CombinedOutput()
		require.NoErrorf(t, err, "%s: %s: %s", document, command, output)
	case "daybook":
		verb, rest, err := root().Find(words[1:])
		require.NoErrorf(t, err, "%s: %s", document, command)
		require.NoErrorf(t, verb.ParseFlags(rest), "%s: %s", document, command)
		require.Truef(t, verb.Runnable(), "%s: %s", document, command)
	case "curl":
		tryCall(t, document, command, where)
	case "export", "git", "apt-get":
	case "go", "grep", "createdb", "psql": // only in the tutorial, whose own test runs them
		require.Equal(t, "../../docs/tutorial/first-projection.md", document)
	default:
		require.Failf(t, "a command that this test does not know", "%s: %s", document, command)
	}
}

func tryCall(t *testing.T, document, command string, where *strings.Replacer) {
	t.Helper()
	address := regexp.MustCompile(`http://127\.0\.0\.1:80[89]0[^\s']*`).FindString(command)
	method, body := http.MethodGet, ""
	if payload := regexp.MustCompile(`(?s)-d '(.*)'`).FindStringSubmatch(command); payload != nil {
		method, body = http.MethodPost, payload[1]
	}
	if strings.Contains(command, "-X POST") {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(t.Context(), method, where.Replace(address), strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer document-token")
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Lessf(t, response.StatusCode, 300, "%s: %s", document, command)
}

// runServer serves a whole Daybook until the test ends, after what is to be done to it first.
func runServer(t *testing.T, first ...func(*app)) string {
	t.Helper()
	config := testConfig(t)
	config.AdminToken = "document-token"
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for _, do := range first {
		do(a)
	}
	return run(t, a)
}

// run serves what was opened until the test ends, and closes it then.
func run(t *testing.T, a *app) (base string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	serving, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- a.serve(ctx, func(base string) error { serving <- base; return nil })
	}()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, a.close())
	})
	select {
	case base = <-serving:
	case err := <-ended:
		ended <- err
		require.FailNow(t, "the server ended", "%v", err)
	}
	return base
}
