package pricing_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/money"
)

// t0 is noon of a day under P2; autumn is noon of one under P3.
var (
	t0     = time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	autumn = time.Date(2026, 10, 10, 12, 0, 0, 0, time.UTC)
)

// cards parses a file.
func cards(t testing.TB, file string) []pricing.Card {
	t.Helper()
	all, err := pricing.ParseCards(strings.NewReader(file))
	require.NoError(t, err)
	return all
}

// book puts a currency's cards of a file into a book.
func book(t testing.TB, currency money.Currency, file string) *pricing.Book {
	t.Helper()
	var b *pricing.Book
	for i, card := range cards(t, file) {
		if card.Currency == currency {
			b = b.With(card.RateCardImported, place(currency, i))
		}
	}
	return b
}

func place(currency money.Currency, revision int) events.Ref {
	return events.Ref{Stream: "ratecards-" + string(currency), Revision: uint64(revision)}
}

// file writes rows under the header.
func file(rows ...string) string {
	return strings.Join(append([]string{"market,iso2,calling_prefix,category,currency,rate,effective_from,source"}, rows...), "\n")
}

func terms(t testing.TB, currency money.Currency, zone string) pricing.Terms {
	t.Helper()
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	return pricing.Terms{Currency: currency, Zone: location}
}

// sent is a message to an Italian number, delivered a second after it was written, in a window that is open until an
// instant; the zero instant is no window.
func sent(category events.Category, at, window time.Time) events.Delivered {
	d := events.Delivered{
		Dialling: events.Dialling{Prefix: "39"}, Category: category, QueuedAt: at, DeliveredAt: at.Add(time.Second),
	}
	if !window.IsZero() {
		d.WindowUntil = &window
	}
	return d
}

// outcome is what a test looks at in a charge.
type outcome struct {
	amount string
	basis  events.Basis
	market string
	found  events.MarketBasis
	reason events.PendingReason
}

// pricer prices deliveries on the reference cards.
type pricer struct {
	t     testing.TB
	book  *pricing.Book
	terms pricing.Terms
}

func reference(t testing.TB, currency money.Currency, zone string) pricer {
	t.Helper()
	return pricer{t, book(t, currency, pricing.ReferenceCards), terms(t, currency, zone)}
}

func (p pricer) price(d events.Delivered) outcome {
	p.t.Helper()
	charge, reason := pricing.Price(p.book, p.terms, d, pricing.Used{})
	return outcome{charge.Amount.String(), charge.Basis, charge.Market, charge.MarketBasis, reason}
}

// sum adds the charges of deliveries, all of which must have a price.
func (p pricer) sum(deliveries ...events.Delivered) string {
	p.t.Helper()
	var total money.Amount
	for d := range slices.Values(deliveries) {
		charge, reason := pricing.Price(p.book, p.terms, d, pricing.Used{})
		require.Empty(p.t, reason)
		var err error
		total, err = total.Add(charge.Amount)
		require.NoError(p.t, err)
	}
	return total.String()
}
