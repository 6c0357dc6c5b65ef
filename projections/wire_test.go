package projections_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
)

// wired opens a pool that watches what is sent to Postgres. When lose says so, the server gets it and answers, but the
// answer is lost and the connection with it.
func (h *house) wired(t *testing.T, lose func(sent []byte) bool) *pgxpool.Pool {
	t.Helper()
	return h.wiredTo(t, lose, nil)
}

// wiredTo is wired, but what comes instead of an answer that is lost is a last word of the server.
func (h *house) wiredTo(t *testing.T, lose func(sent []byte) bool, word []byte) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(h.url)
	require.NoError(t, err)
	config.ConnConfig.RuntimeParams["search_path"] = postgres.Schema
	config.ConnConfig.RuntimeParams["application_name"] = "wired"
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &wire{Conn: conn, lose: lose, word: word}, nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// steps tells whether what is sent begins with a projection's step: it is a whole transaction.
func steps(sent, projection string) bool {
	return len(sent) > 5 && strings.HasPrefix(sent[5:], "\x00step\x00") && strings.Contains(sent, projection)
}

type wire struct {
	net.Conn

	lose func([]byte) bool
	word []byte

	mu   sync.Mutex
	rest []byte // what is still to be read; nil: what the server answers
}

var errLost = errors.New("the connection was lost on purpose")

func (w *wire) Write(sent []byte) (int, error) {
	lose := w.lose(sent)
	if lose { // pgx may read while it writes
		w.mu.Lock()
		defer w.mu.Unlock()
	}
	n, err := w.Conn.Write(sent)
	if err != nil || !lose {
		return n, err
	}
	_, err = w.Conn.Read(make([]byte, 1<<16)) // the server is done
	if w.rest = w.word; w.rest != nil {
		return n, err
	}
	return n, errors.Join(err, errLost, w.Close())
}

func (w *wire) Read(answer []byte) (int, error) {
	w.mu.Lock()
	rest := w.rest
	n := copy(answer, rest)
	w.rest = rest[n:]
	w.mu.Unlock()
	switch {
	case rest == nil:
		return w.Conn.Read(answer)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
