package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
)

// auditCommand reads the trail.
func auditCommand() *cobra.Command {
	var filter client.AuditFilter
	list := &cobra.Command{
		Use:   "ls",
		Short: "List entries, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withServer(command, func(server *client.Client) error {
				page, err := server.AuditEntries(command.Context(), filter, waiting(command)...)
				if err != nil {
					return err
				}
				return printEntries(command.OutOrStdout(), page)
			})
		},
	}
	list.Flags().Var(textFlag(&filter.Account, id.Parse[id.Account]), "account", "only this account")
	list.Flags().Var(textFlag(&filter.Conversation, id.Parse[id.Conversation]), "conversation", "only this conversation")
	list.Flags().StringVar(&filter.Type, "type", "", "only this type of event, such as MessageQueued")
	listFlags(list, "happened", &filter.From, &filter.To, &filter.After, &filter.Limit)
	return noun("audit", "The audit trail", list)
}

func printEntries(out io.Writer, page api.AuditEntries) error {
	w := table(out, "POSITION", "OCCURRED", "TYPE", "STREAM@REVISION", "ACTOR")
	for _, e := range page.Entries {
		actor := events.Actor("")
		if e.Actor != nil {
			actor = *e.Actor
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s@%d\t%s\n", e.Position, e.OccurredAt.Format(time.RFC3339), e.Type, e.Stream, e.Revision, actor)
	}
	if page.Next != nil {
		fmt.Fprintf(w, "\nMore: --after %d\n", *page.Next)
	}
	return w.Flush()
}

// quarantineCommand lists what found no place, and drives it again.
func quarantineCommand() *cobra.Command {
	var open bool
	var after uint64
	list := &cobra.Command{
		Use:   "ls",
		Short: "List quarantined updates, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withServer(command, func(server *client.Client) error {
				page, err := server.Quarantine(command.Context(), client.QuarantineFilter{Open: open, After: events.Position(after)},
					waiting(command)...)
				if err != nil {
					return err
				}
				w := table(command.OutOrStdout(), "ITEM", "RECEIVED", "REASON", "FIELD", "KIND", "LANDED IN")
				for _, item := range page.Entries {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n",
						item.ID, item.ReceivedAt.Format(time.RFC3339), item.Reason, item.Field, item.Kind, item.Stream)
				}
				if page.Next != nil {
					fmt.Fprintf(w, "\nMore: --after %d\n", *page.Next)
				}
				return w.Flush()
			})
		},
	}
	list.Flags().BoolVar(&open, "open", false, "only those that have not found their place yet")
	list.Flags().Uint64Var(&after, "after", 0, "go on after this position")
	redrive := &cobra.Command{
		Use:   "redrive ITEM",
		Short: "Drive an update again",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			item, err := id.Parse[id.Quarantine](arguments[0])
			if err != nil {
				return fmt.Errorf("ITEM: %w", err)
			}
			return withServer(command, func(server *client.Client) error {
				landed, err := server.Redrive(command.Context(), item)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(command.OutOrStdout(), "landed in", landed.Stream)
				return err
			})
		},
	}
	return noun("quarantine", "Webhook updates that found no place", list, redrive)
}

// noun groups verbs. A word that is none of them is an error.
//
// Every verb that asks takes --wait-for, as every query of the API does.
func noun(name, short string, verbs ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.PersistentFlags().String("wait-for", "", "first wait until this position (or token) has been projected")
	command.AddCommand(verbs...)
	return command
}

func waiting(command *cobra.Command) []client.CallOption {
	if token := command.Flag("wait-for"); token.Changed {
		return []client.CallOption{client.WaitForToken(token.Value.String())}
	}
	return nil
}

func table(out io.Writer, columns ...string) *tabwriter.Writer {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, column := range columns {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, column)
	}
	fmt.Fprintln(w)
	return w
}
