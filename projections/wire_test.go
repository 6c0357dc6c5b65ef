package projections_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
)

// wired opens a pool that watches what is sent to Postgres. When lose says so, the server gets it and answers, but the
// answer is lost and the connection with it.
func (h *house) wired(t *testing.T, lose func(sent []byte) bool) *pgxpool.Pool {
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
		return &wire{conn, lose}, nil
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
}

var errLost = errors.New("the connection was lost on purpose")

func (w *wire) Write(sent []byte) (int, error) {
	lose := w.lose(sent)
	n, err := w.Conn.Write(sent)
	if err == nil && lose {
		_, err = w.Read(make([]byte, 1<<16)) // the server is done
		return n, errors.Join(err, errLost, w.Close())
	}
	return n, err
}
