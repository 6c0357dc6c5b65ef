package projectiontest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres"
)

// breaker cuts connections, once armed.
type breaker struct {
	armed   atomic.Bool
	batches atomic.Int64
}

// crashing opens a pool whose connections, once the breaker is armed, break at every third end of a batch: the server has done all
// of it, but what would end the transaction never comes.
func crashing(ctx context.Context, t *testing.T, url string) (*pgxpool.Pool, *breaker) {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	b := &breaker{}
	config.ConnConfig.RuntimeParams["search_path"] = postgres.Schema
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &fragile{conn, b}, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	require.NoError(t, err)
	return pool, b
}

type fragile struct {
	net.Conn

	*breaker
}

var errCut = errors.New("the connection was cut on purpose")

func (f *fragile) Write(sent []byte) (int, error) {
	end := ends(sent)
	if end == 0 || !f.armed.Load() || f.batches.Add(1)%3 != 1 {
		return f.Conn.Write(sent)
	}
	_, err := f.Conn.Write(sent[:len(sent)-end])
	return 0, errors.Join(err, errCut, f.Close())
}

// ends is how many of the bytes end the transaction of a batch: a COMMIT, or the Sync of a pipeline that begins with a step.
func ends(sent []byte) int {
	commit, step, sync := []byte("Q\x00\x00\x00\x0bCOMMIT\x00"), []byte("\x00step\x00"), []byte("S\x00\x00\x00\x04")
	switch {
	case bytes.Equal(sent, commit):
		return len(commit)
	case len(sent) > 5 && bytes.HasPrefix(sent[5:], step) && bytes.HasSuffix(sent, sync): // after a type and a length
		return len(sync)
	}
	return 0
}
