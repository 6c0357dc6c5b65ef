package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgressIsTheShareOfTheEventsAtTheAverageSinceTheBeginning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seen, lag int64
		took      time.Duration
		want      Progress
	}{
		"half way":         {300, 300, 10 * time.Second, Progress{0.5, 30, new(10.0)}},
		"almost there":     {999, 1, 3 * time.Second, Progress{0.999, 333, new(1.0 / 333)}},
		"at the head":      {600, 0, time.Minute, Progress{1, 10, new(0.0)}},
		"an empty log":     {0, 0, 0, Progress{1, 0, new(0.0)}},
		"not begun":        {0, 600, time.Minute, Progress{0, 0, nil}},
		"no time yet":      {5, 15, 0, Progress{0.25, 0, nil}},
		"a clock set back": {5, 15, -time.Second, Progress{0.25, 0, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, *progress(c.seen, c.lag, c.took))
		})
	}
}
