package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daybook/adapters/web/api"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
	"daybook/readmodels/ledger"
)

type (
	ledgerInput struct {
		api.Waiting
		api.Paged
		api.OfAccount

		From string `query:"from" format:"date-time" doc:"Only what took effect at this instant or later (RFC 3339)." example:"2026-09-30T22:00:00Z"`
		To   string `query:"to" format:"date-time" doc:"Only what took effect before this instant (RFC 3339)." example:"2026-10-31T23:00:00Z"`
	}
	ledgerOutput struct {
		api.Positions

		Body api.LedgerEntries
	}
	balancesInput struct {
		api.Waiting
		api.OfAccount

		AsOf string `query:"as_of" format:"date-time" doc:"Only what took effect before this instant (RFC 3339); everything when left out." example:"2026-10-31T23:00:00Z"`
	}
	balancesOutput struct {
		api.Positions

		Body api.LedgerBalances
	}
)

func (s *server) registerLedger(a huma.API) {
	endpoint(s, a, permit(events.RoleOwner, events.RoleBilling, events.RoleCompliance, events.RoleAuditor), huma.Operation{
		Method: http.MethodGet, Path: "/ledger/entries", OperationID: "listLedgerEntries", Tags: []string{"Billing"},
		Summary: "Read the ledger, line by line",
		Description: "Every posting of one account, in the order of the store. Each charge is double entry: what a delivery costs " +
			"stands against what is owed to the platform, and the count of messages is an asset of its own. A correction is a " +
			"reversal beside the new postings; nothing is ever changed. The filters are about the time of delivery.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.listLedgerEntries)
	endpoint(s, a, permit(events.RoleOwner, events.RoleBilling, events.RoleCompliance, events.RoleAuditor), huma.Operation{
		Method: http.MethodGet, Path: "/ledger/balances", OperationID: "listLedgerBalances", Tags: []string{"Billing"},
		Summary: "Read the balances",
		Description: "What the postings of one account sum to, by ledger account and asset: now, or of all that was delivered " +
			"before an instant. What became known later counts, because it took effect then.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.listLedgerBalances)
}

func (s *server) listLedgerEntries(ctx context.Context, in *ledgerInput) (*ledgerOutput, error) {
	from, to, err := interval(in.From, in.To)
	if err != nil {
		return nil, err
	}
	read, err := s.accountsBooks(ctx, in.Account, in.WaitFor)
	if err != nil {
		return nil, err
	}
	page, err := ledger.Entries(ctx, s.Database, read.of(ledgerProjection), ledger.Filter{
		Account: in.Account, From: orNil(from), To: orNil(to), After: uint64(in.After), Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	answer := api.LedgerEntries{
		Entries: make([]api.LedgerEntry, 0, len(page.Entries)), Next: (*events.Position)(page.Next), Positions: read.positions(),
	}
	for _, e := range page.Entries {
		answer.Entries = append(answer.Entries, ledgerEntry(e))
	}
	return &ledgerOutput{header(answer.Positions), answer}, nil
}

func (s *server) listLedgerBalances(ctx context.Context, in *balancesInput) (*balancesOutput, error) {
	asOf, err := instant("query.as_of", in.AsOf)
	if err != nil {
		return nil, err
	}
	read, err := s.accountsBooks(ctx, in.Account, in.WaitFor)
	if err != nil {
		return nil, err
	}
	balances, err := ledger.Balances(ctx, s.Database, read.of(ledgerProjection), in.Account, orNil(asOf))
	if err != nil {
		return nil, err
	}
	answer := api.LedgerBalances{
		AccountID: in.Account, AsOf: utc(orNil(asOf)), Balances: make([]api.LedgerBalance, 0, len(balances)), Positions: read.positions(),
	}
	for _, b := range balances {
		answer.Balances = append(answer.Balances, api.LedgerBalance{
			LedgerAccount: b.LedgerAccount, Value: api.ValueOf(b.Asset, b.Amount), Entries: b.Entries,
		})
	}
	return &balancesOutput{header(answer.Positions), answer}, nil
}

// accountsBooks waits as asked and returns where to read the ledger of an account that there is.
func (s *server) accountsBooks(ctx context.Context, owner id.Account, waitFor string) (reading, error) {
	if err := s.mustExist(ctx, owner); err != nil {
		return nil, err
	}
	return s.caughtUp(ctx, waitFor, fromLedger)
}

// mustExist refuses an account that was never registered. An account without figures is another thing than a wrong id.
func (s *server) mustExist(ctx context.Context, owner id.Account) error {
	for _, err := range s.Store.ReadStream(ctx, account.Stream(owner), 0) {
		if err != nil {
			return fmt.Errorf("looking for account %s: %w", owner, err)
		}
		return nil // its first fact is that it was registered
	}
	return accountUnknown()
}

func ledgerEntry(e ledger.Entry) api.LedgerEntry {
	return api.LedgerEntry{
		Position: events.Position(e.Position), Stream: e.Stream, Revision: e.Revision, N: e.N, AccountID: e.AccountID,
		LedgerAccount: e.LedgerAccount, Value: api.ValueOf(e.Asset, e.Amount), Kind: e.Kind,
		EffectiveAt: e.EffectiveAt.UTC(), RecordedAt: e.RecordedAt.UTC(), MessageID: e.MessageID, RecipientID: e.RecipientID,
	}
}

func orNil(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
