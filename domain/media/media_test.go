package media_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/media"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
)

var (
	noon = time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	file = media.File{Conversation: id.Derive[id.Conversation]("test"), Message: id.Derive[id.Message]("test")}
)

func keep(now time.Time) func(media.State) ([]events.Event, error) {
	return func(s media.State) ([]events.Event, error) {
		return s.Keep(media.Kept{File: file, SHA256: "digest", Bytes: 4, MediaType: "image/jpeg"}, now), nil
	}
}

func miss(refused bool, now time.Time) func(media.State) ([]events.Event, error) {
	return func(s media.State) ([]events.Event, error) {
		return s.Miss(media.Missed{File: file, Code: 404, Refused: refused}, now), nil
	}
}

func missing(attempt int, at time.Time, again bool) events.MediaMissing {
	m := events.MediaMissing{ConversationID: file.Conversation, MessageID: file.Message, Code: 404, Attempt: attempt, MissedAt: at}
	if again {
		m.RetryAt = new(at.Add(5 * time.Minute))
	}
	return m
}

func TestAFileIsKeptOnce(t *testing.T) {
	t.Parallel()
	scenario.New(media.Evolve).When(keep(noon)).Then(t, events.MediaStored{
		ConversationID: file.Conversation, MessageID: file.Message, SHA256: "digest", Bytes: 4, MediaType: "image/jpeg", StoredAt: noon,
	}).When(keep(noon)).Then(t).When(miss(false, noon)).Then(t)
}

func TestS50_WhatCouldNotBeFetchedIsTriedAgainAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	s := scenario.New(media.Evolve).When(miss(false, noon)).Then(t, missing(1, noon, true))
	s.When(miss(false, noon.Add(5*time.Minute-1))).Then(t)
	s.When(miss(false, noon.Add(5*time.Minute))).Then(t, missing(2, noon.Add(5*time.Minute), true)).
		When(keep(noon.Add(10 * time.Minute)))
}

func TestAFileThatIsNotGivenIsGivenUp(t *testing.T) {
	t.Parallel()
	for refused, tries := range map[bool]int{true: 3, false: 288} {
		s := scenario.New(media.Evolve)
		for n := 1; n <= tries; n++ {
			at := noon.Add(time.Duration(n) * 5 * time.Minute)
			s = s.When(miss(refused, at)).Then(t, missing(n, at, n < tries))
		}
		s.When(miss(refused, noon.AddDate(0, 0, 9))).Then(t)
	}
	require.True(t, media.State{}.Wanted(noon))
}
