package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

// ratesCommand publishes rate cards.
func ratesCommand() *cobra.Command {
	return noun("rates", "Rate cards", &cobra.Command{
		Use:   "import FILE",
		Short: "Publish the rates of a CSV file, all of it or nothing",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			file, err := os.ReadFile(arguments[0])
			if err != nil {
				return fmt.Errorf("FILE: %w", err)
			}
			return withServer(command, func(server *client.Client) error {
				imported, err := server.ImportRateCards(command.Context(), file)
				if problem, refused := errors.AsType[*client.Problem](err); refused {
					for _, line := range problem.Errors {
						fmt.Fprintln(command.ErrOrStderr(), line)
					}
				}
				if err != nil {
					return err
				}
				return printCards(command.OutOrStdout(), imported)
			})
		},
	})
}

func printCards(out io.Writer, imported api.ImportedRateCards) error {
	w := table(out, "CURRENCY", "EFFECTIVE FROM", "MARKETS", "RATES", "STREAM@REVISION", "")
	for _, c := range imported.Cards {
		known := "known"
		if c.New {
			known = "new"
		}
		fmt.Fprintf(w, "%s\t%s\t%7d\t%5d\t%s@%d\t%s\n", c.Currency, c.EffectiveFrom, c.Markets, c.Rates, c.Stream, c.Revision, known)
	}
	fmt.Fprintf(w, "\nPosition: %s\n", imported.Token)
	return w.Flush()
}
