package conversation_test

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/domain"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

func fold(past ...events.Event) (s conversation.State) {
	for _, event := range past {
		s = conversation.Evolve(s, event)
	}
	return s
}

// stored is an event as a store gives it back.
func stored[E events.Event](t rapid.TB, e E) E {
	t.Helper()
	p, err := events.Encode(id.Event{}, e, events.Envelope{})
	require.NoError(t, err)
	back, err := events.Decode(p.Type, 1, p.Data)
	require.NoError(t, err)
	return back.(E)
}

// Whatever happens, a conversation in several books decides as one in a single book: on commands, on what the platform
// tells, and on both when they come again.
func TestBooksDecideAsOneStream(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole, books := fold(), fold()
		folded, book := 0, 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now := question.Add(time.Duration(rapid.IntRange(0, 7*24*60).Draw(t, "minute")) * time.Minute)
			decide := drawDecision(t, now)
			want, refusal := decide(whole)
			got, again := decide(books)
			require.Equal(t, domain.CodeOf(refusal), domain.CodeOf(again))
			require.Equal(t, asJSON(t, want), asJSON(t, got))
			for _, event := range want {
				whole, books = conversation.Evolve(whole, event), conversation.Evolve(books, event)
				folded++
			}
			if rapid.IntRange(0, 5).Draw(t, "close") == 0 && folded > 0 {
				book++
				closing := stored(t, books.CarryForward(now))
				require.Equal(t, book, closing.Book)
				require.Equal(t, asJSON(t, closing.Open), asJSON(t, whole.CarryForward(now).Open))
				books = fold(closing) // the next book knows nothing but its first event
				require.Equal(t, asJSON(t, closing), asJSON(t, closedAgain(books, closing, now)))
			}
		}
	})
}

// closedAgain closes a book in which nothing happened.
func closedAgain(s conversation.State, before events.ConversationCarriedForward, now time.Time) events.ConversationCarriedForward {
	again := s.CarryForward(now)
	again.Events, again.Book = before.Events, before.Book
	return again
}

func asJSON(t rapid.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func drawDecision(t *rapid.T, now time.Time) decision {
	n := rapid.IntRange(0, 5).Draw(t, "n")
	category := rapid.SampledFrom([]events.Category{events.Marketing, events.Utility, events.Authentication}).Draw(t, "category")
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		return drawSend(t, n, category, now)
	case 1:
		return func(s conversation.State) ([]events.Event, error) { return s.Start(message(n), now) }
	case 2:
		return drawOutcome(t, n, now)
	case 3:
		wanted := rapid.Bool().Draw(t, "wanted")
		return chooseAt(category, wanted, now.Add(-time.Hour))
	case 4:
		level := rapid.SampledFrom([]events.Volume{events.VolumeAll, events.VolumeFewer, events.VolumeNone}).Draw(t, "level")
		return volume(level, rapid.SampledFrom([][]events.Category{nil, {category}}).Draw(t, "only")...)
	case 5:
		return block(rapid.IntRange(0, 3).Draw(t, "blocked") == 0)
	case 6:
		return func(s conversation.State) ([]events.Event, error) { return s.Expire(message(n), now.AddDate(0, 0, 30)) }
	}
	updates := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) conversation.Update { return drawTold(t, now) }), 1, 4).Draw(t, "updates")
	return func(s conversation.State) ([]events.Event, error) {
		told := append([]conversation.Update(nil), updates...)
		recorded, unplaced := s.Record(party, told, now)
		if len(unplaced) > 0 {
			return recorded, domain.Missing("Unplaced"+strconv.Itoa(len(unplaced)), "%d updates have no place", len(unplaced))
		}
		return recorded, nil
	}
}

func drawSend(t *rapid.T, n int, category events.Category, now time.Time) decision {
	c := template(n, category)
	switch rapid.IntRange(0, 3).Draw(t, "who") {
	case 0:
		c = text(n)
	case 1:
		c.Campaign = &events.CampaignRef{CampaignID: id.Derive[id.Campaign]("test", strconv.Itoa(n)), Chunk: n}
	case 2:
		c.Automatic = "away"
	}
	return send(c, now)
}

func drawOutcome(t *rapid.T, n int, now time.Time) decision {
	tried := rapid.IntRange(1, 2).Draw(t, "attempt")
	switch rapid.IntRange(0, 4).Draw(t, "outcome") {
	case 0:
		return accept(n, n)
	case 1:
		return refuse(n, tried, 131026, nil)
	case 2:
		return refuse(n, tried, 130429, new(now.Add(time.Minute)))
	case 3:
		return lose(n, tried)
	}
	return deferred(n, now.Add(time.Hour))
}

func drawTold(t *rapid.T, now time.Time) conversation.Update {
	n := rapid.IntRange(0, 5).Draw(t, "told")
	switch rapid.IntRange(0, 7).Draw(t, "update") {
	case 0:
		told, _ := echo(20+n, now)
		return told
	case 1:
		told, _ := history(30+n, now, n%2 == 0)
		return told
	case 2:
		return conversation.Identified{FactID: id.Derive[id.Fact]("test", strconv.Itoa(n)), At: now}
	case 3:
		return conversation.NumberChanged{FactID: id.Derive[id.Fact]("test", strconv.Itoa(n)), At: now}
	case 4:
		u := inbound(10+n, now)
		u.Referral = rapid.SampledFrom([]string{"", "ad"}).Draw(t, "referral")
		u.Intent = rapid.SampledFrom([]events.Intent{"", events.IntentStop, events.IntentStart}).Draw(t, "intent")
		return u
	}
	u := status(n, rapid.SampledFrom([]events.Status{
		events.StatusSent, events.StatusDelivered, events.StatusRead, events.StatusFailed,
	}).Draw(t, "status"), now)
	if rapid.Bool().Draw(t, "priced") {
		u.Pricing = &events.Pricing{Model: rapid.SampledFrom([]string{"PMP", "CBP"}).Draw(t, "model"), Type: "regular"}
		u.Origin = &events.Origin{PlatformID: "f00d", Type: "referral_conversion", ExpiresAt: new(now.Add(time.Hour))}
	}
	if rapid.Bool().Draw(t, "reconciles") {
		u.WamidHash = wamid(n)
	}
	return u
}

// Word for word: an event that closes a book, folded where it closes and where it opens, gives the same.
func TestABookOpensAsTheLastOneClosed(t *testing.T) {
	t.Parallel()
	past := append(asking(), queuedTemplate(1, events.Utility), dispatchStarted(1, 1), accepted(1, 1),
		events.MessageSent{StatusFact: onward(fact(1, events.StatusSent, question))})
	closing := fold(past...).CarryForward(question)
	require.EqualValues(t, len(past), closing.Events)
	require.Equal(t, party, fold(closing).Party())
	require.Equal(t, fold(closing).CarryForward(question), fold(append(past, closing)...).CarryForward(question))
	require.EqualValues(t, len(past)+1, fold(closing).CarryForward(question).Events)
}

// What is too old to be told again, or to be told of, stays in its book.
func TestANewBookTakesOverWhatIsStillOpen(t *testing.T) {
	t.Parallel()
	old, young := queued(1), queued(2)
	young.QueuedAt = question.AddDate(0, 0, 1)
	s := fold(started(events.EntryInbound), received(1, question, question.Add(day)), received(2, question.AddDate(0, 0, 25), question), old, young)
	carried := s.CarryForward(question.AddDate(0, 0, 32))
	require.Len(t, carried.Open, 1)
	require.Equal(t, young.MessageID, carried.Open[0].MessageID)
	require.Len(t, carried.Received, 1)

	// An old message is taken over when something is told of it.
	whole, known := s.Message(old.MessageID)
	require.True(t, known)
	next := given(carried)
	recalled := next.When(func(s conversation.State) ([]events.Event, error) { return s.Recall(whole), nil }).
		Then(t, events.MessageRecalled{ConversationID: party.Conversation, OpenMessage: whole})
	recalled.When(func(s conversation.State) ([]events.Event, error) { return s.Recall(whole), nil }).Then(t)
	f := onward(telling(events.Delivery{At: minute(1)}, fact(1, events.StatusDelivered, minute(1))))
	recalled.When(tell(t, status(1, events.StatusDelivered, minute(1)))).Then(t, events.MessageDelivered{StatusFact: f})
	_, known = fold(carried).Message(old.MessageID)
	require.False(t, known)
}

// However much is open, the event that takes it over fits into an append.
func TestWhatIsTakenOverHasABound(t *testing.T) {
	t.Parallel()
	s := fold(started(events.EntryBusiness))
	for n := range 4000 {
		s = conversation.Evolve(s, queued(n))
		s = conversation.Evolve(s, received(n, question, question))
	}
	carried := s.CarryForward(question)
	require.Less(t, len(asJSON(t, carried)), 500<<10)
	require.Greater(t, len(carried.Open), 400)
	require.Len(t, carried.Received, 2500)
}
