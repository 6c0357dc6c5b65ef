package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

func parkedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "parked NAME",
		Short: "List what waits because an event failed, and what was skipped",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withServer(command, func(server *client.Client) error {
				list, err := server.Parked(command.Context(), arguments[0], waiting(command)...)
				if err != nil {
					return err
				}
				return printParked(command.OutOrStdout(), list)
			})
		},
	}
}

func printParked(out io.Writer, list api.ParkedEvents) error {
	w := table(out, "BUILD", "KEY", "EVENTS", "FIRST", "TRIES", "CAUSE")
	for _, b := range list.Builds {
		for _, p := range b.Parked {
			first := ""
			if p.First != nil {
				first = fmt.Sprintf("%s@%d %s", p.First.Stream, p.First.Revision, p.Type)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\n", b.Schema, p.Key, p.Events, first, p.Tries, oneLine(p.Cause))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, b := range list.Builds {
		said := "parks nothing that this process knows of: it pauses at what fails"
		if b.Blast != nil {
			said = b.Blast.Text + " parked"
		}
		fmt.Fprintf(out, "%s: %s\n", b.Schema, said)
	}
	return printSkipped(out, list)
}

func printSkipped(out io.Writer, list api.ParkedEvents) error {
	var lines strings.Builder
	for _, b := range list.Builds {
		for _, k := range b.Skipped {
			fmt.Fprintf(&lines, "%s\t%s\t%s@%d %s\t%s\t%s\n",
				b.Schema, k.Key, k.Event.Stream, k.Event.Revision, k.Type, k.SkippedAt.Format(time.RFC3339), oneLine(k.Reason))
		}
	}
	if lines.Len() == 0 {
		return nil
	}
	fmt.Fprintln(out)
	w := table(out, "BUILD", "KEY", "SKIPPED", "AT", "REASON")
	fmt.Fprint(w, lines.String())
	return w.Flush()
}

// oneLine keeps a text from breaking a table.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func retryParkedCommand() *cobra.Command {
	var asked api.RetryParked
	command := &cobra.Command{
		Use:   "retry NAME [KEY]",
		Short: "Try again what waits, or what waits under a key",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(command *cobra.Command, arguments []string) error {
			if len(arguments) > 1 {
				asked.Key = arguments[1]
			}
			return withServer(command, func(server *client.Client) error {
				build, err := server.RetryParked(command.Context(), arguments[0], asked)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "%s tries again: see daybook projection parked %s\n", build.Schema, build.Name)
				return err
			})
		},
	}
	buildFlag(command, &asked.Schema)
	return command
}

func skipParkedCommand() *cobra.Command {
	var skip api.SkipParked
	command := &cobra.Command{
		Use:   "skip NAME KEY --event STREAM@REVISION --reason TEXT",
		Short: "Leave the event out for good for which a key waits",
		Long: `Leave the event out for good for which a key waits, and let what waits behind it through. That is recorded, with the
reason, as ProjectionEventSkipped. It is left out of this build, and of every build of the same version that is begun from then
on. The event stays in the store. A new version of the projection meets it again, because its handlers may be able to take it.`,
		Args: cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, arguments []string) error {
			skip.Key = arguments[1]
			return withServer(command, func(server *client.Client) error {
				recorded, err := server.SkipParked(command.Context(), arguments[0], skip)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "%s@%d is skipped, recorded at position %d\n", skip.Stream, skip.Revision, recorded.Position)
				return err
			})
		},
	}
	command.Flags().Var(textFlag(&skip.EventPlace, eventPlace), "event", "the event, as parked shows it: STREAM@REVISION")
	command.Flags().StringVar(&skip.Reason, "reason", "", "why: one line of at most 500 characters, which is recorded")
	for _, flag := range []string{"event", "reason"} {
		_ = command.MarkFlagRequired(flag) // fails only for a flag that does not exist
	}
	buildFlag(command, &skip.Schema)
	return command
}

func buildFlag(command *cobra.Command, schema *string) {
	command.Flags().StringVar(schema, "build", "", "the build, as parked shows it; by default the one that is read")
}

// eventPlace reads the reference of an event. A stream's name may contain an @.
func eventPlace(text string) (place api.EventPlace, err error) {
	at := strings.LastIndex(text, "@")
	if at > 0 {
		place.Stream = text[:at]
		place.Revision, err = strconv.ParseUint(text[at+1:], 10, 64)
	}
	if at <= 0 || err != nil {
		return place, errors.New("expected STREAM@REVISION")
	}
	return place, nil
}
