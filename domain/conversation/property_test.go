package conversation_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// Whatever the platform repeats, reorders or splits, the same story is told in the end: each message and each step is
// recorded once, at the earliest time told, and the service window ends with the newest message.
func TestAnyShuffleRepetitionAndSplitTellsTheSameStory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		updates := rapid.SliceOfN(rapid.Custom(drawUpdate), 1, 30).Draw(t, "updates")
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, 0))
		told := append([]conversation.Update(nil), updates...)
		for range rapid.IntRange(0, 30).Draw(t, "repeats") {
			told = append(told, updates[random.IntN(len(updates))])
		}
		random.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })

		var past []events.Event
		for len(told) > 0 {
			n := 1 + random.IntN(len(told))
			past = append(past, record(t, past, told[:n])...)
			told = told[n:]
		}
		want := record(t, nil, updates)
		require.Equal(t, storyOf(t, want), storyOf(t, past))
		require.Empty(t, record(t, past, updates), "told again, it is nothing new")
	})
}

func drawUpdate(t *rapid.T) conversation.Update {
	at := question.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "second")) * time.Second)
	n := rapid.IntRange(0, 3).Draw(t, "message")
	if rapid.Bool().Draw(t, "inbound") {
		return inbound(n+10, question.Add(time.Duration(n)*time.Hour)) // one wamid has one time
	}
	u := status(n, rapid.SampledFrom([]events.Status{
		events.StatusSent, events.StatusDelivered, events.StatusRead, events.StatusPlayed, events.StatusFailed,
	}).Draw(t, "status"), at)
	if rapid.Bool().Draw(t, "group") {
		u.RecipientID = bob
		u.FactID = conversation.StatusFactID(wamid(n), u.Status, bob)
	}
	return u
}

// record tells updates to a conversation that has sent four messages, and returns what is new.
func record(t *rapid.T, past []events.Event, updates []conversation.Update) []events.Event {
	var s conversation.State
	for _, event := range append([]events.Event{started(events.EntryBusiness), queued(0), queued(1), queued(2), queued(3)}, past...) {
		s = conversation.Evolve(s, event)
	}
	recorded, unplaced := s.Record(party, updates, question.Add(2*time.Hour))
	require.Empty(t, unplaced)
	return recorded
}

// story is what a reader makes of a conversation.
type story struct {
	received    map[id.Message]time.Time
	steps       map[string]time.Time // message, recipient, status → the time that counts
	windowUntil time.Time
}

func storyOf(t *rapid.T, recorded []events.Event) story {
	s := story{received: map[id.Message]time.Time{}, steps: map[string]time.Time{}}
	step := func(status events.Status, f events.StatusFact) {
		key := fmt.Sprint(f.MessageID, f.RecipientID, status)
		require.NotContains(t, s.steps, key, "a step is recorded once")
		s.steps[key] = f.At
	}
	for _, event := range recorded {
		switch e := event.(type) {
		case events.MessageReceived:
			require.NotContains(t, s.received, e.MessageID, "a message is recorded once")
			s.received[e.MessageID] = e.SentAt
			require.False(t, e.WindowUntil.Before(s.windowUntil), "the window's end never goes back")
			s.windowUntil = e.WindowUntil
		case events.MessageSent:
			step(events.StatusSent, e.StatusFact)
		case events.MessageDelivered:
			step(events.StatusDelivered, e.StatusFact)
		case events.MessageRead:
			step(events.StatusRead, e.StatusFact)
		case events.MessagePlayed:
			step(events.StatusPlayed, e.StatusFact)
		case events.MessageFailed:
			step(events.StatusFailed, e.StatusFact)
		case events.StatusTimeCorrected:
			key := fmt.Sprint(e.MessageID, e.RecipientID, e.Status)
			require.Equal(t, s.steps[key], e.PreviousAt)
			require.True(t, e.At.Before(e.PreviousAt), "only an earlier time corrects")
			s.steps[key] = e.At
		default:
			t.Fatalf("unexpected %T", event)
		}
	}
	return s
}
