package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

// projectionCommand tells how projections stand, builds them again, deals with what waits, and begins new ones.
func projectionCommand() *cobra.Command {
	return noun("projection", "Projections", listProjectionsCommand(), projectionStatusCommand(), rebuildCommand(), diffCommand(), verifyCommand(), asOfCommand(),
		goLiveCommand(),
		exchangeCommand("go-back NAME", "Let the build be read again that was read before", (*client.Client).GoBack),
		abortRebuildCommand(), parkedCommand(), retryParkedCommand(), skipParkedCommand(), projectionNewCommand())
}

func listProjectionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the builds of projections, and policies, with their state and lag",
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
	w := table(out, "PROJECTION", "BUILD", "PHASE", "STATE", "POSITION", "EVENTS", "LAG", "PARKED", "HOLDER", "REASON")
	for _, p := range state.Projections {
		lag := fmt.Sprintf("%s events, %.1f s", behind(p), p.LagSeconds)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n",
			p.Name, p.Schema, p.Phase, p.State, p.Position, p.Events, lag, parkedIn(p), shortHolder(p.Holder), p.Reason)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printPolicies(out, state.Policies)
}

// behind is how many events a build has before it, as far as they are counted.
func behind(p api.ProjectionStatus) string {
	if p.LagAtLeast {
		return fmt.Sprintf("≥ %d", p.LagEvents)
	}
	return strconv.FormatInt(p.LagEvents, 10)
}

// parkedIn is how much of a build waits, in few words; nothing for one that pauses.
func parkedIn(p api.ProjectionStatus) string {
	switch {
	case p.Parked == nil:
		return ""
	case p.Parked.Partitions == 0:
		return "0"
	}
	return fmt.Sprintf("%d events, %d keys", p.Parked.Events, p.Parked.Partitions)
}

func printPolicies(out io.Writer, policies []api.PolicyStatus) error {
	fmt.Fprintln(out)
	w := table(out, "POLICY", "STATE", "POSITION", "LAG", "REASON")
	for _, p := range policies {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.1f s\t%s\n", p.Name, p.State, p.Position, p.LagSeconds, p.Reason)
	}
	return w.Flush()
}

// shortHolder leaves of a holder what people tell apart: the name of the process, and the end of what makes it unique.
func shortHolder(holder string) string {
	end := strings.LastIndex(holder, " ") + 1
	name, life := holder[:end], holder[end:]
	if len(life) > 4 {
		life = "…" + life[len(life)-4:]
	}
	return name + life
}

func projectionStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [NAME]",
		Short: "Tell how far the builds of a projection are, or of all of them",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withServer(command, func(server *client.Client) error {
				state, err := server.Projections(command.Context(), waiting(command)...)
				if err != nil {
					return err
				}
				builds := state.Projections
				if len(arguments) > 0 {
					if builds = buildsOf(arguments[0], builds); len(builds) == 0 {
						return fmt.Errorf("there is no projection %q", arguments[0])
					}
				}
				return printBuilds(command.OutOrStdout(), builds)
			})
		},
	}
}

func buildsOf(name string, all []api.ProjectionStatus) (builds []api.ProjectionStatus) {
	for _, b := range all {
		if b.Name == name {
			builds = append(builds, b)
		}
	}
	return builds
}

func printBuilds(out io.Writer, builds []api.ProjectionStatus) error {
	w := table(out, "BUILD", "PHASE", "STATE", "DONE", "EVENTS/S", "LEFT", "BEHIND", "PARKED", "LAST MOVED", "SINCE", "REASON")
	var hints []string
	for _, b := range builds {
		done, rate, left, since := "", "", "", ""
		if b.Since != nil {
			since = b.Since.Format(time.RFC3339)
		}
		if b.Progress != nil {
			done, rate, left = percent(*b.Progress), fmt.Sprintf("%.0f", *b.Rate), secondsLeft(b)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			b.Schema, b.Phase, b.State, done, rate, left, behind(b), parkedIn(b), b.UpdatedAt.Format(time.RFC3339), since, b.Reason)
		if b.Phase == phaseReady {
			hints = append(hints, fmt.Sprintf("\n%s can go live: daybook projection go-live %s\n", b.Schema, b.Name))
		}
		if b.Parked != nil && b.Parked.Partitions > 0 {
			hints = append(hints, fmt.Sprintf("\n%s has parked events: daybook projection parked %s\n", b.Schema, b.Name))
		}
		if b.Drift != nil && len(b.Drift.Tables) > 0 {
			hints = append(hints, fmt.Sprintf("\n%s is not what the log gives: %s\n", b.Schema, driftIn(*b.Drift)))
		}
		if b.Drift != nil {
			hints = append(hints, fmt.Sprintf("\n%s was compared with the log: %s\n", b.Schema, checksOf(*b.Drift)))
		}
		if b.Audit != "" {
			hints = append(hints, fmt.Sprintf("\n%s could not be compared with the log: %s\n", b.Schema, b.Audit))
		}
	}
	fmt.Fprint(w, strings.Join(hints, ""))
	return w.Flush()
}

// driftIn is what the last comparison found, table by table.
func driftIn(d api.Drift) string {
	tables := make([]string, len(d.Tables))
	for i, t := range d.Tables {
		tables[i] = t.Text
	}
	return strings.Join(tables, ", ")
}

// checksOf says when each table was compared last.
func checksOf(d api.Drift) string {
	tables := make([]string, len(d.Checked))
	for i, c := range d.Checked {
		if tables[i] = c.Table + " " + c.How; c.CheckedAt != nil {
			tables[i] = fmt.Sprintf("%s at %s (%s)", c.Table, c.CheckedAt.Format(time.RFC3339), c.How)
		}
	}
	return strings.Join(tables, ", ")
}

// percent rounds down: 100 % is all of it.
func percent(share float64) string { return fmt.Sprintf("%d %%", int(share*100)) }

func secondsLeft(b api.ProjectionStatus) string {
	if b.ETASeconds == nil {
		return "unknown"
	}
	const years = 1e8 // is as much as can be said of more
	return time.Duration(min(*b.ETASeconds, years) * float64(time.Second)).Round(time.Second).String()
}

func diffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff NAME",
		Short: "Compare the build that is ready with the one that is read, row by row",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withServer(command, func(server *client.Client) error {
				_, err := printDiff(command.Context(), server, arguments[0], command.OutOrStdout())
				return err
			})
		},
	}
}

func printDiff(ctx context.Context, server *client.Client, name string, out io.Writer) (equal bool, err error) {
	d, err := server.DiffBuilds(ctx, name)
	if err != nil {
		return false, fmt.Errorf("comparing the builds of %s: %w", name, err)
	}
	_, err = fmt.Fprintf(out, "As of position %d, %s", d.Position, d.Text)
	return d.Equal, err
}

// verifyCommand ends with an error unless something was compared and nothing differs: scripts rely on it.
func verifyCommand() *cobra.Command {
	var sample int
	command := &cobra.Command{
		Use:   "verify NAME",
		Short: "Compare what is read with what the log gives, row by row",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withServer(command, func(server *client.Client) error {
				v, err := server.VerifyProjection(command.Context(), arguments[0], sample)
				if err != nil {
					return err
				}
				if _, err = fmt.Fprint(command.OutOrStdout(), v.Text); err != nil {
					return err
				}
				return verdictOn(v)
			})
		},
	}
	command.Flags().IntVar(&sample, "sample", 0, "about how many streams to compare, at most 20000; 0: all of the log")
	return command
}

func verdictOn(v api.ProjectionVerdict) error {
	switch {
	case v.Clean:
		return nil
	case len(v.Tables) == 0:
		return fmt.Errorf("projection %s: no rows were compared, as no sample proves any: verify it without --sample", v.Name)
	}
	return fmt.Errorf("projection %s is not what the log gives: %s", v.Name, driftIn(v.Drift))
}

func goLiveCommand() *cobra.Command {
	var parked bool
	var schema string
	command := exchangeCommand("go-live NAME", "Let the build be read that is ready",
		func(server *client.Client, ctx context.Context, name string, options ...client.CallOption) (api.ProjectionBuild, error) {
			if parked {
				options = append(options, client.WithParked())
			}
			if schema != "" {
				options = append(options, client.OnlyBuild(schema))
			}
			return server.GoLive(ctx, name, options...)
		})
	command.Flags().StringVar(&schema, "build", "", "the build, if it has to be that one; by default whichever is ready")
	command.Flags().BoolVar(&parked, "with-parked", false, "even if partitions wait in it that do not wait in the build that is read")
	return command
}

func exchangeCommand(use, short string, exchange func(*client.Client, context.Context, string, ...client.CallOption) (api.ProjectionBuild, error)) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withServer(command, func(server *client.Client) error {
				live, err := exchange(server, command.Context(), arguments[0])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(command.OutOrStdout(), live.Schema, "is live")
				return err
			})
		},
	}
}

func abortRebuildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "abort NAME",
		Short: "Remove the build that is being made, or is ready",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			return withServer(command, func(server *client.Client) error {
				removed, err := server.AbortRebuild(command.Context(), arguments[0])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(command.OutOrStdout(), removed.Schema, "was removed")
				return err
			})
		},
	}
}
