package demo

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

// balances reads the ledger: all of it, or what was delivered before an instant.
func (p *player) balances(ctx context.Context, before *time.Time) (map[balance]int64, error) {
	read, err := p.API.LedgerBalances(ctx, p.business.account, before, client.WaitFor(p.last))
	if err != nil {
		return nil, fmt.Errorf("reading the balances: %w", err)
	}
	booked := map[balance]int64{}
	for _, b := range read.Balances {
		booked[balance{b.LedgerAccount, b.Asset}] = number(b.Value)
	}
	return booked, nil
}

// number is an amount in millionths, or a count.
func number(v api.Value) int64 {
	switch {
	case v.Micros != nil:
		return *v.Micros
	case v.Quantity != nil:
		return *v.Quantity
	}
	return 0
}

// checkBalances holds every balance against the recount.
func (p *player) checkBalances(ctx context.Context, before *time.Time, cardsKnown bool) (int, error) {
	priced, err := recount(p.Cards, p.tally.letters, p.zone)
	if err != nil {
		return 0, err
	}
	booked, err := p.balances(ctx, before)
	if err != nil {
		return 0, err
	}
	return len(booked), differences(post(priced, before, cardsKnown), booked, balance.String)
}

func (b balance) String() string { return b.account + " " + b.asset }

// checkPostings adds up the ledger line by line: each fact's postings to zero, all of them to the balances, and those of
// each message to its price.
func (p *player) checkPostings(ctx context.Context) (int, error) {
	priced, err := recount(p.Cards, p.tally.letters, p.zone)
	if err != nil {
		return 0, err
	}
	balances, err := p.balances(ctx, nil)
	if err != nil {
		return 0, err
	}
	facts, messages, sums := map[string]int64{}, map[string]int64{}, map[balance]int64{}
	lines, filter := 0, client.LedgerFilter{Account: p.business.account, Limit: 1000}
	for more := true; more; {
		page, err := p.API.LedgerEntries(ctx, filter, client.WaitFor(p.last))
		if err != nil {
			return 0, fmt.Errorf("reading the ledger: %w", err)
		}
		for _, e := range page.Entries {
			facts[fmt.Sprint(e.Stream, " ", e.Revision, " ", e.Asset)] += number(e.Value)
			sums[balance{e.LedgerAccount, e.Asset}] += number(e.Value)
			if strings.HasPrefix(e.LedgerAccount, "cost:") {
				messages[e.MessageID.String()] += number(e.Value)
			}
		}
		lines += len(page.Entries)
		if more = page.Next != nil; more {
			filter.After = *page.Next
		}
	}
	prices := map[string]int64{}
	for l, c := range priced {
		prices[l.id.String()] = c.micros
	}
	same := func(name string) string { return name }
	return lines, errors.Join(differences(nil, facts, same), differences(sums, balances, balance.String), differences(prices, messages, same))
}

// showBalances prints every balance: the accounts cost:messages:… in money and usage:messages:… in messages as one table.
func (p *player) showBalances(ctx context.Context) error {
	all, err := p.balances(ctx, nil)
	if err != nil {
		return err
	}
	september, err := p.balances(ctx, &p.changes)
	if err != nil {
		return err
	}
	money := func(account string) string {
		at := balance{account, currency}
		return fmt.Sprintf("%s\t%s\t%s", cell(september[at], dollars), cell(all[at]-september[at], dollars), cell(all[at], dollars))
	}
	fmt.Fprintf(p.Out, "What it cost: the balances of the ledger, in %s and in messages\n", currency)
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	const first = "%-*s\t" // the one column that is not aligned to the right
	const title = "cost:messages: and usage:messages:"
	width := len(title)
	for _, place := range places(all) {
		width = max(width, len(place))
	}
	fmt.Fprintf(w, first+"to 30 Sep\tfrom 1 Oct\ttogether\tbillable\tallowance\tfree\t\n", width, title)
	for _, place := range places(all) {
		fmt.Fprintf(w, first+"%s", width, place, money("cost:messages:"+place))
		category, _, _ := strings.Cut(place, ":")
		for _, class := range []string{billable, allowance, free} {
			fmt.Fprintf(w, "\t%s", cell(all[balance{"usage:messages:" + place + ":" + class, "MSG." + category}], count))
		}
		fmt.Fprint(w, "\t\n")
	}
	fmt.Fprintf(w, first+"%s\t\t\t\t\n", width, payableAccount, money(payableAccount))
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(p.Out, "  unresolved: free, and delivered before any card told the market")
	var pending, world int64
	for name, n := range all {
		switch {
		case strings.HasPrefix(name.account, pendingAccounts):
			pending += n
		case name.account == worldAccount:
			world += n
		}
	}
	fmt.Fprintf(p.Out, "  %s %d and %s %d messages\n", pendingAccounts, pending, worldAccount, world)
	return nil
}

// places lists category:market of all accounts.
func places(balances map[balance]int64) []string {
	var found []string
	for name := range balances {
		if path := strings.Split(name.account, ":"); len(path) > 3 {
			found = append(found, path[2]+":"+path[3])
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// cell prints nothing as nothing.
func cell(n int64, word func(int64) string) string {
	if n == 0 {
		return "·"
	}
	return word(n)
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// dollars words millionths with four decimals, which all rates have.
func dollars(micros int64) string { return big.NewRat(micros, 1_000_000).FloatString(4) }
