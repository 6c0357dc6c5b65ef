package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"daybook/cmd/daybook/storecopy"
	"daybook/events"
)

func storeStatCommand() *cobra.Command {
	return storeFlag(&cobra.Command{
		Use:   "stat",
		Short: "Say which store it is and how much it holds, by reading all of it",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withStore(command, func(store eventStore) error {
				return printStat(command.Context(), command.OutOrStdout(), store)
			})
		},
	})
}

// volume is how much of a log there is.
type volume struct {
	events, bytes int
	streams       map[string]struct{}
}

func (v *volume) add(r *events.Record) {
	v.events++
	v.bytes += len(r.Data) + len(r.Metadata)
	v.streams[r.Stream] = struct{}{}
}

func printStat(ctx context.Context, out io.Writer, store eventStore) error {
	state, err := storecopy.ReadState(ctx, store)
	if err != nil {
		return err
	}
	head, err := store.Head(ctx)
	if err != nil {
		return err
	}
	ours, database := volume{streams: map[string]struct{}{}}, volume{streams: map[string]struct{}{}}
	for r, err := range store.ReadAll(ctx, events.Start) {
		switch {
		case err != nil:
			return err
		case r.System():
			database.add(&r)
		default:
			ours.add(&r)
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "store\t%s\nstate\t%s\nhead\t%d\n", state.ID, stateOf(&state), head)
	fmt.Fprintf(w, "events\t%d\nstreams\t%d\nbytes\t%d\n", ours.events, len(ours.streams), ours.bytes)
	fmt.Fprintf(w, "the database's own\t%d events in %d streams, %d bytes\n", database.events, len(database.streams), database.bytes)
	return w.Flush()
}

func stateOf(state *storecopy.State) string {
	text := "open"
	if state.Sealed {
		text = "sealed"
	}
	switch {
	case state.Unfinished():
		text += fmt.Sprintf(", unfinished copy of store %s", state.Begun.From)
	case state.Finished != nil:
		text += fmt.Sprintf(", copy of store %s", state.Finished.From)
	}
	return text
}
