package projections_test

import (
	"bytes"
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/projections"
)

// halting is a log that can be held up while the streams of devices are read from it.
type halting struct {
	projections.Log

	halt              atomic.Bool
	reading, released chan struct{}
}

func (l *halting) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	if strings.HasPrefix(stream, "devices-") && l.halt.CompareAndSwap(true, false) {
		l.reading <- struct{}{}
		<-l.released
	}
	return l.Log.ReadStream(ctx, stream, from)
}

// TestASkipDuringATryIsNotLost: the try has read already what is skipped, be it still sick or not.
func TestASkipDuringATryIsNotLost(t *testing.T) {
	t.Parallel()
	for name, heals := range map[string]bool{"FailsAgain": false, "WouldWork": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			skipDuringATry(t, heals)
		})
	}
}

// TestASkipAtTheEndOfATryIsNotLost: the try has failed already, and only notes that.
func TestASkipAtTheEndOfATryIsNotLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	var healed atomic.Bool
	var during atomic.Pointer[func()]
	engine, _ := h.run(h.wired(t, func(sent []byte) bool {
		if bytes.Contains(sent, []byte("UPDATE parked_keys SET wanted = xmin")) {
			if skip := during.Swap(nil); skip != nil {
				(*skip)()
			}
		}
		return false
	}), ward(&healed))
	waits := h.sick(engine)
	skip := func() { h.skip(h.engine(h.pool, ward(&healed)), waits) }
	during.Store(&skip)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", ""))
	h.parked(engine, 0)
	require.Nil(t, during.Load())
}

func skipDuringATry(t *testing.T, heals bool) {
	t.Helper()
	h := newHouse(t)
	h.beat = 10 * time.Millisecond
	log := &halting{Log: h.store, reading: make(chan struct{}), released: make(chan struct{})}
	h.source = log
	var healed atomic.Bool
	engine, _ := h.run(h.pool, ward(&healed))
	h.append(5)
	h.wait(engine, "sample", h.rename(3, "sick"))
	waits := h.parked(engine, 1)[0]
	log.halt.Store(true)
	healed.Store(heals)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", ""))
	<-log.reading
	require.NoError(t, engine.Skip(t.Context(), "sample_v1", waits.Key, waits.First, "told twice"))
	close(log.released)
	require.Eventually(t, func() bool {
		list, err := engine.Parked(t.Context(), "sample")
		return err == nil && len(list) == 0
	}, 30*time.Second, 5*time.Millisecond)
	require.Empty(t, h.rows("SELECT FROM sample_v1.steps WHERE name = 'sick'"), "what was skipped is not there")
	skipped, err := engine.Skipped(t.Context(), "sample")
	require.NoError(t, err)
	require.Len(t, skipped, 1)
}
