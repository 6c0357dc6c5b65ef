package pricing

import (
	"fmt"
	"slices"
	"time"

	"daybook/domain"
	"daybook/events"
	"daybook/events/money"
)

// Terms is what an account's prices depend on.
type Terms struct {
	Currency money.Currency
	Zone     *time.Location // nil: UTC
	Home     string         // country of the primary location, ISO 3166-1 alpha-2
	homeTold domain.Heard   // zero: the account told it itself

	// From when on authentication messages to other countries have a price of their own; nil: never.
	internationalFrom *time.Time
	internationalTold domain.Heard
	exceptions        []events.CountryFrom
}

// After returns the terms when one more event of the account has happened. The zero value is of an account that has none.
// Currency and zone never change. Of what the platform tells, the word counts that it told last.
func (t Terms) After(event events.Event) (Terms, error) {
	switch e := event.(type) {
	case events.AccountRegistered:
		zone, err := time.LoadLocation(e.Timezone)
		if err != nil {
			return t, fmt.Errorf("time zone of account %s: %w", e.AccountID, err)
		}
		t.Currency, t.Zone, t.Home = e.Currency, zone, e.Country
	case events.PrimaryLocationChanged:
		if told := domain.HeardIn(e); told.After(t.homeTold) {
			t.Home, t.homeTold = e.Country, told
		}
	case events.AuthInternationalPriceSet:
		if told := domain.HeardIn(e); told.After(t.internationalTold) {
			t.internationalFrom, t.exceptions, t.internationalTold = &e.From, e.Exceptions, told
		}
	}
	return t, nil
}

// international says whether a delivery went abroad, when that has a price of its own there. Countries are those of the
// recipient's market, which tells where a number belongs.
func (t Terms) international(d *events.Delivered, countries []string) bool {
	if t.internationalFrom == nil {
		return false
	}
	if d.Dialling.Country != "" {
		countries = []string{d.Dialling.Country}
	}
	if len(countries) == 0 || slices.Contains(countries, t.Home) {
		return false
	}
	from := *t.internationalFrom
	for _, e := range t.exceptions {
		if slices.Contains(countries, e.Country) {
			from = e.From
		}
	}
	return !d.DeliveredAt.Before(from)
}
