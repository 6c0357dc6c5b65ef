package policies_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/account"
	"daybook/domain/billing"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// everything is more than any log of a test holds.
const everything = 1 << 20

var summer = time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)

// appendSizes returns the events and bytes of each append to a billing period.
func appendSizes(t *testing.T, store policiestest.Store, stream string) (sizes, bytes []int) {
	t.Helper()
	size, total := 0, 0
	for record, err := range store.ReadStream(t.Context(), stream, 0) {
		require.NoError(t, err)
		size, total = size+1, total+len(record.Data)+len(record.Metadata)+2*len(record.Type)
		if record.Type == "BatchRated" {
			sizes, bytes = append(sizes, size), append(bytes, total)
			size, total = 0, 0
		}
	}
	require.Zero(t, size)
	return sizes, bytes
}

// talk records the deliveries of one long conversation.
func (s *shop) talk(deliveries int, category events.Category) {
	s.Helper()
	who := customer(italian)
	s.receives(italian, summer)
	var told []conversation.Update
	for n := range deliveries {
		m := s.sends(italian, category, summer)
		told = append(told, status(m, events.StatusDelivered, summer.Add(time.Duration(n)*time.Second), nil))
	}
	s.tell(who, told...)
}

func TestAppendsStayWithinTheLimits(t *testing.T) {
	t.Parallel()
	s := newShop(t, storetest.Lend(t), "USD", "Europe/Rome")
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"))
	s.talk(1_100, events.Marketing)
	rating := s.rating()
	reactToAll(t, rating, s.store)

	stream := billing.Stream(s.account, "2026-07")
	sizes, bytes := appendSizes(t, s.store, stream)
	require.Greater(t, len(sizes), 2)
	total := 0
	for i := range sizes {
		require.LessOrEqual(t, sizes[i], 500)
		require.LessOrEqual(t, bytes[i], 512<<10)
		require.True(t, i == len(sizes)-1 || sizes[i] == 500 || bytes[i] > 500<<10, "appends are as large as they may be")
		total += sizes[i] - 1
	}
	require.Equal(t, 1_100, total)
	require.Equal(t, int64(1_100), readBooks(t, s.store).closing[stream].Totals[0].Paid)

	few := copyHistory(t, s.store, stream)
	reactToAll(t, policies.NewRatingInAppendsOf(few, fixedClock, 500, 32<<10), few)
	sizes, bytes = appendSizes(t, few, stream)
	for i := range sizes {
		require.LessOrEqual(t, bytes[i], 32<<10)
	}
	require.Greater(t, len(sizes), 30)

	few = copyHistory(t, s.store, stream)
	reactToAll(t, policies.NewRatingInAppendsOf(few, fixedClock, 7, 1<<20), few)
	sizes, _ = appendSizes(t, few, stream)
	require.Len(t, sizes, (1_100+5)/6)
	require.Equal(t, 7, slices.Max(sizes))
}

// reactToAll lets a policy react to everything at once.
func reactToAll(t *testing.T, rating policies.Policy, store storetest.LentStore) {
	t.Helper()
	inputs, _ := dealt(t, rating, store, events.Start, everything)
	for shard, inputs := range inputs {
		require.NoError(t, rating.React(t.Context(), shard, inputs))
	}
}

func TestAChargeSaysWhatCausedIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, storetest.Lend(t), "USD", "Europe/Rome")
	m := s.sentAndDelivered(italian, events.Marketing, summer)
	s.rate()
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"))
	s.clock = summer.Add(day)
	s.rate()

	conversationStream, cards := conversation.Stream(s.conversation(m.customer)), "ratecards-USD"
	causes := map[string]events.Record{}
	for _, stream := range []string{conversationStream, cards} {
		last, found, err := s.store.ReadLast(t.Context(), stream)
		require.NoError(t, err)
		require.True(t, found)
		causes[stream] = last
	}
	ids := map[id.Event]bool{}
	n := 0
	for record, err := range s.store.ReadStream(t.Context(), billing.Stream(s.account, "2026-07"), 0) {
		require.NoError(t, err)
		_, envelope, err := events.DecodeRecord(record)
		require.NoError(t, err)
		cause := causes[conversationStream]
		if n >= 2 {
			cause = causes[cards]
		}
		_, caused, err := events.DecodeRecord(cause)
		require.NoError(t, err)
		recorded := summer // the clock stood there when it was sent
		if n >= 2 {
			recorded = summer.Add(day)
		}
		occurred := summer.Add(time.Second)
		if record.Type == "BatchRated" {
			occurred = recorded
		}
		require.Equal(t, events.Envelope{
			Version: 1, Account: s.account, OccurredAt: occurred, RecordedAt: recorded, Actor: "policy:rating", Source: "policy:rating",
			Correlation: caused.Correlation, Causation: cause.ID.String(),
		}, envelope)
		require.Equal(t, []string{"ChargePending", "BatchRated", "MessageCharged", "BatchRated"}[n], record.Type)
		require.False(t, ids[record.ID])
		ids[record.ID] = true
		n++
	}
	require.Equal(t, 4, n)
}

// An account that cannot be rated holds up its shard, and says why. Nothing is skipped.
func TestWhatCannotBeRatedIsAnError(t *testing.T) {
	t.Parallel()
	store := storetest.Lend(t)
	s := newShop(t, store, "USD", "Europe/Rome")
	s.sentAndDelivered(italian, events.Marketing, summer)
	rating := s.rating()
	inputs, _ := dealt(t, rating, store, events.Start, everything)
	for shard, mine := range inputs {
		stranger := *mine[0]
		stranger.Envelope.Account = id.New[id.Account]()
		require.ErrorContains(t, rating.React(t.Context(), shard, []*policies.Input{&stranger}), "is not registered")

		foreign, err := events.Encode(id.New[id.Event](), events.TermsAccepted{}, events.Envelope{})
		require.NoError(t, err)
		_, err = store.Append(t.Context(), billing.Stream(s.account, "2026-07"), events.NoStream, []events.Proposed{foreign})
		require.NoError(t, err)
		require.ErrorContains(t, rating.React(t.Context(), shard, mine), "ends with TermsAccepted at revision 0, not with BatchRated")
	}
}

// Facts from before deliveries were told are not charged. What is told of such a delivery later is, once.
func TestADeliveryFromBeforeDeliveriesWereTold(t *testing.T) {
	t.Parallel()
	s := newShop(t, storetest.Lend(t), "USD", "Europe/Rome")
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"))
	m := s.sends(italian, events.Marketing, summer)
	stream := conversation.Stream(s.conversation(m.customer))
	fact := events.StatusFact{
		ConversationID: s.conversation(m.customer), MessageID: m.id, RecipientID: m.customer, At: summer,
		Sending: events.Sending{PhoneNumberID: s.number, Category: events.Marketing, QueuedAt: summer, Dialling: events.Dialling{Prefix: "39"}},
	}
	s.record(stream, events.MessageDelivered{StatusFact: fact})
	require.Empty(t, s.rate().rated)
	for n := range 2 {
		fact.Delivery = &events.Delivery{At: summer.Add(-time.Duration(n) * time.Second), FirstAt: &summer}
		s.record(stream, events.StatusTimeCorrected{StatusFact: fact, Status: events.StatusDelivered, PreviousAt: summer})
	}
	b := s.rate()
	require.Equal(t, []string{"MessageCharged", "ChargeAdjusted"}, b.kindsOf(m))
	require.Equal(t, summer.Add(-time.Second), b.line(m).at)
}

// record appends an event of the shop's account.
func (s *shop) record(stream string, event events.Event) {
	s.Helper()
	proposed, err := events.Encode(id.New[id.Event](), event, events.Envelope{Account: s.account, OccurredAt: summer, RecordedAt: summer})
	require.NoError(s, err)
	_, err = s.store.Append(s.Context(), stream, events.Any, []events.Proposed{proposed})
	require.NoError(s, err)
}

// An adjustment stays in the period of its charge, whatever month the delivery turns out to be of, also when rating has
// forgotten the charge since.
func TestAnAdjustmentStaysInThePeriodOfItsCharge(t *testing.T) {
	t.Parallel()
	s := newShop(t, storetest.Lend(t), "USD", "UTC")
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test", "Italy,IT,39,marketing,USD,0.0800,2026-10-01,test"))
	before := october.Add(-time.Second)
	m := s.sends(italian, events.Marketing, before)
	s.tell(m.customer, status(m, events.StatusRead, before, nil))
	s.rate()
	s.tell(m.customer, status(m, events.StatusDelivered, october, nil))
	b := s.rate()
	require.Equal(t, []string{"MessageCharged", "ChargeAdjusted"}, b.kindsOf(m))
	require.Equal(t, line{"0.0800 USD", events.BasisRegular, events.Marketing, "Italy", october, false}, b.line(m))
	require.Len(t, b.closing, 1)
	require.Contains(t, b.closing, billing.Stream(s.account, "2026-09"))
	policiestest.Amnesia(t, s.store, s.rating)
}

// The shards are dealt out for ever: a period that changed its shard would be rated twice at once.
func TestShardsNeverChange(t *testing.T) {
	t.Parallel()
	store := storetest.Lend(t)
	rating := policies.NewRating(store, fixedClock)
	require.Equal(t, "rating", rating.Name())
	require.Equal(t, 16, rating.Shards())
	var shards []int
	for n := range 8 {
		alone, one := id.Derive[id.Account]("test", strconv.Itoa(n)), id.Derive[id.Account]("one of several", strconv.Itoa(n))
		happen(t, store, account.Stream(alone), alone, events.AccountRegistered{AccountID: alone})
		happen(t, store, account.Stream(one), one, events.AccountRegistered{AccountID: one, PortfolioID: alone})
		shard, err := rating.Shard(t.Context(), &policies.Input{Event: events.MessageRead{}, Envelope: events.Envelope{Account: alone}})
		require.NoError(t, err)
		shards = append(shards, shard)
		for _, in := range []*policies.Input{
			{Event: events.MessageRead{}, Envelope: events.Envelope{Account: one}}, {Event: events.PeriodClosingRequested{Portfolio: alone}},
		} {
			same, err := rating.Shard(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, shard, same, "all that concerns a portfolio is dealt by it")
		}
	}
	require.Equal(t, []int{4, 3, 2, 2, 5, 3, 13, 4}, shards)
	every, err := rating.Shard(t.Context(), &policies.Input{Event: events.RateCardImported{}})
	require.NoError(t, err)
	require.Equal(t, policies.Every, every)
}
