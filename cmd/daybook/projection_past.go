package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

func asOfCommand() *cobra.Command {
	var filter client.AsOfFilter
	command := &cobra.Command{
		Use:   "as-of NAME --at MOMENT",
		Short: "List the tables of a projection as they stood at some moment, or the rows of one",
		Long: `List how many rows the tables of a projection had at some moment or, with --table, print the rows of one. The moment is a
position, or an instant, which stands for the last event that had been recorded by then.

Today's projector makes the rows anew from the events of then, in tables of their own that go with the verb. What has been
erased since stays erased. Who reads rows is recorded, as ProjectionReadAsOf. Rows go to the standard output; with CSV, what
they are and where they are from, to the standard error.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			filter.Projection = arguments[0]
			if filter.Table == "" && command.Flags().Changed("format") {
				return errors.New("--format needs --table: the list of tables has no other form")
			}
			return withServer(command, func(server *client.Client) error {
				if filter.Table == "" {
					return listAsOf(command, server, filter)
				}
				return readAsOf(command, server, filter)
			})
		},
	}
	filter.Format = formatCSV
	command.Flags().StringVar(&filter.At, "at", "", "the moment: a position, or an instant (RFC 3339) that has passed")
	command.Flags().StringVar(&filter.Table, "table", "", "the table whose rows to print")
	command.Flags().Var(&parsed[string]{&filter.Format, rowFormat, filter.Format}, "format", "the form of the rows: csv or json")
	_ = command.MarkFlagRequired("at") // fails only for a flag that does not exist
	return command
}

const formatCSV = "csv"

func rowFormat(text string) (string, error) {
	if text != formatCSV && text != "json" {
		return "", errors.New("expected csv or json")
	}
	return text, nil
}

func listAsOf(command *cobra.Command, server *client.Client, filter client.AsOfFilter) error {
	list, err := server.AsOf(command.Context(), filter.Projection, filter.At)
	if err != nil {
		return err
	}
	out := command.OutOrStdout()
	fmt.Fprintf(out, "%s\n\n", asOfLines(list))
	w := table(out, "TABLE", "ROWS")
	for _, t := range list.Tables {
		fmt.Fprintf(w, "%s\t%d\n", t.Table, t.Rows)
	}
	return w.Flush()
}

// readAsOf passes the rows on as they come. JSON says itself what it is.
func readAsOf(command *cobra.Command, server *client.Client, filter client.AsOfFilter) (err error) {
	answer, err := server.ReadAsOf(command.Context(), filter)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if filter.Format == formatCSV {
		fmt.Fprintf(command.ErrOrStderr(), "%s\n", asOfLines(answer.Head))
	}
	if _, err = io.Copy(command.OutOrStdout(), answer.Body); err != nil {
		return fmt.Errorf("reading table %s: the rows are not complete: %w", filter.Table, err)
	}
	return nil
}

// asOfLines say what was read and where it is from.
func asOfLines(a api.AsOf) string {
	what := fmt.Sprintf("%s, version %d", a.Name, a.Version)
	if a.Table != "" {
		what += ", table " + a.Table
	}
	after := "before the first event"
	if l := a.LastEvent; l != nil {
		after = fmt.Sprintf("after %s at %s@%d, recorded %s", l.Type, l.Stream, l.Revision, l.RecordedAt.Format(time.RFC3339Nano))
	}
	return fmt.Sprintf("%s, as of position %d: %s%s\n%s", what, a.Position, after, missingAsOf(a), a.Note)
}

// missingAsOf says what the rows do not tell of the events up to there.
func missingAsOf(a api.AsOf) string {
	if a.Parked == 0 && a.Skipped == 0 {
		return ""
	}
	return fmt.Sprintf("\nnot in it: what waits under %d keys, and %d events that were skipped: see daybook projection parked %s",
		a.Parked, a.Skipped, a.Name)
}
