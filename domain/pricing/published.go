package pricing

import (
	"fmt"
	"slices"

	"daybook/events"
	"daybook/events/money"
)

// Published is what the cards of one currency say, so that another card cannot contradict them. Of one effective date:
//
//   - a market and category has one rate;
//   - a market has one list of countries and one of prefixes, in whatever order;
//   - a country or a prefix belongs to one market, and one market at most has no prefixes.
//
// And of all dates together, markets differ in more than capitals and punctuation.
//
// The zero value says nothing yet.
type Published struct {
	rates  map[rateKey]publishedRate
	lists  map[marketKey]publishedLists
	claims map[claimKey]claim
	names  map[string]claim // by what the ledger calls the market
}

type (
	rateKey struct {
		from     events.Date
		market   string
		category events.Category
	}
	marketKey struct {
		from   events.Date
		market string
	}
	claimKey struct {
		from          events.Date
		column, value string // of the prefixes, the empty one belongs to the market without any
	}
	publishedRate struct {
		micros int64 // 0: none
		tiers  []events.RateTier
		where  string
	}
	publishedLists struct {
		countries, prefixes []string
		where               string
	}
	claim struct{ market, where string }
)

// The columns that name a market, list who belongs to it and say its rates.
const (
	columnMarket    = "market"
	columnCountries = "iso2"
	columnPrefixes  = "calling_prefix"
	columnRate      = "rate"
	columnTiers     = "tiers"
)

// Contradiction is a column that says something else than what is published, and why.
type Contradiction struct{ Column, Detail string }

// Has says whether a rate and its market's lists, as ParseCards gives them, are published for the date already. What
// contradicts them is told instead.
func (p *Published) Has(from events.Date, m events.MarketRates, r events.Rate) (bool, []Contradiction) {
	var against []Contradiction
	contradict := func(column, detail string, args ...any) {
		against = append(against, Contradiction{column, fmt.Sprintf(detail, args...)})
	}
	if other, taken := p.names[accountName(m.Market)]; taken && other.market != m.Market {
		contradict(columnMarket, "%s and %s by %s would be one account of the ledger: names must differ in more than capitals and punctuation",
			m.Market, other.market, other.where)
	}
	rate, hasRate := p.rates[rateKey{from, m.Market, r.Category}]
	if hasRate && rate.micros != microsOf(r) {
		contradict(columnRate, "%s in %s is %s from %s on by %s; a published rate never changes",
			r.Category, m.Market, decimal(rate.micros), from, rate.where)
	}
	if hasRate && !slices.Equal(rate.tiers, r.Tiers) {
		contradict(columnTiers, "%s in %s has other tiers from %s on by %s; a published rate never changes", r.Category, m.Market, from, rate.where)
	}
	lists, hasLists := p.lists[marketKey{from, m.Market}]
	if !hasLists {
		return false, append(against, p.taken(from, m)...)
	}
	for _, l := range []struct {
		column          string
		here, published []string
	}{
		{columnCountries, m.Countries, lists.countries},
		{columnPrefixes, m.Prefixes, lists.prefixes},
	} {
		if only := except(l.here, l.published); only != "" {
			contradict(l.column, "%s lists %s here, and not by %s", m.Market, only, lists.where)
		} else if only = except(l.published, l.here); only != "" {
			contradict(l.column, "%s lists %s by %s, and not here", m.Market, only, lists.where)
		}
	}
	return hasRate, against
}

// taken tells what a new market claims of another one: one country and one prefix at most.
func (p *Published) taken(from events.Date, m events.MarketRates) []Contradiction {
	var against []Contradiction
	for _, c := range claimsOf(from, m) {
		other, claimed := p.claims[c]
		switch {
		case !claimed, len(against) > 0 && against[len(against)-1].Column == c.column:
		case c.value == "":
			against = append(against, Contradiction{c.column, fmt.Sprintf("the market without prefixes is %s by %s", other.market, other.where)})
		default:
			against = append(against, Contradiction{c.column, fmt.Sprintf("%s belongs to %s by %s", c.value, other.market, other.where)})
		}
	}
	return against
}

// except returns a value of the one sorted list that the other one lacks; empty when there is none.
func except(list, other []string) string {
	for _, value := range list {
		if _, found := slices.BinarySearch(other, value); !found {
			return value
		}
	}
	return ""
}

// Add publishes a rate and its market's lists. Where names the place for people.
func (p *Published) Add(from events.Date, m events.MarketRates, r events.Rate, where string) {
	if p.rates == nil {
		*p = Published{map[rateKey]publishedRate{}, map[marketKey]publishedLists{}, map[claimKey]claim{}, map[string]claim{}}
	}
	p.rates[rateKey{from, m.Market, r.Category}] = publishedRate{microsOf(r), r.Tiers, where}
	key := marketKey{from, m.Market}
	if _, found := p.lists[key]; found {
		return
	}
	p.names[accountName(m.Market)] = claim{m.Market, where}
	p.lists[key] = publishedLists{canonical(m.Countries), canonical(m.Prefixes), where}
	for _, c := range claimsOf(from, m) {
		p.claims[c] = claim{m.Market, where}
	}
}

// claimsOf lists what no other market of the date may list.
func claimsOf(from events.Date, m events.MarketRates) []claimKey {
	var claims []claimKey
	for _, country := range m.Countries {
		claims = append(claims, claimKey{from, columnCountries, country})
	}
	for _, prefix := range m.Prefixes {
		claims = append(claims, claimKey{from, columnPrefixes, prefix})
	}
	if len(m.Prefixes) == 0 {
		claims = append(claims, claimKey{from, columnPrefixes, ""})
	}
	return claims
}

func microsOf(r events.Rate) int64 {
	if r.Micros == nil {
		return 0
	}
	return *r.Micros
}

// decimal prints a rate as cards do.
func decimal(micros int64) string {
	if micros == 0 {
		return noRate
	}
	return money.Amount{Micros: micros}.String()
}

// canonical sorts a list and drops repeated values.
func canonical(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
