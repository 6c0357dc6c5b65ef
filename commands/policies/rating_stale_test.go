package policies_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/billing"
	"daybook/domain/conversation"
	"daybook/events"
)

// shift is a process that rates what has come since the last shift, whoever had that one.
type shift struct {
	*shop

	at events.Position
}

func (s *shift) rates(rating policies.Policy) *books {
	s.Helper()
	inputs, last := dealt(s, rating, s.store, s.at, everything)
	s.at = last
	for shard, mine := range inputs {
		require.NoError(s, rating.React(s.Context(), shard, mine))
	}
	return readBooks(s, s.store)
}

// A shard comes back to a process after another one had it. What the process remembers is old then, of charges, of what
// is pending and of cards; and it was told nothing of what happened meanwhile.
func TestALeaseThatComesBackFindsOldMemories(t *testing.T) {
	t.Parallel()
	s := &shift{shop: newShop(t, storetest.Lend(t), "USD", "Europe/Rome")}
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"))
	here, elsewhere := s.rating(), s.rating()

	m := s.sends(italian, events.Marketing, summer)
	s.tell(m.customer, status(m, events.StatusDelivered, summer, nil))
	s.rates(here)
	later := func(at time.Time) {
		s.record(conversation.Stream(s.conversation(m.customer)), events.StatusTimeCorrected{StatusFact: events.StatusFact{
			ConversationID: s.conversation(m.customer), MessageID: m.id, RecipientID: m.customer,
			Sending:  events.Sending{PhoneNumberID: s.number, Category: events.Marketing, QueuedAt: summer, Dialling: events.DialPhone(italian)},
			Delivery: &events.Delivery{At: at, FirstAt: &summer},
		}})
	}
	later(summer.Add(-time.Hour))
	s.rates(elsewhere)
	later(summer) // as it was when it was last seen here
	b := s.rates(here)
	require.Equal(t, []string{"MessageCharged", "ChargeAdjusted", "ChargeAdjusted"}, b.kindsOf(m))
	require.Equal(t, summer, b.line(m).at)

	waits := s.sentAndDelivered(italian, events.Utility, summer)
	require.True(t, s.rates(elsewhere).line(waits).pending)
	s.publish(rows("Italy,IT,39,utility,USD,0.0300,2026-07-01,test"))
	require.Equal(t, "0.0300 USD", s.rates(here).line(waits).amount, "nothing was pending when it was last seen here")

	s.publish(rows("Italy,IT,39,marketing,USD,0.0800,2026-07-16,test"))
	s.rates(elsewhere)
	next := s.sentAndDelivered(italian, events.Marketing, summer.Add(day))
	require.Equal(t, "0.0800 USD", s.rates(here).line(next).amount, "the card was read elsewhere")
	policiestest.Amnesia(t, s.store, s.rating)
}

// More is remembered than one turn of the ring holds, so the newest event of a delivery may lie before the older one.
func TestTheNewestMemoryCounts(t *testing.T) {
	t.Parallel()
	s := &shift{shop: newShop(t, storetest.Lend(t), "USD", "Europe/Rome")}
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"))
	rating := s.rating()
	s.talk(policies.ChargesKept-1, events.Marketing)
	m := s.sends(italian, events.Marketing, summer)
	for _, at := range []time.Duration{2, 1, 0} {
		s.tell(m.customer, status(m, events.StatusDelivered, summer.Add(at*time.Second), nil))
		s.rates(rating)
	}
	b := s.rates(rating)
	require.Equal(t, []string{"MessageCharged", "ChargeAdjusted", "ChargeAdjusted"}, b.kindsOf(m))
	require.Equal(t, summer, b.line(m).at)
}

// A card that another has ended prices nothing when it is seen again.
func TestACardIsAppliedWhenItComesAndNeverAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t, storetest.Lend(t), "USD", "Europe/Rome")
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"))
	s.publish(rows("Italy,IT,39,marketing,USD,n/a,2026-07-02,test"))
	m := s.sentAndDelivered(italian, events.Marketing, summer)
	require.True(t, s.rate().line(m).pending)
	policiestest.Amnesia(t, s.store, s.rating)
}

// Only the last append of what a card prices says that the card was rated: after a crash between two, the rest comes.
func TestTheLastAppendOfACardNamesIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, storetest.Lend(t), "USD", "Europe/Rome")
	for range 10 {
		s.sentAndDelivered(italian, events.Marketing, summer)
	}
	rating := policies.NewRatingInAppendsOf(s.store, fixedClock, 5, 1<<20)
	reactToAll(t, rating, s.store)
	stream := billing.Stream(s.account, "2026-07")
	waiting := readBooks(t, s.store).closing[stream]
	require.Equal(t, 10, waiting.Pending)
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"))
	reactToAll(t, rating, s.store)

	var sources []events.Ref
	for record, err := range s.store.ReadStream(t.Context(), stream, 0) {
		require.NoError(t, err)
		event, _, err := events.DecodeRecord(record)
		require.NoError(t, err)
		if closing, ok := event.(events.BatchRated); ok && closing.Charged > 0 {
			sources = append(sources, closing.Source)
		}
	}
	require.Equal(t, []events.Ref{waiting.Source, waiting.Source, {Stream: "ratecards-USD"}}, sources)
}

// A store takes an append with the same ids at the same revision for a repeat. Who has decided otherwise, with other
// code perhaps, must not be told that its own decision stands.
func TestWhoDecidesOtherwiseProposesOtherIDs(t *testing.T) {
	t.Parallel()
	s := newShop(t, storetest.Lend(t), "USD", "Europe/Rome")
	s.sentAndDelivered(italian, events.Marketing, summer)
	var ids [2][]string
	for i, rate := range []string{"0.0795", "0.0800"} {
		store := storetest.Lend(t)
		_, err := commands.New(store, fixedClock).ImportRateCards(t.Context(), asAdmin, []byte(rows("Italy,IT,39,marketing,USD,"+rate+",2026-07-01,test")))
		require.NoError(t, err)
		copyInto(t, store, s.store)
		reactToAll(t, policies.NewRating(store, fixedClock), store)
		for record, err := range store.ReadStream(t.Context(), billing.Stream(s.account, "2026-07"), 0) {
			require.NoError(t, err)
			ids[i] = append(ids[i], record.ID.String())
		}
	}
	require.Len(t, ids[0], 2)
	require.Equal(t, ids[0][0], ids[1][0], "the same charge of the same fact")
	require.NotEqual(t, ids[0][1], ids[1][1], "another state")
}
