package messages_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
	"daybook/projections/messages"
	"daybook/projections/projectiontest"
	messageinfo "daybook/readmodels/messages"
)

var (
	billing = "billing-" + account.String() + "-2026-10"
	card    = events.Ref{Stream: "ratecards-EUR", Revision: 3}
)

func delivery(to id.Customer) events.Delivered {
	return events.Delivered{
		ConversationID: conversation, MessageID: message, RecipientID: to, Category: events.Utility, QueuedAt: at(1),
		DeliveredAt: at(7), Source: events.Ref{Stream: streamOf, Revision: 4},
	}
}

func price(micros int64) events.Charge {
	return events.Charge{
		Amount: money.Amount{Micros: micros, Currency: "EUR"}, Basis: events.BasisRegular, Policy: "P3", Day: "2026-10-05",
		Category: events.Utility, Market: "Italy", MarketBasis: events.MarketByPrefix, Rated: events.Utility, Card: &card,
		CardFrom: "2026-10-01", Tier: 2,
	}
}

func charged(to id.Customer, micros int64) events.Event {
	return events.MessageCharged{Delivery: delivery(to), Charge: price(micros)}
}

// adjusted makes free what had been charged, on the platform's word.
func adjusted(to id.Customer, was int64) events.Event {
	return events.ChargeAdjusted{Delivery: delivery(to), Was: new(price(was)), WasDeliveredAt: at(7), Charge: events.Charge{
		Amount: money.Amount{Currency: "EUR"}, Basis: events.BasisFreeEntryPoint, Expected: events.BasisRegular, Policy: "P3",
		Day: "2026-10-05", Category: events.Utility,
	}}
}

func held(to id.Customer) events.Event {
	return events.ChargePending{
		Delivery: delivery(to), Reason: events.RateUnavailable, Currency: "EUR", Day: "2026-10-05", Policy: "P3",
		Category: events.Utility, Market: "Italy", MarketBasis: events.MarketByPrefix,
	}
}

// takenBack is a charge that no longer has a price: the platform's word is one that nobody knows.
func takenBack(to id.Customer, was int64) events.Event {
	e := held(to).(events.ChargePending)
	e.Reason, e.Was, e.Charged, e.WasDeliveredAt = events.PolicyUnavailable, new(price(was)), &events.Ref{Stream: billing}, new(at(7))
	return e
}

// recorded is when the n-th given event was, counted from 0.
func recorded(n int) time.Time { return projectiontest.Epoch.Add(time.Duration(n) * time.Second) }

func TestWhatADeliveryCostAndWhy(t *testing.T) {
	t.Parallel()
	s := given(t, delivered(7))
	require.Nil(t, get(t, s).Recipients[0].Charge, "rating has not seen it")
	require.Empty(t, get(t, s).Cost)

	info := get(t, s.Given(billing, charged(customer, 30_000)))
	got := *info.Recipients[0].Charge
	require.Equal(t, recorded(4), got.RecordedAt.UTC())
	got.RecordedAt = time.Time{}
	require.Equal(t, messageinfo.Charge{
		Amount: &money.Amount{Micros: 30_000, Currency: "EUR"}, Currency: "EUR", Basis: "regular", Policy: "P3",
		Day: "2026-10-05", Category: "utility", Market: "Italy", MarketBasis: "prefix",
		Card: &messageinfo.Card{Ref: messageinfo.Ref{Stream: "ratecards-EUR", Revision: 3}, From: "2026-10-01", Rated: "utility"},
		Tier: 2, Recorded: messageinfo.Ref{Stream: billing},
	}, got)
	require.Equal(t, []money.Amount{{Micros: 30_000, Currency: "EUR"}}, info.Cost)
	require.Zero(t, info.Unpriced)
	requireAt(t, 7, info.DeliveredAt)
}

func TestACardSettlesWhatWasPending(t *testing.T) {
	t.Parallel()
	s := given(t).Given(billing, held(customer))
	info := get(t, s)
	pending := *info.Recipients[0].Charge
	require.Nil(t, pending.Amount, "unknown is never free")
	require.Equal(t, "RateUnavailable", pending.PendingReason)
	require.Equal(t, money.Currency("EUR"), pending.Currency)
	require.Equal(t, []string{"P3", "2026-10-05", "utility", "Italy", "prefix", ""},
		[]string{pending.Policy, pending.Day, pending.Category, pending.Market, pending.MarketBasis, pending.Basis})
	require.Nil(t, pending.Card)
	require.Empty(t, info.Cost)
	require.Equal(t, 1, info.Unpriced)

	info = get(t, s.Given(billing, charged(customer, 30_000)))
	settled := *info.Recipients[0].Charge
	require.Empty(t, settled.PendingReason)
	require.Equal(t, int64(30_000), settled.Amount.Micros)
	require.False(t, settled.Adjusted)
	require.Equal(t, messageinfo.Ref{Stream: billing, Revision: 1}, settled.Recorded)
	require.Zero(t, info.Unpriced)
}

func TestAnAdjustmentReplacesTheWholeBasis(t *testing.T) {
	t.Parallel()
	info := get(t, given(t).Given(billing, charged(customer, 30_000), adjusted(customer, 30_000)))
	got := *info.Recipients[0].Charge
	got.RecordedAt = time.Time{}
	require.Equal(t, messageinfo.Charge{
		Amount: &money.Amount{Currency: "EUR"}, Currency: "EUR", Basis: "free_fep", Expected: "regular", Policy: "P3",
		Day: "2026-10-05", Category: "utility", Adjusted: true, Recorded: messageinfo.Ref{Stream: billing, Revision: 1},
	}, got, "no market, no card, no tier is left of before")
	require.Equal(t, []money.Amount{{Currency: "EUR"}}, info.Cost, "free is a price")
}

func TestAChargeTakenBackIsPending(t *testing.T) {
	t.Parallel()
	s := given(t).Given(billing, charged(customer, 30_000), takenBack(customer, 30_000))
	info := get(t, s)
	got := *info.Recipients[0].Charge
	got.RecordedAt = time.Time{}
	require.Equal(t, messageinfo.Charge{
		Currency: "EUR", PendingReason: "PolicyUnavailable", Policy: "P3", Day: "2026-10-05", Category: "utility", Market: "Italy",
		MarketBasis: "prefix", Adjusted: true, Recorded: messageinfo.Ref{Stream: billing, Revision: 1},
	}, got, "no amount, no basis, no card is left of before")
	require.Empty(t, info.Cost)
	require.Equal(t, 1, info.Unpriced)

	again := adjusted(customer, 0).(events.ChargeAdjusted)
	again.Was, again.Held = nil, &events.Ref{Stream: billing, Revision: 1}
	info = get(t, s.Given(billing, again))
	require.Equal(t, &money.Amount{Currency: "EUR"}, info.Recipients[0].Charge.Amount)
	require.Empty(t, info.Recipients[0].Charge.PendingReason)
	require.Zero(t, info.Unpriced)
}

func TestAGroupMessageCostsWhatItsRecipientsCost(t *testing.T) {
	t.Parallel()
	third, fourth := id.Derive[id.Customer]("carla"), id.Derive[id.Customer]("dario")
	usd := price(7)
	usd.Amount.Currency = "USD"
	info := get(t, given(t, delivered(7)).Given(billing, charged(customer, 30_000), charged(friend, 12_200), held(third),
		events.MessageCharged{Delivery: delivery(fourth), Charge: usd}))
	require.Len(t, info.Recipients, 4)
	require.Equal(t, []money.Amount{{Micros: 42_200, Currency: "EUR"}, {Micros: 7, Currency: "USD"}}, info.Cost)
	require.Equal(t, 1, info.Unpriced)
	charges := map[id.Customer]*messageinfo.Charge{}
	for _, r := range info.Recipients {
		charges[r.RecipientID] = r.Charge
	}
	require.Equal(t, int64(12_200), charges[friend].Amount.Micros)
	require.Equal(t, "RateUnavailable", charges[third].PendingReason)
}

func TestACostBeyondAllNumbersIsAnError(t *testing.T) {
	t.Parallel()
	s := settled(given(t).Given(billing, charged(customer, math.MaxInt64), charged(friend, 1)))
	_, err := messageinfo.Get(t.Context(), s.Pool(), s.Schema(), message)
	require.ErrorIs(t, err, money.ErrOverflow)
}

// Charges and steps come from two streams: however they interleave, the message's info is the same.
func TestChargesAndStepsMayInterleave(t *testing.T) {
	t.Parallel()
	steps := []events.Event{sent(3), delivered(7), read(20)}
	charges := []events.Event{held(customer), charged(customer, 30_000), takenBack(customer, 30_000), adjusted(customer, 30_000)}
	want := get(t, given(t, steps...).Given(billing, charges...))
	want.Recipients[0].Charge.RecordedAt = time.Time{}
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 5 { // each has a store and a database of its own
			return
		}
		s := given(t)
		c, told := charges, rapid.Permutation(steps).Draw(rt, "told")
		for len(c)+len(told) > 0 {
			if len(told) == 0 || len(c) > 0 && rapid.Bool().Draw(rt, "charge") {
				s.Given(billing, c[0])
				c = c[1:]
			} else {
				s.Given(streamOf, told[0])
				told = told[1:]
			}
		}
		got := get(t, s)
		got.Recipients[0].Charge.RecordedAt = time.Time{}
		require.Equal(rt, want, got)
	})
}

// A charge of a message that this read model does not know shows nobody anything.
func TestAChargeAloneIsNoMessage(t *testing.T) {
	t.Parallel()
	s := settled(projectiontest.For(t, messages.Define).Given(billing, charged(customer, 30_000)))
	_, err := messageinfo.Get(t.Context(), s.Pool(), s.Schema(), message)
	require.ErrorIs(t, err, messageinfo.ErrNotFound)
}
