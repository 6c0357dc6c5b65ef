package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"daybook/adapters/web/client"
	"daybook/adapters/whatsapp"
	"daybook/cmd/daybook/demo"
	"daybook/domain/pricing"
	"daybook/events"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Play a month of business messaging in a temporary folder and check that it adds up",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			folder, err := os.MkdirTemp("", "daybook-demo-")
			if err != nil {
				return err
			}
			config := Config{Listen: "127.0.0.1:0", StoreListen: off, Data: folder, WhatsAppAppSecrets: []string{rand.Text()}}
			err = playDemo(command.Context(), config, 0, command.OutOrStdout(), command.ErrOrStderr())
			return errors.Join(err, os.RemoveAll(folder))
		},
	}
}

// playDemo runs a whole Daybook of its own, plays the demonstration against its HTTP endpoints, and stops it. PerDay is
// how many reasons to write a day has; 0 leaves it to the demo.
func playDemo(ctx context.Context, config Config, perDay int, out, progress io.Writer) (err error) {
	clock := &demo.Clock{}
	a, err := open(ctx, config, clock.Now, slog.New(slog.NewTextHandler(progress, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.dispose()) }()
	samples, err := samples()
	if err != nil {
		return err
	}
	return a.during(ctx, func(base string) error {
		fmt.Fprintf(out, "Daybook runs on %s, in %s\n\n", base, config.Data)
		stage := a.stage(base, clock, out, progress)
		stage.PerDay = perDay
		if err := demo.Play(ctx, stage, samples); err != nil {
			return fmt.Errorf("the demo does not add up: %w", err)
		}
		fmt.Fprintln(out, "\nEverything adds up.")
		return nil
	})
}

// loadDemo plays the demo business into an empty store, so that a newcomer has something to look at. It runs a Daybook
// of its own, on a port that nobody else knows: its clock is an invented one, which nothing real must be recorded by.
func loadDemo(ctx context.Context, config Config, log *slog.Logger, out, progress io.Writer) (err error) {
	clock := &demo.Clock{}
	config.Listen, config.WhatsAppAppSecrets = "127.0.0.1:0", []string{rand.Text()}
	a, err := open(ctx, config, clock.Now, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	switch state, err := a.demoState(ctx); {
	case err != nil || state == demoLoaded:
		return err
	case state == demoBroken:
		log.Warn("the demo business is incomplete: loading it was interrupted. Remove the data folder to load it again", "folder", config.Data)
		return nil
	}
	fmt.Fprintln(out, "The store is empty: loading the demo business, 16 September to 15 October 2026 on an invented clock")
	err = a.during(ctx, func(base string) error { return demo.Load(ctx, a.stage(base, clock, io.Discard, progress)) })
	if err != nil {
		return fmt.Errorf("loading the demo business: %w", err)
	}
	return nil
}

type demoState int

const (
	demoAbsent demoState = iota
	demoBroken           // begun and not finished
	demoLoaded           // or the store holds something else
)

// demoState looks at the store. The demo's last act is to rename a device.
func (a *app) demoState(ctx context.Context) (demoState, error) {
	state := demoAbsent
	for record, err := range a.store.ReadAll(ctx, events.Start) {
		switch {
		case err != nil:
			return state, err
		case record.Stream == events.StoreStream, events.SystemStream(record.Stream):
		case state == demoAbsent && record.Stream != "number-"+demo.PhoneNumberID:
			return demoLoaded, nil
		case record.Type == events.NameOf[events.DeviceRenamed]():
			return demoLoaded, nil
		default:
			state = demoBroken
		}
	}
	return state, ctx.Err()
}

func (a *app) stage(base string, clock *demo.Clock, out, progress io.Writer) demo.Stage {
	var bar *progressbar.ProgressBar
	return demo.Stage{
		API: client.New(base, a.adminToken), Base: base, Secret: a.config.WhatsAppAppSecrets[0],
		Cards: []byte(pricing.ReferenceCards), Clock: clock, Out: out,
		Progress: func(done, total int) {
			if bar == nil {
				bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(progress), progressbar.OptionSetDescription("  playing"),
					progressbar.OptionClearOnFinish(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("steps"),
					progressbar.OptionSetVisibility(isTerminal(progress)))
			}
			_ = bar.Set(done) // a bar that cannot be drawn is no reason to stop
		},
	}
}

// samples returns the sample deliveries, in the order of their names, but for those that end the business: it goes on.
func samples() ([][]byte, error) {
	names, err := fs.Glob(whatsapp.Samples, "testdata/*.json")
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return strings.HasSuffix(name, "_deleted.json") || strings.HasSuffix(name, "_offboarded.json")
	})
	bodies := make([][]byte, len(names))
	for i, name := range names {
		if bodies[i], err = whatsapp.Samples.ReadFile(filepath.ToSlash(name)); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

// isTerminal tells whether a person is looking: a log has no use for a bar that is drawn over and over.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	state, err := file.Stat()
	return err == nil && state.Mode()&os.ModeCharDevice != 0
}
