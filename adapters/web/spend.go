package web

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"daybook/adapters/web/api"
	"daybook/events/id"
	"daybook/events/money"
	"daybook/readmodels/ledger"
)

// spendLine is what an account's messages of one category cost, for people.
type spendLine struct {
	Category               string
	Cost                   []api.Money // by currency
	Charged, Free, Pending int64       // messages
}

// spend sums an account's balances by category. No account has none.
func (s *server) spend(ctx context.Context, owner id.Account) ([]spendLine, error) {
	if owner.IsZero() {
		return nil, nil
	}
	schema, err := s.Projections.Live(ctx, ledgerProjection)
	if err != nil {
		return nil, err
	}
	balances, err := ledger.Balances(ctx, s.Database, schema, owner, nil)
	if err != nil {
		return nil, err
	}
	return spendOf(balances)
}

// spendOf reads the chart of accounts: cost:messages:{category}:{market}, usage:messages:{category}:{market}:{basis} and
// usage:pending:{category}.
func spendOf(balances []ledger.Balance) ([]spendLine, error) {
	lines := map[string]*spendLine{}
	line := func(category string) *spendLine {
		if lines[category] == nil {
			lines[category] = &spendLine{Category: category}
		}
		return lines[category]
	}
	for _, b := range balances {
		path := strings.Split(b.LedgerAccount, ":")
		switch {
		case len(path) == 4 && path[0] == "cost":
			if err := line(path[2]).add(money.Amount{Micros: b.Amount, Currency: money.Currency(b.Asset)}); err != nil {
				return nil, err
			}
		case len(path) == 3 && path[1] == "pending":
			line(path[2]).Pending += b.Amount
		case len(path) == 5 && path[4] == "billable":
			line(path[2]).Charged += b.Amount
		case len(path) == 5:
			line(path[2]).Free += b.Amount
		}
	}
	var sorted []spendLine
	for _, l := range lines {
		sorted = append(sorted, *l)
	}
	slices.SortFunc(sorted, func(a, b spendLine) int { return cmp.Compare(a.Category, b.Category) })
	return sorted, nil
}

func (l *spendLine) add(amount money.Amount) error {
	at := slices.IndexFunc(l.Cost, func(sum api.Money) bool { return sum.Currency == amount.Currency })
	if at < 0 {
		l.Cost = append(l.Cost, api.MoneyOf(amount))
		return nil
	}
	sum, err := money.Amount{Micros: l.Cost[at].Micros, Currency: amount.Currency}.Add(amount)
	if err != nil {
		return err
	}
	l.Cost[at] = api.MoneyOf(sum)
	return nil
}
