package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events/id"
)

// ledgerCommand reads what messages cost, posting by posting or as balances.
func ledgerCommand() *cobra.Command {
	return noun("ledger", "What messages cost", ledgerEntriesCommand(), ledgerBalancesCommand())
}

func ledgerEntriesCommand() *cobra.Command {
	var filter client.LedgerFilter
	entries := &cobra.Command{
		Use:   "entries",
		Short: "List the postings of an account, in the order of the store",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if filter.Account.IsZero() {
				return errNoAccount
			}
			return withServer(command, func(server *client.Client) error {
				page, err := server.LedgerEntries(command.Context(), filter, waiting(command)...)
				if err != nil {
					return err
				}
				return printPostings(command.OutOrStdout(), page)
			})
		},
	}
	entries.Flags().Var(textFlag(&filter.Account, id.Parse[id.Account]), "account", "the account (required)")
	listFlags(entries, "took effect", &filter.From, &filter.To, &filter.After, &filter.Limit)
	return entries
}

func ledgerBalancesCommand() *cobra.Command {
	var (
		account id.Account
		asOf    *time.Time
	)
	balances := &cobra.Command{
		Use:   "balances",
		Short: "List the balances of an account",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if account.IsZero() {
				return errNoAccount
			}
			return withServer(command, func(server *client.Client) error {
				answer, err := server.LedgerBalances(command.Context(), account, asOf, waiting(command)...)
				if err != nil {
					return err
				}
				return printBalances(command.OutOrStdout(), answer)
			})
		},
	}
	balances.Flags().Var(textFlag(&account, id.Parse[id.Account]), "account", "the account (required)")
	balances.Flags().Var(textFlag(&asOf, func(text string) (*time.Time, error) {
		at, err := instant(text)
		return &at, err
	}), "as-of", "only what took effect before this instant (RFC 3339)")
	return balances
}

var errNoAccount = errors.New("--account is required")

func printPostings(out io.Writer, page api.LedgerEntries) error {
	width := len("AMOUNT")
	for _, e := range page.Entries {
		width = max(width, len(e.Number()))
	}
	w := table(out, "POSITION", "EFFECTIVE", "RECORDED", "LEDGER ACCOUNT", rightAligned("AMOUNT", width), "ASSET", "KIND", "MESSAGE",
		"STREAM@REVISION.N")
	for _, e := range page.Entries {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s@%d.%d\n", e.Position, e.EffectiveAt.Format(time.RFC3339),
			e.RecordedAt.Format(time.RFC3339), e.LedgerAccount, rightAligned(e.Number(), width), e.Asset, e.Kind, e.MessageID,
			e.Stream, e.Revision, e.N)
	}
	if page.Next != nil {
		fmt.Fprintf(w, "\nMore: --after %d\n", *page.Next)
	}
	return w.Flush()
}

func printBalances(out io.Writer, answer api.LedgerBalances) error {
	width := len("BALANCE")
	for _, b := range answer.Balances {
		width = max(width, len(b.Number()))
	}
	w := table(out, "LEDGER ACCOUNT", rightAligned("BALANCE", width), "ASSET", "POSTINGS")
	for _, b := range answer.Balances {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", b.LedgerAccount, rightAligned(b.Number(), width), b.Asset, b.Entries)
	}
	return w.Flush()
}

func rightAligned(text string, width int) string { return fmt.Sprintf("%*s", width, text) }
