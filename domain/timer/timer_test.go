package timer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain"
	"daybook/domain/scenario"
	"daybook/domain/timer"
	"daybook/events"
)

var (
	noon  = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	start = timer.Set{Kind: events.TimerCampaignStart, Stream: "campaign-1", Subject: "1", Due: noon}
	isSet = events.TimerSet{TimerID: start.ID(), Kind: start.Kind, Due: noon, Stream: "campaign-1", Subject: "1"}
	fired = events.TimerFired{TimerID: start.ID(), Kind: start.Kind, Due: noon, Stream: "campaign-1", Subject: "1", FiredAt: noon}
)

func set(c timer.Set) func(timer.State) ([]events.Event, error) {
	return func(s timer.State) ([]events.Event, error) { return s.Set(c) }
}

func fire(now time.Time) func(timer.State) ([]events.Event, error) {
	return func(s timer.State) ([]events.Event, error) { return s.Fire(start.ID(), now) }
}

func cancel(s timer.State) ([]events.Event, error) { return s.Cancel() }

func TestATimerFiresOnceAndNeverEarly(t *testing.T) {
	t.Parallel()
	waiting := scenario.New(timer.Evolve).When(set(start)).Then(t, isSet)
	require.Equal(t, domain.Conflict, waiting.When(fire(noon.Add(-time.Nanosecond))).Rejected(t, "TimerNotDue").Kind)
	done := waiting.When(fire(noon)).Then(t, fired)
	done.When(fire(noon.Add(time.Hour))).Then(t)
	done.When(cancel).Then(t)
	done.When(set(start)).Then(t)
}

func TestATimerIsSetOnceWhateverTheInstant(t *testing.T) {
	t.Parallel()
	later := start
	later.Due = noon.Add(time.Hour)
	require.Equal(t, start.ID(), later.ID())
	scenario.New(timer.Evolve).When(set(start)).Then(t, isSet).When(set(later)).Then(t)
}

func TestACancelledTimerNeverFires(t *testing.T) {
	t.Parallel()
	scenario.New(timer.Evolve).Given(isSet).When(cancel).Then(t, events.TimerCancelled{TimerID: start.ID()}).
		When(cancel).Then(t).
		When(fire(noon)).Then(t).
		When(set(start)).Then(t)
	scenario.New(timer.Evolve).When(cancel).Then(t)
}

func TestAnInstantIsRoundedUpToWhatTheIndexTellsApart(t *testing.T) {
	t.Parallel()
	odd, even := start, start
	odd.Due, even.Due = noon.Add(1), noon.Add(time.Microsecond).In(time.FixedZone("CEST", 7200))
	want := isSet
	want.Due = noon.Add(time.Microsecond)
	for _, c := range []timer.Set{odd, even} {
		scenario.New(timer.Evolve).When(set(c)).Then(t, want).
			When(fire(noon.Add(999*time.Nanosecond))).Rejected(t, "TimerNotDue")
	}
}

func TestTimersOfOneSubjectAreToldApart(t *testing.T) {
	t.Parallel()
	ids := map[any]bool{start.ID(): true}
	for _, change := range []func(*timer.Set){
		func(c *timer.Set) { c.Kind = events.TimerCampaignExpiry },
		func(c *timer.Set) { c.Stream = "campaign-2" },
		func(c *timer.Set) { c.Subject = "2" },
		func(c *timer.Set) { c.Ordinal = 1 },
	} {
		other := start
		change(&other)
		require.False(t, ids[other.ID()])
		ids[other.ID()] = true
	}
}

func TestATimerNeedsToSayWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*timer.Set){
		func(c *timer.Set) { c.Kind = "" },
		func(c *timer.Set) { c.Stream = "" },
		func(c *timer.Set) { c.Due = time.Time{} },
	} {
		c := start
		change(&c)
		scenario.New(timer.Evolve).When(set(c)).Rejected(t, "TimerInvalid")
	}
	require.Equal(t, domain.NotFound, scenario.New(timer.Evolve).When(fire(noon)).Rejected(t, "TimerUnknown").Kind)
}
