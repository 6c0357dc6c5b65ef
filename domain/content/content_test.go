package content_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/content"
	"daybook/domain/scenario"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

var (
	owner  = id.Derive[id.Account]("a")
	tablet = id.Derive[id.Device]("tablet")
	noon   = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	menu   = content.Publish{Package: "menu", Locale: "it", SHA256: strings.Repeat("a", 64)}
)

func publish(c content.Publish) func(content.State) ([]events.Event, error) {
	return func(s content.State) ([]events.Event, error) { return s.Publish(owner, c) }
}

func published(c content.Publish, version int) events.ContentPublished {
	return events.ContentPublished{AccountID: owner, PackageVersion: events.PackageVersion{
		Package: c.Package, Locale: c.Locale, Version: version, SHA256: c.SHA256,
	}}
}

func TestContentHasOneCurrentVersionInEachLanguage(t *testing.T) {
	t.Parallel()
	english, again := menu, menu
	english.Locale, again.SHA256 = "en", strings.Repeat("b", 64)
	s := scenario.New(content.Evolve).When(publish(menu)).Then(t, published(menu, 1)).
		When(publish(menu)).Then(t).
		When(publish(again)).Then(t, published(again, 2)).
		When(publish(english)).Then(t, published(english, 1))
	s.When(func(s content.State) ([]events.Event, error) {
		require.Equal(t, []events.PackageVersion{published(english, 1).PackageVersion, published(again, 2).PackageVersion}, s.Current())
		return nil, nil
	}).Then(t)
	for code, wrong := range map[string]content.Publish{
		"PackageInvalid":  {Package: "Menu!", Locale: "it", SHA256: menu.SHA256},
		"LanguageInvalid": {Package: "menu", Locale: "Italian", SHA256: menu.SHA256},
		"DigestInvalid":   {Package: "menu", Locale: "it", SHA256: "abc"},
	} {
		s.When(publish(wrong)).Rejected(t, code)
	}
	for n := range 98 {
		s = s.Given(published(content.Publish{Package: strconv.Itoa(n), Locale: "it", SHA256: menu.SHA256}, 1))
	}
	s.When(publish(content.Publish{Package: "last", Locale: "it", SHA256: menu.SHA256})).Rejected(t, "TooManyPackages")
	s.When(publish(menu)).Then(t, published(menu, 3))
}

// due requires the timer that follows from an event.
func due(t *testing.T, event events.Event, turn int, at time.Time) timer.Set {
	t.Helper()
	next, follows := content.Next(event)
	require.True(t, follows)
	require.Equal(t, timer.Set{
		Account: owner, Kind: events.TimerContentRefresh, Stream: content.Stream(owner), Subject: tablet.String(), Ordinal: turn, Due: at,
	}, next)
	return next
}

func TestS49_ContentIsRefreshedEvery31DaysAndS50_RetriedAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	schedule := func(s content.State) ([]events.Event, error) { return s.Schedule(owner, tablet, noon) }
	had := []events.PackageVersion{published(menu, 1).PackageVersion}
	refreshed := func(turn int, now time.Time) func(content.State) ([]events.Event, error) {
		return func(s content.State) ([]events.Event, error) { return s.Refreshed(owner, tablet, turn, had, now) }
	}
	failed := func(turn int, now time.Time) func(content.State) ([]events.Event, error) {
		return func(s content.State) ([]events.Event, error) { return s.Failed(owner, tablet, turn, "offline", now) }
	}
	first := events.ContentRefreshScheduled{AccountID: owner, DeviceID: tablet, NextAt: noon}
	scenario.New(content.Evolve).When(refreshed(0, noon)).Then(t)
	scenario.New(content.Evolve).When(failed(0, noon)).Then(t)
	s := scenario.New(content.Evolve).When(schedule).Then(t, first)
	s.When(schedule).Then(t)
	fired := due(t, first, 0, noon)
	s.When(func(s content.State) ([]events.Event, error) {
		turn, open := s.Turn(owner, tablet, fired.ID())
		require.True(t, open)
		require.Zero(t, turn)
		return nil, nil
	}).Then(t)

	failures := s
	for attempt := 1; attempt <= 3; attempt++ {
		now := noon.Add(time.Duration(attempt) * time.Hour)
		event := events.ContentRefreshFailed{
			AccountID: owner, DeviceID: tablet, Turn: attempt - 1, Attempt: attempt, Code: "offline", FailedAt: now,
			RetryAt: now.Add(5 * time.Minute),
		}
		failures = failures.When(failed(attempt-1, now)).Then(t, event)
		failures.When(failed(attempt-1, now)).Then(t)
		due(t, event, attempt, now.Add(5*time.Minute))
	}
	now := noon.Add(5 * time.Hour)
	event := events.ContentRefreshed{
		AccountID: owner, DeviceID: tablet, Turn: 3, Packages: had, RefreshedAt: now, NextAt: now.Add(31 * 24 * time.Hour),
	}
	done := failures.When(refreshed(3, now)).Then(t, event)
	done.When(refreshed(3, now)).Then(t)
	due(t, event, 4, now.Add(31*24*time.Hour))
	done.When(failed(4, now)).Then(t, events.ContentRefreshFailed{ // attempts are counted from the last that worked
		AccountID: owner, DeviceID: tablet, Turn: 4, Attempt: 1, Code: "offline", FailedAt: now, RetryAt: now.Add(5 * time.Minute),
	})
	done.When(func(s content.State) ([]events.Event, error) {
		_, open := s.Turn(owner, tablet, fired.ID())
		require.False(t, open, "that turn has ended")
		return nil, nil
	}).Then(t)
}
