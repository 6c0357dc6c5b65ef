package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MinimumMajor is the oldest PostgreSQL release that Daybook runs on.
const MinimumMajor = 15

// binaries is a directory with a server's programs and their major version.
type binaries struct {
	dir   string
	major int
}

func (b binaries) program(name string) string { return filepath.Join(b.dir, name) }

// installHint ends every error about a missing server.
const installHint = "install one (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; " +
	"macOS: brew install postgresql), or set DATABASE_URL to a running server"

// finder looks for server programs. Its fields are the places, so that tests can point it elsewhere.
type finder struct {
	path  string   // a PATH list
	globs []string // directories, looked through newest version first
	fetch func(ctx context.Context) (dir string, err error)
}

func newFinder(runAs *account) finder {
	return finder{
		path: os.Getenv("PATH"),
		globs: []string{
			"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
			"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin",
		},
		fetch: func(ctx context.Context) (string, error) { return fetchBinaries(ctx, runAs) },
	}
}

// find returns the programs to use: for an existing cluster those of its major version, for a new one (major 0) the
// first of PATH, the usual places from the newest, pg_config, and the network.
func (f finder) find(ctx context.Context, major int) (binaries, error) {
	candidates := f.candidates(ctx)
	seen := make([]string, 0, len(candidates))
	for _, dir := range candidates {
		found, err := inspect(ctx, dir)
		if err != nil {
			continue
		}
		if found.major == major || major == 0 && found.major >= MinimumMajor {
			return found, nil
		}
		seen = append(seen, fmt.Sprintf("%d in %s", found.major, found.dir))
	}
	if major != 0 {
		return binaries{}, fmt.Errorf("the cluster was made by PostgreSQL %d, which is not on this machine (found: %s): install it, or move the data with pg_dump",
			major, cmp.Or(strings.Join(seen, ", "), "none"))
	}
	dir, err := f.fetch(ctx)
	if err != nil {
		return binaries{}, fmt.Errorf("no PostgreSQL %d or newer on this machine (found: %s), and its programs could not be fetched: %w; %s",
			MinimumMajor, cmp.Or(strings.Join(seen, ", "), "none"), err, installHint)
	}
	return inspect(ctx, dir)
}

func (f finder) candidates(ctx context.Context) []string {
	dirs := filepath.SplitList(f.path)
	for _, glob := range f.globs {
		matches, err := filepath.Glob(glob)
		if err != nil {
			continue // only a malformed pattern, and ours are constants
		}
		slices.SortFunc(matches, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
		dirs = append(dirs, matches...)
	}
	for _, dir := range filepath.SplitList(f.path) {
		if out, err := exec.CommandContext(ctx, filepath.Join(dir, "pg_config"), "--bindir").Output(); err == nil { //nolint:gosec // the operator's PATH
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	return dirs
}

var number = regexp.MustCompile(`\d+`)

// versionOf reads the major version from the programs' own words, such as "postgres (PostgreSQL) 15.18 (Debian …)".
func versionOf(words string) int {
	_, version, _ := strings.Cut(words, ") ")
	return parseVersion(number.FindString(version))
}

// versionIn reads the last number of a path such as /usr/lib/postgresql/15/bin.
func versionIn(path string) int {
	all := number.FindAllString(path, -1)
	if len(all) == 0 {
		return 0
	}
	return parseVersion(all[len(all)-1])
}

func parseVersion(text string) int {
	version, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return version
}

// inspect says whether a directory holds a whole server. Links are followed first: the programs look for their
// libraries beside themselves.
func inspect(ctx context.Context, dir string) (binaries, error) {
	program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return binaries{}, err
	}
	dir = filepath.Dir(program)
	if _, err = os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	out, err := exec.CommandContext(ctx, program, "--version").Output() //nolint:gosec // a server program that was found
	if err != nil {
		return binaries{}, fmt.Errorf("asking %s for its version: %w", program, err)
	}
	major := versionOf(string(out))
	if major == 0 {
		return binaries{}, errors.New("unknown version " + strings.TrimSpace(string(out)))
	}
	return binaries{dir: dir, major: major}, nil
}
