package pricing_test

import (
	"testing"
	"time"

	"daybook/domain/pricing"
	"daybook/events"
)

// BenchmarkPrice is one delivery after another, over recipients of several markets.
func BenchmarkPrice(b *testing.B) {
	p := reference(b, "USD", "Europe/Rome")
	var deliveries []events.Delivered
	for _, digits := range []string{"393331234567", "18095550123", "77001234567", "5215512345678", "9991234567"} {
		d := sent(events.Utility, autumn, time.Time{})
		d.Dialling = events.DialPhone(digits)
		d.Pricing = &events.Pricing{Model: "PMP", Type: "regular", Category: "utility"}
		deliveries = append(deliveries, d)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, reason := pricing.Price(p.book, p.terms, deliveries[i%len(deliveries)], pricing.Used{}); reason != "" {
			b.Fatal(reason)
		}
	}
}

// BenchmarkBook is the first question to a book that was just folded.
func BenchmarkBook(b *testing.B) {
	all := cards(b, pricing.ReferenceCards)
	for b.Loop() {
		var book *pricing.Book
		for i, card := range all {
			book = book.With(card.RateCardImported, place("USD", i))
		}
		book.Market(events.Dialling{Prefix: "39"}, "2026-10-01")
	}
}
