package projections

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/events"
)

// said is everything by which a projection may tell why it stands still, with … for names.
func said() (out []string) {
	for _, known := range onDatabase {
		out = append(out, strings.Replace(known.advice, "%s", "database …", 1))
	}
	list := []error{
		&LimitError{"p", "events", io.EOF}, &AlteredError{"p", nil, io.EOF}, &ProofError{},
		&HistoryError{"p", "an older copy of the store was restored"},
		&HistoryError{"p", "the store's history is not the one this projection was built from"},
	}
	for _, err := range list {
		out = append(out, err.Error())
	}
	return append(out, onEvent, onStore, onNoEnd, fmt.Sprintf(onFunction, "PL/pgSQL function …"), fmt.Sprintf(onAway, "database …"))
}

// TestTheHowToKnowsWhatIsSaid looks for each message in its table, and for each line of the table among the messages.
func TestTheHowToKnowsWhatIsSaid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/how-to/when-a-projection-stands-still.md")
	require.NoError(t, err)
	var listed []string
	for _, line := range regexp.MustCompile("(?m)^\\| (`[^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		for _, quoted := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(line[1], -1) {
			listed = append(listed, quoted[1])
			require.Contains(t, strings.Join(said(), "\n"), quoted[1])
		}
	}
	for _, message := range said() {
		require.True(t, slices.ContainsFunc(listed, func(l string) bool { return strings.Contains(message, l) }), message)
	}
}

// Whatever Postgres answers, what follows from it is said; and an event is blamed for what it says only.
func TestEveryClassOfRefusalHasItsAdvice(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), "postgres://somebody@db.example:5433/models")
	require.NoError(t, err)
	defer pool.Close()
	e := &Engine{cfg: Config{Pool: pool}}
	for code, want := range map[string]string{
		"53100": `The disk of database "models" on db.example:5433 is full: free space there.`,
		"53200": "no memory", "53300": "connections", "53400": "give it more",
		"42501": "A right was taken", "42703": "changed from outside", "42P01": "changed from outside", "3F000": "changed from outside",
		"25006": "takes no writes", "25P03": "frozen", "28P01": "does not let this process in", "3D000": "is not there",
		"40001": "Others were at work", "40P01": "Others were at work", "55P03": "pg_stat_activity",
		"08006": "was cut", "57P01": "ends sessions", "57P03": "ends sessions", "58030": "its files", "XX001": "damaged",
	} {
		err := &pgconn.PgError{Code: code}
		require.Contains(t, e.advice(&commitError{err}, "sample"), want, code)
		require.False(t, blames(err), code)
	}
	for _, code := range []string{"22001", "23505", "54000", "P0001"} {
		require.True(t, blames(&pgconn.PgError{Code: code}), code)
	}
	require.Equal(t, onStore, e.advice(fmt.Errorf("reading: %w", events.ErrUnavailable), "sample"))
	require.Contains(t, e.advice(io.ErrUnexpectedEOF, "sample"), `database "models" on db.example:5433 cannot be reached`)
	require.Contains(t, e.advice(&AlteredError{Err: &pgconn.PgError{Code: "42703"}}, "sample"), "daybook projection rebuild sample --go-live")
	require.Contains(t, e.advice(&ProofError{}, "sample"), "daybook projection rebuild sample --go-live")
	require.Equal(t, onEvent, e.advice(&EventError{Err: &pgconn.PgError{Code: "23505"}}, "sample"))
	require.Empty(t, e.advice(&LimitError{Err: &EventError{Err: io.EOF}}, "sample"), "it says so itself")
	require.Empty(t, e.advice(&HistoryError{}, "sample"), "the same")
	require.Empty(t, e.advice(errors.New("anything"), "sample"))
}
