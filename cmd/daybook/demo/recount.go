package demo

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// The recount is what an accountant does with the platform's price list and a list of what was sent. It shares no code
// with what rates, posts and counts in earnest, so that one can be held against the other.

// line is one line of the platform's price list.
type line struct {
	market, category, from string
	prefixes, countries    []string
	micros                 int64 // for one message, in millionths
}

// readPrices reads the lines of one currency.
func readPrices(file []byte, currency string) ([]line, error) {
	records, err := csv.NewReader(strings.NewReader(string(file))).ReadAll()
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, r := range records[1:] {
		if r[4] != currency {
			continue
		}
		price, ok := new(big.Rat).SetString(r[5])
		if !ok || !price.Mul(price, big.NewRat(1_000_000, 1)).IsInt() {
			return nil, fmt.Errorf("%s is no price", r[5])
		}
		lines = append(lines, line{
			market: r[0], category: r[3], from: r[6], micros: price.Num().Int64(),
			countries: strings.Split(r[1], ";"), prefixes: strings.Split(r[2], ";"),
		})
	}
	return lines, nil
}

// market finds whose prices hold for a customer on a day: the longest prefix that is listed, or else Other.
func market(lines []line, to person, day string) string {
	found, length := "Other", 0
	for _, l := range lines {
		if l.from > day {
			continue
		}
		if to.number == "" && slices.Contains(l.countries, to.userID[:2]) {
			return l.market
		}
		for _, prefix := range l.prefixes {
			// Kazakhstan shares +7 with Russia and is not in it.
			foreign := prefix == "7" && (strings.HasPrefix(to.number, "76") || strings.HasPrefix(to.number, "77"))
			if !foreign && len(prefix) > length && strings.HasPrefix(to.number, prefix) {
				found, length = l.market, len(prefix)
			}
		}
	}
	return found
}

// price is the newest one that is in force on a day.
func price(lines []line, market, category, day string) (micros int64, err error) {
	newest := ""
	for _, l := range lines {
		if l.market == market && l.category == category && l.from <= day && l.from > newest {
			newest, micros = l.from, l.micros
		}
	}
	if newest == "" {
		return 0, fmt.Errorf("no price of %s in %s on %s", category, market, day)
	}
	return micros, nil
}

// What delivered messages are, and why they cost what they cost: words of the ledger and of the book.
const (
	billable  = "billable"
	allowance = "allowance" // both the class and the reason
	free      = "free"
	regular   = "regular"
	freeCSW   = "free_csw"
	freeFEP   = "free_fep"
)

// freeServiceMessages is how many a business number has in a month since the platform charges for them.
const freeServiceMessages = 1000

// costs is what one delivered letter comes to.
type costs struct {
	at     time.Time
	market string
	class  string // billable, or why not: free, allowance
	basis  string // by the book's word for it
	micros int64
}

// rate prices a delivered letter; served is how many free service messages the month has had before it.
func rate(lines []line, l *letter, zone *time.Location, served int) (costs, error) {
	at := *l.delivered()
	day := at.In(zone).Format(time.DateOnly)
	changed := day >= "2026-10-01"
	c := costs{at: at, market: market(lines, l.to, day), class: free}
	if l.unpriced {
		c.market = "" // what is free needs none, and none was known
	}
	switch {
	case l.adFree:
		c.basis = freeFEP
	case l.category == service && !changed, l.category == utility && l.open && !changed:
		c.basis = freeCSW
	case l.category == service && served < freeServiceMessages:
		c.class, c.basis = allowance, allowance
	default:
		var err error
		c.class, c.basis, c.market = billable, regular, market(lines, l.to, day)
		c.micros, err = price(lines, c.market, l.category, day)
		return c, err
	}
	return c, nil
}

// recount prices all letters that were delivered.
func recount(file []byte, letters []*letter, zone *time.Location) (map[*letter]costs, error) {
	lines, err := readPrices(file, currency)
	if err != nil {
		return nil, fmt.Errorf("recounting: %w", err)
	}
	priced, served := map[*letter]costs{}, map[time.Month]int{}
	for _, l := range letters {
		if l.delivered() == nil {
			continue
		}
		month := l.delivered().In(zone).Month()
		c, err := rate(lines, l, zone, served[month])
		if err != nil {
			return nil, fmt.Errorf("recounting: %w", err)
		}
		if c.class == allowance {
			served[month]++
		}
		priced[l] = c
	}
	return priced, nil
}

// Accounts of the ledger that are named more than once.
const (
	payableAccount  = "provider:whatsapp:payable"
	pendingAccounts = "usage:pending:"
	worldAccount    = "usage:world"
)

// balance names one balance of the ledger.
type balance struct{ account, asset string }

// post makes the balances of what was delivered, or of what was delivered before an instant. While no rate card is
// known, what costs something waits for its price.
func post(priced map[*letter]costs, before *time.Time, cardsKnown bool) map[balance]int64 {
	balances := map[balance]int64{}
	for l, c := range priced {
		if before != nil && !c.at.Before(*before) {
			continue
		}
		asset, place := "MSG."+l.category, l.category+":"+slug(c.market)
		balances[balance{worldAccount, asset}]--
		switch {
		case c.class == billable && !cardsKnown:
			balances[balance{pendingAccounts + l.category, asset}]++
			continue
		case c.class == billable:
			balances[balance{"cost:messages:" + place, currency}] += c.micros
			balances[balance{payableAccount, currency}] -= c.micros
		}
		balances[balance{"usage:messages:" + place + ":" + c.class, asset}]++
	}
	return balances
}

// slug is a market's name as it stands in the name of an account.
func slug(market string) string {
	if market == "" {
		return "unresolved"
	}
	words := strings.FieldsFunc(strings.ToLower(market), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	return strings.Join(words, "-")
}

// figure is what is counted of the messages of one category that were written in one half of the month.
type figure struct {
	received, sent, delivered, read, failed, answers int64
	waited                                           time.Duration // of all answers together
}

// row names a figure. What customers wrote has no category.
type row struct {
	category string
	changed  bool // written after the change
}

func (r row) String() string {
	half := " in September"
	if r.changed {
		half = " in October"
	}
	return cmp.Or(r.category, "received") + half
}

// countFigures counts what was written before the change, and what after it.
func countFigures(t tally, changes time.Time) map[row]figure {
	figures := map[row]figure{}
	one := func(there bool) int64 {
		if there {
			return 1
		}
		return 0
	}
	for _, q := range t.questions {
		at := row{"", !q.at.Before(changes)}
		figures[at] = figures[at].plus(figure{received: 1})
	}
	for _, l := range t.letters {
		at := row{l.category, !l.at.Before(changes)}
		figures[at] = figures[at].plus(figure{
			sent: one(l.when("sent") != nil || l.delivered() != nil), delivered: one(l.delivered() != nil), read: one(l.when("read") != nil),
			failed: one(l.when("failed") != nil), answers: one(l.answers), waited: l.waited,
		})
	}
	return figures
}

func (f figure) plus(g figure) figure {
	return figure{
		f.received + g.received, f.sent + g.sent, f.delivered + g.delivered, f.read + g.read, f.failed + g.failed,
		f.answers + g.answers, f.waited + g.waited,
	}
}

// differences names everything in which the book differs from the recount.
func differences[K comparable, V comparable](recounted, booked map[K]V, name func(K) string) error {
	var wrong []error
	both := map[K]bool{}
	for key := range recounted {
		both[key] = true
	}
	for key := range booked {
		both[key] = true
	}
	for key := range both {
		if recounted[key] != booked[key] {
			wrong = append(wrong, fmt.Errorf("%s: recounted %+v, booked %+v", name(key), recounted[key], booked[key]))
		}
	}
	slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(wrong...)
}
