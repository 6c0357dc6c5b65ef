package policies_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/events"
)

// Of two messages the same is told, in either order. They come to the same while no card prices what is known, and when
// one does.
func TestWhatCannotBePricedWaitsInEitherOrder(t *testing.T) {
	t.Parallel()
	noon, midnight := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	type fact struct {
		status events.Status
		at     time.Time
		word   *events.Pricing
	}
	july, august := rows("Italy,IT,39,utility,USD,0.0300,2026-07-01,test"), rows("Italy,IT,39,utility,USD,0.0320,2026-08-01,test")
	for name, c := range map[string]struct {
		known, late string
		priced      fact // by itself
		unpriced    fact // after it, too
		kinds       []string
	}{
		"told not to be free": {
			known: rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"), late: july,
			priced:   fact{events.StatusDelivered, noon.Add(time.Second), nil},
			unpriced: fact{events.StatusRead, noon.Add(time.Second), &events.Pricing{Model: "PMP", Type: "regular", Category: "utility"}},
			kinds:    []string{"MessageCharged", "ChargePending", "ChargeAdjusted"},
		},
		"delivered before the first card": {
			known: august, late: july,
			priced:   fact{events.StatusRead, midnight, &events.Pricing{Type: "regular"}},
			unpriced: fact{events.StatusDelivered, midnight.Add(-time.Second), nil},
			kinds:    []string{"MessageCharged", "ChargePending", "ChargeAdjusted"},
		},
		"a word that nobody knows": {
			known: july, late: august,
			priced:   fact{events.StatusDelivered, noon.Add(time.Second), nil},
			unpriced: fact{events.StatusRead, noon.Add(time.Second), &events.Pricing{Type: "free_something_new"}},
			kinds:    []string{"MessageCharged", "ChargePending"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, storetest.Lend(t), "USD", "UTC")
			s.publish(c.known)
			s.receives(italian, noon.Add(-time.Hour))
			var sent [2]message
			for i, facts := range [][]fact{{c.priced, c.unpriced}, {c.unpriced, c.priced}} {
				sent[i] = s.sends(italian, events.Utility, noon)
				for _, f := range facts {
					s.tell(sent[i].customer, status(sent[i], f.status, f.at, f.word))
				}
			}
			b := s.rate()
			require.True(t, b.line(sent[0]).pending)
			require.Equal(t, b.line(sent[0]), b.line(sent[1]))

			s.publish(c.late)
			b = s.rate()
			require.Equal(t, len(c.kinds) == 2, b.line(sent[0]).pending)
			require.Equal(t, b.line(sent[0]), b.line(sent[1]))
			require.Equal(t, c.kinds, b.kindsOf(sent[0]))
			policiestest.Amnesia(t, s.store, s.rating)
		})
	}
}

// The newest card of a file alone knows only part of the markets: its market for all others would take everybody else.
// What waits for the file is priced as what comes after it.
func TestTheCardsOfAFileCountTogether(t *testing.T) {
	t.Parallel()
	autumn := time.Date(2026, 10, 15, 12, 0, 0, 0, time.UTC)
	s := newShop(t, storetest.Lend(t), "USD", "Europe/Rome")
	waits := s.sentAndDelivered(italian, events.Utility, autumn)
	early := s.rating()
	policiestest.Run(t, s.store, early)
	s.publish(rows(
		"Italy,IT,39,utility,USD,0.0300,2026-07-01,test", "Other,,,utility,USD,0.0077,2026-07-01,test",
		"Kazakhstan,KZ,76;77,utility,USD,0.0180,2026-10-01,test", "Other,,,utility,USD,0.0077,2026-10-01,test",
	))
	after := s.sentAndDelivered(italian, events.Utility, autumn)
	policiestest.Run(t, s.store, early)
	b := readBooks(t, s.store)
	require.Equal(t, "0.0300 USD", b.line(after).amount)
	require.Equal(t, b.line(after), b.line(waits))

	s.publish(rows("Italy,IT,39,utility,USD,0.0310,2026-10-16,test"))
	next := s.sentAndDelivered(italian, events.Utility, autumn.Add(day))
	require.Equal(t, "0.0310 USD", s.rate().line(next).amount, "another file is another book")
	policiestest.Amnesia(t, s.store, s.rating)
}

// short is a store whose streams end before what its log shows already.
type short struct {
	storetest.LentStore

	stream string
	length uint64
}

func (s *short) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		for record, err := range s.LentStore.ReadStream(ctx, stream, from) {
			if err == nil && stream == s.stream && record.Revision >= s.length || !yield(record, err) {
				return
			}
		}
	}
}

// A card that the log shows and its stream does not show yet is waited for: nothing is rated without it.
func TestACardIsWaitedForUntilItsStreamHasIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, storetest.Lend(t), "USD", "Europe/Rome")
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test"))
	s.publish(rows("Italy,IT,39,marketing,USD,0.0800,2026-07-15,test"))
	m := s.sentAndDelivered(italian, events.Marketing, summer)
	behind := &short{s.store, "ratecards-USD", 1}
	rating := policies.NewRating(behind, fixedClock)
	inputs, _ := dealt(t, rating, s.store, events.Start, everything)
	for shard, mine := range inputs {
		require.ErrorContains(t, rating.React(t.Context(), shard, mine), "ratecards-USD does not show revision 1 yet")
	}
	require.Empty(t, readBooks(t, s.store).rated)
	behind.length = 2
	for shard, mine := range inputs {
		require.NoError(t, rating.React(t.Context(), shard, mine))
	}
	require.Equal(t, "0.0800 USD", readBooks(t, s.store).line(m).amount)
}
