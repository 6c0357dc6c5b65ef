package conversation_test

import (
	"cmp"
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
// recorded once, at the earliest time told; the service window ends with the newest message; what is known of each
// delivery is the same; and what was sent on is shown once.
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
		got := storyOf(t, past)
		require.Equal(t, storyOf(t, record(t, nil, updates)), got)
		require.Equal(t, deliveriesOf(updates), got.deliveries)
		require.Equal(t, sentOn(updates), got.sentOn)
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
	if rapid.Bool().Draw(t, "priced") {
		u.Pricing = wordOn(u)
	}
	return u
}

// wordOn is the platform's word on the price of a status: one that it does not change.
func wordOn(u conversation.StatusUpdate) *events.Pricing {
	return &events.Pricing{Billable: new(u.RecipientID == bob), Type: string(u.Status), Category: u.MessageID.String()}
}

// record tells updates to a conversation that has sent four messages, and returns what is new.
func record(t rapid.TB, past []events.Event, updates []conversation.Update) []events.Event {
	t.Helper()
	var s conversation.State
	for _, event := range append([]events.Event{started(events.EntryBusiness), queued(0), queued(1), queued(2), queued(3)}, past...) {
		s = conversation.Evolve(s, event)
	}
	recorded, unplaced := s.Record(party, updates, question.Add(2*time.Hour))
	require.Empty(t, unplaced)
	return recorded
}

// leg is a message on its way to a recipient.
type leg struct {
	message   id.Message
	recipient id.Customer
}

type step struct {
	leg

	status events.Status
}

// story is what a reader makes of a conversation.
type story struct {
	received    map[id.Message]time.Time
	steps       map[step]time.Time // the time that counts
	words       map[step]events.Pricing
	deliveries  map[leg]events.Delivery // as told last, but for FirstAt
	sentOn      map[leg]bool
	windowUntil time.Time
}

func storyOf(t rapid.TB, recorded []events.Event) story {
	t.Helper()
	s := story{
		received: map[id.Message]time.Time{}, steps: map[step]time.Time{}, words: map[step]events.Pricing{},
		deliveries: map[leg]events.Delivery{}, sentOn: map[leg]bool{},
	}
	firsts := map[leg]time.Time{}
	for _, event := range recorded {
		fact, status, again := factOf(event)
		key := step{leg{fact.MessageID, fact.RecipientID}, status}
		previous, told := s.steps[key]
		switch e := event.(type) {
		case events.MessageReceived:
			require.NotContains(t, s.received, e.MessageID, "a message is recorded once")
			s.received[e.MessageID] = e.SentAt
			require.False(t, e.WindowUntil.Before(s.windowUntil), "the window's end never goes back")
			s.windowUntil = e.WindowUntil
			continue
		case events.StatusTimeCorrected:
			require.Equal(t, previous, e.PreviousAt)
			require.True(t, e.At.Before(e.PreviousAt), "only an earlier time corrects")
			s.steps[key] = e.At
		case events.PricingTold:
			require.NotContains(t, s.words, key, "only the first word is told")
			require.NotNil(t, e.Pricing)
		default:
			s.steps[key] = fact.At
		}
		require.Equal(t, again, told, "a step is recorded once, and only then corrected")
		if _, worded := s.words[key]; !worded && fact.Pricing != nil {
			s.words[key] = *fact.Pricing
		}
		s.deliver(t, firsts, key.leg, fact.Delivery)
		if fact.ShowsSent {
			require.False(t, s.sentOn[key.leg], "a message is sent on once")
			s.sentOn[key.leg] = true
		}
		require.True(t, s.sentOn[key.leg] || status == events.StatusFailed, "the first fact that shows it says so")
	}
	return s
}

// deliver takes note of what a fact tells of a delivery: once that it is known, and then when more is known.
func (s story) deliver(t rapid.TB, firsts map[leg]time.Time, way leg, told *events.Delivery) {
	t.Helper()
	if told == nil {
		return
	}
	first, known := firsts[way]
	if known {
		require.NotNil(t, told.FirstAt, "a delivery is known once")
		require.Equal(t, first, *told.FirstAt)
	} else {
		require.Nil(t, told.FirstAt)
		firsts[way] = told.At
	}
	now := *told
	now.FirstAt = nil
	require.NotEqual(t, s.deliveries[way], now, "only what changes is told")
	s.deliveries[way] = now
}

// factOf returns the fact of a status, and whether the event is about a status that was told before.
func factOf(event events.Event) (fact events.StatusFact, status events.Status, again bool) {
	switch e := event.(type) {
	case events.MessageSent:
		return e.StatusFact, events.StatusSent, false
	case events.MessageDelivered:
		return e.StatusFact, events.StatusDelivered, false
	case events.MessageRead:
		return e.StatusFact, events.StatusRead, false
	case events.MessagePlayed:
		return e.StatusFact, events.StatusPlayed, false
	case events.MessageFailed:
		return e.StatusFact, events.StatusFailed, false
	case events.StatusTimeCorrected:
		return e.StatusFact, e.Status, true
	case events.PricingTold:
		return e.StatusFact, e.Status, true
	}
	return fact, status, false
}

// sentOn finds in a set of updates what the platform sent on.
func sentOn(updates []conversation.Update) map[leg]bool {
	ways := map[leg]bool{}
	for _, update := range updates {
		if u, ok := update.(conversation.StatusUpdate); ok && u.Status != events.StatusFailed {
			ways[leg{u.MessageID, u.RecipientID}] = true
		}
	}
	return ways
}

// deliveriesOf computes from a set of updates what must be known of their deliveries in the end.
func deliveriesOf(updates []conversation.Update) map[leg]events.Delivery {
	times, words := map[step]time.Time{}, map[step]*events.Pricing{}
	ways := map[leg]events.Delivery{}
	for _, update := range updates {
		u, ok := update.(conversation.StatusUpdate)
		if !ok {
			continue
		}
		key := step{leg{u.MessageID, u.RecipientID}, u.Status}
		if first, told := times[key]; !told || u.At.Before(first) {
			times[key] = u.At
		}
		words[key] = cmp.Or(words[key], u.Pricing)
		ways[key.leg] = events.Delivery{}
	}
	for way := range ways {
		of := func(status events.Status) step { return step{way, status} }
		at, delivered := times[of(events.StatusDelivered)]
		if !delivered {
			read, isRead := times[of(events.StatusRead)]
			played, isPlayed := times[of(events.StatusPlayed)]
			if at = read; !isRead || isPlayed && played.Before(read) {
				at = played
			}
			if !isRead && !isPlayed {
				delete(ways, way)
				continue
			}
		}
		ways[way] = events.Delivery{At: at, Inferred: !delivered, Pricing: cmp.Or(
			words[of(events.StatusDelivered)], words[of(events.StatusRead)], words[of(events.StatusPlayed)], words[of(events.StatusSent)])}
	}
	return ways
}
