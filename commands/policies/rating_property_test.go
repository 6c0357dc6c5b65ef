package policies_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/storetest"
	"daybook/commands/policies"
	"daybook/domain/billing"
	"daybook/domain/conversation"
	"daybook/domain/scenario"
	"daybook/events"
)

// told is one status of one message, as the platform may tell it more than once, with other times.
type told struct {
	message int
	status  events.Status
	at      time.Time
	word    *events.Pricing
}

// The messages of the property, around the change of months, policies and cards. Each status has one word on the price,
// however often it is told; one word is known to no policy.
var (
	october  = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	mixed    = []events.Category{events.Utility, events.Marketing, events.Authentication, events.Service, events.Utility, events.Service}
	statuses = []events.Status{events.StatusSent, events.StatusDelivered, events.StatusRead, events.StatusPlayed, events.StatusFailed}
	wordings = []*events.Pricing{
		nil, nil, {Model: "PMP", Type: "regular"}, {Model: "PMP", Type: "free_customer_service"},
		{Model: "PMP", Type: "free_entry_point", Category: "marketing"}, {Type: "regular", Category: "utility"}, {Category: "authentication"},
		{Type: "free_something_new"},
	}
)

// published are the files of cards by category, in the order in which they come: the newer card first, or the older one
// would price its days meanwhile. Of marketing the newer card says nothing of Italy and has the market for all others;
// both come in one file. Service has no rate.
var published = [][]string{
	{rows(
		"Italy,IT,39,marketing,USD,0.0795,2026-07-01,test", "Other,,,marketing,USD,0.0604,2026-07-01,test",
		"Other,,,marketing,USD,0.0604,2026-10-01,test",
	)},
	{rows("Italy,IT,39,utility,USD,0.0320,2026-10-01,test"), rows("Italy,IT,39,utility,USD,0.0300,2026-07-01,test")},
	{rows("Italy,IT,39,authentication,USD,0.0330,2026-10-01,test"), rows("Italy,IT,39,authentication,USD,0.0310,2026-07-01,test")},
}

func updates(t *rapid.T) []told {
	words := map[int]*events.Pricing{}
	var all []told
	for range rapid.IntRange(1, 16).Draw(t, "updates") {
		message, status := rapid.IntRange(0, len(mixed)-1).Draw(t, "message"), rapid.IntRange(0, len(statuses)-1).Draw(t, "status")
		key := message*len(statuses) + status
		if _, drawn := words[key]; !drawn {
			words[key] = rapid.SampledFrom(wordings).Draw(t, "word")
		}
		at := october.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "second")) * time.Second)
		all = append(all, told{message, statuses[status], at, words[key]})
	}
	return all
}

// imports draws when each file of cards comes: before the update of that number, or after all.
func imports(t *rapid.T, updates int) map[int][]string {
	due := map[int][]string{}
	for _, files := range published {
		places := rapid.SliceOfN(rapid.IntRange(0, updates), len(files), len(files)).Draw(t, "cards come before")
		slices.Sort(places)
		for i, file := range files {
			due[places[i]] = append(due[places[i]], file)
		}
	}
	return due
}

// Whatever the platform repeats, in whatever order and split, wherever the cards come among it, whenever and by whoever
// it is rated: every delivery comes to the same in the end, a price or the reason why there is none, and is charged once
// at most.
//
// The limit: a recorded charge does not change because a card comes. So no card may come after a delivery was priced, of
// a day and category that the card has another rate for, or another market. What was free before any card was known has
// no market; a card that comes later does not give it one.
func TestTheOrderOfUpdatesAndCardsDoesNotChangeTheCharges(t *testing.T) {
	t.Parallel()
	scenario.Often(func() {
		rapid.Check(t, func(rt *rapid.T) {
			facts := updates(rt)
			straight := newTale(t, rt)
			straight.publish(slices.Concat(published...)...)
			for _, fact := range facts {
				straight.tell(fact)
			}

			shuffled := append(rapid.Permutation(facts).Draw(rt, "order"),
				rapid.SliceOfN(rapid.SampledFrom(facts), 0, 4).Draw(rt, "repeats")...)
			crooked := newTale(t, rt)
			due := imports(rt, len(shuffled))
			for from := 0; from < len(shuffled); {
				to := from + rapid.IntRange(1, len(shuffled)-from).Draw(rt, "split")
				for i := from; i < to; i++ {
					crooked.publish(due[i]...)
				}
				crooked.tell(shuffled[from:to]...)
				crooked.work()
				from = to
			}
			crooked.publish(due[len(shuffled)]...)
			require.Equal(rt, straight.rated(), crooked.rated())
		})
	})
}

// tale is a shop with the property's messages, and ratings that take turns at it.
type tale struct {
	*shop

	rt       *rapid.T
	messages []message
	ratings  []policies.Policy
	at       events.Position // everything up to it was rated
}

func newTale(t *testing.T, rt *rapid.T) *tale {
	t.Helper()
	store := storetest.Lend(rt)
	tale := &tale{shop: newShop(t, store, "USD", "UTC"), rt: rt}
	tale.receives(italian, october.Add(-time.Hour))
	for _, category := range mixed {
		tale.messages = append(tale.messages, tale.sends(italian, category, october.Add(-time.Hour)))
	}
	for range 2 {
		tale.ratings = append(tale.ratings, policies.NewRatingInAppendsOf(store, fixedClock, 4, 1<<20))
	}
	return tale
}

func (t *tale) tell(facts ...told) {
	var delivery []conversation.Update
	for _, fact := range facts {
		delivery = append(delivery, status(t.messages[fact.message], fact.status, fact.at, fact.word))
	}
	t.shop.tell(t.messages[0].customer, delivery...)
}

// work lets one of the ratings react to some of what it has not seen, or has seen already, as after a change of leases.
func (t *tale) work() {
	if rapid.Bool().Draw(t.rt, "rest") {
		return
	}
	if rapid.IntRange(0, 3).Draw(t.rt, "again") == 0 {
		t.at = 0
	}
	rating := rapid.SampledFrom(t.ratings).Draw(t.rt, "rating")
	t.react(rating, rapid.IntRange(1, 40).Draw(t.rt, "inputs"))
}

// outcome is what a delivery comes to.
type outcome struct {
	line

	reason events.PendingReason
}

// rated is what everything comes to when all of it is rated.
func (t *tale) rated() []outcome {
	for _, rating := range t.ratings {
		t.react(rating, everything)
	}
	t.forget()
	b := readBooks(t.rt, t.store)
	var outcomes []outcome
	for _, m := range t.messages {
		l := b.line(m)
		if l.basis != events.BasisRegular {
			l.market = "" // see the limit of the property
		}
		outcomes = append(outcomes, outcome{l, b.reasons[billing.Key{Message: m.id, Recipient: m.customer}]})
	}
	return outcomes
}

// forget requires that a rating which has forgotten everything does nothing twice.
func (t *tale) forget() {
	t.at = 0
	head, err := t.store.Head(t.Context())
	require.NoError(t.rt, err)
	t.react(policies.NewRating(t.store, fixedClock), everything)
	after, err := t.store.Head(t.Context())
	require.NoError(t.rt, err)
	require.Equal(t.rt, head, after)
}

// react lets a rating react to a stretch of the log.
func (t *tale) react(rating policies.Policy, limit int) {
	inputs, last := dealt(t.rt, rating, t.store, t.at, limit)
	t.at = last
	for shard, mine := range inputs {
		require.NoError(t.rt, rating.React(t.Context(), shard, mine))
	}
}

// dealt deals inputs out to the shards of a policy, as a runner does, and says where the stretch of the log ends.
func dealt(
	t tester, policy policies.Policy, store storetest.LentStore, after events.Position, limit int,
) (map[int][]*policies.Input, events.Position) {
	t.Helper()
	inputs := map[int][]*policies.Input{}
	for record, err := range store.ReadAll(t.Context(), after) {
		require.NoError(t, err)
		if limit--; limit < 0 {
			break
		}
		after = record.Position
		if !policy.Handles(record.Type) {
			continue
		}
		event, envelope, err := events.DecodeRecord(record)
		require.NoError(t, err)
		in := &policies.Input{Record: record, Envelope: envelope, Event: event}
		shard, err := policy.Shard(t.Context(), in)
		require.NoError(t, err)
		if shard != policies.Every {
			inputs[shard] = append(inputs[shard], in)
			continue
		}
		for shard := range policy.Shards() {
			inputs[shard] = append(inputs[shard], in)
		}
	}
	return inputs, after
}
