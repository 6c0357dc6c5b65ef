package eventstoredb

import (
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

// idle counts the lines that are free.
func (p *lines) idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}
