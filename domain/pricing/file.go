package pricing

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"daybook/events"
	"daybook/events/money"
)

// Limits of a file. The cards of one currency are recorded by one append, which must stay small.
const (
	MaxFileBytes     = 8 << 20
	maxRows          = 100_000
	maxCurrencyBytes = 512 << 10 // of the cards of one currency, as they are stored
)

// Card is what a file says of one currency from one day on.
type Card struct {
	events.RateCardImported

	Lines [][]int // Lines[m][r] is the file's line of Markets[m].Rates[r]
}

// Rates returns how many rates the card has, n/a included.
func (c Card) Rates() int {
	n := 0
	for _, m := range c.Markets {
		n += len(m.Rates)
	}
	return n
}

// ParseCards reads rate cards from CSV text: UTF-8, with or without a byte order mark, lines that end in LF or CRLF. The
// first line names the columns market, iso2, calling_prefix, category, currency, rate, effective_from and source, in
// any order; each other line is one rate. iso2 and calling_prefix are lists, separated by semicolons; both are empty for
// the market that all others fall back to. A rate is a decimal greater than 0, or n/a where the card offers none. The
// same rate twice counts once.
//
// A column tiers may be there too, for the prices of later messages of a month: pairs of the first message and the rate
// from there on, "100001:0.0247;500001:0.0234". Empty, or without the column, all messages have one rate.
//
// The cards come in order of currency and date, their markets and rates in order of the file, lists sorted and without
// repetitions. When a line is bad, nothing is returned but a *FileError that names every one. Any other error is the
// reader's.
func ParseCards(file io.Reader) ([]Card, error) {
	text, err := io.ReadAll(io.LimitReader(file, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading rate cards: %w", err)
	}
	p := parser{cards: map[cardKey]*building{}, published: map[money.Currency]*Published{}}
	if len(text) > MaxFileBytes {
		p.bad.Add(LineError{0, "", fmt.Sprintf("it is larger than %d bytes", MaxFileBytes)})
		return nil, &p.bad
	}
	p.parse(text)
	cards := p.finish(text)
	if err = p.bad.Err(); err != nil {
		return nil, err
	}
	return cards, nil
}

type cardKey struct {
	currency money.Currency
	from     events.Date
}

// building is a card while its lines are read.
type building struct {
	Card

	places  map[string]int // of the markets
	sources map[string]bool
}

type parser struct {
	lines     *csv.Reader
	columns   []column // in the file's order
	cards     map[cardKey]*building
	published map[money.Currency]*Published
	bad       FileError
}

func (p *parser) parse(text []byte) {
	p.lines = csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	p.lines.FieldsPerRecord = -1 // counted here, to go on after a wrong one
	p.lines.ReuseRecord = true

	names, line, more := p.next()
	if !more || names == nil || !p.header(names, line) {
		return
	}
	for rows := 0; ; rows++ {
		fields, line, more := p.next()
		switch {
		case !more:
			return
		case rows == maxRows:
			p.bad.Add(LineError{line, "", fmt.Sprintf("a file holds at most %d rates", maxRows)})
			return
		case fields != nil:
			p.row(fields, line)
		}
	}
}

// next reads one line. A line that is no CSV is named, and has no fields.
func (p *parser) next() (fields []string, line int, more bool) {
	fields, err := p.lines.Read()
	if wrong, ok := errors.AsType[*csv.ParseError](err); ok {
		p.bad.Add(LineError{wrong.StartLine, "", wrong.Err.Error()})
		return nil, wrong.StartLine, true
	}
	if err != nil { // the end: memory has no other errors
		return nil, 0, false
	}
	line, _ = p.lines.FieldPos(0)
	return fields, line, true
}

// header finds the columns by their names.
func (p *parser) header(names []string, line int) bool {
	complain := func(detail string, list []string) {
		if len(list) > 0 {
			list = list[:min(len(list), len(columns))]
			p.bad.Add(LineError{line, "", detail + strings.Join(list, ", ")})
		}
	}
	var unknown, twice, missing []string
	for _, name := range names {
		i := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
		switch {
		case i < 0:
			unknown = append(unknown, quote(name))
		case slices.ContainsFunc(p.columns, func(c column) bool { return c.name == name }):
			twice = append(twice, name)
		default:
			p.columns = append(p.columns, columns[i])
		}
	}
	for _, c := range columns {
		if c.name != columnTiers && !slices.Contains(names, c.name) {
			missing = append(missing, c.name)
		}
	}
	complain("columns that are missing: ", missing)
	complain("columns that do not belong here: ", unknown)
	complain("columns that come twice: ", twice)
	return len(p.bad.Lines) == 0
}

// row reads one rate and adds it to its card, unless a rule forbids it.
func (p *parser) row(fields []string, line int) {
	if len(fields) != len(p.columns) {
		p.bad.Add(LineError{line, "", fmt.Sprintf("it has %d fields, the header has %d", len(fields), len(p.columns))})
		return
	}
	var r row
	good := true
	for i, c := range p.columns {
		if broken := c.read(&r, fields[i]); broken != "" {
			p.bad.Add(LineError{line, c.name, broken})
			good = false
		}
	}
	if !good {
		return
	}
	if len(r.market.Countries) == 0 != (len(r.market.Prefixes) == 0) {
		p.bad.Add(LineError{line, columnPrefixes, "countries and prefixes come together: list both, or neither for the market of all others"})
		return
	}
	if len(r.rate.Tiers) > 0 && (r.rate.Micros == nil || !slices.Contains(tiered, r.rate.Category)) {
		p.bad.Add(LineError{line, columnTiers, fmt.Sprintf("only a rate of %q has tiers", tiered)})
		return
	}
	published := p.published[r.currency]
	if published == nil {
		published = &Published{}
		p.published[r.currency] = published
	}
	known, against := published.Has(r.from, r.market, r.rate)
	for _, c := range against {
		p.bad.Add(LineError{line, c.Column, c.Detail})
	}
	if !known && len(against) == 0 {
		published.Add(r.from, r.market, r.rate, fmt.Sprintf("line %d", line))
		p.add(&r, line)
	}
}

func (p *parser) add(r *row, line int) {
	key := cardKey{r.currency, r.from}
	card := p.cards[key]
	if card == nil {
		card = &building{places: map[string]int{}, sources: map[string]bool{}}
		card.Currency, card.EffectiveFrom = r.currency, r.from
		p.cards[key] = card
	}
	if r.source != "" && !card.sources[r.source] {
		card.sources[r.source], card.Sources = true, append(card.Sources, r.source)
	}
	i, found := card.places[r.market.Market]
	if !found {
		i = len(card.Markets)
		card.places[r.market.Market] = i
		card.Markets, card.Lines = append(card.Markets, r.market), append(card.Lines, nil)
	}
	card.Markets[i].Rates = append(card.Markets[i].Rates, r.rate)
	card.Lines[i] = append(card.Lines[i], line)
}

// finish puts the cards in order and checks what only whole cards show.
func (p *parser) finish(text []byte) []Card {
	if len(p.cards) == 0 && len(p.bad.Lines) == 0 {
		p.bad.Add(LineError{0, "", "it holds no rate"})
	}
	sum := sha256.Sum256(text)
	var cards []Card
	sizes := map[money.Currency]int{}
	for _, card := range p.cards {
		card.FileSHA256 = hex.EncodeToString(sum[:])
		data, err := json.Marshal(card.RateCardImported)
		if err != nil {
			p.bad.Add(LineError{card.Lines[0][0], "", err.Error()})
		}
		sizes[card.Currency] += len(data)
		cards = append(cards, card.Card)
	}
	slices.SortFunc(cards, func(a, b Card) int {
		return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.EffectiveFrom, b.EffectiveFrom))
	})
	for i := range cards {
		currency := cards[i].Currency
		if size := sizes[currency]; size > maxCurrencyBytes && (i == 0 || cards[i-1].Currency != currency) {
			p.bad.Add(LineError{cards[i].Lines[0][0], "currency", fmt.Sprintf(
				"the cards of %s take %d bytes, and a file holds at most %d of one currency", currency, size, maxCurrencyBytes)})
		}
	}
	return cards
}
