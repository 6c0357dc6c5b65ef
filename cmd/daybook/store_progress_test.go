package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/cmd/daybook/storecopy"
)

// Away from a terminal there is a line every few seconds, and one at the end of each phase. Pace and time left are those
// of this run: what was there already costs nothing.
func TestProgressAsLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := time.Date(2026, 10, 5, 10, 0, 0, 0, time.UTC)
	p := newProgress(&out, func() time.Time { return now })
	p.end()
	require.Empty(t, out.String(), "nothing has begun")
	p.show(storecopy.Progress{Phase: storecopy.Checking, Events: 1000, At: 10_000, Of: 100_000})
	for n := range uint64(20) {
		p.show(storecopy.Progress{Phase: storecopy.Copying, Events: 1000 + 100*n, At: 10_000, Of: 100_000})
		now = now.Add(time.Second)
	}
	p.show(storecopy.Progress{Phase: storecopy.Copying, Events: 5000, At: 55_000, Of: 100_000})
	p.show(storecopy.Progress{Phase: storecopy.Comparing, Events: 1, At: 100_000, Of: 100_000})
	p.end()
	p.end()
	require.Equal(t, `checking: 1000 events, 10 % of the log
copying: 1500 events, 10 % of the log, 100 events/s
copying: 2000 events, 10 % of the log, 100 events/s
copying: 2500 events, 10 % of the log, 100 events/s
copying: 5000 events, 55 % of the log, 200 events/s, 20s left
copying: 5000 events, 55 % of the log, 200 events/s, 20s left
comparing: 1 events, 100 % of the log
`, out.String())
}

// On a terminal there is a bar.
func TestProgressAsABar(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := newProgress(&out, time.Now)
	p.terminal = true
	p.show(storecopy.Progress{Phase: storecopy.Copying, Events: 1, At: 0, Of: 100})
	p.show(storecopy.Progress{Phase: storecopy.Copying, Events: 7, At: 100, Of: 100})
	p.show(storecopy.Progress{Phase: storecopy.Comparing, Events: 1, At: 100, Of: 100})
	p.end()
	require.Contains(t, out.String(), "copying, 7 events 100% ")
	require.Contains(t, out.String(), "comparing, 1 events")
}
