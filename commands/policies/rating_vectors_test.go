package policies_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands/policies/policiestest"
	"daybook/domain/conversation"
	"daybook/events"
)

const (
	italian   = "393331234567"
	mexican   = "5215512345678"
	pakistani = "923001234567"
)

// A line of each vector, delivered a second after it was sent.
func (s *shop) sentAndDelivered(digits string, category events.Category, at time.Time) message {
	s.Helper()
	m := s.sends(digits, category, at)
	s.delivered(m, at.Add(time.Second))
	return m
}

func TestVector03_TheWindowOfSendingDecides(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	summer, autumn := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 10, 10, 12, 0, 0, 0, time.UTC)
	s.receives(italian, summer)
	inside := s.sentAndDelivered(italian, events.Utility, summer.Add(day))
	outside := s.sentAndDelivered(italian, events.Utility, summer.Add(day+1))
	s.receives(italian, autumn)
	later := s.sentAndDelivered(italian, events.Utility, autumn.Add(time.Hour))

	b := s.rate()
	require.Equal(t, line{"0.0000 USD", events.BasisFreeWindow, events.Utility, "Italy", summer.Add(day + time.Second), false}, b.line(inside))
	require.Equal(t, line{"0.0300 USD", events.BasisRegular, events.Utility, "Italy", summer.Add(day + time.Second), false}, b.line(outside))
	require.Equal(t, line{"0.0300 USD", events.BasisRegular, events.Utility, "Italy", autumn.Add(time.Hour + time.Second), false}, b.line(later))
}

func TestVector11_OnlyADeliveryIsCharged(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	noon := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	regular := &events.Pricing{Model: "PMP", Type: "regular", Category: "marketing"}
	failure := func(m message) conversation.StatusUpdate {
		u := status(m, events.StatusFailed, noon.Add(time.Minute), nil)
		u.Errors = []events.PlatformError{{Code: 131049}}
		return u
	}
	failed := s.sends(italian, events.Marketing, noon)
	s.tell(failed.customer, status(failed, events.StatusSent, noon, regular), failure(failed))
	elsewhere := s.sends(italian, events.Marketing, noon)
	s.tell(elsewhere.customer, failure(elsewhere))
	s.tell(elsewhere.customer, status(elsewhere, events.StatusDelivered, noon.Add(time.Hour), regular))

	b := s.rate()
	require.Empty(t, b.kindsOf(failed))
	require.Equal(t, []string{"MessageCharged"}, b.kindsOf(elsewhere), "another of the recipient's devices has it")
	require.Equal(t, "0.0795 USD", b.line(elsewhere).amount)
}

func TestVector12_OneLineHoweverOftenItIsTold(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	word := &events.Pricing{Model: "PMP", Type: "regular", Category: "utility"}
	want := line{"0.0300 USD", events.BasisRegular, events.Utility, "Italy", noon.Add(2 * time.Second), false}
	store := storetest.Lend(t)
	s := newShop(t, store, "USD", "Europe/Rome")
	s.publish(rows("Italy,IT,39,utility,USD,0.0300,2026-07-01,test"))
	var told []message
	for order := range permutations(4) {
		for split := range 8 { // each bit parts two neighbours
			m := s.sends(italian, events.Utility, noon)
			told = append(told, m)
			updates := []conversation.Update{
				status(m, events.StatusDelivered, noon.Add(4*time.Second), word), status(m, events.StatusDelivered, noon.Add(2*time.Second), word),
				status(m, events.StatusDelivered, noon.Add(3*time.Second), word), status(m, events.StatusRead, noon.Add(time.Second), word),
			}
			var delivery []conversation.Update
			for i, n := range order {
				delivery = append(delivery, updates[n])
				if split&(1<<i) != 0 || i == len(order)-1 {
					s.tell(m.customer, delivery...)
					delivery = nil
				}
			}
		}
	}
	unread := s.sends(italian, events.Utility, noon)
	s.tell(unread.customer, status(unread, events.StatusRead, noon.Add(time.Minute), word))

	b := s.rate()
	for _, m := range told {
		require.Equal(t, want, b.line(m))
		require.Equal(t, "MessageCharged", b.kindsOf(m)[0])
	}
	require.Equal(t, line{"0.0300 USD", events.BasisRegular, events.Utility, "Italy", noon.Add(time.Minute), false}, b.line(unread))
	for _, r := range b.rated {
		require.Equal(t, r.Delivery.MessageID == unread.id, r.Delivery.Inferred)
	}
}

// permutations yields every order of 0 to n-1.
func permutations(n int) func(func([]int) bool) {
	return func(yield func([]int) bool) {
		var grow func(order []int) bool
		grow = func(order []int) bool {
			if len(order) == n {
				return yield(order)
			}
			for i := range n {
				if !slices.Contains(order, i) && !grow(append(slices.Clone(order), i)) {
					return false
				}
			}
			return true
		}
		grow(nil)
	}
}

func TestVector14_TheCardOfTheDayOfDelivery(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "America/Mexico_City")
	zone, err := time.LoadLocation("America/Mexico_City")
	require.NoError(t, err)
	midnight := time.Date(2026, 10, 1, 0, 0, 0, 0, zone)
	before, after, across := s.sends(mexican, events.Marketing, midnight.Add(-time.Hour)),
		s.sends(mexican, events.Marketing, midnight), s.sends(mexican, events.Marketing, midnight.Add(-time.Minute))
	s.delivered(before, midnight.Add(-time.Second))
	s.delivered(after, midnight)
	s.delivered(across, midnight.Add(time.Minute))

	b := s.rate()
	require.Equal(t, "0.0305 USD", b.line(before).amount)
	require.Equal(t, "0.0397 USD", b.line(after).amount)
	require.Equal(t, "0.0397 USD", b.line(across).amount)
	require.Len(t, b.closing, 2, "September and October are two billing periods")
	var sum int64
	for _, closing := range b.closing {
		for _, total := range closing.Totals {
			sum += total.Amount.Micros
		}
	}
	require.Equal(t, int64(109_900), sum)
}

func TestVector15_TheDayIsTheAccounts(t *testing.T) {
	t.Parallel()
	store := storetest.Lend(t)
	rome, bogota := newShop(t, store, "USD", "Europe/Rome"), newShop(t, store, "USD", "America/Bogota")
	rome.publish(rows(
		"Pakistan,PK,92,utility,USD,0.0100,2026-07-01,test", "Pakistan,PK,92,utility,USD,0.0150,2026-10-01,test",
	))
	at := time.Date(2026, 9, 30, 22, 30, 0, 0, time.UTC)
	inRome, inBogota := rome.sends(pakistani, events.Utility, at), bogota.sends(pakistani, events.Utility, at)
	rome.delivered(inRome, at)
	bogota.delivered(inBogota, at)

	b := rome.rate()
	require.Equal(t, "0.0150 USD", b.line(inRome).amount)
	require.Equal(t, "0.0100 USD", b.line(inBogota).amount)
}

// No rate is no zero: the charge waits, and the next card that has one prices it. A card that offers none does not.
func TestVector28_AMissingRateIsPendingUntilACardHasIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, storetest.Lend(t), "USD", "Europe/Rome")
	noon := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	m := s.sentAndDelivered(italian, events.Utility, noon)
	rating := s.rating() // one process, all along
	react := func() *books {
		policiestest.Run(t, s.store, rating)
		return readBooks(t, s.store)
	}
	waiting := line{category: events.Utility, at: noon.Add(time.Second), pending: true}
	require.Equal(t, waiting, react().line(m), "there is no card at all")
	s.publish(rows("Italy,IT,39,marketing,USD,0.0795,2026-07-01,test", "Italy,IT,39,utility,USD,n/a,2026-07-01,test"))
	require.Equal(t, waiting, react().line(m), "n/a is never 0")
	s.publish(rows("Italy,IT,39,utility,EUR,0.0200,2026-07-01,test"))
	require.Equal(t, waiting, react().line(m), "nothing is converted")
	s.publish(rows("Italy,IT,39,utility,USD,0.0300,2026-07-16,test"))
	require.Equal(t, waiting, react().line(m), "a card of the day after")
	s.publish(rows("Italy,IT,39,utility,USD,0.0290,2026-07-02,test"))
	b := react()
	require.Equal(t, line{"0.0290 USD", events.BasisRegular, events.Utility, "Italy", noon.Add(time.Second), false}, b.line(m))
	require.Equal(t, []string{"ChargePending", "MessageCharged"}, b.kindsOf(m))
	policiestest.Amnesia(t, s.store, s.rating)
}
