package projections_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"daybook/adapters/postgres/pgtest"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
	"daybook/projections"
	"daybook/projections/ledger"
)

// BenchmarkRatingLedger posts a month of charges and compares with the ceiling: the same transactions of the same
// statements, by pgx alone, on rows worked out beforehand.
func BenchmarkRatingLedger(b *testing.B) {
	n := benchEvents(b)
	server := pgtest.Restartable(b)
	for b.Loop() {
		bm := newBenchmark(b, server, chargedMonth(n), []projections.Definition{ledger.Define})
		projecting, _ := bm.project(b)
		ceiling := bm.fromNothing(b, batchEvents)
		again, _ := bm.project(b) // the better of two, of both: the machine is never quite alone
		projecting, ceiling = min(projecting, again), min(ceiling, bm.fromNothing(b, batchEvents))
		bm.close(b)

		b.ReportMetric(float64(n)/projecting.Seconds(), "events/s")
		b.ReportMetric(ceiling.Seconds()/projecting.Seconds(), "ledger-vs-ceiling>=0.6")
	}
}

// ratedAtOnce is how many charges rating appends in one go, before the fact that ends them.
const ratedAtOnce = 499

// chargedMonth records what rating writes in a month: the charges of four businesses to ten markets, an eighth of them
// free.
func chargedMonth(n int) history {
	begin := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	return history{(n + ratedAtOnce - 1) / ratedAtOnce, func(batch int) (string, []events.Proposed, error) {
		account := id.Derive[id.Account]("bench", strconv.Itoa(batch%4))
		facts := make([]events.Event, 0, ratedAtOnce+1)
		for i := batch * ratedAtOnce; i < min(n, (batch+1)*ratedAtOnce); i++ {
			delivered := begin.Add(31 * 24 * time.Hour * time.Duration(i) / time.Duration(n)).Truncate(time.Second)
			facts = append(facts, chargeOf(i, events.StatusFact{
				ConversationID: id.Derive[id.Conversation](strconv.Itoa(i % 5000)), MessageID: id.New[id.Message](),
				RecipientID: id.New[id.Customer](), At: delivered,
			}))
		}
		facts = append(facts, events.BatchRated{Charged: len(facts)})
		proposed := make([]events.Proposed, len(facts))
		for i, fact := range facts {
			var err error
			if proposed[i], err = events.Encode(id.New[id.Event](), fact, events.Envelope{
				Account: account, OccurredAt: begin, RecordedAt: begin, Actor: "policy:rating", Source: "policy",
				Correlation: id.New[id.Trace](), Causation: id.New[id.Event]().String(),
			}); err != nil {
				return "", nil, err
			}
		}
		return fmt.Sprintf("billing-%s-2026-10", account), proposed, nil
	}}
}

var (
	benchMarkets = []string{
		"Italy", "France", "Germany", "Spain", "North America", "United Kingdom", "Rest of Central & Eastern Europe",
		"Rest of Latin America", "India", "Other",
	}
	benchCategories = []events.Category{events.Service, events.Utility, events.Marketing, events.Authentication}
)

// chargeOf is what rating says of the i-th delivery. An eighth of them is free.
func chargeOf(i int, fact events.StatusFact) events.MessageCharged {
	category := benchCategories[i%len(benchCategories)]
	charge := events.Charge{
		Amount: money.Amount{Micros: int64(i%7)*1000 + 700, Currency: "EUR"}, Basis: events.BasisRegular, Policy: "P3",
		Day: events.Date(fact.At.Format(events.DateFormat)), Category: category, Market: benchMarkets[i/4%len(benchMarkets)],
		MarketBasis: events.MarketByPrefix, Rated: category, Card: &events.Ref{Stream: "ratecards-EUR", Revision: 3}, CardFrom: "2026-10-01",
	}
	if i%8 == 0 {
		charge.Amount.Micros, charge.Basis, charge.Rated, charge.Card, charge.CardFrom = 0, events.BasisAllowance, "", nil, ""
	}
	return events.MessageCharged{
		Delivery: events.Delivered{
			ConversationID: fact.ConversationID, MessageID: fact.MessageID, RecipientID: fact.RecipientID,
			PhoneNumberID: "900555000111222", Dialling: events.Dialling{Prefix: "39"}, Category: category,
			QueuedAt: fact.At.Add(-3 * time.Second), WindowUntil: new(fact.At.Add(time.Hour)), DeliveredAt: fact.At,
			Pricing: &events.Pricing{Billable: new(true), Model: "PMP", Type: "regular", Category: string(category)},
			Source:  events.Ref{Stream: "conversation-" + fact.ConversationID.String(), Revision: uint64(i % 100)},
		},
		Charge: charge,
	}
}
