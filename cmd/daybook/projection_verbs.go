package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

// projectionCommand tells how projections stand, and begins new ones.
func projectionCommand() *cobra.Command {
	return noun("projection", "Projections", projectionListCommand(), projectionNewCommand())
}

func projectionListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List projections and policies with their state and lag",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return withServer(command, func(server *client.Client) error {
				state, err := server.Projections(command.Context(), waiting(command)...)
				if err != nil {
					return err
				}
				return printProjections(command.OutOrStdout(), state)
			})
		},
	}
}

func printProjections(out io.Writer, state api.Projections) error {
	w := table(out, "PROJECTION", "VERSION", "STATE", "POSITION", "EVENTS", "LAG", "REASON")
	for _, p := range state.Projections {
		lag := fmt.Sprintf("%d events, %.1f s", p.LagEvents, p.LagSeconds)
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%s\t%s\n", p.Name, p.Version, p.State, p.Position, p.Events, lag, p.Reason)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printPolicies(out, state.Policies)
}

func printPolicies(out io.Writer, policies []api.PolicyStatus) error {
	fmt.Fprintln(out)
	w := table(out, "POLICY", "STATE", "POSITION", "LAG", "REASON")
	for _, p := range policies {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f s\t%s\n", p.Name, p.State, p.Position, p.LagSeconds, p.Reason)
	}
	return w.Flush()
}
