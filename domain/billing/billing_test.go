package billing_test

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/billing"
	"daybook/domain/pricing"
	"daybook/domain/scenario"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

var (
	portfolio = id.Derive[id.Account]("test", "portfolio")
	stream    = billing.Stream(portfolio, "2026-10")
	noon      = time.Date(2026, 10, 10, 12, 0, 0, 0, time.UTC)
	terms     = pricing.Terms{Currency: "USD"}
	card      = events.Ref{Stream: "ratecards-USD"}
	book      = bookOf(map[events.Category]int64{events.Utility: 30_000, events.Marketing: 79_500})
)

// bookOf is one card for Italy, in force since summer.
func bookOf(rates map[events.Category]int64) *pricing.Book {
	italy := events.MarketRates{Market: "Italy", Countries: []string{"IT"}, Prefixes: []string{"39"}}
	for category, micros := range rates {
		italy.Rates = append(italy.Rates, events.Rate{Category: category, Micros: &micros})
	}
	var b *pricing.Book
	return b.With(events.RateCardImported{Currency: "USD", EffectiveFrom: "2026-07-01", Markets: []events.MarketRates{italy}}, card)
}

// delivery is of message n, written at noon and delivered n seconds later.
func delivery(n int, category events.Category) events.Delivered {
	return events.Delivered{
		MessageID: id.Derive[id.Message]("test", strconv.Itoa(n)), RecipientID: id.Derive[id.Customer]("test", "customer"),
		PhoneNumberID: "number", Dialling: events.Dialling{Prefix: "39"}, Category: category,
		QueuedAt: noon, DeliveredAt: noon.Add(time.Duration(n) * time.Second),
		Source: events.Ref{Stream: "conversation-1", Revision: uint64(n)},
	}
}

func told(d events.Delivered, word events.Pricing) events.Delivered {
	d.Pricing = &word
	return d
}

func usd(micros int64) money.Amount { return money.Amount{Micros: micros, Currency: "USD"} }

func paid(category events.Category, micros int64) events.Charge {
	return events.Charge{
		Amount: usd(micros), Basis: events.BasisRegular, Policy: "P3", Day: "2026-10-10", Category: category,
		Market: "Italy", MarketBasis: events.MarketByPrefix, Rated: category, Card: &card, CardFrom: "2026-07-01",
		Provisional: category == events.Service,
	}
}

func free(category events.Category, basis events.Basis) events.Charge {
	return events.Charge{
		Amount: usd(0), Basis: basis, Policy: "P3", Day: "2026-10-10", Category: category,
		Market: "Italy", MarketBasis: events.MarketByPrefix, Provisional: basis == events.BasisAllowance,
	}
}

func pendingOf(d events.Delivered) events.ChargePending {
	return events.ChargePending{
		Delivery: d, Reason: events.RateUnavailable, Currency: "USD", Day: "2026-10-10", Policy: "P3", Category: d.Category,
		Market: "Italy", MarketBasis: events.MarketByPrefix,
	}
}

func at(revision uint64) events.Ref { return events.Ref{Stream: stream, Revision: revision} }

// period is a scenario of one billing period.
func period() scenario.Scenario[billing.State] { return scenario.New(billing.Evolve) }

func rate(d events.Delivered) func(billing.State) ([]events.Event, error) {
	return func(s billing.State) ([]events.Event, error) {
		return []events.Event{s.Rate(book, terms, d)}, nil
	}
}

func resolve(book *pricing.Book, was billing.Rated) func(billing.State) ([]events.Event, error) {
	return func(s billing.State) ([]events.Event, error) {
		return []events.Event{s.Resolve(book, terms, was, was.Delivery)}, nil
	}
}

// ratedBy is what is known of a delivery after its newest event.
func ratedBy(event events.Event, revision uint64) billing.Rated {
	rated, _ := billing.RatedBy(event, at(revision))
	return rated
}

func revise(was billing.Rated, d events.Delivered) func(billing.State) ([]events.Event, error) {
	return func(s billing.State) ([]events.Event, error) {
		if event := s.Revise(book, terms, was, d); event != nil {
			return []events.Event{event}, nil
		}
		return nil, nil
	}
}

func closeAt(source events.Ref) func(billing.State) ([]events.Event, error) {
	return func(s billing.State) ([]events.Event, error) {
		closing, err := s.Close(source)
		return []events.Event{closing}, err
	}
}

func TestStreamsAndMonths(t *testing.T) {
	t.Parallel()
	require.Equal(t, "billing-"+portfolio.String()+"-2026-10", stream)
	got, ok := billing.Portfolio(stream)
	require.True(t, ok)
	require.Equal(t, portfolio, got)
	for _, other := range []string{
		"", "billing-", "account-" + portfolio.String(), "billing-" + portfolio.String(), stream + "0", stream[1:],
		"billing-" + portfolio.String() + "+2026-10", "billing-x" + portfolio.String()[1:] + "-2026-10",
	} {
		_, ok = billing.Portfolio(other)
		require.False(t, ok, other)
	}
	require.Equal(t, "2026-10", billing.Month("2026-10-31"))
	require.Empty(t, billing.Month(""))
}

func TestADeliveryIsChargedAndCounted(t *testing.T) {
	t.Parallel()
	first, second := delivery(1, events.Utility), delivery(2, events.Marketing)
	period().
		When(rate(first)).Then(t, events.MessageCharged{Delivery: first, Charge: paid(events.Utility, 30_000)}).
		When(rate(second)).Then(t, events.MessageCharged{Delivery: second, Charge: paid(events.Marketing, 79_500)}).
		When(closeAt(second.Source)).Then(t, events.BatchRated{Source: second.Source, Charged: 2, Totals: []events.PeriodTotal{
		{Amount: usd(79_500), Market: "Italy", Category: events.Marketing, Paid: 1},
		{Amount: usd(30_000), Market: "Italy", Category: events.Utility, Paid: 1},
	}}).
		When(rate(delivery(3, events.Utility))).
		Then(t, events.MessageCharged{Delivery: delivery(3, events.Utility), Charge: paid(events.Utility, 30_000)}).
		When(closeAt(delivery(3, "").Source)).Then(t, events.BatchRated{
		Source: delivery(3, "").Source, Charged: 1, Totals: []events.PeriodTotal{
			{Amount: usd(79_500), Market: "Italy", Category: events.Marketing, Paid: 1},
			{Amount: usd(60_000), Market: "Italy", Category: events.Utility, Paid: 2},
		},
	})
}

// Unknown is never free: what has no rate is pending, in the totals of nothing, until a card prices it.
func TestWhatHasNoRateWaits(t *testing.T) {
	t.Parallel()
	d, e := delivery(1, events.Authentication), delivery(2, events.Authentication)
	waiting := period().
		When(rate(d)).Then(t, pendingOf(d)).
		When(rate(e)).Then(t, pendingOf(e)).
		When(closeAt(e.Source)).Then(t, events.BatchRated{Source: e.Source, Pending: 2, PendingSince: new(uint64(0))})

	withCard, priced := bookOf(map[events.Category]int64{events.Authentication: 45_000}), paid(events.Authentication, 45_000)
	waiting.When(resolve(book, ratedBy(pendingOf(d), 0))).Then(t, events.ChargePending{
		Delivery: d, Reason: events.RateUnavailable, Currency: "USD", Day: "2026-10-10", Policy: "P3", Category: d.Category,
		Market: "Italy", MarketBasis: events.MarketByPrefix, Held: new(at(0)), WasDeliveredAt: &d.DeliveredAt,
	})
	waiting.
		When(resolve(withCard, ratedBy(pendingOf(d), 0))).
		Then(t, events.MessageCharged{Delivery: d, Charge: priced, Held: new(at(0)), WasDeliveredAt: &d.DeliveredAt}).
		When(closeAt(card)).Then(t, events.BatchRated{
		Source: card, Charged: 1, Pending: 1, PendingSince: new(uint64(0)),
		Totals: []events.PeriodTotal{{Amount: usd(45_000), Market: "Italy", Category: events.Authentication, Paid: 1}},
	}).
		When(resolve(withCard, ratedBy(pendingOf(e), 1))).
		Then(t, events.MessageCharged{Delivery: e, Charge: priced, Held: new(at(1)), WasDeliveredAt: &e.DeliveredAt}).
		When(closeAt(card)).Then(t, events.BatchRated{
		Source: card, Charged: 1,
		Totals: []events.PeriodTotal{{Amount: usd(90_000), Market: "Italy", Category: events.Authentication, Paid: 2}},
	}).
		Given(pendingOf(delivery(3, events.Authentication))).
		When(closeAt(card)).Then(t, events.BatchRated{
		Source: card, Pending: 1, PendingSince: new(uint64(7)),
		Totals: []events.PeriodTotal{{Amount: usd(90_000), Market: "Italy", Category: events.Authentication, Paid: 2}},
	})
}

// Each business number has its own free service messages; nothing else uses them.
func TestTheAllowanceIsTheNumbers(t *testing.T) {
	t.Parallel()
	other := delivery(3, events.Service)
	other.PhoneNumberID = "a second number"
	paidService := paid(events.Service, 30_000)
	paidService.Rated = events.Utility
	period().
		Given(events.BatchRated{Allowances: []events.AllowanceUsed{{PhoneNumberID: "number", Used: 999}}}).
		When(rate(delivery(1, events.Service))).
		Then(t, events.MessageCharged{Delivery: delivery(1, events.Service), Charge: free(events.Service, events.BasisAllowance)}).
		When(rate(delivery(2, events.Service))).
		Then(t, events.MessageCharged{Delivery: delivery(2, events.Service), Charge: paidService}).
		When(rate(other)).
		Then(t, events.MessageCharged{Delivery: other, Charge: free(events.Service, events.BasisAllowance)}).
		When(closeAt(other.Source)).Then(t, events.BatchRated{
		Source: other.Source, Charged: 3,
		Totals: []events.PeriodTotal{{Amount: usd(30_000), Market: "Italy", Category: events.Service, Paid: 1, Free: 2}},
		Allowances: []events.AllowanceUsed{
			{PhoneNumberID: "a second number", Used: 1}, {PhoneNumberID: "number", Used: 1_000},
		},
	})
}

func TestLaterKnowledgeAdjustsACharge(t *testing.T) {
	t.Parallel()
	d := delivery(1, events.Utility)
	charged := events.MessageCharged{Delivery: d, Charge: paid(events.Utility, 30_000)}
	was := ratedBy(charged, 0)
	rated := period().Given(charged)

	rated.When(revise(was, d)).Then(t)
	rated.When(revise(was, told(d, events.Pricing{Type: "regular", Category: "utility"}))).Then(t)

	earlier := d
	earlier.DeliveredAt = noon
	rated.When(revise(was, earlier)).Then(t, events.ChargeAdjusted{
		Delivery: earlier, Charge: paid(events.Utility, 30_000), Was: &charged.Charge, WasDeliveredAt: d.DeliveredAt, Charged: at(0),
	})

	entry := told(d, events.Pricing{Type: "free_entry_point"})
	gratis := free(events.Utility, events.BasisFreeEntryPoint)
	gratis.Expected = events.BasisRegular
	adjusted := events.ChargeAdjusted{
		Delivery: entry, Charge: gratis, Was: &charged.Charge, WasDeliveredAt: d.DeliveredAt, Charged: at(0),
	}
	after := rated.When(revise(was, entry)).Then(t, adjusted)
	after.When(closeAt(d.Source)).Then(t, events.BatchRated{
		Source: d.Source, Charged: 1, Totals: []events.PeriodTotal{{Amount: usd(0), Market: "Italy", Category: events.Utility, Free: 1}},
	})
	// The next one starts from what the first left, and is still of the same charge.
	was = ratedBy(adjusted, 1)
	marketing := told(d, events.Pricing{Category: "marketing"})
	again := paid(events.Marketing, 79_500)
	again.ExpectedCategory = events.Utility
	after.When(revise(was, marketing)).
		Then(t, events.ChargeAdjusted{Delivery: marketing, Charge: again, Was: &gratis, WasDeliveredAt: d.DeliveredAt, Charged: at(0)}).
		When(closeAt(d.Source)).Then(t, events.BatchRated{
		Source: d.Source, Charged: 1, Totals: []events.PeriodTotal{{Amount: usd(79_500), Market: "Italy", Category: events.Marketing, Paid: 1}},
	})
}

// No card has a rate for what the platform says now: the charge is taken back, and waits like one that never had a
// price. What resolves it is an adjustment of the one MessageCharged.
func TestLaterKnowledgeTakesAChargeBack(t *testing.T) {
	t.Parallel()
	d := delivery(1, events.Service)
	charged := events.MessageCharged{Delivery: d, Charge: free(events.Service, events.BasisAllowance)}
	unknown := told(d, events.Pricing{Category: "authentication"})
	held := pendingOf(unknown)
	held.Category = events.Authentication
	held.Was, held.Charged, held.WasDeliveredAt = &charged.Charge, new(at(0)), &d.DeliveredAt
	waiting := period().Given(charged).When(revise(ratedBy(charged, 0), unknown)).Then(t, held)
	waiting.When(closeAt(d.Source)).
		Then(t, events.BatchRated{Source: d.Source, Charged: 1, Pending: 1, PendingSince: new(uint64(1))})

	earlier := unknown
	earlier.DeliveredAt = noon
	again := held
	again.Delivery, again.Held, again.Was = earlier, new(at(1)), nil
	waiting = waiting.When(revise(ratedBy(held, 1), earlier)).Then(t, again)

	priced := paid(events.Authentication, 45_000)
	priced.Expected, priced.ExpectedCategory = events.BasisAllowance, events.Service
	waiting.
		When(resolve(bookOf(map[events.Category]int64{events.Authentication: 45_000}), ratedBy(again, 2))).
		Then(t, events.ChargeAdjusted{Delivery: earlier, Charge: priced, Held: new(at(2)), WasDeliveredAt: noon, Charged: at(0)}).
		When(closeAt(card)).Then(t, events.BatchRated{
		Source: card, Charged: 1,
		Totals: []events.PeriodTotal{{Amount: usd(45_000), Market: "Italy", Category: events.Authentication, Paid: 1}},
	})
}

func TestLaterKnowledgeOfWhatIsPending(t *testing.T) {
	t.Parallel()
	d := delivery(1, events.Authentication)
	held := pendingOf(d)
	was := ratedBy(held, 0)
	waiting := period().Given(held)
	waiting.When(revise(was, d)).Then(t)

	earlier := d
	earlier.DeliveredAt = noon
	again := pendingOf(earlier)
	again.Held, again.WasDeliveredAt = new(at(0)), &d.DeliveredAt
	priced := paid(events.Utility, 30_000)
	priced.ExpectedCategory = events.Authentication
	waiting.When(revise(was, earlier)).Then(t, again).
		When(closeAt(d.Source)).Then(t, events.BatchRated{Source: d.Source, Pending: 1, PendingSince: new(uint64(0))}).
		When(revise(ratedBy(again, 1), told(earlier, events.Pricing{Category: "utility"}))).
		Then(t, events.MessageCharged{
			Delivery: told(earlier, events.Pricing{Category: "utility"}), Held: new(at(1)), WasDeliveredAt: &noon,
			Charge: priced,
		}).
		When(closeAt(d.Source)).Then(t, events.BatchRated{
		Source: d.Source, Charged: 1, Totals: []events.PeriodTotal{{Amount: usd(30_000), Market: "Italy", Category: events.Utility, Paid: 1}},
	})
}

// What was given stays given, though the allowance is used up by now, unless the platform says otherwise.
func TestAnAllowanceStaysGiven(t *testing.T) {
	t.Parallel()
	d := delivery(1, events.Service)
	charged := events.MessageCharged{Delivery: d, Charge: free(events.Service, events.BasisAllowance)}
	was := ratedBy(charged, 1)
	rated := period().
		Given(events.BatchRated{Allowances: []events.AllowanceUsed{{PhoneNumberID: "number", Used: 999}}}, charged)

	earlier := d
	earlier.DeliveredAt = noon
	rated.When(revise(was, told(d, events.Pricing{Type: "regular"}))).Then(t)
	rated.When(revise(was, earlier)).
		Then(t, events.ChargeAdjusted{
			Delivery: earlier, Charge: charged.Charge, Was: &charged.Charge, WasDeliveredAt: d.DeliveredAt, Charged: at(1),
		}).
		When(closeAt(d.Source)).Then(t, events.BatchRated{
		Source: d.Source, Charged: 1, Allowances: []events.AllowanceUsed{{PhoneNumberID: "number", Used: 1_000}},
		Totals: []events.PeriodTotal{{Amount: usd(0), Market: "Italy", Category: events.Service, Free: 1}},
	})

	entry := told(d, events.Pricing{Type: "free_entry_point"})
	gratis := free(events.Service, events.BasisFreeEntryPoint)
	gratis.Expected = events.BasisAllowance
	rated.When(revise(was, entry)).
		Then(t, events.ChargeAdjusted{Delivery: entry, Charge: gratis, Was: &charged.Charge, WasDeliveredAt: d.DeliveredAt, Charged: at(1)}).
		When(closeAt(d.Source)).Then(t, events.BatchRated{
		Source: d.Source, Charged: 1, Allowances: []events.AllowanceUsed{{PhoneNumberID: "number", Used: 999}},
		Totals: []events.PeriodTotal{{Amount: usd(0), Market: "Italy", Category: events.Service, Free: 1}},
	})
}

func TestATotalBeyond64BitsIsAnError(t *testing.T) {
	t.Parallel()
	var s billing.State
	s = billing.Evolve(s, events.MessageCharged{Charge: paid(events.Utility, math.MaxInt64)})
	_, err := s.Close(card)
	require.NoError(t, err)
	s = billing.Evolve(s, events.MessageCharged{Charge: paid(events.Utility, 1)})
	_, err = s.Close(card)
	require.ErrorIs(t, err, money.ErrOverflow)
}

// Appends are cut before they are too large, so the size of what ends them is known before.
func TestTheClosingIsNoLargerThanPromised(t *testing.T) {
	t.Parallel()
	var s billing.State
	for i := range 300 {
		charge := paid(events.Utility, 1)
		charge.Market = strconv.Itoa(i) + "\x01\u2028<&>\"\\"
		d := delivery(i, events.Service)
		d.PhoneNumberID = charge.Market
		allowed := free(events.Service, events.BasisAllowance)
		allowed.Market = charge.Market
		promised := s.ClosingBytes()
		s = billing.Evolve(s, events.MessageCharged{Delivery: d, Charge: charge})
		s = billing.Evolve(s, events.MessageCharged{Delivery: d, Charge: allowed})
		closing, err := s.Close(card)
		require.NoError(t, err)
		data, err := json.Marshal(closing)
		require.NoError(t, err)
		require.LessOrEqual(t, len(data), promised, "also with what came since")
		require.LessOrEqual(t, len(data), billing.Open(closing, 0).ClosingBytes())
	}
}
