package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/projections"
)

// Phases as the API words them.
const (
	phaseReplaying = string(projections.PhaseReplaying)
	phaseReady     = string(projections.PhaseReady)
	phaseLive      = string(projections.PhaseLive)
)

func rebuildCommand() *cobra.Command {
	r := &rebuild{}
	command := &cobra.Command{
		Use:   "rebuild NAME",
		Short: "Build a projection again, beside the build that is read",
		Long: `Build a projection again from the beginning of the log, in tables of its own, beside the build that is read. The server
does it; this verb only begins it and, with --wait or --go-live, watches. Interrupting the verb does not stop the rebuild.

With --go-live the new build is compared with the one that is read, row by row, and read from then on if they are equal. After
damage, and of a new version, they differ as they should: see what differs, and say go-live, or --with-differences at once.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			r.name, r.out, r.progress = arguments[0], command.OutOrStdout(), newRebuildProgress(command.ErrOrStderr(), time.Now)
			return withServer(command, func(server *client.Client) error {
				r.server = server
				return r.run(command.Context())
			})
		},
	}
	command.Flags().BoolVar(&r.wait, "wait", false, "show how far it is, until it is ready")
	command.Flags().BoolVar(&r.goLive, "go-live", false, "wait, compare it with what is read, and let it be read if they are equal")
	command.Flags().BoolVar(&r.differing, "with-differences", false, "with --go-live: let it be read even if they differ")
	return command
}

// rebuild is one run of the verb.
type rebuild struct {
	server       *client.Client
	name         string
	wait, goLive bool
	differing    bool // goes live, too
	out          io.Writer
	progress     *rebuildProgress
}

func (r *rebuild) run(ctx context.Context) error {
	build, err := r.server.Rebuild(ctx, r.name)
	if err != nil {
		return err
	}
	if !r.wait && !r.goLive {
		_, err = fmt.Fprintf(r.out, "%s is being built while Daybook serves: see daybook projection status %s\n", build.Schema, r.name)
		return err
	}
	phase, err := r.watch(ctx, build.Schema)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: the rebuild into %s goes on while Daybook serves; to give it up: daybook projection abort %s",
			build.Schema, r.name)
	}
	if err != nil {
		return err
	}
	if r.goLive && phase == phaseReady {
		if build, err = r.exchange(ctx, build); err != nil {
			return fmt.Errorf("%s is ready, and did not go live: %w", build.Schema, err)
		}
		phase = phaseLive
	}
	said := "is " + phase
	if phase == phaseReady {
		said = "is ready; to let it be read: daybook projection go-live " + r.name
	}
	_, err = fmt.Fprintln(r.out, build.Schema, said)
	return err
}

// exchange compares the build that is ready with the one that is read, and lets it be read, and no other.
func (r *rebuild) exchange(ctx context.Context, ready api.ProjectionBuild) (live api.ProjectionBuild, err error) {
	equal, err := printDiff(ctx, r.server, r.name, r.out)
	if err != nil {
		return ready, err
	}
	if !equal && !r.differing {
		return ready, fmt.Errorf("it differs from what is read; if it is right: daybook projection go-live %s", r.name)
	}
	if live, err = r.server.GoLive(ctx, r.name, client.OnlyBuild(ready.Schema)); err != nil {
		return ready, err
	}
	return live, nil
}

// askEvery is how often the server is asked how far it is.
const askEvery = 200 * time.Millisecond

// watch shows how far a build is until it is made, and returns the phase that it is in then. A server that cannot answer
// for a moment is asked again.
func (r *rebuild) watch(ctx context.Context, schema string) (phase string, err error) {
	defer r.progress.end()
	for {
		list, err := r.server.Projections(ctx)
		problem, refused := errors.AsType[*client.Problem](err)
		switch {
		case err == nil:
			i := slices.IndexFunc(list.Projections, func(b api.ProjectionStatus) bool { return b.Schema == schema })
			if i < 0 {
				return "", fmt.Errorf("the rebuild into %s was given up meanwhile", schema)
			}
			if b := list.Projections[i]; b.Phase != phaseReplaying {
				return b.Phase, nil
			}
			r.progress.show(list.Projections[i])
		case !refused || problem.Status != http.StatusServiceUnavailable:
			return "", fmt.Errorf("asking how far %s is: %w", schema, err)
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// rebuildProgress shows how far a build is: as a bar on a terminal, and elsewhere as a line now and then.
type rebuildProgress struct {
	out      io.Writer
	now      func() time.Time
	terminal bool

	bar     *progressbar.ProgressBar
	printed time.Time
}

func newRebuildProgress(out io.Writer, now func() time.Time) *rebuildProgress {
	return &rebuildProgress{out: out, now: now, terminal: isTerminal(out)}
}

// barSteps is in how many steps the bar fills.
const barSteps = 1000

func (p *rebuildProgress) show(b api.ProjectionStatus) {
	switch now := p.now(); {
	case p.terminal:
		if p.bar == nil {
			p.bar = progressbar.NewOptions(barSteps, progressbar.OptionSetWriter(p.out), progressbar.OptionSetWidth(30),
				progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(false))
		}
		p.bar.Describe(rebuildLine(b))
		_ = p.bar.Set(int(*b.Progress * barSteps)) // it is only shown
	case p.printed.IsZero() || now.Sub(p.printed) >= printEvery:
		p.printed = now
		fmt.Fprintln(p.out, rebuildLine(b))
	}
}

// end leaves the bar where it is.
func (p *rebuildProgress) end() {
	if p.bar != nil {
		fmt.Fprintln(p.out)
	}
}

// rebuildLine is how far a build is, how fast, and how much time it needs at that pace; and what holds it up.
func rebuildLine(b api.ProjectionStatus) string {
	text := fmt.Sprintf("%s: %d events, %s of the log, %.0f events/s, %s left", b.Schema, b.Events, percent(*b.Progress), *b.Rate, secondsLeft(b))
	if b.Reason != "" {
		text += ", " + b.State + ": " + b.Reason
	}
	return text
}
