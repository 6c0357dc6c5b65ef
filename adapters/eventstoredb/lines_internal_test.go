package eventstoredb

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/stretchr/testify/require"
)

// Lines that nobody needs are closed by and by, and all of them in the end.
func TestIdleLinesAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		config, err := configure("esdb://localhost", slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		p := newLines(config, &sync.WaitGroup{})
		var all []*line
		for range 3 {
			client, err := esdb.NewClient(config)
			require.NoError(t, err)
			_, l := newLine(client, p.generation)
			all = append(all, l)
			p.put(l)
			<-time.After(idleFor / 3)
		}
		for i := range all {
			synctest.Wait()
			for j := range all {
				require.Equal(t, j <= i, all[j].lost(), "%d %d", i, j)
			}
			require.Equal(t, 2-i, p.idle())
			<-time.After(idleFor / 3)
		}
		p.close()
	})
}

// Lines that are used are kept however long ago they were made, and others are not used without need.
func TestUsedLinesAreKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, all := freeLines(t, 2)
		<-time.After(idleFor / 2)
		require.Same(t, all[1], p.takeFree(), "the one that became free last")
		p.put(all[1])
		<-time.After(idleFor / 2)
		synctest.Wait()
		require.True(t, all[0].lost())
		require.False(t, all[1].lost())
		require.Same(t, all[1], p.takeFree())
		p.put(all[1])
		p.close()
	})
}

// A line that was lost while nobody used it is closed and not used.
func TestALostLineIsNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, all := freeLines(t, 3)
		all[1].end()
		all[2].end()
		require.Same(t, all[0], p.takeFree())
		p.put(all[0])
		require.Equal(t, 1, p.idle())
		p.close()
	})
}

// A call ends when its line is lost, whether or not it would notice.
func TestACallEndsWithItsLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, all := freeLines(t, 2)
		err := p.use(t.Context(), t.Context(), func(ctx context.Context, _ *esdb.Client) error {
			all[1].end()
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, err, context.Canceled)
		require.True(t, all[0].lost(), "it is as old, and its connection may be lost too")
		require.Zero(t, p.idle())
		p.close()
	})
}

// freeLines makes lines that are not connected to anything.
func freeLines(t *testing.T, n int) (p *lines, all []*line) {
	t.Helper()
	config, err := configure("esdb://localhost", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	p = newLines(config, &sync.WaitGroup{})
	for range n {
		client, err := esdb.NewClient(config)
		require.NoError(t, err)
		_, l := newLine(client, p.generation)
		all = append(all, l)
		p.put(l)
	}
	return p, all
}

// idle counts the lines that are free.
func (p *lines) idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}
