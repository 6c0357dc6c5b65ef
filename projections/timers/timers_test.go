package timers_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections/projectiontest"
	"daybook/projections/timers"
	index "daybook/readmodels/timers"
)

var noon = time.Date(2026, 10, 5, 12, 0, 0, 0, time.UTC)

func named(name string) id.Timer { return id.Derive[id.Timer](name) }

func set(s *projectiontest.Scenario, name string, due time.Time) *projectiontest.Scenario {
	return s.Given(timer.Stream(named(name)), events.TimerSet{
		TimerID: named(name), Kind: events.TimerMessageTTL, Due: due, Stream: "conversation-1", Subject: name,
	})
}

func fire(s *projectiontest.Scenario, name string, due time.Time) *projectiontest.Scenario {
	return s.Given(timer.Stream(named(name)), events.TimerFired{
		TimerID: named(name), Kind: events.TimerMessageTTL, Due: due, Stream: "conversation-1", Subject: name, FiredAt: due.Add(time.Second),
	})
}

func cancel(s *projectiontest.Scenario, name string) *projectiontest.Scenario {
	return s.Given(timer.Stream(named(name)), events.TimerCancelled{TimerID: named(name)})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, timers.Define, func(s *projectiontest.Scenario) {
		for i, name := range []string{"a", "b", "c"} {
			set(s, name, noon.Add(time.Duration(i)*time.Hour))
		}
		fire(s, "a", noon)
		cancel(s, "b")
	})
}

func TestWhatIsDueIsFoundInOrder(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, timers.Define)
	for name, due := range map[string]time.Time{
		"last": noon, "first": noon.Add(-2 * time.Hour), "second": noon.Add(-time.Hour), "early": noon.Add(time.Microsecond),
		"fired": noon, "cancelled": noon,
	} {
		set(s, name, due)
	}
	fire(s, "fired", noon)
	cancel(s, "cancelled")
	s.Settle()
	due := func(now time.Time, limit int) []string {
		found, err := index.Due(t.Context(), s.Pool(), s.Schema(), now, limit)
		require.NoError(t, err)
		var names []string
		for _, w := range found {
			require.Equal(t, index.Waiting{
				ID: named(w.Subject), Account: projectiontest.Account, Kind: "message_ttl", Due: w.Due, Stream: "conversation-1",
				Subject: w.Subject,
			}, w)
			names = append(names, w.Subject)
		}
		return names
	}
	require.Equal(t, []string{"first", "second", "last"}, due(noon, 0))
	require.Equal(t, []string{"first", "second"}, due(noon, 2))
	require.Equal(t, []string{"first", "second"}, due(noon.Add(-time.Nanosecond), 0), "the instant itself is due, the one before is not")
	require.Empty(t, due(noon.Add(-3*time.Hour), 0))
}
