package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"daybook/cmd/daybook/demo"
)

func serveCommand() *cobra.Command {
	var loadDemo bool
	command := &cobra.Command{
		Use:   "serve",
		Short: "Serve webhooks, the API and the audit trail until stopped",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) (err error) {
			config, err := LoadConfig()
			if err != nil {
				return err
			}
			log := newLog(command.ErrOrStderr())
			clock := &demo.Clock{}
			if loadDemo && len(config.WhatsAppAppSecrets) == 0 {
				config.WhatsAppAppSecrets = []string{demoAppSecret}
			}
			a, err := open(command.Context(), config, clock.Now, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.close()) }()
			return a.serve(command.Context(), func(base string) error {
				if loadDemo {
					if err := a.loadDemo(command.Context(), base, clock, command.OutOrStdout()); err != nil {
						return fmt.Errorf("loading the demo business: %w", err)
					}
				}
				return a.announce(command.OutOrStdout(), base)
			})
		},
	}
	command.Flags().BoolVar(&loadDemo, "demo", false, "load the demo business when the store is empty")
	return command
}

// announce says how to reach the server. It comes last: scripts wait for it.
func (a *app) announce(w io.Writer, base string) error {
	if len(a.config.WhatsAppAppSecrets) == 0 {
		a.log.Warn("webhooks are refused: DAYBOOK_WHATSAPP_APP_SECRET is unset")
	}
	if a.config.AdminToken == "" {
		if _, err := fmt.Fprintln(w, "Admin token:", a.adminToken); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "Sign in:     %s/sign-in?token=%s\nDaybook serves on %s\n", base, a.signIn, base)
	return err
}

// newLog writes what an operator should read. DAYBOOK_LOG=debug says more.
func newLog(w io.Writer) *slog.Logger {
	level := slog.LevelInfo
	if os.Getenv("DAYBOOK_LOG") == "debug" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
