package pricing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/money"
)

const (
	day  = 24 * time.Hour
	tick = time.Nanosecond
)

func TestVector01_AnswerInsideTheWindowIsFree(t *testing.T) {
	t.Parallel()
	p := reference(t, "USD", "Europe/Rome")
	require.Equal(t, outcome{"0.0000 USD", events.BasisFreeWindow, "Italy", events.MarketByPrefix, ""},
		p.price(sent(events.Service, t0.Add(day), t0.Add(day))))
}

// Until 2022 a notification had a fixed fee, and so had every reply later than 24 hours (S30–S32).
func TestVector02_BeforePoliciesChangedALateReplyHasTheFixedFee(t *testing.T) {
	t.Parallel()
	rows := []string{"Italy,IT,39,service,USD,0.05,2018-08-01,", "Italy,IT,39,utility,USD,0.05,2018-08-01,"}
	p := pricer{t, book(t, "USD", file(rows...)), terms(t, "USD", "Europe/Rome")}
	asked := time.Date(2018, 8, 1, 12, 0, 0, 0, time.UTC)
	window := asked.Add(day)
	free := outcome{"0.0000 USD", events.BasisFreeWindow, "Italy", events.MarketByPrefix, ""}
	fee := outcome{"0.0500 USD", events.BasisRegular, "Italy", events.MarketByPrefix, ""}
	require.Equal(t, free, p.price(sent(events.Service, window, window)))
	require.Equal(t, fee, p.price(sent(events.Service, window.Add(tick), window)))
	require.Equal(t, fee, p.price(sent(events.Utility, window, window)), "a notification is no reply")
}

func TestVector02_DaysWithoutAPolicyWait(t *testing.T) {
	t.Parallel()
	p := reference(t, "USD", "Europe/Rome")
	for _, category := range []events.Category{events.Service, events.Utility, events.Marketing} {
		for _, at := range []time.Time{
			time.Date(2022, 12, 31, 23, 0, 0, 0, time.UTC), time.Date(2023, 3, 1, 12, 0, 0, 0, time.UTC),
			time.Date(2023, 5, 31, 21, 59, 58, 0, time.UTC), // a second later, midnight in Rome
		} {
			require.Equal(t, events.PolicyUnavailable, p.price(sent(category, at, at)).reason)
		}
	}
	first := sent(events.Service, time.Date(2023, 5, 31, 21, 59, 59, 0, time.UTC), t0)
	require.Empty(t, p.price(first).reason, "conversations had prices from then on")
}

func TestVector03_UtilityInAndOutOfTheWindow(t *testing.T) {
	t.Parallel()
	p := reference(t, "USD", "Europe/Rome")
	window := t0.Add(day)
	free := outcome{"0.0000 USD", events.BasisFreeWindow, "Italy", events.MarketByPrefix, ""}
	paid := outcome{"0.0300 USD", events.BasisRegular, "Italy", events.MarketByPrefix, ""}
	require.Equal(t, free, p.price(sent(events.Utility, window, window)))
	require.Equal(t, paid, p.price(sent(events.Utility, window.Add(tick), window)))
	require.Equal(t, paid, p.price(sent(events.Utility, window.Add(tick), time.Time{})))
	require.Equal(t, paid, p.price(sent(events.Utility, autumn, autumn.Add(day))), "P3 charges inside the window too")
}

func TestVector08_SharedCallingCodes(t *testing.T) {
	t.Parallel()
	p := reference(t, "USD", "Europe/Rome")
	for prefix, want := range map[string]outcome{
		"1650": {"0.0034 USD", events.BasisRegular, "North America", events.MarketByPrefix, ""},
		"1416": {"0.0034 USD", events.BasisRegular, "North America", events.MarketByPrefix, ""},
		"1809": {"0.0113 USD", events.BasisRegular, "Rest of Latin America", events.MarketByPrefix, ""},
		"1787": {"0.0113 USD", events.BasisRegular, "Rest of Latin America", events.MarketByPrefix, ""},
		"1246": {"0.0077 USD", events.BasisRegular, "Other", events.MarketByFallback, ""},
	} {
		d := sent(events.Utility, autumn, time.Time{})
		d.Dialling = events.DialPhone(prefix + "5550123")
		require.Equal(t, want, p.price(d), prefix)
	}
}

func TestVector09_KazakhstanBecomesAMarket(t *testing.T) {
	t.Parallel()
	p := reference(t, "USD", "Europe/Rome")
	october := time.Date(2026, 10, 1, 0, 0, 0, 0, p.terms.Zone)
	deliver := func(digits string, at time.Time) outcome {
		d := sent(events.Utility, at.Add(-time.Minute), time.Time{})
		d.Dialling, d.DeliveredAt = events.DialPhone(digits), at
		return p.price(d)
	}
	require.Equal(t, outcome{"0.0400 USD", events.BasisRegular, "Russia", events.MarketByPrefix, ""},
		deliver("79001234567", october))
	require.Equal(t, outcome{"0.0077 USD", events.BasisRegular, "Other", events.MarketByFallback, ""},
		deliver("77001234567", october.Add(-time.Second)))
	require.Equal(t, outcome{"0.0180 USD", events.BasisRegular, "Kazakhstan", events.MarketByPrefix, ""},
		deliver("77001234567", october))
}

func TestVector10_UnlistedAndUnknownRecipients(t *testing.T) {
	t.Parallel()
	p := reference(t, "USD", "Europe/Rome")
	deliver := func(to events.Dialling, category events.Category) outcome {
		d := sent(category, autumn, time.Time{})
		d.Dialling = to
		return p.price(d)
	}
	require.Equal(t, outcome{"0.0077 USD", events.BasisRegular, "Other", events.MarketByFallback, ""},
		deliver(events.DialPhone("9991234567"), events.Utility))
	require.Equal(t, outcome{"0.0795 USD", events.BasisRegular, "Italy", events.MarketByUserID, ""},
		deliver(events.DialUserID("IT.a1b2c3"), events.Marketing))
	require.Equal(t, outcome{"0.0000", "", "", "", events.MarketUnresolved}, deliver(events.Dialling{}, events.Marketing))
}

func TestVector14_CardChangesInTheMiddle(t *testing.T) {
	t.Parallel()
	p := reference(t, "USD", "America/Mexico_City")
	change := time.Date(2026, 10, 1, 0, 0, 0, 0, time.FixedZone("", -6*60*60))
	deliver := func(queued, delivered time.Time) events.Delivered {
		return events.Delivered{
			Dialling: events.DialPhone("5215512345678"), Category: events.Marketing, QueuedAt: queued, DeliveredAt: delivered,
		}
	}
	before := deliver(change.Add(-time.Minute), change.Add(-time.Second))
	after := deliver(change, change)
	astride := deliver(change.Add(-time.Hour), change)
	require.Equal(t, "0.0305 USD", p.price(before).amount)
	require.Equal(t, "0.0397 USD", p.price(after).amount)
	require.Equal(t, "0.0397 USD", p.price(astride).amount)
	require.Equal(t, "0.1099 USD", p.sum(before, after, astride))
}

func TestVector15_TheDayIsTheAccounts(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 9, 30, 22, 30, 0, 0, time.UTC)
	d := events.Delivered{Dialling: events.DialPhone("923001234567"), Category: events.Utility, QueuedAt: at, DeliveredAt: at}
	require.Equal(t, "0.0150 USD", reference(t, "USD", "Europe/Rome").price(d).amount)
	require.Equal(t, "0.0100 USD", reference(t, "USD", "America/Bogota").price(d).amount)
}

// Statements round, once; prices and their sums never do.
func TestVector25_SumsAreExact(t *testing.T) {
	t.Parallel()
	dollars := reference(t, "USD", "Europe/Rome")
	colombia := sent(events.Utility, autumn, time.Time{})
	colombia.Dialling = events.DialPhone("573001234567")
	require.Equal(t, "0.0024 USD", dollars.sum(slices.Repeat([]events.Delivered{colombia}, 3)...))
	require.Equal(t, "8.0000 USD", dollars.sum(slices.Repeat([]events.Delivered{colombia}, 10_000)...))

	pesos := reference(t, "COP", "America/Bogota")
	require.Equal(t, "8.8365 COP", pesos.sum(slices.Repeat([]events.Delivered{colombia}, 3)...))
}

func TestVector25_AStatementIsRoundedOnceHalfToEven(t *testing.T) {
	t.Parallel()
	shown := func(decimal string, currency money.Currency) string {
		a, err := money.Parse(decimal, currency)
		require.NoError(t, err)
		return a.Shown()
	}
	require.Equal(t, "0.00 USD", shown("0.0024", "USD")) // three messages to Colombia: kept exactly, shown so
	require.Equal(t, "8.00 USD", shown("8.0000", "USD")) // 10,000 of them
	require.Equal(t, "0.00 USD", shown("0.005", "USD"))
	require.Equal(t, "0.02 USD", shown("0.015", "USD"))
	require.Equal(t, "8.84 COP", shown("8.8365", "COP"))
	require.Equal(t, "9 CLP", shown("8.8365", "CLP"))
}

func TestVector28_NoRateIsNoZero(t *testing.T) {
	t.Parallel()
	at := sent(events.Marketing, autumn, time.Time{})
	rows := []string{"Italy,IT,39,utility,USD,0.03,2026-10-01,", "Italy,IT,39,marketing,USD,n/a,2026-10-01,"}
	held := outcome{"0.0000", "", "Italy", events.MarketByPrefix, events.RateUnavailable}
	for name, known := range map[string]string{
		"not on the card":   file(rows[:1]...),
		"n/a":               file(rows...),
		"n/a ends a rate":   file(append(rows, "Italy,IT,39,marketing,USD,0.07,2026-07-01,")...),
		"not yet in effect": file(rows[0], "Italy,IT,39,marketing,USD,0.07,2026-10-11,"),
	} {
		p := pricer{t, book(t, "USD", known), terms(t, "USD", "Europe/Rome")}
		require.Equal(t, held, p.price(at), name)
	}
	none := pricer{t, nil, terms(t, "USD", "Europe/Rome")}
	require.Equal(t, outcome{"0.0000", "", "", "", events.RateUnavailable}, none.price(at), "no cards at all")
	euros := pricer{t, book(t, "EUR", pricing.ReferenceCards), terms(t, "USD", "Europe/Rome")}
	require.Equal(t, outcome{"0.0000", "", "", "", events.RateUnavailable}, euros.price(at), "cards of another currency")

	later := pricer{t, book(t, "USD", file(rows[0], "Italy,IT,39,marketing,USD,0.07,2026-10-01,")), none.terms}
	require.Equal(t, "0.0700 USD", later.price(at).amount, "a card that comes later prices it")
}
