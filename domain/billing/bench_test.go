package billing_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/billing"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
)

// BenchmarkDomainRating is what rating costs the processor: deliveries of a month over all markets and categories of the
// platform's card, with its word, from what is known of each to its charge, folded into the period, which is closed by a
// BatchRated after each 500. Nothing is encoded, stored or read.
func BenchmarkDomainRating(b *testing.B) {
	const deliveries, batch = 500_000, 500
	book, month := referenceBook(b), monthOf(b, 10_000)
	rome, err := time.LoadLocation("Europe/Rome")
	require.NoError(b, err)
	terms, err := pricing.Terms{}.After(events.AccountRegistered{Currency: "USD", Timezone: rome.String(), Country: "IT"})
	require.NoError(b, err)
	for b.Loop() {
		var s billing.State
		start := time.Now()
		for n := range deliveries {
			event := s.Rate(book, terms, month[n%len(month)])
			if _, charged := event.(events.MessageCharged); !charged {
				b.Fatal(event)
			}
			if s = billing.Evolve(s, event); n%batch == batch-1 {
				closing, err := s.Close(card)
				if err != nil {
					b.Fatal(err)
				}
				s = billing.Evolve(s, closing)
			}
		}
		b.ReportMetric(deliveries/time.Since(start).Seconds(), "rated-messages/s>=200000")
	}
}

func referenceBook(b *testing.B) *pricing.Book {
	b.Helper()
	var book *pricing.Book
	cards, err := pricing.ParseCards(strings.NewReader(pricing.ReferenceCards))
	require.NoError(b, err)
	for i, c := range cards {
		if c.Currency == "USD" {
			book = book.With(c.RateCardImported, events.Ref{Stream: "ratecards-USD", Revision: uint64(i)})
		}
	}
	return book
}

// monthOf is n deliveries of October, in order.
func monthOf(b *testing.B, n int) []events.Delivered {
	b.Helper()
	numbers := []string{
		"393331234567", "5215512345678", "923001234567", "12125550123", "18095550123", "77001234567", "4915112345678", "33612345678", "9991234567",
	}
	var all []events.Delivered
	for i := range n {
		at := time.Date(2026, 10, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * (25 * 24 * time.Hour / time.Duration(n)))
		category := []events.Category{events.Marketing, events.Utility, events.Authentication, events.Service}[i%4]
		all = append(all, events.Delivered{
			MessageID: id.Derive[id.Message]("bench", strconv.Itoa(i)), PhoneNumberID: "number-" + strconv.Itoa(i%10),
			Dialling: events.DialPhone(numbers[i%len(numbers)]), Category: category, QueuedAt: at, DeliveredAt: at.Add(time.Second),
			Pricing: &events.Pricing{Model: "PMP", Type: "regular", Category: string(category)},
		})
	}
	return all
}
