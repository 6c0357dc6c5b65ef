package pricing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"daybook/events"
	"daybook/events/money"
)

// row is one line of a file: the rate of one category in one market.
type row struct {
	currency money.Currency
	from     events.Date
	market   events.MarketRates // without rates
	rate     events.Rate
	source   string
}

// column reads one field into a row, or returns the rule that the field breaks.
type column struct {
	name string
	read func(r *row, field string) (broken string)
}

// columns are what a file must have, in any order; only tiers may be left out.
var columns = []column{
	{columnMarket, readMarket},
	{columnCountries, readCountries},
	{columnPrefixes, readPrefixes},
	{"category", readCategory},
	{"currency", readCurrency},
	{columnRate, readRate},
	{"effective_from", readDate},
	{"source", readSource},
	{columnTiers, readTiers},
}

// Limits of a field. At the highest rate, 92 million messages still fit into an exact sum.
const (
	maxText   = 100             // characters of a market's name
	maxSource = 200             // characters
	maxPrefix = 7               // digits
	maxMicros = 100_000_000_000 // 100,000.00 for one message
	maxTiers  = 20              // beyond the first price
	noRate    = "n/a"
)

// tiered are the categories that have volume tiers.
var tiered = []events.Category{events.Utility, events.Authentication, authenticationInternational}

// categories are those of the platform's cards. The cbp_ ones are prices of conversations, which ended in 2025; they
// are kept and price no message.
var categories = func() []events.Category {
	perMessage := []events.Category{
		events.Marketing, events.Utility, events.Authentication, authenticationInternational, events.Service,
	}
	all := slices.Clone(perMessage)
	for _, c := range perMessage {
		all = append(all, "cbp_"+c)
	}
	return all
}()

func readMarket(r *row, field string) string {
	r.market.Market = norm.NFC.String(field)
	if field == "" || !isLine(r.market.Market, maxText) {
		return fmt.Sprintf("must be 1 to %d printable characters without spaces around them", maxText)
	}
	switch accountName(r.market.Market) {
	case "":
		return "must have one of the letters and digits a–z, A–Z, 0–9: the ledger names an account by them"
	case unresolved:
		return fmt.Sprintf("must not be %q: so the ledger calls the market of those whose market is unknown", unresolved)
	}
	return ""
}

// unresolved is where the ledger counts what belongs to no market.
const unresolved = "unresolved"

// accountName is what the ledger calls a market in the names of its accounts: in lower case, with a hyphen for each run of
// other characters than a–z and 0–9. Of two markets with one name, nobody could tell what each cost. The ledger's own
// rule is in projections/ledger/chart.go, with a test that holds both against each other.
func accountName(market string) string {
	lower := strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}, market)
	return strings.Join(strings.FieldsFunc(lower, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') }), "-")
}

func readSource(r *row, field string) string {
	r.source = norm.NFC.String(field)
	if !isLine(r.source, maxSource) {
		return fmt.Sprintf("must be at most %d printable characters without spaces around them", maxSource)
	}
	return ""
}

func readCountries(r *row, field string) string {
	r.market.Countries = list(field)
	for _, country := range r.market.Countries {
		if len(country) != 2 || strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return fmt.Sprintf("must be codes of two capital letters, separated by semicolons; %s is none", quote(country))
		}
	}
	return ""
}

func readPrefixes(r *row, field string) string {
	r.market.Prefixes = list(field)
	for _, prefix := range r.market.Prefixes {
		if prefix == "" || len(prefix) > maxPrefix || strings.Trim(prefix, "0123456789") != "" || prefix[0] == '0' {
			return fmt.Sprintf("must be prefixes of 1 to %d digits that do not begin with 0, separated by semicolons; %s is none",
				maxPrefix, quote(prefix))
		}
	}
	return ""
}

func readCategory(r *row, field string) string {
	r.rate.Category = events.Category(field)
	if !slices.Contains(categories, r.rate.Category) {
		return fmt.Sprintf("must be one of %q, not %s", categories, quote(field))
	}
	return ""
}

func readCurrency(r *row, field string) string {
	var err error
	if r.currency, err = money.ParseCurrency(field); err != nil {
		return "must be three capital letters, not " + quote(field)
	}
	return ""
}

func readRate(r *row, field string) string {
	if field == noRate {
		return ""
	}
	amount, err := money.Parse(field, "")
	if err != nil || amount.Micros <= 0 || amount.Micros > maxMicros {
		return fmt.Sprintf("must be a decimal greater than 0 and at most %s, with at most six decimals, or %s for no rate; not %s",
			decimal(maxMicros), noRate, quote(field))
	}
	r.rate.Micros = &amount.Micros
	return ""
}

// readTiers reads prices of later messages, "100001:0.0247;500001:0.0234".
func readTiers(r *row, field string) string {
	if field == "" {
		return ""
	}
	var tiers []events.RateTier
	for part := range strings.SplitSeq(field, ";") {
		first, price, _ := strings.Cut(part, ":")
		from, err := strconv.ParseInt(first, 10, 64)
		amount, wrong := money.Parse(price, "")
		if err != nil || from < 2 || wrong != nil || amount.Micros <= 0 || amount.Micros > maxMicros {
			return fmt.Sprintf("must be pairs of a first message, from 2 on, and its rate, such as 100001:0.0247, separated by semicolons; "+
				"%s is none", quote(part))
		}
		if n := len(tiers); n == maxTiers || n > 0 && tiers[n-1].From >= from {
			return fmt.Sprintf("must be at most %d, in order of the first message, each once", maxTiers)
		}
		tiers = append(tiers, events.RateTier{From: from, Micros: amount.Micros})
	}
	r.rate.Tiers = tiers
	return ""
}

func readDate(r *row, field string) string {
	day, err := time.Parse(events.DateFormat, field)
	if err != nil || day.Year() < 2000 || day.Year() > 2099 {
		return "must be a day of the calendar from 2000 to 2099, such as 2026-10-01; not " + quote(field)
	}
	r.from = events.Date(field)
	return ""
}

// list splits a field at its semicolons. The order of a list means nothing.
func list(field string) []string {
	if field == "" {
		return nil
	}
	return canonical(strings.Split(field, ";"))
}

func isLine(s string, limit int) bool {
	unprintable := func(c rune) bool { return !unicode.IsPrint(c) }
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit && !strings.ContainsFunc(s, unprintable) && strings.TrimSpace(s) == s
}

// quote shows the beginning of a field.
func quote(field string) string { return fmt.Sprintf("%.40q", field) }
