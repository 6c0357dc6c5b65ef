package demo

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

// The columns of the file of rate cards.
const (
	columnCategory = 3
	columnCurrency = 4
	columnRate     = 5
	columnFrom     = 6
)

// dayOfChange is when the new cards are in force.
const dayOfChange = "2026-10-01"

// bringCards imports the cards up to September on the second day. What was delivered on the first waits for a price
// until then.
func (p *player) bringCards(ctx context.Context) error {
	if err := p.settle(ctx); err != nil {
		return err
	}
	fmt.Fprintln(p.Out, "\n17 September: a day was played, and no rate card is known")
	if _, err := p.checkBalances(ctx, nil, false); err != nil {
		return fmt.Errorf("before any rate card: %w", err)
	}
	waiting, err := p.pending(ctx)
	if err != nil {
		return err
	}
	if waiting == 0 {
		return errors.New("no delivery of the first day waits for a price")
	}
	fmt.Fprintf(p.Out, "  %d deliveries wait for a price: unknown is never free\n", waiting)
	records, err := csv.NewReader(bytes.NewReader(p.Cards)).ReadAll()
	if err != nil {
		return fmt.Errorf("reading the rate cards: %w", err)
	}
	if err := p.refuseBadFile(ctx, records); err != nil {
		return err
	}
	known, err := fileOf(slices.DeleteFunc(slices.Clone(records), func(r []string) bool { return r[columnFrom] == dayOfChange }))
	if err != nil {
		return err
	}
	if err := p.importCards(ctx, known, "the cards up to September"); err != nil {
		return err
	}
	if _, err := p.checkBalances(ctx, nil, true); err != nil { // none is pending among the recounted
		return fmt.Errorf("with the first rate cards: %w", err)
	}
	fmt.Fprintln(p.Out, "  all of them are priced now")
	return nil
}

// announceCards imports the whole file, before the new cards are in force, and once more.
func (p *player) announceCards(ctx context.Context) error {
	fmt.Fprintln(p.Out, "28 September: the platform's cards of 1 October")
	if err := p.importCards(ctx, p.Cards, "the whole file"); err != nil {
		return err
	}
	again, err := p.API.ImportRateCards(ctx, p.Cards)
	if err != nil {
		return fmt.Errorf("importing the rate cards again: %w", err)
	}
	if n := len(newCards(again)); n > 0 {
		return fmt.Errorf("the same file again brought %d new cards", n)
	}
	fmt.Fprintln(p.Out, "  the same file again: nothing new")
	return nil
}

func (p *player) importCards(ctx context.Context, file []byte, what string) error {
	imported, err := p.API.ImportRateCards(ctx, file)
	if err != nil {
		return fmt.Errorf("importing %s: %w", what, err)
	}
	p.last = max(p.last, imported.Position)
	brought := newCards(imported)
	rates := 0
	for _, card := range brought {
		p.count("RateCardImported")
		rates += card.Rates
	}
	fmt.Fprintf(p.Out, "  %s: %d cards, %d of them new, with %d rates\n", what, len(imported.Cards), len(brought), rates)
	return nil
}

func newCards(imported api.ImportedRateCards) []api.RateCard {
	return slices.DeleteFunc(slices.Clone(imported.Cards), func(c api.RateCard) bool { return !c.New })
}

// refuseBadFile imports a file with three bad lines among good ones, which must be refused with all three named.
func (p *player) refuseBadFile(ctx context.Context, records [][]string) error {
	bad := make([][]string, 0, 7)
	for _, record := range records[:7] {
		bad = append(bad, slices.Clone(record))
	}
	bad[2][columnRate], bad[4][columnCategory], bad[5][columnFrom] = "cheap", "gossip", "2026-02-30"
	file, err := fileOf(bad)
	if err != nil {
		return err
	}
	_, err = p.API.ImportRateCards(ctx, file)
	problem, refused := errors.AsType[*client.Problem](err)
	if !refused {
		return fmt.Errorf("a file with three bad lines was not refused: %w", err)
	}
	fmt.Fprintln(p.Out, "  a file with three bad lines is refused whole:")
	var lines []int
	for _, e := range problem.Errors {
		fmt.Fprintf(p.Out, "    %s\n", e)
		lines = append(lines, e.Line)
	}
	slices.Sort(lines)
	if want := []int{3, 5, 6}; !slices.Equal(slices.Compact(lines), want) {
		return fmt.Errorf("of a file with bad lines %v, lines %v were named", want, lines)
	}
	return nil
}

func fileOf(records [][]string) ([]byte, error) {
	var file bytes.Buffer
	err := csv.NewWriter(&file).WriteAll(records)
	return file.Bytes(), err
}

// pending counts the deliveries that wait for a price, by the ledger.
func (p *player) pending(ctx context.Context) (n int64, err error) {
	booked, err := p.balances(ctx, nil)
	for name, amount := range booked {
		if strings.HasPrefix(name.account, pendingAccounts) {
			n += amount
		}
	}
	return n, err
}
