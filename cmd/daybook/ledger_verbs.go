package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
)

// ledgerCommand reads what messages cost, posting by posting or as balances.
func ledgerCommand() *cobra.Command {
	ledger := noun("ledger", "What messages cost", ledgerEntriesCommand(), ledgerBalancesCommand())
	ledger.PersistentFlags().String("account", "", "the account (required)")
	return ledger
}

func ledgerEntriesCommand() *cobra.Command {
	var (
		from, to string
		after    uint64
		limit    int
	)
	entries := &cobra.Command{
		Use:   "entries",
		Short: "List the postings of an account, in the order of the store",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			filter := client.LedgerFilter{After: events.Position(after), Limit: limit}
			var err error
			if filter.Account, err = accountFlag(command); err != nil {
				return err
			}
			if filter.From, err = instantFlag("--from", from); err != nil {
				return err
			}
			if filter.To, err = instantFlag("--to", to); err != nil {
				return err
			}
			if limit < 1 || limit > 1000 {
				return fmt.Errorf("--limit: %d is not between 1 and 1000", limit)
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
	entries.Flags().StringVar(&from, "from", "", "only what took effect at or after this instant (RFC 3339)")
	entries.Flags().StringVar(&to, "to", "", "only what took effect before this instant (RFC 3339)")
	entries.Flags().Uint64Var(&after, "after", 0, "go on after this position")
	entries.Flags().IntVar(&limit, "limit", 100, "most postings to list, at most 1000")
	return entries
}

func ledgerBalancesCommand() *cobra.Command {
	var text string
	balances := &cobra.Command{
		Use:   "balances",
		Short: "List the balances of an account",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			account, err := accountFlag(command)
			if err != nil {
				return err
			}
			var asOf *time.Time
			if text != "" {
				at, err := instantFlag("--as-of", text)
				if err != nil {
					return err
				}
				asOf = &at
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
	balances.Flags().StringVar(&text, "as-of", "", "only what took effect before this instant (RFC 3339)")
	return balances
}

// accountFlag reads --account, which has no sensible default.
func accountFlag(command *cobra.Command) (id.Account, error) {
	account, err := id.Parse[id.Account](command.Flag("account").Value.String())
	if err != nil {
		return account, fmt.Errorf("--account: %w", err)
	}
	return account, nil
}

// instantFlag reads a time; empty is the zero time.
func instantFlag(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%s: %q is not an RFC 3339 instant", name, text)
	}
	return at, nil
}

func printPostings(out io.Writer, page api.LedgerEntries) error {
	width := len("AMOUNT")
	for _, e := range page.Entries {
		width = max(width, len(e.Number()))
	}
	w := table(out, "POSITION", "EFFECTIVE", "LEDGER ACCOUNT", rightAligned("AMOUNT", width), "ASSET", "KIND", "MESSAGE")
	for _, e := range page.Entries {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Position, e.EffectiveAt.Format(time.RFC3339), e.LedgerAccount,
			rightAligned(e.Number(), width), e.Asset, e.Kind, e.MessageID)
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
